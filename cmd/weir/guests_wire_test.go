package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/attack/clients"
)

// probeGuest compiles the guest that a room of the host has for its own tests: it does
// what requests and its configuration tell it to.
func probeGuest(t *testing.T, room string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), room+".wasm")
	build := exec.Command("go", "build", "-buildmode=c-shared", "-o", file, ".")
	build.Dir = filepath.Join("..", "..", "wasmhost", room, "testdata", "probe")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build probe of %s: %v\n%s", room, err, out)
	}
	return file
}

// chained runs weir with a site of each name, whose filters stand before an upstream. "pw"
// among them is the Proxy-Wasm probe, "hw" the http-wasm one; one plugin serves them all.
func chained(t *testing.T, upstream string, sites map[string]string) *program {
	t.Helper()
	dir := t.TempDir()
	var b strings.Builder
	fmt.Fprintf(&b, "listen: {http: \"${HTTP}\", https: \"${HTTPS}\"}\nadmin: \"${ADMIN}\"\nlog: {format: json, level: debug}\n")
	fmt.Fprintf(&b, "plugins:\n  pw: {wasm: %q, limits: {instances: 2}}\n  hw: {wasm: %q}\nsites:\n", probeGuest(t, "proxywasm"), probeGuest(t, "httpwasm"))
	for host, filters := range sites {
		fmt.Fprintf(&b, "  %s:\n    tls: internal\n    filters: %s\n    proxy: %q\n", host, filters, upstream)
	}
	keepCompiled(t, dir)
	return startProgram(t, dir, b.String())
}

// behindGuests answers in all the ways that guests stand in between.
func behindGuests(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	w.Header().Set("X-Saw", fmt.Sprintf("%s %s %d %q %v", r.Method, r.URL.Path, r.ContentLength, body, err))
	switch r.URL.Path {
	case "/long":
		w.Header().Set("X-Saw", fmt.Sprint(len(body), err))
	case "/empty":
		w.WriteHeader(204)
	case "/same":
		w.Header().Set("ETag", `"v"`)
		w.WriteHeader(304)
	case "/range":
		http.ServeContent(w, r, "f.txt", time.Unix(1e9, 0), strings.NewReader("0123456789"))
	case "/gzip":
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		io.WriteString(z, "compressed")
		z.Close()
	case "/hints":
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(103)
		io.WriteString(w, "hinted")
	case "/cookies":
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2; Expires=Wed, 21 Oct 2099 07:28:00 GMT")
		w.Header()["X-Bytes"] = []string{"caf\xe9"}
		io.WriteString(w, "cookies")
	default:
		io.WriteString(w, "upstream")
	}
}

