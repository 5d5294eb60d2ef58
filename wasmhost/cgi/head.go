package cgi

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

// What a head may be at most.
const (
	maxHead   = 64 << 10 // bytes
	maxFields = 256
)

var (
	errHeadLong   = fmt.Errorf("its header is longer than %d KiB", maxHead>>10)
	errHeadFields = fmt.Errorf("its header has more than %d fields", maxFields)
	errHeadEmpty  = errors.New("it wrote no header: Content-Type, Status or Location, and an empty line")
	errHeadNPH    = errors.New("it writes a whole HTTP response (non-parsed header); write Status and fields instead")
	errHeadFold   = errors.New("its header has a line that begins with a space")
	errHeadTwice  = errors.New("its header has Status, Location or Content-Length twice")
)

// head is what a program says about its answer.
type head struct {
	status   int             // 0: it did not say
	header   exchange.Header // what the client gets: no Status, no Content-Length
	location string
	length   int64 // Content-Length, or -1
	local    bool  // it is a local redirect (§6.2.2): a path as Location, and nothing else
}

// headEnd returns where the content begins, behind the first empty line, or -1. What was
// looked at before ends at from.
func headEnd(b []byte, from int) int {
	if len(b) > 0 && b[0] == '\n' {
		return 1
	}
	if bytes.HasPrefix(b, []byte("\r\n")) {
		return 2
	}
	for i := max(0, from-2); ; {
		k := bytes.IndexByte(b[i:], '\n')
		if k < 0 {
			return -1
		}
		i += k + 1
		switch {
		case i < len(b) && b[i] == '\n':
			return i + 1
		case i+1 < len(b) && b[i] == '\r' && b[i+1] == '\n':
			return i + 2
		}
	}
}

// parseHead reads a head up to and with its empty line (RFC 3875 §6.2, §6.3). Lines end
// in LF or CR LF.
func parseHead(b []byte) (h head, err error) {
	h.length = -1
	if bytes.HasPrefix(b, []byte("HTTP/1.")) || bytes.HasPrefix(b, []byte("HTTP/2")) {
		return h, errHeadNPH
	}
	text := string(b) // one copy, of which all fields are cut
	for fields := 0; ; fields++ {
		line, rest, ok := strings.Cut(text, "\n")
		line = strings.TrimSuffix(line, "\r")
		switch {
		case line == "" || !ok:
			return h, h.complete()
		case line[0] == ' ' || line[0] == '\t':
			return h, errHeadFold
		case fields == maxFields:
			return h, errHeadFields
		}
		if err := h.add(line); err != nil {
			return h, err
		}
		text = rest
	}
}

// add takes one line.
func (h *head) add(line string) error {
	name, value, ok := strings.Cut(line, ":")
	if !ok || !exchange.ValidName(name) {
		return fmt.Errorf("its header has the line %s, which is no field", quoted(line))
	}
	value = strings.Trim(value, " \t")
	switch name = strings.ToLower(name); name {
	case "status":
		return h.setStatus(value)
	case "content-length":
		n, err := strconv.ParseUint(value, 10, 63)
		if err != nil {
			return fmt.Errorf("its Content-Length is %s", quoted(value))
		}
		if h.length >= 0 {
			return errHeadTwice
		}
		h.length = int64(n)
		return nil
	case "location":
		if h.location != "" {
			return errHeadTwice
		}
		h.location = value
	case "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "alt-svc":
		return nil // the connection is not the program's
	}
	if strings.HasPrefix(name, "x-cgi-") { // between server and program (§6.3.5)
		return nil
	}
	if err := h.header.Add(name, value); err != nil {
		return fmt.Errorf("its header is not valid: %w", err)
	}
	return nil
}

// setStatus reads "404 Not Found". The phrase is dropped.
func (h *head) setStatus(value string) error {
	code, _, _ := strings.Cut(value, " ")
	n, err := strconv.Atoi(code)
	switch {
	case len(code) != 3 || err != nil || n < 200 || n > 599:
		return fmt.Errorf("its Status is %s; three digits from 200 to 599 are possible", quoted(value))
	case h.status != 0:
		return errHeadTwice
	}
	h.status = n
	return nil
}

// complete gives h the status that it does not name.
func (h *head) complete() error {
	switch {
	case h.status != 0:
	case h.location != "":
		h.status = 302 // §6.2.3
		h.local = h.header.Len() == 1 && h.location[0] == '/' && !strings.HasPrefix(h.location, "//")
	case h.header.Has("content-type"):
		h.status = 200
	default:
		return errHeadEmpty
	}
	return nil
}

// quoted is for what a program wrote, in errors: short, and without control characters.
func quoted(s string) string {
	if len(s) > 80 {
		s = s[:80] + "…"
	}
	return strconv.QuoteToASCII(s)
}
