package httpwasm_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	reference "github.com/http-wasm/http-wasm-host-go/handler/nethttp"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vmtest"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

// addHeader is a guest that sets one field of each request and one of each response.
func addHeader() []byte {
	i32 := wasm.I32
	set := func(kind, name, nameLen, value, valueLen int) vmtest.Code {
		return vmtest.Code{vmtest.I32Const, kind, vmtest.I32Const, name, vmtest.I32Const, nameLen,
			vmtest.I32Const, value, vmtest.I32Const, valueLen, vmtest.Call, "set_header_value"}
	}
	return vmtest.Module{
		Imports: []vmtest.Import{{Module: "http_handler", Name: "set_header_value", Params: []wasm.ValueType{i32, i32, i32, i32, i32}}},
		Pages:   1, Max: 1,
		Data: []vmtest.Data{{At: 0, Data: "x-bench-req"}, {At: 16, Data: "1"}, {At: 32, Data: "x-bench"}, {At: 48, Data: "wasm"}},
		Funcs: []vmtest.Func{
			{Name: "handle_request", Results: []wasm.ValueType{wasm.I64}, Body: vmtest.Code{set(0, 0, 11, 16, 1), set(1, 32, 7, 48, 4), vmtest.I64Const, int64(1)}},
			{Name: "handle_response", Params: []wasm.ValueType{i32, i32}},
		},
	}.Bytes()
}

// BenchmarkAddHeader compares a filter that adds two fields with none, and with the
// reference host.
func BenchmarkAddHeader(b *testing.B) {
	last := exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(200)
		resp.Header.Append("content-type", "text/plain")
		return resp, nil
	})
	ask := func(b *testing.B, h exchange.Handler, fields int) {
		a := exchangetest.Ask{Method: "GET", Target: "/"}
		r := a.New()
		conn, stream := r.Conn, r.Stream()
		b.ReportAllocs()
		for b.Loop() {
			r.Reset(conn, stream)
			r.Method, r.Proto, r.Target, r.Authority, r.Path = "GET", exchange.HTTP11, "/", "example.com", "/"
			resp, err := h.Handle(r)
			if err != nil || resp.Header.Len() != fields {
				b.Fatalf("got %v, %v", resp, err)
			}
			resp.Body.Close()
			r.End()
		}
	}
	b.Run("none", func(b *testing.B) { ask(b, last, 1) })
	b.Run("weir", func(b *testing.B) { ask(b, exchange.Chain(last, filter(b, addHeader(), &guest.Plugin{}, "")), 2) })

	net := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header()["Content-Type"] = text })
	serve := func(b *testing.B, h http.Handler) {
		r := httptest.NewRequest("GET", "/", nil)
		w := discard{}
		b.ReportAllocs()
		for b.Loop() {
			clear(w)
			clear(r.Header)
			h.ServeHTTP(w, r)
			if len(w) == 0 {
				b.Fatal("no header")
			}
		}
	}
	b.Run("reference none", func(b *testing.B) { serve(b, net) })
	b.Run("reference", func(b *testing.B) {
		m, err := reference.NewMiddleware(context.Background(), addHeader())
		if err != nil {
			b.Fatal(err)
		}
		defer m.Close(context.Background())
		serve(b, m.NewHandler(context.Background(), net))
	})
}

var (
	text = []string{"text/plain"}
)

// discard is a ResponseWriter of nothing but a header.
type discard http.Header

func (d discard) Header() http.Header         { return http.Header(d) }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}
