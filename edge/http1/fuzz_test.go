package http1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
)

// seeds gives a fuzz target every request of the wire table.
func seeds(f *testing.F) {
	for _, tt := range exchanges {
		if len(tt.send) < 2000 {
			f.Add([]byte(tt.send))
		}
	}
}

var testLimits = Limits{}.withDefaults()

// parseOne runs the parser the way await does, on a copy of data.
func parseOne(data []byte, r *exchange.Request) (h *head, rest []byte, bad *refusal, ok bool) {
	b := bytes.Clone(data)
	b = bytes.TrimPrefix(b, []byte("\r\n"))
	if len(b) == 0 || !complete(b, 0) {
		return nil, nil, nil, false
	}
	h = new(head)
	r.Scheme, r.Body = "http", exchange.NoBody
	end, bad := h.parseRequest(b, &testLimits, r)
	return h, b[end:], bad, true
}

func FuzzRequestHead(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		var r exchange.Request
		if len(data) > 0 {
			refusePart(data, 0, &testLimits)
		}
		_, rest, bad, ok := parseOne(data, &r)
		checkHeader(t, &r.Header)
		if !ok || bad != nil {
			return
		}
		if !exchange.ValidName(r.Method) || r.Path == "" || r.Host != strings.ToLower(r.Host) {
			t.Errorf("accepted method %q, path %q, host %q", r.Method, r.Path, r.Host)
		}
		// What was accepted, written again, means the same.
		var again exchange.Request
		text := r.Method + " " + r.Target + " " + r.Proto.String() + "\r\n"
		for name, value := range r.Header.All() {
			text += name + ": " + value + "\r\n"
		}
		if _, _, bad, ok := parseOne([]byte(text+"\r\n"), &again); !ok || bad != nil ||
			again.Path != r.Path || again.Header.Len() != r.Header.Len() {
			if r.Authority == again.Authority {
				t.Errorf("%q was accepted, but not %q", data[:len(data)-len(rest)], text)
			}
		}
	})
}

func checkHeader(t *testing.T, h *exchange.Header) {
	t.Helper()
	for name, value := range h.All() {
		if !exchange.ValidName(name) || !exchange.ValidValue(value) || name != strings.ToLower(name) {
			t.Errorf("accepted field %q: %q", name, value)
		}
	}
}

func FuzzResponseHead(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "HTTP/1.0 404\r\n\r\n", "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.1  200 OK\r\n\r\n", "HTTP/1.1 200\rOK\r\n\r\n",
	} {
		f.Add([]byte(s), "GET")
		f.Add([]byte(s), "HEAD")
	}
	f.Fuzz(func(t *testing.T, data []byte, method string) {
		b := bytes.Clone(data)
		if !complete(b, 0) {
			return
		}
		var h head
		var header exchange.Header
		line, end, bad := h.parseResponse(b, method, &testLimits, &header)
		if bad != nil {
			if header.Len() > 0 {
				t.Errorf("fields kept after %v", &bad.err)
			}
			return
		}
		checkHeader(t, &header)
		theirs, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(data)), &http.Request{Method: method})
		if err != nil {
			t.Fatalf("accepted %q, net/http says %v", data[:end], err)
		}
		theirs.Body.Close()
		if theirs.StatusCode != line.status {
			t.Errorf("status %d, net/http has %d in %q", line.status, theirs.StatusCode, data)
		}
	})
}

// onePiece is a source that returns size bytes at a time.
type onePiece struct {
	b    []byte
	size int
}

func (p *onePiece) Read(b []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.b[:min(p.size, len(p.b))])
	p.b = p.b[n:]
	return n, nil
}

// readChunked reads data as a chunked body that arrives size bytes at a time.
func readChunked(data []byte, size int) (content []byte, trailer exchange.Header, rest []byte, err error) {
	src := &onePiece{data, size}
	in := &input{src: src}
	var got int64
	b := body{in: in, limits: &testLimits, head: new(head), trailer: &trailer, got: &got}
	b.start(&framing{length: -1, chunked: true, coded: true})
	content, err = io.ReadAll(&b)
	if err == nil && int64(len(content)) != got {
		panic("content was not counted")
	}
	return content, trailer, append(bytes.Clone(in.rest()), src.b...), err
}

func FuzzChunked(f *testing.F) {
	for _, s := range []string{"3\r\nabc\r\n0\r\n\r\nrest", "a;x=y\r\n0123456789\r\n0\r\nA: b\r\n\r\n", "3\nabc\r\n", "0\r\nHost: x\r\n\r\n", "ffffffffffffffff\r\n"} {
		f.Add([]byte(s), 1)
	}
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		if size <= 0 {
			return
		}
		content, trailer, rest, err := readChunked(data, size)
		checkHeader(t, &trailer)
		whole, _, wholeRest, wholeErr := readChunked(data, 1<<20)
		if (err == nil) != (wholeErr == nil) || err == nil && (!bytes.Equal(content, whole) || !bytes.Equal(rest, wholeRest)) {
			t.Fatalf("%q in pieces of %d: %q, rest %q, %v; at once: %q, rest %q, %v", data, size, content, rest, err, whole, wholeRest, wholeErr)
		}
		if err != nil {
			return
		}
		head := "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
		theirs, e := http.ReadRequest(bufio.NewReader(strings.NewReader(head + string(data))))
		if e != nil {
			t.Fatal(e)
		}
		if got, e := io.ReadAll(theirs.Body); e != nil || !bytes.Equal(got, content) {
			t.Errorf("%q: %q, net/http has %q, %v", data, content, got, e)
		}
	})
}

