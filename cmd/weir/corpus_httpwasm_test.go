package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/weirproxy/weir/wasmhost/corpus"
)

// TestCorpus_HTTPWasm runs the guests that host and SDK of http-wasm are tested with.
func TestCorpus_HTTPWasm(t *testing.T) {
	t.Parallel()
	cases := slices.Clone(httpWasmCases)
	for _, g := range corpus.Guests() {
		if strings.HasPrefix(g.Name, "http-wasm/bench/") {
			cases = append(cases, guestCase{guest: g.Name, test: func(t *testing.T, a *asker) {
				got := a.do(t, "POST", "/", "some body", "Accept", "text/plain")
				if got.status != 200 && !strings.HasSuffix(a.host, "set-status-code.test") {
					t.Errorf("status %d, want 200", got.status)
				}
			}})
		}
	}
	testGuests(t, startGuests(t, cases), cases)
}

var httpWasmCases = []guestCase{
	{guest: "http-wasm/auth", test: func(t *testing.T, a *asker) {
		const realm = `Basic realm="test"`
		for _, tt := range []struct {
			fields    []string
			status    int
			challenge string
		}{
			{nil, 401, realm},
			{[]string{"Authorization", ""}, 401, ""},
			{[]string{"Authorization", "0"}, 401, ""},
			{[]string{"Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}, 200, ""},
		} {
			got := a.do(t, "GET", "/", "", tt.fields...)
			expect(t, fmt.Sprintf("%q: status", tt.fields), got.status, tt.status)
			expect(t, fmt.Sprintf("%q: challenge", tt.fields), got.header.Get("Www-Authenticate"), tt.challenge)
		}
	}},
	{guest: "http-wasm/router", test: func(t *testing.T, a *asker) {
		got := a.do(t, "GET", "/host/a?b=c", "")
		expect(t, "target", got.seen.Target, "/a?b=c")
		got = a.do(t, "GET", "/", "")
		expect(t, "answer", got.body, "hello world")
		expect(t, "content-type", got.header.Get("Content-Type"), "text/plain")
	}},
	{guest: "http-wasm/router", name: "module", module: true, test: func(t *testing.T, a *asker) {
		expect(t, "answer", a.do(t, "GET", "/", "").body, "hello world")
	}},
	{guest: "http-wasm/redact", plugin: "config: open sesame", test: func(t *testing.T, a *asker) {
		got := a.do(t, "POST", "/", "hello, open sesame!")
		expect(t, "request body", got.seen.Body, "hello, ###########!")
		expect(t, "response body", a.do(t, "GET", "/say?open+sesame,+world", "").body, "###########, world")
		expect(t, "harmless body", a.do(t, "POST", "/", "hello").seen.Body, "hello")
	}},
	{guest: "http-wasm/log", test: func(t *testing.T, a *asker) {
		expect(t, "status", a.do(t, "GET", "/", "").status, 200)
	}},
	{guest: "http-wasm/config", plugin: `config: "\x03\0\0\0\0\0\0\0"`, test: func(t *testing.T, a *asker) {
		expect(t, "body", a.do(t, "POST", "/", "some body").seen.Body, "some body")
	}},
	{guest: "http-wasm/wasi", test: printsExchange},
	{guest: "tinygo/wasi", test: printsExchange},
	{guest: "http-wasm/e2e/method", test: func(t *testing.T, a *asker) {
		got := a.do(t, "GET", "/", "")
		expect(t, "method", got.seen.Method, "POST")
		expect(t, "body", got.seen.Body, "GET")
	}},
	{guest: "http-wasm/e2e/uri", test: func(t *testing.T, a *asker) {
		got := a.do(t, "GET", "/v1.0/hi?name=panda", "")
		expect(t, "target", got.seen.Target, "/v1.0/hello?name=teddy")
		expect(t, "body", got.seen.Body, "/v1.0/hi?name=panda")
	}},
	{guest: "http-wasm/e2e/header_value", test: func(t *testing.T, a *asker) {
		got := a.do(t, "POST", "/", "{}", "Content-Type", "application/json")
		expect(t, "content-type", strings.Join(got.seen.Header["Content-Type"], ","), "text/plain")
	}},
	{guest: "http-wasm/e2e/header_names", test: func(t *testing.T, a *asker) {
		var fields []string
		for i := range 100 {
			fields = append(fields, fmt.Sprint("X-Field-", i), "value")
		}
		expect(t, "status", a.do(t, "GET", "/", "", fields...).status, 200)
	}},
	{guest: "http-wasm/e2e/protocol_version", test: func(t *testing.T, a *asker) {
		want := map[string]string{"h1": "HTTP/1.1", "h2": "HTTP/2.0", "h3": "HTTP/3.0"}[a.proto]
		expect(t, "version", a.do(t, "GET", "/", "").body, want)
	}},
	{guest: "http-wasm/e2e/handle_response", test: func(t *testing.T, a *asker) {
		for range 20 {
			expect(t, "status", a.do(t, "GET", "/", "").status, 200)
		}
	}},
	{guest: "http-wasm/error/panic_on_handle_request", test: refuses},
	{guest: "http-wasm/error/panic_on_handle_response", test: refuses},
	{guest: "http-wasm/error/set_request_header_after_next", test: refuses},
	{guest: "tinygo/router", test: func(t *testing.T, a *asker) {
		expect(t, "target", a.do(t, "GET", "/host/a", "").seen.Target, "/a")
		expect(t, "answer", a.do(t, "GET", "/", "").body, "hello")
	}},
	{guest: "tinygo/features", test: func(t *testing.T, a *asker) {
		expect(t, "features", a.do(t, "GET", "/", "").body, "buffer_request|buffer_response")
	}},
	{guest: "tinygo/handle_response", test: func(t *testing.T, a *asker) {
		expect(t, "body", a.do(t, "GET", "/", "").body, "43")
	}},
	{guest: "tinygo/log", test: func(t *testing.T, a *asker) {
		expect(t, "status", a.do(t, "GET", "/", "").status, 200)
		a.p.awaitOutput(t, `"after"`)
	}},
	{guest: "tinygo/read_body_stream", test: func(t *testing.T, a *asker) {
		expect(t, "status", a.do(t, "POST", "/", strings.Repeat("a", 100_000)).status, 200)
	}},
	{guest: "tinygo/stream_body", test: func(t *testing.T, a *asker) {
		expect(t, "status", a.do(t, "POST", "/", strings.Repeat("a", 100_000)).status, 200)
	}},
	{guest: "c/handler", test: func(t *testing.T, a *asker) {
		got := a.do(t, "GET", "/", "")
		expect(t, "request", got.seen.Header.Get("X-Guest"), "C")
		expect(t, "response", got.header.Get("X-Guest"), "C")
		got = a.do(t, "GET", "/teapot", "")
		expect(t, "status", got.status, 418)
		expect(t, "body", got.body, "short and stout\n")
	}},
}

// printsExchange is a guest that reads everything and prints it.
func printsExchange(t *testing.T, a *asker) {
	line := "/printed/" + a.proto + "/" + a.host
	got := a.do(t, "POST", line, "the body", "X-Printed", "yes")
	expect(t, "body", got.seen.Body, "the body")
	a.p.awaitOutput(t, "POST "+line+" HTTP/")
}
