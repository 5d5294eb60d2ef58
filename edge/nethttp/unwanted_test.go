package nethttp

import (
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
)

// An upstream may answer, and end its answer, while the client still could send: gRPC
// does so with every error in a stream that goes both ways. Who sends the body on is
// told, and the client gets the answer without having to say more.
func TestBody_InterruptLeavesTheAnswer(t *testing.T) {
	t.Parallel()
	enough := errors.New("enough")
	eachMode(t, func(t *testing.T, m mode) {
		url, client := m.start(t, handler(func(r *exchange.Request) *exchange.Response {
			if _, err := io.ReadFull(r.Body, make([]byte, 5)); err != nil {
				t.Errorf("read what was sent: %v", err)
			}
			read := make(chan error, 1)
			go func() {
				_, err := r.Body.Read(make([]byte, 1))
				read <- err
			}()
			r.Body.(exchange.Interrupter).Interrupt(enough)
			if err := <-read; err != enough {
				t.Errorf("Read ended with %v, want %v", err, enough)
			}
			resp := r.NewResponse(200)
			resp.SetBytes([]byte("answer"))
			return resp
		}), Options{})
		body, more := io.Pipe()
		defer more.Close()
		go more.Write([]byte("hello"))
		resp, err := client.Do(mustPost(t, url, body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if got, err := io.ReadAll(resp.Body); string(got) != "answer" || err != nil {
			t.Errorf("got %q, %v, want the whole answer", got, err)
		}
	})
}

func mustPost(t *testing.T, url string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", url, body)
	if err != nil {
		t.Fatal(err)
	}
	return req
}
