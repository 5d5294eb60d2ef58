package cgi

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vm"
	"github.com/weirproxy/weir/wasmhost/vmtest"
)

// fields lists a header for comparison.
func fieldsOf(h *exchange.Header) string {
	var b strings.Builder
	for name, value := range h.All() {
		b.WriteString(name + ": " + value + "\n")
	}
	return b.String()
}

func TestHandle_WhatProgramsSay(t *testing.T) {
	t.Parallel()
	const typed = "Content-Type: text/plain\n"
	for _, tt := range []struct {
		name, says string
		status     int
		header     string
		body       string
		err        string // in the log
	}{
		{"document", typed + "\nhello", 200, "content-type: text/plain\n", "hello", ""},
		{"CR LF", "Content-Type: text/plain\r\nX-A:  b \r\n\r\nhi\r\n", 200, "content-type: text/plain\nx-a: b\n", "hi\r\n", ""},
		{"mixed ends", "Content-Type: text/plain\r\nX-A: b\n\r\nhi", 200, "content-type: text/plain\nx-a: b\n", "hi", ""},
		{"no content", typed + "\n", 200, "content-type: text/plain\n", "", ""},
		{"status", "Status: 404 Not Here\n" + typed + "\nno", 404, "content-type: text/plain\n", "no", ""},
		{"status alone", "status: 204\n\n", 204, "", "", ""},
		{"content of 204", "Status: 204\n\nxyz", 204, "", "", ""},
		{"cookies", typed + "Set-Cookie: a=1\nSet-Cookie: b=2\n\n", 200, "content-type: text/plain\nset-cookie: a=1\nset-cookie: b=2\n", "", ""},
		{"client redirect", "Location: https://example.org/x\n\n", 302, "location: https://example.org/x\n", "", ""},
		{"redirect with document", "Status: 301 Moved\nLocation: /y\n" + typed + "\n<a>", 301, "location: /y\ncontent-type: text/plain\n", "<a>", ""},
		{"local path and a cookie", "Set-Cookie: a=1\nLocation: /app\n\n", 302, "set-cookie: a=1\nlocation: /app\n", "", ""},
		{"elsewhere on the site", "Location: /other\n\n", 302, "location: /other\n", "", ""},
		{"network path", "Location: //evil.example/app\n\n", 302, "location: //evil.example/app\n", "", ""},
		{"hop by hop", typed + "Connection: close\nTransfer-Encoding: chunked\nKeep-Alive: 1\nUpgrade: x\nX-CGI-Secret: y\n\nz", 200, "content-type: text/plain\n", "z", ""},
		{"length", typed + "Content-Length: 3\n\nabc", 200, "content-type: text/plain\n", "abc", ""},
		{"longer than announced", typed + "Content-Length: 3\n\nabcdef", 200, "content-type: text/plain\n", "abc", ""},
		{"shorter than announced", typed + "Content-Length: 3\n\nab", 500, "", "", "less than its Content-Length"},
		{"nothing", "", 500, "", "", "wrote no header"},
		{"no empty line", "Content-Type: text/plain\n", 500, "", "", "wrote no header"},
		{"empty head", "\nhello", 500, "", "", "wrote no header"},
		{"no type", "X-A: b\n\nhello", 500, "", "", "wrote no header"},
		{"no field", "<html>\n\n", 500, "", "", `the line \"<html>\"`},
		{"space before colon", "Content-Type : text/plain\n\n", 500, "", "", "no field"},
		{"folded", typed + " more\n\n", 500, "", "", "begins with a space"},
		{"NPH", "HTTP/1.1 200 OK\nContent-Type: a/b\n\n", 500, "", "", "non-parsed"},
		{"bad status", "Status: 99\n\n", 500, "", "", "three digits"},
		{"interim status", "Status: 101 Switching\n\n", 500, "", "", "three digits"},
		{"two statuses", "Status: 200\nStatus: 404\n\n", 500, "", "", "twice"},
		{"two lengths", typed + "Content-Length: 1\nContent-Length: 1\n\na", 500, "", "", "twice"},
		{"negative length", typed + "Content-Length: -1\n\na", 500, "", "", "Content-Length is"},
		{"control character", typed + "X-A: b\x00c\n\n", 500, "", "", "forbidden character"},
		{"lone CR", typed + "X-A: b\rX-B: c\n\n", 500, "", "", "forbidden character"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := serve(t, says(tt.says), &guest.Plugin{})
			h.guests.grace = time.Minute
			r := exchangetest.NewRequest("GET", "/app/x", under("/app/"))
			got := exchangetest.Do(t, h, r)
			if got.Status != tt.status || string(got.Body) != tt.body || fieldsOf(&got.Header) != tt.header {
				t.Errorf("got %d %q with %q (%v), want %d %q with %q", got.Status, got.Body, fieldsOf(&got.Header), got.Err, tt.status, tt.body, tt.header)
			}
			if tt.err != "" && (got.Err == nil || !strings.Contains(strings.ReplaceAll(got.Err.Error(), `"`, `\"`), tt.err)) {
				t.Errorf("failed with %v, want %q in it", got.Err, tt.err)
			}
			if tt.status == 200 && got.Len != int64(len(tt.body)) {
				t.Errorf("length %d, want %d: it was there when the response left", got.Len, len(tt.body))
			}
		})
	}
}

