package cgi

import (
	"bytes"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
)

// FuzzHead holds the parser to what goes on a wire, and to finding the same end however
// a head arrives.
func FuzzHead(f *testing.F) {
	for _, s := range []string{
		"Content-Type: text/plain\n\nhello", "Status: 404 Not Found\r\nSet-Cookie: a=1\r\nSet-Cookie: b\r\n\r\n",
		"Location: /x?y#z\n\n", "Location: //a/b\n\n", "\n", "\r\n", "\n\n", "a: b\n\r\n", "HTTP/1.1 200 OK\n\n", "Content-Length: 9223372036854775807\nStatus: 599\n\n",
		"X: \x80\n\n", "X-CGI-A: b\nconnection: x\nStatus: 200\n\n", ": \n\n", "Location:\n\n",
	} {
		f.Add([]byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		end := headEnd(b, 0)
		cut = min(max(cut, 0), len(b))
		if early := headEnd(b[:cut], 0); early >= 0 && early != end {
			t.Errorf("end of %q at %d, of its first %d bytes at %d", b, end, cut, early)
		} else if later := headEnd(b, cut); early < 0 && later != end {
			t.Errorf("end of %q at %d, looked for from %d on at %d", b, end, cut, later)
		}
		if end < 0 {
			return
		}
		if end > len(b) || b[end-1] != '\n' {
			t.Fatalf("end of %q at %d", b, end)
		}
		h, err := parseHead(b[:end])
		if err != nil {
			return
		}
		if h.status < 200 || h.status > 599 || h.length < -1 || h.local && (h.location == "" || h.location[0] != '/') {
			t.Errorf("head %q: %+v", b[:end], h)
		}
		for name, value := range h.header.All() {
			if !exchange.ValidName(name) || !exchange.ValidValue(value) || bytes.ContainsAny([]byte(name), "ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
				t.Errorf("head %q has the field %q: %q", b[:end], name, value)
			}
		}
	})
}
