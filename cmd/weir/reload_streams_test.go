package main

import (
	"bufio"
	"context"
	"fmt"
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

// streamsConf is one generation. Every other one has another pool for what is streamed,
// so that streams outlive the pool that they began on.
const streamsConf = `
listen: {http: "${HTTP}", https: "${HTTPS}"}
admin: "${ADMIN}"
log: {output: access.log}
upstreams:
  app: {to: APP, timeouts: {connect: %[2]ds}}
  sockets: {to: ECHO, timeouts: {connect: %[2]ds}}
  gauges: {to: "h2c://GAUGE", timeouts: {connect: %[2]ds}}
sites:
  localhost:
    http: serve
    headers:
      request: {set: {X-Generation: "%[1]d"}}
      response: {set: {X-Generation: "%[1]d"}}
    proxy: {upstream: app}
    routes:
      - match: /socket
        proxy: {upstream: sockets}
      - match: /gauge.Gauge/*
        proxy: {upstream: gauges}
`

// streamingApp answers with the generation that the request was given, and streams
// events until it is told to end.
func streamingApp(t *testing.T, end <-chan struct{}) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "generation %s\n", r.Header.Get("X-Generation"))
	})
	mux.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			fmt.Fprintf(w, "data: %d\n\n", n)
			http.NewResponseController(w).Flush()
			select {
			case <-tick.C:
			case <-end:
				fmt.Fprint(w, "data: end\n\n")
				return
			case <-r.Context().Done():
				return
			}
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// events reads a stream to its end and returns how many came, all in order, or why
// that was not so.
func events(client http.RoundTripper, url string) (n int, err error) {
	req, err := http.NewRequest("GET", url+"events", nil)
	if err != nil {
		return 0, err
	}
	resp, err := client.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		switch data, ok := strings.CutPrefix(lines.Text(), "data: "); {
		case !ok:
		case data == "end":
			return n, nil
		case data != fmt.Sprint(n):
			return n, fmt.Errorf("event %q came after %d others", data, n)
		default:
			n++
		}
	}
	return n, fmt.Errorf("the stream ended early: %v", lines.Err())
}

// buildExample builds a program of an example that is a module of its own.
func buildExample(t *testing.T, name, pkg string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "program")
	cmd := exec.CommandContext(t.Context(), clients.Find(t, "go"), "build", "-o", out, pkg)
	cmd.Dir, cmd.Env = example(name), append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build %s in examples/%s: %v\n%s", pkg, name, err, text)
	}
	return out
}

// TestReload_StreamsLiveThrough reloads a hundred times while WebSockets over each
// protocol, event streams over each and a call of gRPC's both-ways kind are open, and
// proxied requests come without a pause: nothing is cut, nothing fails, nothing is left.
func TestReload_StreamsLiveThrough(t *testing.T) {
	t.Parallel()
	const reloads = 100
	end := make(chan struct{})
	conf := strings.NewReplacer("APP", streamingApp(t, end), "ECHO", clients.EchoWebSocket(t), "GAUGE", startExample(t, "grpc", "./server")).Replace(streamsConf)
	generation := func(n int) string { return fmt.Sprintf(conf, n, 5+n%2) }
	p := startProgram(t, t.TempDir(), generation(0))
	goroutines, files := p.count(t)

	talkers := map[string]*clients.Process{"grpc": clients.Start(t, "", nil, buildExample(t, "grpc", "./client"), "-addr", p.https, "-root", p.root(), "-follow")}
	for _, proto := range []string{"h1", "h2", "h3"} {
		talkers[proto] = clients.WebSocket(t, proto, p.root(), "https://"+p.https+"/socket", p.udp(), 0)
		talkers[proto].Line(t, "open")
	}
	_, readers, urls := p.clients(t)
	var streams sync.WaitGroup
	for i, transport := range readers {
		streams.Go(func() {
			if n, err := events(transport, urls[i]); err != nil || n < reloads/10 { // how many come in the time is the machine's business
				t.Errorf("events at %s, client %d: %d, %v", urls[i], i, n, err)
			}
		})
	}
	loaders, transports, _ := p.clients(t)
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	for i, l := range loaders {
		load.Go(func() { l.run(ctx, transports[i], urls[i]) })
	}
	start := time.Now()
	for n := 1; n <= reloads; n++ {
		p.configure(t, generation(n))
		p.reload(t)
		for proto, talker := range talkers {
			if proto == "grpc" {
				talker.Say(t, "willow")
				talker.Line(t, "willow 2075")
				continue
			}
			talker.Say(t, fmt.Sprintf("word %d.", n))
			talker.Line(t, fmt.Sprintf("word %d.", n))
		}
	}
	t.Logf("%d reloads in %v", reloads, time.Since(start).Round(time.Millisecond))
	stop()
	load.Wait()
	close(end)
	streams.Wait()
	for _, talker := range talkers {
		talker.End(t)
	}
	for _, l := range loaders {
		t.Logf("%-3s %d requests, %d failed, %d connections, p99 %v", l.name, l.asked, len(l.failed), l.dials.Load(), l.p99())
		if len(l.failed) > 0 || l.asked < reloads/2 || l.dials.Load() != 1 {
			t.Errorf("%s: %d of %d requests failed, over %d connections: %.3q", l.name, len(l.failed), l.asked, l.dials.Load(), l.failed)
		}
	}
	// Connections that idle, to clients and upstreams, are fewer than reloads that leak.
	const idle = reloads / 4
	p.settle(t, goroutines+idle, append(files, make([]string, idle)...))
}