func TestHandle_Head(t *testing.T) {
	t.Parallel()
	for says_, want := range map[string]string{
		"Content-Type: a/b\nContent-Length: 7\n\n":        "content-type: a/b\ncontent-length: 7\n",
		"Content-Type: a/b\nContent-Length: 7\n\nabcdefg": "content-type: a/b\ncontent-length: 7\n",
		"Content-Type: a/b\n\nabc":                        "content-type: a/b\n",
	} {
		got := exchangetest.Do(t, serve(t, says(says_), &guest.Plugin{}), exchangetest.NewRequest("HEAD", "/"))
		if got.Status != 200 || fieldsOf(&got.Header) != want || len(got.Body) != 0 {
			t.Errorf("HEAD of %q: got %d %q %q, want %q", says_, got.Status, fieldsOf(&got.Header), got.Body, want)
		}
	}
}

func TestHandle_FailuresOfPrograms(t *testing.T) {
	t.Parallel()
	const text = "Content-Type: a/b\n\nabc"
	all := put(0, len(text))
	for _, tt := range []struct {
		name   string
		body   vmtest.Code
		status int
		err    string
	}{
		{"exit 0", vmtest.Code{all, vmtest.I32Const, 0, vmtest.Call, "proc_exit"}, 200, ""},
		{"exit 3", vmtest.Code{all, vmtest.I32Const, 3, vmtest.Call, "proc_exit"}, 500, "exit code 3"},
		{"trap", vmtest.Code{all, vmtest.Unreachable}, 500, "unreachable"},
		{"exit before", vmtest.Code{vmtest.I32Const, 7, vmtest.Call, "proc_exit"}, 500, "exit code 7"},
		{"endless loop", vmtest.Code{vmtest.Loop, vmtest.Void, vmtest.Br, 0, vmtest.End}, 500, "computed"},
		{"sleep", vmtest.Code{vmtest.I64Const, int64(time.Hour), vmtest.Call, "$sleep"}, 500, "silent"},
		{"endless head", vmtest.Code{vmtest.Loop, vmtest.Void, put(0, 10), vmtest.Br, 0, vmtest.End}, 500, "longer than 64 KiB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			limits := vm.Limits{Request: 5 * time.Millisecond}
			if tt.name == "sleep" {
				limits.Wall = 100 * time.Millisecond
			}
			h := serve(t, writer(text, tt.body), &guest.Plugin{Limits: limits})
			got := exchangetest.Do(t, h, exchangetest.NewRequest("GET", "/"))
			e, _ := errors.AsType[*exchange.Error](got.Err)
			if got.Status != tt.status || tt.err != "" && (e == nil || e.Fault != exchange.Plugin || !strings.Contains(e.Error(), tt.err)) {
				t.Errorf("got %d, %v; want %d, %q", got.Status, got.Err, tt.status, tt.err)
			}
		})
	}
}

