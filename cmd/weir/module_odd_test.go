package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/cmd/weir/testdata/modgo/odd"
)

// Clients that read nothing are let be for longer than a slow machine takes.
const moduleConf = `
listen: {http: "${HTTP}", https: "${HTTPS}"}
timeouts: {write: 10m}
admin: "${ADMIN}"
plugins:
  it:
    wasm: GUEST
    limits: {instances: INSTANCES, logs: 10}
sites:
  localhost: {http: serve, module: it, compress: false}
`

// moduleProgram runs weir with the handlers of testdata/modgo as a module.
func moduleProgram(t *testing.T, instances int) *program {
	t.Helper()
	dir := t.TempDir()
	keepCompiled(t, dir)
	return startProgram(t, dir, strings.NewReplacer("GUEST", goGuest(t, "cmd/weir/testdata/modgo"), "INSTANCES", fmt.Sprint(instances)).Replace(moduleConf))
}

// question is a request, and what is known to differ in what is answered.
type question struct {
	method, path, body string
	header             []string
	chunked            bool   // a body of no known length, with the trailer X-After
	differs            string // how it begins in weir, where that is another answer
}

var odds = []question{
	{path: "/none"}, {path: "/none", method: "HEAD"}, {path: "/none", method: "POST", body: "unread"},
	{path: "/status/200"}, {path: "/status/201?body=x"}, {path: "/status/204"}, {path: "/status/204?body=x"}, {path: "/said/status-204"},
	{path: "/status/304?body=x"}, {path: "/said/status-304"}, {path: "/status/304", method: "HEAD"}, {path: "/status/418?body=tea"}, {path: "/status/599"},
	{path: "/twice"}, {path: "/twice", method: "HEAD"},
	{path: "/sniff/html"}, {path: "/sniff/png"}, {path: "/sniff/text"}, {path: "/sniff/bytes"}, {path: "/sniff/none"}, {path: "/sniff/html", method: "HEAD"}, {path: "/notype"}, {path: "/encoded"},
	{path: "/length/10"}, {path: "/length/5"}, {path: "/said/length-5"}, {path: "/length/7", differs: "200 fails"}, {path: "/said/length-7"}, {path: "/length/15", differs: "200 fails"}, {path: "/length/x"}, {path: "/length/-1"}, {path: "/length/10", method: "HEAD"}, {path: "/length/0"}, {path: "/said/length-0"},
	{path: "/much/1"}, {path: "/much/2047"}, {path: "/much/2048"}, {path: "/much/2049"}, {path: "/much/4096"}, {path: "/much/4097"}, {path: "/much/3000000"}, {path: "/much/100", method: "HEAD"}, {path: "/much/100000", method: "HEAD"},
	{path: "/whole/0"}, {path: "/whole/3000000"}, {path: "/whole/3000000", method: "HEAD"},
	{path: "/hints"}, {path: "/trailers"}, {path: "/trailers?body"}, {path: "/trailers?body", method: "HEAD"}, {path: "/heads"},
	{path: "/read"}, {path: "/read", method: "POST", body: "hello"}, {path: "/read", method: "POST", body: strings.Repeat("x", 300_000)}, {path: "/read", method: "POST", body: "hello", chunked: true},
	{path: "/read", method: "POST", body: strings.Repeat("x", 1000), header: []string{"Expect", "100-continue"}},
	{path: "/unread", method: "POST", body: strings.Repeat("x", 1000)}, {path: "/unread", method: "POST", body: strings.Repeat("x", 1000), header: []string{"Expect", "100-continue"}},
	{path: "/most", method: "POST", body: "0123456789"}, {path: "/most", method: "POST", body: "0123456789a"}, {path: "/most", method: "POST", body: "0123456789a", chunked: true},
	{path: "/after", method: "POST", body: "body"}, {path: "/afterwards"}, {path: "/said/after"},
	{path: "/panic/late", differs: "fails"}, {path: "/panic/early", differs: "500"}, {path: "/panic/held", differs: "500"}, {path: "/panic/abort", differs: "500"}, {path: "/panic/nil", differs: "500"}, {path: "/none"},
	{path: "/control"},
	{path: "/facts/a/b/c%20d?x=1&y=%2F"}, {path: "/facts/a%2Fb", differs: "400"}, {path: "/facts/;v=1/..;/x", differs: "400"}, {path: "/facts/?"}, {path: "/facts/%C3%B6?q=%C3%B6"}, {path: "/facts/a+b", method: "DELETE"}, {path: "/facts/", method: "PUT", body: "x"}, {path: "/facts/", method: "POST", body: "x", chunked: true},
	{path: "/facts/", header: []string{"Cookie", "a=1; b=2", "X-Odd", "a,b", "Accept", "text/html"}}, {path: "/facts/x/../y"}, {path: "/facts//x"},
	{path: "/nowhere"}, {path: "/facts"},
}

