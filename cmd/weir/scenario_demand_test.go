package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/certs/certstest"
)

// demandConf has certificates on demand, with budgets that no test exhausts unless that
// is what it is about.
const demandConf = `
listen: {http: "${HTTP}", https: "${HTTPS}"}
admin: ${ADMIN}
store: ${STORE}
acme: {ca: "${CA}", email: me@example.com}
certificates: {cache: 100}
on_demand:
  ask: ${ASK}
  limits: {in_flight: 64, per_client: 1000/m, per_domain: 1000/m, total: 1000/m}
sites:
  "*.shop.example.com":
    tls: on-demand
    respond: hello
  localhost:
    tls: off
    respond: ok
`

// startDemand runs a node whose certificates are had on demand.
func startDemand(t *testing.T, o certstest.Options, suffix string) (*acmeNode, *askServer) {
	t.Helper()
	plain, secure := twoPorts(t)
	o.HTTPPort, o.TLSPort = plain, secure
	ca := certstest.StartCA(t, o)
	a := startAsker(t, suffix)
	return startNode(t, ca, "127.0.0.1", plain, secure, filepath.Join(t.TempDir(), "weir.db"), demandConf, "ASK="+a.url), a
}

func TestScenario07_TwoHundredFirstHandshakes(t *testing.T) {
	t.Parallel()
	n, a := startDemand(t, certstest.Options{}, ".shop.example.com")
	const name = "one.shop.example.com"
	var mu sync.Mutex
	var took []time.Duration
	var work sync.WaitGroup
	for i := range 200 {
		work.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second*busy)
			defer cancel()
			over := "TCP"
			if i%4 == 0 {
				over = "QUIC"
			}
			began := time.Now()
			_, err := n.shake(ctx, over, shaken{name: name})
			mu.Lock()
			defer mu.Unlock()
			took = append(took, time.Since(began))
			if err != nil {
				t.Errorf("over %s: %v", over, err)
			}
		})
	}
	work.Wait()
	t.Logf("p50 %v, longest %v", percentile(took, 50), percentile(took, 100))
	if orders, asks := n.ca.OrdersFor(name), a.about(name); orders != 1 || asks != 1 {
		t.Errorf("%d orders and %d asks, want 1 and 1", orders, asks)
	}
}

// A name that leads elsewhere: the first client hears soon that it cannot be, the next
// ones at once, and nothing is left behind (finding 2).
func TestScenario08_ChallengeCannotSucceed(t *testing.T) {
	t.Parallel()
	n, _ := startDemand(t, certstest.Options{}, ".shop.example.com")
	const name = "lost.shop.example.com"
	n.ca.DNS.SetA(name, "127.0.0.77") // where nobody listens
	var verdict atomic.Int64
	n.ca.Edit(func(r *http.Request, a *certstest.Answer) {
		var authz struct{ Status string }
		if certstest.Kind(r) == "authz" && json.Unmarshal(a.Body, &authz) == nil && authz.Status == "invalid" {
			verdict.Store(time.Now().UnixNano())
		}
	})
	before := n.metric(t, "go_goroutines")
	_, err := n.quick(name)
	ended := time.Now()
	if err == nil || verdict.Load() == 0 {
		t.Fatalf("error %v, verdict at %d", err, verdict.Load())
	}
	after := ended.Sub(time.Unix(0, verdict.Load()))
	t.Logf("the handshake ended %v after the authority's verdict: %v", after.Round(time.Millisecond), err)
	if after > 2*time.Second*busy {
		t.Errorf("the handshake ended %v after the authority's verdict, want 2 s at most", after)
	}
	orders := n.ca.OrdersFor(name)
	var took []time.Duration
	for range 50 {
		began := time.Now()
		if _, err := n.quick(name); err == nil {
			t.Fatal("served")
		}
		took = append(took, time.Since(began))
	}
	t.Logf("50 more: p50 %v, longest %v", percentile(took, 50), percentile(took, 100))
	if percentile(took, 50) > 10*time.Millisecond*busy {
		t.Errorf("half of the next handshakes took more than %v, want 10 ms", percentile(took, 50))
	}
	if got := n.ca.OrdersFor(name); got != orders {
		t.Errorf("%d more orders, want none", got-orders)
	}
	n.eventually(t, 20*time.Second, "no goroutine is left", func() bool { return n.metric(t, "go_goroutines") <= before+5 })
}