func TestHandle_BoundsLocalRedirects(t *testing.T) {
	t.Parallel()
	h := serve(t, says("Location: /app/x\n\n"), &guest.Plugin{})
	got := exchangetest.Do(t, h, exchangetest.NewRequest("GET", "/app/x", under("/app/")))
	if got.Status != 500 || got.Err == nil || !strings.Contains(got.Err.Error(), "over and over") {
		t.Errorf("got %d, %v", got.Status, got.Err)
	}
	if n := h.plugin.Counters.Started.Load(); n != maxRedirects {
		t.Errorf("%d runs, want %d", n, maxRedirects)
	}
}

func TestHandle_Streams(t *testing.T) {
	t.Parallel()
	const head, pieces, size = "Content-Type: a/b\n\n", 200, 10_000
	text := head + strings.Repeat("x", size)
	body := vmtest.Code{put(0, len(head)),
		vmtest.Loop, vmtest.Void, put(len(head), len(text)),
		vmtest.LocalGet, 0, vmtest.I32Const, 1, vmtest.I32Add, vmtest.LocalTee, 0, vmtest.I32Const, pieces, vmtest.I32LtU, vmtest.BrIf, 0, vmtest.End}
	h := serve(t, writer(text, body), &guest.Plugin{})
	got := exchangetest.Do(t, h, exchangetest.NewRequest("GET", "/"))
	if got.Err != nil || len(got.Body) != pieces*size || got.Len != -1 {
		t.Errorf("got %d bytes of length %d, %v; want %d, -1", len(got.Body), got.Len, got.Err, pieces*size)
	}
}

