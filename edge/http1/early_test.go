package http1

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
)

// TestEarlyError_SaysThatTheConnectionEnds: where so much is left of a body that it is
// not going to be read, the answer says so, although some of it has been; else the
// client, which may have sent all of it, would ask again on a connection that is being
// closed (RFC 9112 §9.6), and could not tell whether its request was heard.
func TestEarlyError_SaysThatTheConnectionEnds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		length string
		status int
		closes bool
		apart  bool
	}{
		{name: "most of it unread", length: "Content-Length: 1048576", status: 413, closes: true},
		{name: "most of it unread apart", length: "Content-Length: 1048576", status: 413, closes: true, apart: true},
		{name: "all of it read apart", length: "Content-Length: 1000", status: 413, closes: false, apart: true},
		{name: "a success reads on apart", length: "Content-Length: 1048576", status: 200, closes: false, apart: true},
		{name: "little of it unread", length: "Content-Length: 2000", status: 413, closes: false},
		{name: "who knows how much of it unread", length: "Transfer-Encoding: chunked", status: 413, closes: true},
		{name: "who knows how much, with success", length: "Transfer-Encoding: chunked", status: 200, closes: false},
		{name: "a success may read on", length: "Content-Length: 1048576", status: 200, closes: false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			addr, _ := serve(t, Options{Dispatcher: edge{handle: func(r *exchange.Request) (*exchange.Response, error) {
				if tt.apart {
					r.ReadApart()
				}
				if _, err := io.ReadFull(r.Body, make([]byte, 1000)); err != nil {
					t.Error(err)
				}
				if tt.length == "Content-Length: 1000" {
					io.Copy(io.Discard, r.Body)
				}
				return r.NewResponse(tt.status), nil
			}}})
			c := dial(t, addr)
			body := strings.Repeat("x", 2000)
			if strings.HasSuffix(tt.length, "chunked") {
				body = "7d0\r\n" + body + "\r\n"
			}
			send(t, c, "POST / HTTP/1.1\r\nHost: a\r\n"+tt.length+"\r\n\r\n"+body)
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != tt.status || resp.Close != tt.closes {
				t.Errorf("got %d, close %v, want %d, %v", resp.StatusCode, resp.Close, tt.status, tt.closes)
			}
		})
	}
}