func TestGuests_InAChain(t *testing.T) {
	t.Parallel()
	up := httptest.NewServer(http.HandlerFunc(behindGuests))
	t.Cleanup(up.Close)
	const note = `request_headers add 0 x-way %s|request_body set_buffer 0 0x7fffffff 0 %s|response_headers add 2 x-back %s|response_body set_buffer 1 0x7fffffff 0 %s`
	use := func(name string) string {
		return fmt.Sprintf(`{use: pw, config: "%s"}`, strings.ReplaceAll(note, "%s", name))
	}
	p := chained(t, up.URL, map[string]string{
		"idle.test":   `[{use: pw, config: "log log over"}, hw, {use: pw, config: "log log over again"}]`,
		"chain.test":  "[" + use("a") + ", hw, " + use("b") + "]",
		"refuse.test": `[` + use("a") + `, {use: pw, config: "request_headers reply 403 no|log log refused"}]`,
		"method.test": `[{use: pw, config: "request_headers replace 0 :method HEAD|request_headers reply 403 no"}]`,
		"lies.test": `[{use: pw, config: "response_headers add 2 content-length 3|response_headers replace 2 content-length 3|response_headers add 2 transfer-encoding chunked|` +
			`response_headers add 2 x-long *1|response_headers add 2 set-cookie c=3|response_headers add 2 X-Mixed-Case yes"}]`,
		"none.test":     `[{use: pw, config: "response_headers replace 2 :status 204"}]`,
		"trailers.test": `[{use: pw, config: "request_body_end add 1 x-sum 7|response_body_end add 3 x-sum 8"}]`,
	})
	for _, host := range []string{"idle.test", "chain.test"} {
		for _, a := range p.askers(t, host) {
			t.Run(host+"/"+a.proto, func(t *testing.T) {
				idle := host == "idle.test"
				end := func(body, marks string) string {
					if idle {
						return body
					}
					return body + marks
				}
				for range 2 { // the first has not spoilt the connection
					got := a.do(t, "POST", "/", "content")
					expect(t, "body", got.body, end("upstream", "ba"))
					expect(t, "saw", got.header.Get("X-Saw"), fmt.Sprintf("POST / %d %q <nil>", len(end("content", "ab")), end("content", "ab")))
					expect(t, "length", got.header.Get("Content-Length"), fmt.Sprint(len(end("upstream", "ba"))))
					if !idle {
						expect(t, "x-back", strings.Join(got.header["X-Back"], ","), "b,a")
					}
				}
				expect(t, "HEAD", a.do(t, "HEAD", "/", "").body, "")
				expect(t, "204", a.do(t, "GET", "/empty", "").status, 204)
				got := a.do(t, "GET", "/same", "")
				expect(t, "304", fmt.Sprint(got.status, got.body, got.header.Get("Etag")), `304"v"`)
				got = a.do(t, "GET", "/range", "", "Range", "bytes=2-4")
				expect(t, "range", fmt.Sprint(got.status, got.body), "206"+end("234", "ba"))
				expect(t, "hints", a.do(t, "GET", "/hints", "").body, end("hinted", "ba"))
				got = a.do(t, "GET", "/cookies", "")
				expect(t, "cookies", strings.Join(got.header["Set-Cookie"], ";"), "a=1;b=2; Expires=Wed, 21 Oct 2099 07:28:00 GMT")
				expect(t, "bytes that are no UTF-8", got.header.Get("X-Bytes"), "caf\xe9")
				got = a.do(t, "GET", "/gzip", "", "Accept-Encoding", "gzip")
				expect(t, "encoding", got.header.Get("Content-Encoding"), "gzip")
				z, err := gzip.NewReader(strings.NewReader(got.body))
				if err != nil {
					t.Fatal(err)
				}
				z.Multistream(false)
				plain, err := io.ReadAll(z)
				expect(t, "gunzipped", fmt.Sprint(string(plain), err), "compressed<nil>")
				long := strings.Repeat("0123456789", 50_000)
				expect(t, "long", a.do(t, "PUT", "/long", long).status, 200)
			})
		}
	}
	for _, a := range p.askers(t, "refuse.test") {
		got := a.do(t, "POST", "/", "content")
		expect(t, a.proto+": refused", fmt.Sprint(got.status, got.body, got.header.Get("X-Saw")), "403noa")
	}
	for _, a := range p.askers(t, "method.test") {
		for range 2 {
			got := a.do(t, "GET", "/", "")
			expect(t, a.proto+": refused with another method", fmt.Sprint(got.status, got.body), "403no")
		}
	}
	for _, a := range p.askers(t, "lies.test") {
		for range 2 {
			got := a.do(t, "GET", "/cookies", "")
			expect(t, a.proto+": lies", fmt.Sprint(got.body, got.header.Get("Content-Length"), len(got.header["Set-Cookie"]), got.header.Get("X-Mixed-Case")), "cookies73yes")
		}
	}
	for _, a := range p.askers(t, "none.test") {
		for range 2 {
			got := a.do(t, "GET", "/", "")
			expect(t, a.proto+": made 204", fmt.Sprint(got.status, got.body, got.header.Get("Content-Length")), "204")
		}
	}
	for _, a := range p.askers(t, "trailers.test") {
		req, _ := http.NewRequestWithContext(t.Context(), "POST", "https://trailers.test/", strings.NewReader("content"))
		resp, err := a.transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		expect(t, a.proto+": trailers", fmt.Sprint(string(body), err, resp.Trailer.Get("X-Sum")), "upstream<nil>8")
	}
	raw(t, p, "POST / HTTP/1.0\r\nHost: idle.test\r\nContent-Length: 7\r\n\r\ncontent", "HTTP/1.1 200", "upstream")
	raw(t, p, "POST / HTTP/1.1\r\nHost: chain.test\r\nExpect: 100-continue\r\nContent-Length: 7\r\nConnection: close\r\n\r\ncontent", "HTTP/1.1 200", "upstreamba")
	raw(t, p, "POST / HTTP/1.1\r\nHost: refuse.test\r\nExpect: 100-continue\r\nContent-Length: 7\r\nConnection: close\r\n\r\n", "HTTP/1.1 403", "noa")
}

