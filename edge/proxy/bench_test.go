package proxy

import (
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	"github.com/weirproxy/weir/edge/upstream"
)

const browser = `host: example.com
user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0
accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8
accept-language: en-US,en;q=0.5
accept-encoding: gzip, deflate, br, zstd
connection: keep-alive
cookie: session=0123456789abcdef
upgrade-insecure-requests: 1
sec-fetch-dest: document
sec-fetch-mode: navigate
sec-fetch-site: none
priority: u=0, i`

func silent(_ *exchange.Call, resp *exchange.Response) (upstream.Result, error) {
	resp.Status = 200
	resp.Header.Append("content-type", "text/plain")
	resp.Header.Append("content-length", "5")
	resp.Header.Append("connection", "keep-alive")
	resp.SetBytes(hello)
	return upstream.Result{Endpoint: "10.1.2.3:80", Attempts: 1}, nil
}

var hello = []byte("hello")

// BenchmarkHandle is what the handler itself costs, with an upstream that costs
// nothing; renewing the request is part of it.
func BenchmarkHandle(b *testing.B) {
	for _, c := range []struct {
		name, fields, target string
		o                    Options
	}{
		{"minimal", "host: example.com", "/index.html", Options{}},
		{"browser", browser, "/a/b?c=d", Options{}},
		{"forwarded", browser, "/a/b?c=d", Options{Forwarded: true}},
		{"prefix", browser, "/api/b?c=d", Options{StripPrefix: "/api"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			p := newTestProxy(b, c.o, silent)
			r := exchangetest.NewRequest("GET", c.target, fields(c.fields)...)
			var header exchange.Header
			header.CopyFrom(&r.Header)
			conn, stream, target, path, query := r.Conn, r.Stream(), r.Target, r.Path, r.Query
			b.ReportAllocs()
			for b.Loop() {
				r.Reset(conn, stream)
				r.Method, r.Scheme, r.Authority, r.Host, r.Proto = "GET", "http", "example.com", "example.com", exchange.HTTP11
				r.Target, r.Path, r.Query = target, path, query
				r.Header.CopyFrom(&header)
				if _, err := p.Handle(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestHandleAllocatesOnce(t *testing.T) {
	p := newTestProxy(t, Options{}, silent)
	r := exchangetest.NewRequest("GET", "/a/b?c=d", fields(browser)...)
	var header exchange.Header
	header.CopyFrom(&r.Header)
	conn, stream := r.Conn, r.Stream()
	got := testing.AllocsPerRun(100, func() {
		r.Reset(conn, stream)
		r.Method, r.Scheme, r.Authority, r.Proto = "GET", "http", "example.com", exchange.HTTP11
		r.Target, r.Path, r.Query = "/a/b?c=d", "/a/b", "c=d"
		r.Header.CopyFrom(&header)
		if _, err := p.Handle(r); err != nil {
			t.Error(err)
		}
	})
	if got > 1 {
		t.Errorf("allocations per request: got %v, want the text of the values that are made", got)
	}
}