func TestHandle_CutsWhatFailsMidway(t *testing.T) {
	t.Parallel()
	const head = "Content-Type: a/b\n\n"
	text := head + strings.Repeat("x", 40_000)
	h := serve(t, writer(text, vmtest.Code{put(0, len(text)), put(len(head), len(text)), vmtest.Unreachable}), &guest.Plugin{})
	r := exchangetest.NewRequest("GET", "/")
	resp, err := h.Handle(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if e, _ := errors.AsType[*exchange.Error](err); e == nil || e.Fault != exchange.Plugin || len(b) != 80_000-len(head)+len(head) {
		t.Errorf("got %d bytes, %v; want all that was written, and the plugin's fault", len(b), err)
	}
	if r.Record.Plugin != "app" {
		t.Errorf("record names plugin %q, want app", r.Record.Plugin)
	}
}

func TestHandle_ClientsThatLeave(t *testing.T) {
	t.Parallel()
	const head = "Content-Type: a/b\n\n"
	text := head + strings.Repeat("x", 40_000)
	forever := vmtest.Code{put(0, len(head)), vmtest.Loop, vmtest.Void, put(len(head), len(text)), vmtest.Br, 0, vmtest.End}
	t.Run("while a program waits for room", func(t *testing.T) {
		t.Parallel()
		h := serve(t, writer(text, forever), &guest.Plugin{})
		resp, err := h.Handle(exchangetest.NewRequest("GET", "/"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(resp.Body, make([]byte, 100_000)); err != nil {
			t.Error(err)
		}
		resp.Body.Close() // ends the run: see the clean-up of serve
	})
	t.Run("while the body is read", func(t *testing.T) {
		t.Parallel()
		h := serve(t, writer(text, vmtest.Code{put(0, len(head)), vmtest.I64Const, int64(time.Hour), vmtest.Call, "$sleep"}), &guest.Plugin{})
		gone, leave := leaving()
		resp, err := h.Handle(exchangetest.NewRequest("GET", "/", gone))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		leave()
		if _, err := io.ReadAll(resp.Body); !errors.Is(err, exchange.ErrClientGone) {
			t.Errorf("got %v, want ErrClientGone", err)
		}
	})
	t.Run("before the head", func(t *testing.T) {
		t.Parallel()
		h := serve(t, writer(text, vmtest.Code{vmtest.I64Const, int64(time.Hour), vmtest.Call, "$sleep"}), &guest.Plugin{})
		gone, leave := leaving()
		time.AfterFunc(10*time.Millisecond, leave)
		if _, err := h.Handle(exchangetest.NewRequest("GET", "/", gone)); !errors.Is(err, exchange.ErrClientGone) {
			t.Errorf("got %v, want ErrClientGone", err)
		}
	})
}

func TestHandle_IsBoundedInNumber(t *testing.T) {
	t.Parallel()
	const head = "Content-Type: text/event-stream\n\n"
	code := writer(head, vmtest.Code{put(0, len(head)), vmtest.I64Const, int64(time.Hour), vmtest.Call, "$sleep"})
	h := serve(t, code, &guest.Plugin{Limits: vm.Limits{Instances: 1, Queue: 20 * time.Millisecond}})
	resp, err := h.Handle(exchangetest.NewRequest("GET", "/"))
	if err != nil {
		t.Fatal(err)
	}
	got := exchangetest.Do(t, h, exchangetest.NewRequest("GET", "/"))
	if got.Status != http.StatusServiceUnavailable || !errors.Is(got.Err, vm.ErrBusy) {
		t.Errorf("got %d, %v; want 503, ErrBusy", got.Status, got.Err)
	}
	resp.Body.Close()
	if resp, err = h.Handle(exchangetest.NewRequest("GET", "/")); err != nil {
		t.Fatalf("after one has ended: %v", err)
	}
	resp.Body.Close()
	if n := h.plugin.Counters.Waits.Load(); n != 1 {
		t.Errorf("%d waits counted, want 1", n)
	}
}

func TestContract(t *testing.T) {
	t.Parallel()
	const head = "Content-Type: text/plain\n\n"
	big := head + strings.Repeat("y", 50_000)
	requests := []exchangetest.Ask{
		{Method: "GET", Target: "/"},
		{Method: "HEAD", Target: "/a?b"},
		{Method: "POST", Target: "/form", Options: []exchangetest.Option{exchangetest.Body("a=b")}},
		{Method: "PUT", Target: "/file", Options: []exchangetest.Option{exchangetest.Chunked("some content")}},
	}
	for name, code := range map[string][]byte{
		"small":  says(head + "hello"),
		"large":  says(big),
		"length": says("Content-Length: 50000\n" + big),
		"fails":  writer(head, vmtest.Code{vmtest.Unreachable}),
		"cut":    writer(big, vmtest.Code{put(0, len(big)), vmtest.Unreachable}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			exchangetest.TestHandler(t, serve(t, code, &guest.Plugin{}), requests...)
		})
	}
}

// TestSecurity_W9_ProgramsBeginAnew has a program count its runs in its memory.
func TestSecurity_W9_ProgramsBeginAnew(t *testing.T) {
	t.Parallel()
	const text = "Content-Type: a/b\n\n0"
	at := 1024 + len(text) - 1
	h := serve(t, writer(text, vmtest.Code{
		vmtest.I32Const, at, vmtest.I32Const, at, vmtest.I32Load8U, 0, 0, vmtest.I32Const, 1, vmtest.I32Add, vmtest.I32Store8, 0, 0,
		put(0, len(text))}), &guest.Plugin{})
	for range 10 {
		if got := exchangetest.Do(t, h, exchangetest.NewRequest("GET", "/")); string(got.Body) != "1" {
			t.Fatalf("got %q, %v; want 1: memory of another request is seen", got.Body, got.Err)
		}
	}
}
