package http1

import (
	"net/http"
	"strconv"

	"github.com/weirproxy/weir/edge/exchange"
)

const continueLine = "HTTP/1.1 100 Continue\r\n\r\n"

// framed says how a response's body is delimited (RFC 9112 §6.3).
type framed uint8

const (
	framedEmpty   framed = iota // no body, whatever the header says
	framedLength                // Content-Length
	framedChunked               // Transfer-Encoding: chunked
	framedClose                 // by the end of the connection, for HTTP/1.0
)

// plan is what Respond decides before it writes anything.
type plan struct {
	framed   framed
	length   int64 // of a body framedLength
	announce int64 // the Content-Length to send, or -1
}

func planResponse(r *exchange.Request, resp *exchange.Response) plan {
	n := resp.Body.Len()
	switch {
	case resp.Status == 204:
		return plan{framedEmpty, 0, -1} // RFC 9110 §8.6
	case resp.Status == 205:
		return plan{framedEmpty, 0, 0} // RFC 9110 §15.3.6
	case resp.Status == 304 || r.Method == "HEAD":
		if resp.Body == exchange.NoBody {
			return plan{framedEmpty, 0, announced(&resp.Header)}
		}
		return plan{framedEmpty, 0, max(n, -1)}
	case n >= 0:
		return plan{framedLength, n, n}
	case r.Proto == exchange.HTTP11:
		return plan{framedChunked, -1, -1}
	}
	return plan{framedClose, -1, -1}
}

// announced returns the Content-Length that a handler set itself, for a response
// that only describes a body it does not have.
func announced(h *exchange.Header) int64 {
	value, ok := h.Lookup("content-length")
	if !ok {
		return -1
	}
	n, bad := parseLength([]byte(value))
	if bad != nil {
		return -1
	}
	return n
}

// appendHead appends a final response head. The version is ours, whatever the
// client's (RFC 9110 §6.2). Framing and connection fields are ours as well.
func appendHead(b []byte, p plan, connection string, resp *exchange.Response) []byte {
	b = appendStatus(b, resp.Status)
	b = appendFields(b, &resp.Header)
	switch {
	case p.announce >= 0:
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, p.announce, 10)
		b = append(b, "\r\n"...)
	case p.framed == framedChunked:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	if connection != "" {
		b = append(b, "Connection: "...)
		b = append(b, connection...)
		b = append(b, "\r\n"...)
	}
	return append(b, "\r\n"...)
}

func appendStatus(b []byte, status int) []byte {
	b = append(b, "HTTP/1.1 "...)
	b = append(b, byte('0'+status/100), byte('0'+status/10%10), byte('0'+status%10), ' ')
	b = append(b, http.StatusText(status)...)
	return append(b, "\r\n"...)
}

// appendFields appends field lines, names the way people are used to see them.
func appendFields(b []byte, h *exchange.Header) []byte {
	for i := range h.Len() {
		f := h.At(i)
		if ours(f.Name) {
			continue
		}
		at := len(b)
		b = append(b, f.Name...)
		dress(b[at:])
		b = append(b, ": "...)
		b = append(b, f.Value...)
		b = append(b, "\r\n"...)
	}
	return b
}

// dress writes a lower-case name the way people are used to see it.
func dress(name []byte) {
	if string(name) == "etag" {
		name[1] = 'T'
	}
	for first, i := true, 0; i < len(name); i++ {
		if c := name[i]; first && 'a' <= c && c <= 'z' {
			name[i] = c - ('a' - 'A')
		}
		first = name[i] == '-'
	}
}

// ours tells which fields of a response only this package writes.
func ours(name string) bool {
	switch len(name) {
	case len("connection"): // keep-alive is as long
		return name == "connection" || name == "keep-alive"
	case len("content-length"):
		return name == "content-length"
	case len("proxy-connection"):
		return name == "proxy-connection"
	case len("transfer-encoding"):
		return name == "transfer-encoding"
	}
	return false
}

// appendLastChunk ends a chunked body. Fields that may not stand in a trailer are
// left out (RFC 9110 §6.5.1).
func appendLastChunk(b []byte, trailer *exchange.Header) []byte {
	b = append(b, "0\r\n"...)
	if trailer.Len() > 0 {
		trailer.DelFunc(func(name, _ string) bool {
			keep, _ := exchange.TrailerFate(name)
			return !keep
		})
		b = appendFields(b, trailer)
	}
	return append(b, "\r\n"...)
}

// hexLen returns how many hexadecimal digits n > 0 has.
func hexLen(n int) int {
	digits := 0
	for ; n > 0; n >>= 4 {
		digits++
	}
	return digits
}

// putHex writes n in len(b) hexadecimal digits.
func putHex(b []byte, n int) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = "0123456789abcdef"[n&15]
		n >>= 4
	}
}
