package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// goGuest builds a package of this module, named from its root, as a guest.
func goGuest(t testing.TB, pkg string) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "guest.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", file, "./"+pkg)
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	return file
}

// slow is an upstream that takes its time for /wait, and echoes what it is sent.
type slow struct {
	takes  time.Duration
	answer chan struct{} // closed, it answers at once
	asked  atomic.Int64
	hash   hash.Hash // of what was sent to /turn
	length int64
}

func (s *slow) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/wait":
		s.asked.Add(1)
		select {
		case <-time.After(s.takes):
		case <-s.answer:
		case <-r.Context().Done():
			return
		}
		w.Header().Set("X-Answer", r.URL.RawQuery)
	case "/turn":
		s.hash = sha256.New()
		http.NewResponseController(w).EnableFullDuplex()
		s.length, _ = io.Copy(w, io.TeeReader(r.Body, s.hash))
	case "/fetch":
		w.Header().Set("X-Answer", "piecemeal")
		for i := range 20 {
			w.Write(bytes.Repeat([]byte{byte('a' + i)}, 10_000))
			w.(http.Flusher).Flush()
		}
	}
}

const sdkConf = `
listen: {http: "${HTTP}", https: "${HTTPS}"}
admin: "${ADMIN}"
upstreams:
  slow: {to: SLOW, limits: {idle: 1000}}
  behind: {to: BEHIND, limits: {idle: 1000}}
plugins:
  it:
    wasm: GUEST
    config: {name: ada}
    limits: {instances: 2, calls: 2000, logs: 10, queue: 1m}
    grants: {upstreams: [slow]}
sites:
  localhost: {http: serve, filters: it, proxy: {upstream: behind}}
`

// sdkProgram runs weir with the filter of testdata/sdkgo between clients and behind.
func sdkProgram(t *testing.T, s *slow, behind http.HandlerFunc) *program {
	t.Helper()
	upstream, front := httptest.NewServer(s), httptest.NewServer(behind)
	t.Cleanup(upstream.Close)
	t.Cleanup(front.Close)
	dir := t.TempDir()
	keepCompiled(t, dir)
	return startProgram(t, dir, strings.NewReplacer("SLOW", upstream.URL, "BEHIND", front.URL, "GUEST", goGuest(t, "cmd/weir/testdata/sdkgo")).Replace(sdkConf))
}

func (p *program) h2(t *testing.T) *http.Client {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.pool(t)}, ForceAttemptHTTP2: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

const plugin = `{plugin="it"}`

// TestSDK_ManyStreamsWaitOnTwoInstances: a thousand requests wait for an upstream that
// takes a second, and none for another.
func TestSDK_ManyStreamsWaitOnTwoInstances(t *testing.T) {
	t.Parallel()
	s := &slow{takes: time.Second}
	p := sdkProgram(t, s, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header.Get("X-Waited")) })
	const streams, warm = 1000, 100
	var clients []*http.Client
	for range 10 { // HTTP/2 has 250 streams at a time for each
		clients = append(clients, p.h2(t))
	}
	ask := func(n int) []time.Duration {
		took := make([]time.Duration, n)
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() {
				began := time.Now()
				text, err := fetched(clients[i%len(clients)], fmt.Sprintf("https://%s/wait?%d", p.https, i))
				if took[i] = time.Since(began); err != nil || text != fmt.Sprint(i) {
					t.Errorf("request %d: %q, %v", i, text, err)
				}
			})
		}
		all.Wait()
		slices.Sort(took)
		return took
	}
	ask(warm) // the guests' memory
	before := p.metric(t, "weir_plugin_memory_bytes"+plugin)
	cold := ask(streams) // makes the connections
	after := p.metric(t, "weir_plugin_memory_bytes"+plugin)
	took := ask(streams)
	t.Logf("%d streams on %v instances: median %v, 99th percentile %v, longest %v (%v with new connections); guests' memory %.1f -> %.1f MiB, %.1f KiB a stream at most",
		streams, p.metric(t, "weir_plugin_instances"+plugin), took[streams/2], took[streams*99/100], took[streams-1], cold[streams-1],
		before/(1<<20), after/(1<<20), (after-before)/streams/1024)
	if n := p.metric(t, "weir_plugin_instances"+plugin); n != 2 {
		t.Errorf("%v instances, want 2", n)
	}
	// One after the other they would take a quarter of an hour.
	if longest := took[streams-1]; longest > 20*s.takes {
		t.Errorf("the longest took %v", longest)
	}
	if s.asked.Load() != 2*streams+warm {
		t.Errorf("the upstream was asked %d times", s.asked.Load())
	}
}

