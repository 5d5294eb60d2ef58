package proxy_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// message is a request as an upstream reads it.
type message struct {
	method, target, host string
	fields               [][2]string // names as sent
	length               int         // Content-Length, or -1 for chunks
	body, trailer        string
}

func (m *message) String() string {
	return fmt.Sprintf("%s %s %s %q", m.method, m.target, m.host, m.body)
}

func (m *message) values(name string) (all []string) {
	for _, f := range m.fields {
		if strings.EqualFold(f[0], name) {
			all = append(all, f[1])
		}
	}
	return all
}

// readStrict reads one request and forgives nothing: the grammar of RFC 9112, without
// what it only allows. It shares no code with what weir reads by. io.EOF means that
// there is none, io.ErrUnexpectedEOF that it was cut.
func readStrict(r *bufio.Reader) (*message, error) {
	line, err := strictLine(r)
	if err != nil {
		return nil, err
	}
	m := &message{}
	parts := strings.Split(line, " ")
	if len(parts) != 3 || !isToken(parts[0]) || parts[2] != "HTTP/1.1" {
		return nil, fmt.Errorf("request line %q", line)
	}
	m.method, m.target = parts[0], parts[1]
	if m.target != "*" && m.target[0] != '/' || strings.ContainsFunc(m.target, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '#' }) {
		return nil, fmt.Errorf("target %q", m.target)
	}
	if m.fields, err = strictFields(r); err != nil {
		return nil, cutShort(err)
	}
	hosts, lengths, codings := m.values("host"), m.values("content-length"), m.values("transfer-encoding")
	if len(hosts) != 1 || hosts[0] == "" || strings.ContainsAny(hosts[0], " ,/@?#") {
		return nil, fmt.Errorf("hosts %q", hosts)
	}
	m.host = hosts[0]
	switch {
	case len(lengths)+len(codings) > 1:
		return nil, fmt.Errorf("lengths %q with codings %q", lengths, codings)
	case len(codings) == 1:
		if codings[0] != "chunked" {
			return nil, fmt.Errorf("coding %q", codings[0])
		}
		m.length = -1
		m.body, m.trailer, err = strictChunks(r)
	case len(lengths) == 1:
		if m.length, err = strconv.Atoi(lengths[0]); err != nil || strconv.Itoa(m.length) != lengths[0] || m.length < 0 {
			return nil, fmt.Errorf("length %q", lengths[0])
		}
		body := make([]byte, m.length)
		_, err = io.ReadFull(r, body)
		m.body = string(body)
	}
	return m, cutShort(err)
}

func cutShort(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func strictLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		if line != "" {
			err = cutShort(err)
		}
		return "", err
	}
	text, ok := strings.CutSuffix(line, "\r\n")
	if !ok || strings.ContainsAny(text, "\r\n\x00") {
		return "", fmt.Errorf("line %q", line)
	}
	return text, nil
}

func strictFields(r *bufio.Reader) (all [][2]string, err error) {
	for {
		line, err := strictLine(r)
		if err != nil || line == "" {
			return all, err
		}
		name, value, ok := strings.Cut(line, ": ")
		if !ok || !isToken(name) || strings.TrimSpace(value) != value || strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
			return nil, fmt.Errorf("field line %q", line)
		}
		all = append(all, [2]string{name, value})
	}
}

func strictChunks(r *bufio.Reader) (body, trailer string, err error) {
	for {
		line, err := strictLine(r)
		if err != nil {
			return "", "", err
		}
		size, err := strconv.ParseUint(line, 16, 31)
		if err != nil || strings.ContainsAny(line, "+_") {
			return "", "", fmt.Errorf("chunk size %q", line)
		}
		if size == 0 {
			fields, err := strictFields(r)
			for _, f := range fields {
				trailer += strings.ToLower(f[0]) + ": " + f[1] + "\n"
			}
			return body, trailer, err
		}
		piece := make([]byte, size+2)
		if _, err := io.ReadFull(r, piece); err != nil {
			return "", "", err
		}
		if string(piece[size:]) != "\r\n" {
			return "", "", fmt.Errorf("chunk ends in %q", piece[size:])
		}
		body += string(piece[:size])
	}
}

func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
	})
}

// agrees tells where net/http reads raw, the bytes of m, in another way.
func (m *message) agrees(raw []byte) error {
	rest := bufio.NewReader(bytes.NewReader(raw))
	r, err := http.ReadRequest(rest)
	if err != nil {
		return fmt.Errorf("net/http: %w", err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return fmt.Errorf("net/http: body: %w", err)
	}
	if n := rest.Buffered(); n > 0 {
		return fmt.Errorf("net/http: %d bytes are left over", n)
	}
	coded := slices.Equal(r.TransferEncoding, []string{"chunked"})
	if r.Method != m.method || r.RequestURI != m.target || r.Host != m.host || string(body) != m.body || coded != (m.length < 0) || !coded && r.ContentLength != int64(m.length) {
		return fmt.Errorf("net/http reads %s %s %s %q of length %d, coded %v", r.Method, r.RequestURI, r.Host, body, r.ContentLength, coded)
	}
	return nil
}

var errNotRead = errors.New("upstream got what is no request")
