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
	}{
		{"most of it unread", "Content-Length: 1048576", 413, true},
		{"little of it unread", "Content-Length: 2000", 413, false},
		{"who knows how much of it unread", "Transfer-Encoding: chunked", 413, true},
		{"who knows how much, with success", "Transfer-Encoding: chunked", 200, false},
		{"a success may read on", "Content-Length: 1048576", 200, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			addr, _ := serve(t, Options{Dispatcher: edge{handle: func(r *exchange.Request) (*exchange.Response, error) {
				if _, err := io.ReadFull(r.Body, make([]byte, 1000)); err != nil {
					t.Error(err)
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
