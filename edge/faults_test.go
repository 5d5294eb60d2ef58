package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
)

// observing hands on the records of exchanges.
type observing chan exchange.Record

func (o observing) Observe(r *exchange.Request) { o <- r.Record }

// failingBody gives some bytes and then fails as an upstream does.
type failingBody struct {
	left int
	err  error
}

func (b *failingBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, b.err
	}
	n := min(b.left, len(p))
	clear(p[:n])
	b.left -= n
	return n, nil
}

const secret = "dial 10.9.8.7:6543"

var errUpstream = &exchange.Error{Fault: exchange.Upstream, Err: errors.New(secret)}

// TestCut_IsSeenAndBlamed: a response that was cut after its head must not look whole
// over any protocol, announced length or not, and the log says whose fault it was.
func TestCut_IsSeenAndBlamed(t *testing.T) {
	t.Parallel()
	seen := make(observing, 1)
	f := newFixture(t, Options{})
	snap := f.snapshot(t, map[string]*Route{"a.test /*": {Handler: exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(200)
		length := int64(-1)
		if r.Path == "/length" {
			length = 200_000
		}
		resp.Body = exchange.NewBody(&failingBody{100_000, fmt.Errorf("read body: %w", errUpstream)}, length, nil)
		return resp, nil
	})}})
	snap.Log = seen
	f.apply(t, snap)
	for _, p := range protocols {
		for _, path := range []string{"/length", "/stream"} {
			resp, err := f.client(t, p.name).Get(p.scheme + "://a.test" + path)
			if err == nil {
				var n int64
				n, err = io.Copy(io.Discard, resp.Body)
				if resp.Body.Close(); err == nil {
					t.Errorf("%s %s: %d bytes read as a whole body", p.name, path, n)
				}
			}
			if r := <-seen; r.Status != 200 || r.Fault != exchange.Upstream || !errors.Is(r.Err, errUpstream) {
				t.Errorf("%s %s: status %d, fault %v, err %v; want 200, %v, %v", p.name, path, r.Status, r.Fault, r.Err, exchange.Upstream, errUpstream)
			}
		}
	}
}

// TestErrorPages_OfUpstreams tell the incident and nothing of its cause.
func TestErrorPages_OfUpstreams(t *testing.T) {
	t.Parallel()
	late := &exchange.Error{Fault: exchange.Upstream, Err: fmt.Errorf("%s: %w", secret, context.DeadlineExceeded)}
	f := newFixture(t, Options{})
	routes := map[string]*Route{}
	want := map[int]string{}
	for _, c := range []struct {
		status int
		phrase string
		err    error
	}{
		{502, "Bad Gateway", errUpstream},
		{503, "Service Unavailable", &exchange.Error{Fault: exchange.Upstream, Status: 503, Err: errors.New(secret)}},
		{504, "Gateway Timeout", late},
		{508, "Loop Detected", &exchange.Error{Fault: exchange.Client, Status: 508, Err: errors.New(secret)}},
	} {
		want[c.status] = c.phrase
		routes[fmt.Sprintf("a.test /%d", c.status)] = &Route{Handler: exchange.HandlerFunc(func(*exchange.Request) (*exchange.Response, error) {
			return nil, c.err
		})}
	}
	f.apply(t, f.snapshot(t, routes))
	for status, phrase := range want {
		for _, accept := range []string{"text/html", "application/json", "*/*"} {
			resp, body := fetch(t, f.client(t, "h1"), fmt.Sprintf("http://a.test/%d", status), func(r *http.Request) { r.Header.Set("Accept", accept) })
			id := resp.Header.Get("X-Request-Id")
			if resp.StatusCode != status || !strings.Contains(body, phrase) || id == "" || !strings.Contains(body, id) || strings.Contains(body, secret) {
				t.Errorf("%d as %s: got %d %q, want the phrase %q, the incident %q and nothing else", status, accept, resp.StatusCode, body, phrase, id)
			}
			for name, values := range resp.Header {
				if strings.Contains(strings.Join(values, " "), secret) {
					t.Errorf("%d: field %s tells %q", status, name, values)
				}
			}
		}
	}
}