// stricter explains, refusal by refusal, why weir does not serve what net/http
// does. A refusal that is not here is a bug in one of the two.
var stricter = map[*refusal]string{
	refBareLF:       "RFC 9112 §2.2 allows LF alone, and §11.2 tells what becomes of it when hops differ",
	refBareCR:       "RFC 9112 §2.2: a bare CR must be refused or replaced",
	refFold:         "RFC 9112 §5.2: obs-fold must be refused or replaced",
	refEmptyLine:    "RFC 9112 §2.2: at least one empty line is to be ignored; one is",
	refManyFields:   "RFC 9110 §5.4: a server sets its limits",
	refHeaderBig:    "RFC 9110 §5.4: a server sets its limits",
	refLineLong:     "RFC 9112 §3: a server sets its limits",
	refLine:         "RFC 9112 §3: three parts, one space between; net/http takes an empty target after CONNECT",
	refFragment:     "RFC 9112 §3.2: no form of a target has a fragment",
	refTarget:       "RFC 3986 §2: a URI is printable ASCII",
	refTargetForm:   "RFC 9112 §3.2.2: schemes other than http and https are not served",
	refAsterisk:     "RFC 9112 §3.2.4: only for OPTIONS",
	refConnect:      "RFC 9110 §9.3.6: not served (security P3)",
	refConnectForm:  "RFC 9112 §3.2.3: CONNECT takes host:port",
	refScheme:       "RFC 9110 §7.4: not the scheme of the connection",
	refNoHost:       "RFC 9112 §3.2: must be refused with 400",
	refManyHosts:    "RFC 9112 §3.2: must be refused with 400",
	refHost:         "RFC 9112 §3.2: an invalid Host must be refused with 400",
	refHostMismatch: "RFC 9112 §3.2.2: the two are the same when sent by a client",
	refColonSpace:   "RFC 9112 §5.1: must be refused with 400",
	refValue:        "RFC 9110 §5.5: control characters are invalid",
	refVersionNo:    "RFC 9110 §15.6.6: only 1.0 and 1.1 are spoken here",
	refLengthTwice:  "RFC 9112 §6.3: may be refused even where they agree",
	refLengthCoding: "RFC 9112 §6.1: ought to be handled as an error",
	refLength:       "RFC 9110 §8.6: 1*DIGIT, one value",
	refCodingOld:    "RFC 9112 §6.1: framing of HTTP/1.0 with a coding is faulty",
	refCodingForm:   "RFC 9112 §6.1: the same; net/http ignores the field in HTTP/1.0, whatever it says",
	refCodingOrder:  "RFC 9112 §6.1: the same",
	refCoding:       "RFC 9112 §6.1: the same",
	refExpect:       "RFC 9110 §10.1.1: may be answered with 417",
}

// FuzzDifferential compares with net/http: whatever is accepted here is understood
// there in the same way, and whatever is only accepted there is explained above.
func FuzzDifferential(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		var r exchange.Request
		h, rest, bad, ok := parseOne(data, &r)
		if !ok {
			return
		}
		theirs, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\r\n")))))
		switch {
		case bad != nil && err != nil:
			return
		case bad != nil:
			if bad.keep && bad.err.Status == 400 {
				return // the path: exchange.CanonicalPath is fuzzed in its own room
			}
			if stricter[bad] == "" {
				t.Errorf("refused %q: %v; net/http accepts it", data, &bad.err)
			}
			return
		case err != nil:
			if strings.Contains(err.Error(), "invalid URL escape") || strings.Contains(err.Error(), "parse ") {
				return // a query is opaque here, and is checked by whoever decodes it
			}
			t.Fatalf("accepted %q; net/http says %v", data, err)
		}
		compare(t, data, h, &r, rest, theirs)
	})
}

func compare(t *testing.T, data []byte, h *head, r *exchange.Request, rest []byte, theirs *http.Request) {
	t.Helper()
	if r.Method != theirs.Method || r.Proto.String() != theirs.Proto || !strings.HasSuffix(theirs.RequestURI, strings.TrimPrefix(r.Target, "/")) && r.Target != "*" {
		t.Errorf("%q: %s %s %s, net/http has %s %s %s", data, r.Method, r.Target, r.Proto, theirs.Method, theirs.RequestURI, theirs.Proto)
	}
	if host := strings.TrimSuffix(strings.ToLower(theirs.Host), ":"); r.Authority != host && sansPort(r.Authority) != sansPort(host) {
		t.Errorf("%q: host %q, net/http has %q", data, r.Authority, theirs.Host)
	}
	for name, value := range r.Header.All() {
		if name == "host" || name == "transfer-encoding" || name == "trailer" {
			continue // net/http takes them out
		}
		if !contains(theirs.Header[http.CanonicalHeaderKey(name)], value) {
			t.Errorf("%q: field %s: %q, net/http has %q", data, name, value, theirs.Header[http.CanonicalHeaderKey(name)])
		}
	}
	var trailer exchange.Header
	var got int64
	b := body{in: &input{src: &onePiece{rest, 1 << 20}}, limits: &testLimits, head: new(head), trailer: &trailer, got: &got}
	b.start(&h.framing)
	ours, err := io.ReadAll(&b)
	body, theirErr := io.ReadAll(theirs.Body)
	if err == nil && (theirErr != nil || !bytes.Equal(ours, body)) {
		t.Errorf("%q: body %q, net/http has %q, %v", data, ours, body, theirErr)
	}
}

func sansPort(s string) string { host, _, _ := strings.Cut(s, ":"); return host }

func contains(list []string, s string) bool {
	return slices.Contains(list, s)
}
