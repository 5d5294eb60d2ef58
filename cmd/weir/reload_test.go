package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// loader asks over one connection, which it never gives up by itself.
type loader struct {
	name   string
	asked  int
	failed []string
	slow   []time.Duration
	dials  atomic.Int64 // connections opened; more than one means that one was closed
}

// run asks until ctx ends. Each answer must be that of a configuration that was
// there: some generation, whole.
func (l *loader) run(ctx context.Context, client http.RoundTripper, url string) {
	for ctx.Err() == nil {
		start := time.Now()
		req, err := http.NewRequest("GET", url, nil)
		if err != nil {
			l.failed = append(l.failed, err.Error())
			return
		}
		resp, err := client.RoundTrip(req)
		l.asked++
		if err != nil {
			l.failed = append(l.failed, err.Error())
			continue
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		l.slow = append(l.slow, time.Since(start))
		generation := resp.Header.Get("X-Generation")
		if err != nil || resp.StatusCode != 200 || string(body) != "generation "+generation+"\n" {
			l.failed = append(l.failed, fmt.Sprintf("%s %q of generation %q: %v", resp.Status, body, generation, err))
		}
	}
}

func (l *loader) p99() time.Duration {
	if len(l.slow) == 0 {
		return 0
	}
	slices.Sort(l.slow)
	return l.slow[(len(l.slow)*99+99)/100-1]
}

// clients are one of each protocol, which count the connections they open.
func (p *program) clients(t *testing.T) (loaders []*loader, transports []http.RoundTripper, urls []string) {
	t.Helper()
	conf := &tls.Config{RootCAs: p.pool(t)}
	for _, proto := range []string{"h1", "h1s", "h2", "h3"} {
		l := &loader{name: proto}
		url := "https://" + p.https + "/"
		var transport http.RoundTripper
		if proto == "h3" {
			h3 := &http3.Transport{TLSClientConfig: conf.Clone(), Dial: func(ctx context.Context, addr string, tc *tls.Config, qc *quic.Config) (*quic.Conn, error) {
				l.dials.Add(1)
				return quic.DialAddrEarly(ctx, strings.Replace(addr, "localhost", "127.0.0.1", 1), tc, qc)
			}}
			t.Cleanup(func() { h3.Close() })
			transport = h3
		} else {
			h12 := &http.Transport{TLSClientConfig: conf.Clone(), ForceAttemptHTTP2: proto == "h2", DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				l.dials.Add(1)
				return (&net.Dialer{}).DialContext(ctx, network, addr)
			}}
			t.Cleanup(h12.CloseIdleConnections)
			transport = h12
		}
		if proto == "h1" {
			url = "http://" + strings.Replace(p.http, "127.0.0.1", "localhost", 1) + "/"
		}
		loaders, transports, urls = append(loaders, l), append(transports, transport), append(urls, url)
	}
	return loaders, transports, urls
}

const reloadConf = `
listen: {http: "${HTTP}", https: "${HTTPS}"}
admin: "${ADMIN}"
log: {output: access.log}
sites:
  localhost:
    http: serve
    headers: {response: {set: {X-Generation: "%d"}}}
    routes:
      - match: /
        respond: "generation %d\n"
      - match: /files/*
        root: .
        browse: true
`

// descriptors returns what the process has open.
func (p *program) descriptors(t *testing.T) (open []string) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid)
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatalf("count descriptors: %v", err)
	}
	for _, f := range files {
		if name, err := os.Readlink(filepath.Join(dir, f.Name())); err == nil {
			open = append(open, name)
		}
	}
	return open
}

func generation(n int) string { return fmt.Sprintf(reloadConf, n, n) }

// TestReload_UnderLoad reloads a hundred times while clients of every protocol ask
// without a pause: no request fails, no connection is closed, nothing is left.
func TestReload_UnderLoad(t *testing.T) {
	t.Parallel()
	const reloads = 100
	p := startProgram(t, t.TempDir(), generation(0))
	loaders, transports, urls := p.clients(t)
	storm := func(first, last int) (refused int) {
		ctx, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		defer all.Wait()
		defer stop()
		for i, l := range loaders {
			all.Go(func() { l.run(ctx, transports[i], urls[i]) })
		}
		for n := first; n <= last; n++ {
			if n%10 == 0 {
				p.refuse(t, generation(n)+"    rout: ./nowhere\n")
				refused++
			}
			p.configure(t, generation(n))
			p.reload(t)
		}
		return refused
	}
	storm(1, 5) // what is opened or started once, by need, is there before counting
	goroutines, files := p.count(t)
	start := time.Now()
	refused := storm(6, 5+reloads)
	t.Logf("%d reloads and %d refusals in %v", reloads, refused, time.Since(start).Round(time.Millisecond))
	for i, l := range loaders {
		resp, err := transports[i].RoundTrip(mustRequest(t, urls[i]))
		if err != nil || resp.Header.Get("X-Generation") != fmt.Sprint(5+reloads) {
			t.Errorf("%s after the last reload: %v, %v, want generation %d", l.name, resp, err, 5+reloads)
		} else {
			resp.Body.Close()
		}
		t.Logf("%-3s %d requests, %d failed, %d connections, p99 %v", l.name, l.asked, len(l.failed), l.dials.Load(), l.p99())
		if len(l.failed) > 0 || l.asked < reloads/2 {
			t.Errorf("%s: %d of %d requests failed: %.3q", l.name, len(l.failed), l.asked, l.failed)
		}
		if n := l.dials.Load(); n != 1 {
			t.Errorf("%s opened %d connections, want the first to last", l.name, n)
		}
	}
	p.settle(t, goroutines, files)
}

// refuse reloads a bad configuration, which must be told and must change nothing.
func (p *program) refuse(t *testing.T, bad string) {
	t.Helper()
	p.configure(t, bad)
	if err := p.tryReload(); err == nil || !strings.Contains(err.Error(), `unknown key "rout"`) {
		t.Errorf("reload of a bad configuration: %v, want it refused", err)
	}
}

// count returns how many goroutines the process has when it is at rest, and what
// files it has open. It is at rest when both have been the same for a while.
func (p *program) count(t *testing.T) (goroutines float64, files []string) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for same := 0; same < 10; <-tick.C {
		g, f := p.metric(t, "go_goroutines"), p.descriptors(t)
		if g == goroutines && len(f) == len(files) {
			same++
		} else {
			same, goroutines, files = 0, g, f
		}
	}
	return goroutines, files
}

// byNeed is how many goroutines the runtime may have started in between: for
// finalizers, cleanups and the collector. A leak would be one for each reload.
const byNeed = 4

// settle waits until the process has no more goroutines and descriptors than before.
// Nothing tells when the last of an old snapshot is gone; so it asks.
func (p *program) settle(t *testing.T, goroutines float64, files []string) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); ; <-tick.C {
		g, f := p.metric(t, "go_goroutines"), p.descriptors(t)
		if g <= goroutines+byNeed && len(f) <= len(files) {
			t.Logf("goroutines %v, were %v; descriptors %d, were %d", g, goroutines, len(f), len(files))
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("goroutines %v, were %v; descriptors %q, were %q", g, goroutines, f, files)
			return
		}
	}
}

func (p *program) tryReload() error {
	_, err := adminClient{p.admin}.do("POST", "/reload")
	return err
}

func (p *program) reload(t *testing.T) {
	t.Helper()
	if err := p.tryReload(); err != nil {
		t.Fatalf("reload: %v\n%s", err, p.tail())
	}
}

func mustRequest(t *testing.T, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}
