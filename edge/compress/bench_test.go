package compress_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"testing"

	"github.com/weirproxy/weir/edge/compress"
	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
)

// run answers one request as the edge would, again and again on one connection.
func run(b *testing.B, o compress.Options, h exchange.Handler, accept string) {
	f, err := compress.New(o)
	if err != nil {
		b.Fatal(err)
	}
	h = exchange.Chain(h, f)
	ask := exchangetest.Ask{Method: "GET", Target: "/", Options: []exchangetest.Option{accepting(accept)}}
	conn, stream := ask.New().Conn, ask.New().Stream()
	r, buffer := new(exchange.Request), make([]byte, 32<<10)
	var sent int
	b.ReportAllocs()
	for b.Loop() {
		r.Reset(conn, stream)
		r.Method = "GET"
		r.Header.Append("accept-encoding", accept)
		resp, err := h.Handle(r)
		if err != nil {
			b.Fatal(err)
		}
		sent = 0
		for err == nil {
			var n int
			n, err = resp.Body.Read(buffer)
			sent += n
		}
		if err != io.EOF {
			b.Fatal(err)
		}
		resp.Body.Close()
	}
	b.ReportMetric(float64(sent), "bytes-out")
}

func BenchmarkText100K(b *testing.B) {
	content := words(1, 100<<10)
	for _, encoding := range []string{"gzip", "br", "zstd"} {
		for _, kind := range []string{"bytes", "known", "chunked"} {
			b.Run(fmt.Sprintf("%s/%s", encoding, kind), func(b *testing.B) {
				run(b, compress.Options{CacheSize: -1}, source(kind, content), encoding)
			})
		}
		b.Run(encoding+"/kept", func(b *testing.B) {
			run(b, compress.Options{}, source("known", content), encoding)
		})
	}
}

// Pages that never come twice must not pay much for the hope that they might.
func BenchmarkEveryPageNew(b *testing.B) {
	content := words(1, 100<<10)
	var n uint64
	h := exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		n++
		page := bytes.Clone(content)
		binary.LittleEndian.PutUint64(page, n)
		return source("bytes", page)(r)
	})
	run(b, compress.Options{}, h, "gzip")
}

func BenchmarkNotCompressible(b *testing.B) {
	png := make([]byte, 1024)
	h := exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(200)
		resp.Header.Append("content-type", "image/png")
		resp.SetBytes(png)
		return resp, nil
	})
	run(b, compress.Options{}, h, "gzip, deflate, br, zstd")
}

func BenchmarkNotAsked(b *testing.B) {
	run(b, compress.Options{}, source("bytes", words(1, 1024)), "")
}