// fetched gets a URL and returns its text, if the status is 200.
func fetched(c *http.Client, url string) (string, error) {
	resp, err := c.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != 200 {
		err = fmt.Errorf("status %d", resp.StatusCode)
	}
	return string(b), err
}

// TestSDK_ClientsThatLeaveFreeTheirStreams: what waits is forgotten with its client.
func TestSDK_ClientsThatLeaveFreeTheirStreams(t *testing.T) {
	t.Parallel()
	s := &slow{takes: time.Hour}
	p := sdkProgram(t, s, func(w http.ResponseWriter, r *http.Request) {})
	client := p.h2(t)
	ctx, leave := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			req, _ := http.NewRequestWithContext(ctx, "GET", fmt.Sprintf("https://%s/wait?%d", p.https, i), nil)
			if resp, err := client.Do(req); err == nil {
				t.Errorf("got %s", resp.Status)
				resp.Body.Close()
			}
		})
	}
	until(t, "the upstream to be asked", func() bool { return s.asked.Load() == 100 })
	if n := p.metric(t, "weir_plugin_streams"+plugin); n != 100 {
		t.Errorf("%v streams, want 100", n)
	}
	leave()
	all.Wait()
	until(t, "streams to be forgotten", func() bool { return p.metric(t, "weir_plugin_streams"+plugin) == 0 })
	until(t, "calls to be given up", func() bool {
		return p.metric(t, `weir_upstream_in_flight{pool="slow",endpoint="`+p.endpoint(t, "slow")+`"}`) == 0
	})
	if text, err := fetched(client, "https://"+p.https+"/"); err != nil {
		t.Errorf("afterwards: %q, %v", text, err)
	}
}

