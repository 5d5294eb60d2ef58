package proxywasm

import (
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
)

func benchmark(b *testing.B, f exchange.Filter) {
	ask := exchangetest.Ask{Method: "GET", Target: "/", Options: []exchangetest.Option{exchangetest.Field("accept", "*/*")}}
	r := ask.New()
	conn, stream := r.Conn, r.Stream()
	h := exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) { return r.NewResponse(200), nil })
	b.ReportAllocs()
	for b.Loop() {
		r.Reset(conn, stream)
		r.Method, r.Scheme, r.Target, r.Path, r.Authority = "GET", "http", "/", "/", "example.com"
		r.Header.Append("accept", "*/*")
		resp, err := f.Handle(r, h)
		if err != nil {
			b.Fatal(err)
		}
		resp.Body.Close()
		r.End()
	}
}

func BenchmarkFilter_None(b *testing.B) {
	benchmark(b, exchange.FilterFunc(func(r *exchange.Request, next exchange.Handler) (*exchange.Response, error) {
		return next.Handle(r)
	}))
}

// BenchmarkFilter_Headers adds a field each way; the guest itself costs next to nothing.
func BenchmarkFilter_Headers(b *testing.B) {
	benchmark(b, openProgram(b, headerGuest(b), "").Filter)
}
