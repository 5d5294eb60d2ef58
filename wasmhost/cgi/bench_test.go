package cgi

import (
	"io"
	"strings"
	"testing"

	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vmtest"
)

// BenchmarkRun is a tiny program that answers and ends.
func BenchmarkRun(b *testing.B) {
	h := serve(b, says("Content-Type: text/plain\n\nhello"), &guest.Plugin{})
	ask := exchangetest.Ask{Method: "GET", Target: "/", Options: []exchangetest.Option{exchangetest.Field("user-agent", "x"), exchangetest.Field("accept", "*/*")}}
	r := ask.New()
	b.ReportAllocs()
	for b.Loop() {
		resp, err := h.Handle(r)
		if err != nil {
			b.Fatal(err)
		}
		resp.Body.Close()
		r.End()
		r.NewResponse(200)
	}
}

// BenchmarkStream is a program that writes 64 MiB in pieces of 32 KiB.
func BenchmarkStream(b *testing.B) {
	const head, pieces, size = "Content-Type: a/b\n\n", 2048, 32 << 10
	text := head + strings.Repeat("x", size)
	code := writer(text, vmtest.Code{put(0, len(head)),
		vmtest.Loop, vmtest.Void, put(len(head), len(text)),
		vmtest.LocalGet, 0, vmtest.I32Const, 1, vmtest.I32Add, vmtest.LocalTee, 0, vmtest.I32Const, pieces, vmtest.I32LtU, vmtest.BrIf, 0, vmtest.End})
	h := serve(b, code, &guest.Plugin{})
	b.SetBytes(pieces * size)
	b.ReportAllocs()
	for b.Loop() {
		resp, err := h.Handle(exchangetest.NewRequest("GET", "/"))
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != pieces*size {
			b.Fatal(n, err)
		}
		resp.Body.Close()
	}
}

// BenchmarkGo is a net/http/cgi program.
func BenchmarkGo(b *testing.B) {
	h := inGo(b, &guest.Plugin{})
	b.ReportAllocs()
	for b.Loop() {
		resp, err := h.Handle(exchangetest.NewRequest("GET", "/app/hello"))
		if err != nil {
			b.Fatal(err)
		}
		resp.Body.Close()
	}
}