// endpoint returns the address of a pool's only endpoint, as metrics have it.
func (p *program) endpoint(t *testing.T, pool string) string {
	t.Helper()
	text, err := adminClient{p.admin}.do("GET", "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(text, `weir_upstream_up{pool="`+pool+`",endpoint="`)
	address, _, _ := strings.Cut(rest, `"`)
	return address
}

// TestSDK_ADeathIsThatOfItsInstanceAlone: of two instances one panics. What waited on it
// fails, and nothing else.
func TestSDK_ADeathIsThatOfItsInstanceAlone(t *testing.T) {
	t.Parallel()
	s := &slow{takes: time.Minute, answer: make(chan struct{})}
	p := sdkProgram(t, s, func(w http.ResponseWriter, r *http.Request) {})
	client := p.h2(t)
	var all sync.WaitGroup
	var well, failed atomic.Int64
	for i := range 200 {
		all.Go(func() {
			if _, err := fetched(client, fmt.Sprintf("https://%s/wait?%d", p.https, i)); err == nil {
				well.Add(1)
			} else {
				failed.Add(1)
			}
		})
	}
	until(t, "the upstream to be asked", func() bool { return s.asked.Load() == 200 })
	if text, err := fetched(client, "https://"+p.https+"/trap"); err == nil {
		t.Errorf("a trap answers %q", text)
	}
	until(t, "half of the streams to be given up", func() bool { return failed.Load() == 100 })
	close(s.answer)
	all.Wait()
	if well.Load() != 100 || failed.Load() != 100 {
		t.Errorf("%d went well and %d failed, want 100 of each", well.Load(), failed.Load())
	}
	if _, err := fetched(client, "https://"+p.https+"/"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestSDK_BodiesOfAnyLengthAreTransformed: through the filter and back, at constant memory.
func TestSDK_BodiesOfAnyLengthAreTransformed(t *testing.T) {
	t.Parallel()
	length := int64(1 << 30)
	if testing.Short() || raced() {
		length = 32 << 20
	}
	s := &slow{}
	p := sdkProgram(t, s, s.ServeHTTP)
	client := p.h2(t)
	turned := func(size int64) (want, sent [32]byte, took time.Duration) {
		plain, upstream := sha256.New(), sha256.New()
		src := io.TeeReader(io.LimitReader(rand.NewChaCha8([32]byte{1}), size), &turning{plain, upstream})
		began := time.Now()
		resp, err := client.Post("https://"+p.https+"/turn", "application/octet-stream", src)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		back := sha256.New()
		n, err := io.Copy(back, resp.Body)
		if err != nil || n != size || resp.StatusCode != 200 {
			t.Fatalf("%s, %d bytes, %v", resp.Status, n, err)
		}
		if got, want := fmt.Sprintf("%x", back.Sum(nil)), fmt.Sprintf("%x", plain.Sum(nil)); got != want {
			t.Errorf("what came back is not what was sent")
		}
		if got, want := fmt.Sprintf("%x", s.hash.Sum(nil)), fmt.Sprintf("%x", upstream.Sum(nil)); got != want || s.length != size {
			t.Errorf("the upstream got %d bytes, and not what the filter should make", s.length)
		}
		return want, sent, time.Since(began)
	}
	turned(8 << 20)
	before := p.metric(t, "weir_plugin_memory_bytes"+plugin)
	_, _, took := turned(length)
	after := p.metric(t, "weir_plugin_memory_bytes"+plugin)
	t.Logf("%d MiB both ways in %v, guests' memory %.1f -> %.1f MiB", length>>20, took.Round(time.Millisecond), before/(1<<20), after/(1<<20))
	if after > before+8<<20 {
		t.Errorf("memory of the guests grew from %v to %v bytes", before, after)
	}
}

// turning hashes what it is given, as it is and as the filter makes it.
type turning struct{ plain, turned hash.Hash }

func (w *turning) Write(p []byte) (int, error) {
	w.plain.Write(p)
	b := slices.Clone(p)
	for i := range b {
		b[i] ^= 0x55
	}
	w.turned.Write(b)
	return len(p), nil
}

// TestSDK_OverTheWire: what needs weir as its host, over each protocol.
func TestSDK_OverTheWire(t *testing.T) {
	t.Parallel()
	s := &slow{}
	p := sdkProgram(t, s, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %d %d", r.Header.Get("X-Sum"), len(b), r.ContentLength)
	})
	for _, proto := range []string{"h1", "h1s", "h2", "h3"} {
		l := p.leaver(t, proto)
		t.Cleanup(l.cut)
		do := func(method, path string, body io.Reader) (string, http.Header) {
			req, err := http.NewRequest(method, l.url+path, body)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := l.RoundTrip(req)
			if err != nil {
				t.Fatalf("%s %s over %s: %v\n%s", method, path, proto, err, p.tail())
			}
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != 200 {
				t.Errorf("%s %s over %s: %s, %v\n%s", method, path, proto, resp.Status, err, p.tail())
			}
			return string(b), resp.Header
		}
		if text, h := do("GET", "/", nil); h.Get("X-Name") != "ada" {
			t.Errorf("%s: got %q, %v", proto, text, h)
		}
		const length = 300_000
		if text, _ := do("POST", "/peek", strings.NewReader(strings.Repeat("b", length))); !strings.HasSuffix(text, fmt.Sprintf(" %d %d", length, length)) {
			t.Errorf("%s: what was looked at arrives as %q", proto, text)
		}
		if text, _ := do("POST", "/peek", struct{ io.Reader }{strings.NewReader("bb")}); text != fmt.Sprintf("%c 2 2", 'a'+byte(2*'b')%26) {
			t.Errorf("%s: a short body of no known length: %q", proto, text)
		}
		if text, _ := do("POST", "/take", strings.NewReader(strings.Repeat("b", 5<<20))); text != fmt.Sprint(5<<20) {
			t.Errorf("%s: took %q", proto, text)
		}
		if text, _ := do("GET", "/stream", nil); text != "data: 0\n\ndata: 1\n\ndata: 2\n\ndata: 3\n\ndata: 4\n\n" {
			t.Errorf("%s: streamed %q", proto, text)
		}
		if text, h := do("GET", "/fetch", nil); len(text) != 200_000 || text[199_999] != 't' || h.Get("X-Answer") != "piecemeal" {
			t.Errorf("%s: fetched %d bytes, %v", proto, len(text), h)
		}
	}
}
