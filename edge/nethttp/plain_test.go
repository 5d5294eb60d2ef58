package nethttp

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
)

// TestConnect_NothingElseLooksAccepted: success is what opens the tunnel (RFC 8441 §5), so
// who asked for a WebSocket must not get a page by that status, and read it as one.
func TestConnect_NothingElseLooksAccepted(t *testing.T) {
	t.Parallel()
	eachConnector(t, func(t *testing.T, c connector) {
		ask := c.open(t, exchangeFunc(func(r *exchange.Request) {
			resp := r.NewResponse(200)
			if r.Path == "/moved" {
				resp.Status = 302
			}
			resp.SetBytes([]byte("<html>"))
			err := r.Stream().Respond(r, resp)
			if e, ok := errors.AsType[*exchange.Error](err); ok && errors.Is(err, exchange.ErrUnsent) {
				r.Stream().Respond(r, r.NewResponse(e.Status))
			}
		}), Options{})
		for path, want := range map[string]int{"/": 501, "/moved": 302} {
			resp, _, err := ask("websocket", path)
			if err != nil {
				t.Errorf("%s: %v", path, err)
			} else if resp.StatusCode != want {
				t.Errorf("%s: got %d, want %d", path, resp.StatusCode, want)
			}
		}
	})
}

// TestRead_KnowsThatThereIsNoBody: filters and upstreams are not to take each GET for a
// request with content.
func TestRead_KnowsThatThereIsNoBody(t *testing.T) {
	t.Parallel()
	eachMode(t, func(t *testing.T, m mode) {
		url, client := m.start(t, handler(func(r *exchange.Request) *exchange.Response {
			resp := r.NewResponse(200)
			resp.SetBytes(fmt.Append(nil, r.Body.Len()))
			return resp
		}), Options{})
		resp, err := client.Get(url + "/")
		if err != nil {
			t.Fatal(err)
		}
		if body, _ := io.ReadAll(resp.Body); string(body) != "0" {
			t.Errorf("length of the body: got %s, want 0", body)
		}
	})
}

// TestRead_LosesNothingThatWasReadAhead: a GET may have content all the same.
func TestRead_LosesNothingThatWasReadAhead(t *testing.T) {
	t.Parallel()
	eachMode(t, func(t *testing.T, m mode) {
		url, client := m.start(t, handler(func(r *exchange.Request) *exchange.Response {
			n := r.Body.Len()
			got, err := io.ReadAll(r.Body)
			resp := r.NewResponse(200)
			resp.SetBytes(fmt.Appendf(nil, "%d %s %v %d", n, got, err, r.Record.Received))
			return resp
		}), Options{})
		for _, text := range []string{"x", "hello"} {
			req, _ := http.NewRequest("GET", url+"/", io.NopCloser(strings.NewReader(text)))
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprintf("-1 %s <nil> %d", text, len(text))
			if got, _ := io.ReadAll(resp.Body); string(got) != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	})
}
