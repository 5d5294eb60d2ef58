package proxy

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	"github.com/weirproxy/weir/edge/upstream"
)

// cutBody gives its text and then fails.
type cutBody struct {
	io.Reader
	err error
}

func (b *cutBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		err = b.err
	}
	return n, err
}
func (b *cutBody) Len() int64   { return -1 }
func (b *cutBody) Close() error { return nil }

// TestGRPC_CutResponsesAreExplained: what an upstream breaks off ends in a status, for
// those who understand it; everybody else, and who is to blame himself, sees the cut.
func TestGRPC_CutResponsesAreExplained(t *testing.T) {
	t.Parallel()
	upstreams := &exchange.Error{Fault: exchange.Upstream, Status: 502, Err: errors.New("reset")}
	for _, c := range []struct {
		name, sent, timeout, kind string
		proto                     exchange.Proto
		err                       error
		want                      string // the trailer's status; "": the cut
	}{
		{"in time", "application/grpc", "1H", "application/grpc+proto", exchange.HTTP2, upstreams, "14"},
		{"no deadline, HTTP/3", "application/grpc", "", "application/grpc", exchange.HTTP3, upstreams, "14"},
		{"too late", "application/grpc", "1n", "application/grpc", exchange.HTTP2, upstreams, "4"},
		{"client gone", "application/grpc", "1H", "application/grpc", exchange.HTTP2, exchange.ErrClientGone, ""},
		{"no trailers in HTTP/1.1", "application/grpc", "", "application/grpc", exchange.HTTP11, upstreams, ""},
		{"something else asked for", "text/plain", "", "application/grpc", exchange.HTTP2, upstreams, ""},
		{"something else answered", "application/grpc", "", "text/html", exchange.HTTP2, upstreams, ""},
		{"in a browser", "application/grpc-web", "", "application/grpc-web", exchange.HTTP2, upstreams, ""},
	} {
		r := exchangetest.NewRequest("POST", "/pkg.Service/Call", exchangetest.Chunked("x"), exchangetest.Field("content-type", c.sent), exchangetest.Field("grpc-timeout", c.timeout))
		r.Proto = c.proto
		p := newTestProxy(t, Options{}, func(_ *exchange.Call, resp *exchange.Response) (upstream.Result, error) {
			resp.Status, resp.Body = 200, &cutBody{strings.NewReader("part"), c.err}
			resp.Header.Append("content-type", c.kind)
			return upstream.Result{}, nil
		})
		resp, err := p.Handle(r)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		body, err := io.ReadAll(resp.Body)
		if got := resp.Trailer.Get("grpc-status"); got != c.want || string(body) != "part" || (err == nil) != (c.want != "") {
			t.Errorf("%s: got %q, %v, status %q, want it explained by %q", c.name, body, err, got, c.want)
		}
		if closed := resp.Body.Close(); c.want != "" && closed != c.err {
			t.Errorf("%s: Close tells %v, want %v", c.name, closed, c.err)
		}
		if m := resp.Trailer.Get("grpc-message"); c.want != "" && !strings.HasSuffix(m, ", incident "+r.Record.ID()) {
			t.Errorf("%s: message %q, want the incident in it", c.name, m)
		}
	}
}
