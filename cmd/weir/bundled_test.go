package main

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/filters"
)

// needsFilters skips tests of a weir that was compiled without its bundled filters: make
// test builds them first.
func needsFilters(t *testing.T) {
	t.Helper()
	_, err := filters.Module()
	switch {
	case errors.Is(err, filters.ErrNotBuilt) && os.Getenv("WEIR_CI") == "":
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
}

func TestBundled_NamesAreThoseOfTheModule(t *testing.T) {
	t.Parallel()
	if got, want := config.Bundled(), filters.Names(); !slices.Equal(got, want) {
		t.Errorf("configurations know %q, the module has %q", got, want)
	}
}

// TestBundled_FiltersOverTheWire uses all of them, by their names alone.
func TestBundled_FiltersOverTheWire(t *testing.T) {
	t.Parallel()
	needsFilters(t)
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "old")
		io.WriteString(w, "for "+r.Header.Get("X-User"))
	}))
	t.Cleanup(up.Close)
	// The hash is that of "engine", made by an older program.
	const hash = "$2a$04$8Hiq1e.w8z.G76CUMTXgyerAquRGdNeiWYSfvZQoghUctqQY80N4a"
	dir := t.TempDir()
	keepCompiled(t, dir)
	p := startProgram(t, dir, `
listen: {http: "${HTTP}", https: "${HTTPS}"}
admin: "${ADMIN}"
sites:
  localhost:
    http: serve
    filters: [{use: headers, config: {response: {remove: server, set: {x-served: weir}}}}]
    respond: "hello"
    routes:
      - match: /echo
        module: echo
      - match: /api/*
        filters: [{use: cors, config: {origins: "https://app.example.com"}}]
        proxy: `+up.URL+`
      - match: /staff/*
        filters: [{use: basic-auth, config: {realm: staff, users: {ada: "`+hash+`"}}}]
        proxy: `+up.URL+`
`)
	l := p.leaver(t, "h1")
	t.Cleanup(l.cut)
	do := func(method, path, body string, fields ...string) (*http.Response, string) {
		req, _ := http.NewRequest(method, l.url+path, strings.NewReader(body))
		for i := 0; i < len(fields); i += 2 {
			req.Header.Set(fields[i], fields[i+1])
		}
		resp, err := l.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Errorf("%s %s: %v\n%s", method, path, err, p.tail())
		}
		return resp, string(b)
	}
	if resp, text := do("GET", "/", ""); text != "hello" || resp.Header.Get("X-Served") != "weir" {
		t.Errorf("headers: %q, %v", text, resp.Header)
	}
	if resp, text := do("POST", "/echo?q", "some words"); !strings.HasPrefix(text, "POST /echo?q\n") || !strings.HasSuffix(text, "\n\nsome words") || resp.Header.Get("Content-Security-Policy") != "sandbox" {
		t.Errorf("echo: %q, %v", text, resp.Header)
	}
	resp, _ := do("OPTIONS", "/api/x", "", "Origin", "https://app.example.com", "Access-Control-Request-Method", "GET")
	if resp.StatusCode != 204 || resp.Header.Get("Access-Control-Allow-Origin") != "https://app.example.com" {
		t.Errorf("cors: %s, %v", resp.Status, resp.Header)
	}
	if resp, _ := do("GET", "/api/x", "", "Origin", "https://evil.test"); resp.StatusCode != 200 || resp.Header.Get("Access-Control-Allow-Origin") != "" || resp.Header.Get("Server") == "old" {
		t.Errorf("cors, another origin: %s, %v", resp.Status, resp.Header)
	}
	if resp, _ := do("GET", "/staff/x", ""); resp.StatusCode != 401 || resp.Header.Get("WWW-Authenticate") != `Basic realm="staff", charset="UTF-8"` {
		t.Errorf("basic-auth: %s, %v", resp.Status, resp.Header)
	}
	for range 2 {
		if resp, text := do("GET", "/staff/x", "", "Authorization", "Basic YWRhOmVuZ2luZQ==", "X-User", "root"); resp.StatusCode != 200 || text != "for ada" {
			t.Errorf("basic-auth: %s, %q\n%s", resp.Status, text, p.tail())
		}
	}
	if resp, _ := do("GET", "/staff/x", "", "Authorization", "Basic YWRhOnNlc2FtZQ=="); resp.StatusCode != 401 {
		t.Errorf("basic-auth, wrong password: %s", resp.Status)
	}
}

// TestBundled_MistakesAreTold: what a filter does not like of its configuration is shown
// where that is written.
func TestBundled_MistakesAreTold(t *testing.T) {
	t.Parallel()
	needsFilters(t)
	w := dryWorld()
	t.Cleanup(w.close)
	err := builtBy(t, w, t.TempDir(), "sites:\n  a.test:\n    filters: [{use: cors, config: {origin: x}}]\n    respond: hi\n")
	if err == nil {
		t.Fatal("a mistake is taken")
	}
	for _, want := range []string{":3:", "origins: is missing", "origin: is not known here"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v\nwant %q in it", err, want)
		}
	}
}