// ask asks, and writes down all that there is to see.
func (a question) ask(client http.RoundTripper, base string) string {
	var body io.Reader
	if a.body != "" {
		body = strings.NewReader(a.body)
	}
	if a.chunked {
		body = struct{ io.Reader }{body}
	}
	var said bytes.Buffer
	trace := &httptrace.ClientTrace{Got1xxResponse: func(status int, h textproto.MIMEHeader) error {
		if status != 100 {
			fmt.Fprintln(&said, status, http.Header(h)["Link"])
		}
		return nil
	}}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), cmp.Or(a.method, "GET"), base+a.path, body)
	if err != nil {
		return err.Error()
	}
	req.Host = "localhost"
	req.Header = http.Header{"User-Agent": {"odd"}, "Accept-Encoding": {"identity"}}
	for i := 0; i < len(a.header); i += 2 {
		req.Header.Set(a.header[i], a.header[i+1])
	}
	if a.chunked {
		req.Trailer = http.Header{"X-After": {"all"}}
	}
	resp, err := client.RoundTrip(req)
	if err != nil {
		if ctx.Err() != nil {
			return said.String() + "hangs\n"
		}
		return said.String() + "fails\n"
	}
	defer resp.Body.Close()
	fmt.Fprintln(&said, resp.StatusCode)
	content, err := io.ReadAll(resp.Body)
	for _, h := range []http.Header{resp.Header, resp.Trailer} {
		for _, name := range slices.Sorted(maps.Keys(h)) {
			if len(h[name]) > 0 && !slices.Contains([]string{"Trailer", "Server", "Alt-Svc", "Connection"}, name) && (name != "Date" || strings.HasPrefix(a.path, "/heads")) {
				fmt.Fprintf(&said, "%s: %q\n", name, h[name])
			}
		}
		fmt.Fprintln(&said, "--")
	}
	if len(content) > 4000 {
		content = fmt.Appendf(content[:20], "… %d bytes", len(content))
	}
	fmt.Fprintf(&said, "%s\n", content)
	if ctx.Err() != nil {
		fmt.Fprintln(&said, "hangs")
	} else if err != nil {
		fmt.Fprintln(&said, "breaks off")
	}
	return said.String()
}

// TestModuleGo_BehavesAsNetHTTP compares weirhttp with net/http's own server for HTTP/1.1
// where handlers do odd things. Over HTTP/2 a module sees the same; net/http differs there.
func TestModuleGo_BehavesAsNetHTTP(t *testing.T) {
	t.Parallel()
	p := moduleProgram(t, 1)
	for _, proto := range []string{"h1", "h1s", "h2"} {
		t.Run(proto, func(t *testing.T) {
			alone := httptest.NewUnstartedServer(odd.Handler())
			alone.Config.ErrorLog = log.New(io.Discard, "", 0) // of its panics
			start := alone.StartTLS
			if proto == "h1" {
				start = alone.Start
			}
			start()
			t.Cleanup(alone.Close)
			l := p.leaver(t, proto)
			t.Cleanup(l.cut)
			for _, a := range odds {
				got, want := a.ask(l, l.url), a.ask(alone.Client().Transport, alone.URL)
				if !strings.Contains(want, "Content-Length") { // where it buffers less
					got = withoutLength(got)
				}
				if proto == "h2" {
					want = strings.NewReplacer("HTTP/1.1 1 1", "HTTP/2.0 2 0", "[chunked]", "[]").Replace(want)
					got, want = withoutLength(got), withoutLength(want)
				}
				if a.differs != "" && strings.Contains(a.differs, got[:min(len(got), 3)]) {
					continue
				}
				if got != want {
					t.Errorf("%s %s %v: the module answers\n%s\nand net/http\n%s", a.method, a.path, a.header, got, want)
				}
			}
		})
	}
	if t.Failed() {
		t.Log(p.tail())
	}
}

func withoutLength(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		if !strings.HasPrefix(line, "Content-Length: ") {
			b.WriteString(line)
		}
	}
	return b.String()
}