// Names that are not allowed cost no order and few questions, and allowed ones do not
// suffer.
func TestScenario09_RandomNames(t *testing.T) {
	t.Parallel()
	n, a := startDemand(t, certstest.Options{}, "good.shop.example.com")
	const known, fresh = "good.shop.example.com", "as-good.shop.example.com"
	if _, err := n.quick(known); err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	names := make(chan string)
	began := time.Now()
	for range 20 {
		work.Go(func() {
			for name := range names {
				if _, err := n.quick(name); err == nil {
					t.Errorf("%s was served", name)
				}
			}
		})
	}
	for i := range 1000 {
		names <- fmt.Sprintf("x%d.shop.example.com", i)
	}
	close(names)
	work.Wait()
	took := time.Since(began)
	// 30 a minute for one client, and one that the guard asks by itself: whether
	// everything gets a yes.
	most := 30 + 30*int(took/time.Minute+1) + 2
	if got := a.total(); got > most {
		t.Errorf("%d questions, want %d at most", got, most)
	} else {
		t.Logf("1000 names in %v: %d questions", took.Round(time.Millisecond), got)
	}
	if got := len(n.ca.Orders()); got != 1 {
		t.Errorf("%d orders, want 1", got)
	}
	if _, err := n.quick(known); err != nil {
		t.Errorf("the allowed name: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := n.shake(ctx, "TCP", shaken{name: fresh, from: "127.0.0.5"}); err != nil {
		t.Errorf("another allowed name, for another client: %v", err)
	}
}

// Nobody can be asked, neither before the start nor after it: every name that has a
// certificate is served, also those that memory has no room for.
func TestScenario10_AskIsDown(t *testing.T) {
	t.Parallel()
	plain, secure := twoPorts(t)
	ca := certstest.StartCA(t, certstest.Options{HTTPPort: plain, TLSPort: secure})
	a := startAsker(t, ".shop.example.com")
	store, own := filepath.Join(t.TempDir(), "weir.db"), newMaker(t)
	var names []string
	for i := range 150 {
		names = append(names, fmt.Sprintf("n%d.shop.example.com", i))
	}
	own.put(t, openShared(t, store), names...)
	a.mu.Lock()
	a.down = true
	a.mu.Unlock()
	n := startNode(t, ca, "127.0.0.1", plain, secure, store, demandConf, "ASK="+a.url)
	for range 2 { // in the second round, those that the first one had no room for
		for _, name := range names {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			if _, err := n.shake(ctx, "TCP", shaken{name: name, roots: own.pool}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			cancel()
		}
	}
	if got := n.metric(t, `weir_certificate_handshake_waits_total`); got < 50 {
		t.Errorf("%v handshakes had to wait for the store, want 50: the test shows nothing", got)
	}
	if got := len(ca.Orders()); got != 0 {
		t.Errorf("%d orders, want none", got)
	}
	if _, err := n.quick("unknown.shop.example.com"); err == nil || strings.Contains(err.Error(), "deadline") {
		t.Errorf("a name that nobody has allowed: %v", err)
	}
}

// A hundred new names at once, of which sixteen may be ordered at a time and forty in
// all: no handshake takes longer than it may, and no more is ordered.
func TestScenario_HundredNewNamesAtOnce(t *testing.T) {
	t.Parallel()
	plain, secure := twoPorts(t)
	ca := certstest.StartCA(t, certstest.Options{HTTPPort: plain, TLSPort: secure})
	a := startAsker(t, ".shop.example.com")
	conf := strings.Replace(demandConf, "limits: {in_flight: 64, per_client: 1000/m, per_domain: 1000/m, total: 1000/m}", "wait: 5s\n  limits: {in_flight: 16, per_client: 1000/m, per_domain: 1000/m, total: 40/h}", 1)
	n := startNode(t, ca, "127.0.0.1", plain, secure, filepath.Join(t.TempDir(), "weir.db"), conf, "ASK="+a.url)
	var mu sync.Mutex
	var took []time.Duration
	served := 0
	var work sync.WaitGroup
	for i := range 100 {
		work.Go(func() {
			began := time.Now()
			_, err := n.quick(fmt.Sprintf("n%d.shop.example.com", i))
			mu.Lock()
			defer mu.Unlock()
			if took = append(took, time.Since(began)); err == nil {
				served++
			}
		})
	}
	work.Wait()
	t.Logf("%d served; p50 %v, longest %v; %d orders", served, percentile(took, 50), percentile(took, 100), len(ca.Orders()))
	if longest := percentile(took, 100); longest > 5*time.Second+time.Second*busy {
		t.Errorf("a handshake took %v, want 5 s at most", longest)
	}
	if orders := len(ca.Orders()); orders == 0 || orders > 40 || served > orders {
		t.Errorf("%d names served for %d orders, want 40 at most", served, orders)
	}
}