// raw says what bytes a client sends over a connection of its own, and how the answer
// begins and ends.
func raw(t *testing.T, p *program, request, begins, ends string) {
	t.Helper()
	_, host, _ := strings.Cut(request, "Host: ")
	host, _, _ = strings.Cut(host, "\r\n")
	c, err := tls.Dial("tcp", p.udp(), &tls.Config{RootCAs: p.pool(t), ServerName: host, NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(c, request)
	got, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(string(got), begins) || !strings.HasSuffix(string(got), ends) {
		t.Errorf("%.60q: got %q, %v; want %q … %q", request, got, err, begins, ends)
	}
}

func TestGuests_BeforeWebSockets(t *testing.T) {
	t.Parallel()
	p := chained(t, clients.EchoWebSocket(t), map[string]string{
		"localhost": `[{use: pw, config: "response_headers add 2 x-a b|response_body log seen"}, hw, {use: pw, config: "log log over"}]`,
	})
	for _, proto := range []string{"h1", "h2", "h3"} {
		client := clients.WebSocket(t, proto, p.root(), "https://"+p.https+"/"+proto, p.udp(), 500)
		t.Log(client.Line(t, "echoed 500"))
		client.End(t)
	}
	p.tally(t, 6)
}

func TestGuests_BeforeGRPC(t *testing.T) {
	t.Parallel()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	p := chained(t, "h2c://127.0.0.1:"+port, map[string]string{
		"localhost": `[{use: pw, config: "log log over"}, hw, {use: pw, config: "response_trailers add 3 x-guest 1"}]`,
	})
	cmd := exec.CommandContext(t.Context(), clients.Find(t, "go"), "test", "-count=1", "-v", "-timeout=2m", ".")
	cmd.Dir = example("grpc")
	cmd.Env = append(os.Environ(), "GAUGE_ADDR=127.0.0.1:"+port, "GAUGE_VIA="+p.https, "GAUGE_ROOT="+p.root(), "GAUGE_CALLS=100")
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("go test in examples/grpc: %v\n%s", err, p.tail())
	}
}

// streams counts what guests have written to the log of their streams.
func (p *program) streams() (made, done, logs, deleted int) {
	for line := range strings.Lines(p.output()) {
		switch {
		case strings.Contains(line, `"text":"create `) && !strings.Contains(line, ` 0"`): // no root
			made++
		case !strings.Contains(line, `"id":"`):
		case strings.Contains(line, `"text":"done"`):
			done++
		case strings.Contains(line, `"text":"log"`):
			logs++
		case strings.Contains(line, `"text":"delete"`):
			deleted++
		}
	}
	return made, done, logs, deleted
}

// tally waits until guests have forgotten all streams that they had, of which there were
// at least so many, and each of its ends was told once.
func (p *program) tally(t *testing.T, least int) {
	t.Helper()
	var made, done, logs, deleted int
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 500 {
		made, done, logs, deleted = p.streams()
		if made >= least && made == done && made == logs && made == deleted {
			return
		}
		<-tick.C
	}
	t.Errorf("of %d streams %d were done, %d logged and %d deleted; want all, and at least %d", made, done, logs, deleted, least)
}

// TestGuests_LoseTheirClients leaves at each point of an exchange: every stream is
// forgotten, once.
func TestGuests_LoseTheirClients(t *testing.T) {
	t.Parallel()
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/silent":
			<-r.Context().Done()
		case "/upload":
			io.Copy(io.Discard, r.Body)
		default:
			io.WriteString(w, "a piece")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}
	}))
	t.Cleanup(up.Close)
	p := chained(t, up.URL, map[string]string{
		"leave.test": `[{use: pw, config: "log log over"}, hw, {use: pw, config: "log log over again"}]`,
		"hold.test":  `[{use: pw, config: "request_headers return 1"}]`,
		"keep.test":  `[{use: pw, config: "request_body return 1"}]`,
		"back.test":  `[{use: pw, config: "response_headers return 1"}]`,
	})
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	var all sync.WaitGroup
	n := 0
	for _, c := range []struct{ host, method, path string }{
		{"leave.test", "GET", "/silent"}, {"leave.test", "GET", "/piece"}, {"leave.test", "POST", "/upload"},
		{"hold.test", "GET", "/"}, {"keep.test", "POST", "/upload"}, {"back.test", "GET", "/piece"},
	} {
		for _, a := range p.askers(t, c.host) {
			n++
			if c.host == "leave.test" {
				n++ // two guests
			}
			all.Go(func() {
				var body io.Reader
				if c.method == "POST" {
					r, w := io.Pipe()
					context.AfterFunc(ctx, func() { w.CloseWithError(context.Canceled) }) // net/http waits for it
					go io.WriteString(w, "some")
					body = r
				}
				req, _ := http.NewRequestWithContext(ctx, c.method, "https://"+c.host+c.path, body)
				resp, err := a.transport.RoundTrip(req)
				if err == nil {
					_, err = io.ReadAll(resp.Body)
					resp.Body.Close()
				}
				if err == nil {
					t.Errorf("%s %s over %s: there was an answer", c.method, c.path, a.proto)
				}
			})
		}
	}
	until(t, "streams to be made", func() bool {
		made, _, _, _ := p.streams()
		return made >= n
	})
	<-time.After(500 * time.Millisecond) // each gets to where it stands
	leave()
	all.Wait()
	p.tally(t, n)
}

// TestGuests_LetEventsThrough: an event is not held back for the next, whether the guest
// looks at it or not.
func TestGuests_LetEventsThrough(t *testing.T) {
	t.Parallel()
	next := make(chan string)
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		for s := range next {
			if s == "" {
				return
			}
			io.WriteString(w, s+"\n")
			w.(http.Flusher).Flush()
		}
	}))
	t.Cleanup(up.Close)
	p := chained(t, up.URL, map[string]string{"events.test": `[{use: pw, config: "response_body set_buffer 1 0 0 data:"}, hw]`})
	for _, a := range p.askers(t, "events.test") {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", "https://events.test/", nil)
		resp, err := a.transport.RoundTrip(req) // with its head, though there is no event
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(resp.Body)
		for k := range 3 {
			next <- fmt.Sprint("event", k)
			if got, err := lines.ReadString('\n'); got != fmt.Sprintf("data:event%d\n", k) {
				t.Errorf("%s: got %q, %v", a.proto, got, err)
			}
		}
		next <- ""
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}
