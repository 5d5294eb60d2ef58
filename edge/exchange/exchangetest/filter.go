package exchangetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
)

// TestFilter holds f to the contract of [exchange.Filter]: everything that
// [TestHandler] asks of the filter with a handler behind it, for handlers that
// answer in many ways; next called at most once and with the same request; every
// body it got closed; a body that was cut never passed on as complete. Without
// requests, some of every common kind are made.
func TestFilter(t *testing.T, f exchange.Filter, requests ...Ask) {
	t.Helper()
	report(t, CheckFilter(f, requests...))
}

// CheckFilter is [TestFilter] for other harnesses. The error joins all breaches.
func CheckFilter(f exchange.Filter, requests ...Ask) error {
	if len(requests) == 0 {
		requests = []Ask{
			{"GET", "/", nil},
			{"HEAD", "/a/b?c=d", []Option{Field("accept-encoding", "gzip, br, zstd")}},
			{"POST", "https://example.com/form", []Option{Body("a=b&c=d"), Field("content-type", "application/x-www-form-urlencoded")}},
			{"PUT", "/file", []Option{Chunked("some content")}},
			{"OPTIONS", "*", nil},
		}
	}
	var all []error
	for _, kind := range kinds {
		for _, err := range checkFilter(f, kind, requests) {
			all = append(all, fmt.Errorf("next answers %s: %w", kind.name, err))
		}
	}
	return errors.Join(all...)
}

func checkFilter(f exchange.Filter, k kind, requests []Ask) []error {
	var all []error
	for _, a := range requests {
		for how := readAll; how <= readNone; how++ {
			errs, done := within(patience, func() []error { return checkPass(f, k, a, how) })
			if all = append(all, errs...); !done {
				all = append(all, fmt.Errorf("%s %s: no end after %v", a.Method, a.Target, patience))
			}
		}
	}
	n := &next{kind: k}
	h := exchange.Chain(n, f)
	if err := CheckHandler(h, requests...); err != nil {
		all = append(all, err)
	}
	if open := n.opened.Load() - n.closed.Load(); open != 0 {
		all = append(all, fmt.Errorf("%d bodies of next left open", open))
	}
	return distinct(all)
}

// checkPass looks at one exchange from both sides of the filter.
func checkPass(f exchange.Filter, k kind, a Ask, how reading) []error {
	r := a.New()
	n := &next{kind: k, want: r}
	result, errs := run(exchange.Chain(n, f), r, how)
	b := &breaches{about: a.Method + " " + a.Target, errs: errs}
	if calls := n.calls.Load(); calls > 1 {
		b.add("next called %d times", calls)
	}
	if n.other.Load() {
		b.add("next called with another request")
	}
	if n.opened.Load() != n.closed.Load() {
		b.add("body of next left open")
	}
	if n.cut.Load() && result.Err == nil && how == readAll && result.Status < 400 {
		b.add("body of next was cut, got a complete one: %d %q", result.Status, result.Body)
	}
	return b.errs
}

// kind is a way in which the handler behind a filter answers.
type kind struct {
	name   string
	handle func(n *next, r *exchange.Request) (*exchange.Response, error)
}

var kinds = []kind{
	{"bytes", func(n *next, r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(200)
		resp.Header.Append("content-type", "text/plain; charset=utf-8")
		resp.Header.Append("etag", `"v1"`)
		resp.Body = n.open(strings.NewReader(strings.Repeat("hello, world\n", 400)), 13*400)
		return resp, nil
	}},
	{"a stream with a trailer", func(n *next, r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(200)
		resp.Header.Append("content-type", "text/html")
		resp.Trailer.Append("x-sum", "1")
		resp.Body = n.open(strings.NewReader("<p>"), -1)
		return resp, nil
	}},
	{"304", func(n *next, r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(304)
		resp.Header.Append("etag", `"v1"`)
		resp.Body = n.open(strings.NewReader(""), 0)
		return resp, nil
	}},
	{"an error", func(*next, *exchange.Request) (*exchange.Response, error) {
		return nil, exchange.ErrNotFound
	}},
	{"a body that is cut", func(n *next, r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(200)
		resp.Header.Append("content-type", "text/plain")
		resp.Body = n.open(io.MultiReader(strings.NewReader("hello"), cutting{n}), -1)
		return resp, nil
	}},
	{"when the client is gone", func(n *next, r *exchange.Request) (*exchange.Response, error) {
		if ctx := r.Context(); ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		resp := r.NewResponse(204)
		resp.Body = n.open(strings.NewReader(""), 0)
		return resp, nil
	}},
}

// next is the handler behind the filter. It keeps count.
type next struct {
	kind           kind
	want           *exchange.Request // nil: any
	calls          atomic.Int64
	opened, closed atomic.Int64
	other, cut     atomic.Bool
}

func (n *next) Handle(r *exchange.Request) (*exchange.Response, error) {
	n.calls.Add(1)
	if n.want != nil && n.want != r {
		n.other.Store(true)
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	return n.kind.handle(n, r)
}

func (n *next) open(r io.Reader, length int64) exchange.Body {
	n.opened.Add(1)
	return exchange.NewBody(r, length, func() error { n.closed.Add(1); return nil })
}

// cutting is the end of a body that is not its proper one.
type cutting struct{ n *next }

func (c cutting) Read([]byte) (int, error) {
	c.n.cut.Store(true)
	return 0, io.ErrUnexpectedEOF
}
