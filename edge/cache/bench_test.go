package cache

import (
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
)

// typical is what browsers send.
var typical = exchangetest.Ask{Method: "GET", Target: "https://example.com/assets/app.js?v=3", Options: []exchangetest.Option{
	exchangetest.Field("user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"),
	exchangetest.Field("accept", "*/*"),
	exchangetest.Field("accept-encoding", "gzip, deflate, br, zstd"),
	exchangetest.Field("accept-language", "en-GB,en;q=0.9"),
	exchangetest.Field("cookie", "theme=dark"),
}}

func constant(fields ...string) exchange.Handler {
	body := []byte(strings.Repeat("x", 1024))
	return exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(200)
		for i := 0; i < len(fields); i += 2 {
			resp.Header.Append(fields[i], fields[i+1])
		}
		resp.SetBytes(body)
		return resp, nil
	})
}

func BenchmarkHit(b *testing.B) {
	for _, bb := range []struct {
		name   string
		fields []string
	}{
		{"plain", nil},
		{"vary", []string{"vary", "accept-encoding, accept-language"}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			h := exchange.Chain(constant(append(bb.fields, "cache-control", "max-age=3600", "content-type", "text/javascript", "etag", `"1"`)...), newFilter(b, Options{}))
			r := typical.New()
			conn, stream := r.Conn, r.Stream()
			var header exchange.Header
			header.CopyFrom(&r.Header)
			b.ReportAllocs()
			for b.Loop() {
				r.Reset(conn, stream)
				r.Method, r.Scheme = "GET", "https"
				r.Authority, r.Host, r.Target, r.Path, r.Query = "example.com", "example.com", "/assets/app.js?v=3", "/assets/app.js", "v=3"
				r.Header.CopyFrom(&header)
				resp, err := h.Handle(r)
				if err != nil {
					b.Fatal(err)
				}
				resp.Body.Close()
			}
		})
	}
}

func BenchmarkHitParallel(b *testing.B) {
	h := exchange.Chain(constant("cache-control", "max-age=3600"), newFilter(b, Options{}))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		r := typical.New()
		for pb.Next() {
			resp, err := h.Handle(r)
			if err != nil {
				b.Error(err)
				return
			}
			resp.Body.Close()
		}
	})
}

func BenchmarkMiss(b *testing.B) {
	for _, bb := range []struct{ name, cc string }{{"stored", "max-age=3600"}, {"not stored", "private"}} {
		b.Run(bb.name, func(b *testing.B) {
			h := exchange.Chain(constant("cache-control", bb.cc, "content-type", "text/plain"), newFilter(b, Options{}))
			r, i := typical.New(), 0
			b.ReportAllocs()
			for b.Loop() {
				i++
				r.Query = strconv.Itoa(i)
				resp, err := h.Handle(r)
				if err != nil {
					b.Fatal(err)
				}
				resp.Body.Close()
				resp.Header.Reset()
			}
		})
	}
}

// BenchmarkCollapsed asks for what just expired, from many goroutines at once.
func BenchmarkCollapsed(b *testing.B) {
	var asked atomic.Int64
	h := exchange.Chain(exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		asked.Add(1)
		return public(r, exchange.NewBytes([]byte("hello"))), nil
	}), newFilter(b, Options{}))
	var epoch atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		r := typical.New()
		for pb.Next() {
			r.Query = strconv.FormatInt(epoch.Add(1)/64, 10)
			resp, err := h.Handle(r)
			if err != nil {
				b.Error(err)
				return
			}
			resp.Body.Close()
			resp.Header.Reset()
		}
	})
	b.ReportMetric(float64(asked.Load())/float64(b.N), "fetches/op")
}
