package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/certs/certstest"
)

// Certificates of 30 s for a minute, over all protocols.
func TestScenario11_ShortLives(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	t.Parallel()
	const name = "www.example.com"
	plain, secure := twoPorts(t)
	ca := certstest.StartCA(t, certstest.Options{HTTPPort: plain, TLSPort: secure, Profiles: map[string]time.Duration{"default": 30 * time.Second}})
	ca.Fail(noRenewalInfo)
	conf := strings.Replace(oneName, "check: 1s", "check: 1s, renew_at: 0.65", 1)
	n := startNode(t, ca, "127.0.0.1", plain, secure, filepath.Join(t.TempDir(), "weir.db"), conf)
	n.until(t, 10*time.Second*busy, "h2", name, any2)
	serials := map[string]bool{}
	count := 0
	for began := time.Now(); time.Since(began) < time.Minute; count++ {
		proto := []string{"h1", "h2", "h3"}[count%3]
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		page, serial, err := n.ask(ctx, proto, name)
		cancel()
		if err != nil || page != "hello" {
			t.Errorf("after %v over %s: %q, %v", time.Since(began), proto, page, err)
		}
		serials[serial] = true
		time.Sleep(50 * time.Millisecond)
	}
	orders, replaces := len(ca.Orders()), ca.Replaces()
	t.Logf("%d handshakes, %d certificates, %d orders of which %d say what they replace", count, len(serials), orders, replaces)
	if replaces < 5 || orders > 8 || len(serials) < 6 {
		t.Errorf("%d renewals, %d orders, %d certificates seen; want 5 at least, 8 at most, 6 at least", replaces, orders, len(serials))
	}
}

// The authority is away when a node starts that has all it needs.
func TestScenario14_AuthorityDownFromTheStart(t *testing.T) {
	t.Parallel()
	plain, secure := twoPorts(t)
	ca := certstest.StartCA(t, certstest.Options{HTTPPort: plain, TLSPort: secure})
	n := startNode(t, ca, "127.0.0.1", plain, secure, filepath.Join(t.TempDir(), "weir.db"), twoNames)
	names := []string{"www.example.com", "api.example.com"}
	for _, name := range names {
		n.until(t, 10*time.Second*busy, "h2", name, any2)
	}
	n.stop(t)
	ca.Down()
	n = n.again(t, twoNames)
	for i, name := range names {
		n.until(t, 2*time.Second*busy, []string{"h1", "h3"}[i], name, any2)
	}
	if _, err := (adminClient{n.admin}).do("GET", "/ready"); err != nil {
		t.Errorf("not ready: %v", err)
	}
}

// Ten thousand certificates of which memory keeps a thousand; and a reload with all of
// these names, which reads none of them again. The collector's target is Go's own: with
// weir's, garbage may take five times what lives (158 MB in all with as many sites, 101 MB
// with one).
func TestScenario23_TenThousandCertificates(t *testing.T) {
	if testing.Short() || raced() {
		t.Skip("takes long, and the race detector's own memory is much")
	}
	t.Parallel()
	const count = 10_000
	var sites strings.Builder
	var names []string
	for i := range count {
		names = append(names, fmt.Sprintf("n%d.example.com", i))
		fmt.Fprintf(&sites, "  n%d.example.com: {respond: hello}\n", i)
	}
	for _, c := range []struct{ name, sites string }{
		{"sites", "sites:\n" + sites.String()},
		{"on demand", "on_demand: {allow: [\"**.example.com\"]}\nsites:\n  localhost: {respond: ok, tls: off}\n  n0.example.com: {respond: hello}\n  \"*.example.com\": {respond: hello, tls: on-demand}\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			plain, secure := twoPorts(t)
			ca := certstest.StartCA(t, certstest.Options{HTTPPort: plain, TLSPort: secure})
			store, own := filepath.Join(t.TempDir(), "weir.db"), newMaker(t)
			own.put(t, openShared(t, store), names...)
			head, _, _ := strings.Cut(demoConf, "sites:")
			n := startNode(t, ca, "127.0.0.1", plain, secure, store, head+"certificates: {cache: 1000}\n"+c.sites)
			manyNames(t, n, own, names, head+"certificates: {cache: 1000}\n"+c.sites)
		})
	}
}

func manyNames(t *testing.T, n *acmeNode, own *maker, names []string, conf string) {
	const waits = "weir_certificate_handshake_waits_total"
	// some makes handshakes for 500 of the names, 1000 at most, and tells how many had to
	// wait for the store.
	some := func(names []string) (took []time.Duration, waited float64) {
		t.Helper()
		before := n.metric(t, waits)
		for i := 0; i < len(names); i += max(1, len(names)/500) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			began := time.Now()
			_, err := n.shake(ctx, "TCP", shaken{name: names[i], roots: own.pool})
			cancel()
			if err != nil {
				t.Fatalf("%s: %v", names[i], err)
			}
			took = append(took, time.Since(began))
		}
		return took, n.metric(t, waits) - before
	}
	lately := names[:500] // of a thousand that there is room for
	cold, waited := some(names)
	t.Logf("any names: p50 %v, p99 %v, %v of %d waited for the store", percentile(cold, 50), percentile(cold, 99), waited, len(cold))
	some(lately)
	warm, again := some(lately)
	t.Logf("those asked for lately: p50 %v, p99 %v, %v of %d waited", percentile(warm, 50), percentile(warm, 99), again, len(warm))
	t.Logf("%d MB resident after all these handshakes", n.memory(t)>>20)
	calm := n.memory(t)
	for deadline := time.Now().Add(30 * time.Second); calm > 100<<20 && time.Now().Before(deadline); calm = n.memory(t) {
		time.Sleep(time.Second) // it is a process of its own, which gives memory back when it is calm
	}
	if calm > 100<<20 {
		t.Errorf("%d MB resident half a minute later, want 100 at most", calm>>20)
	}
	t.Logf("%d MB resident when it is calm", calm>>20)
	n.configure(t, strings.Replace(conf, "  n0.example.com: {respond: hello}", "  n0.example.com: {respond: other}", 1))
	began := time.Now()
	if _, err := (adminClient{n.admin}).do("POST", "/reload"); err != nil {
		t.Fatal(err)
	}
	t.Logf("reloaded after %v", time.Since(began).Round(time.Millisecond))
	if _, got := some(lately); got > again+20 { // who has to leave memory is a matter of chance
		t.Errorf("%v of 500 handshakes waited for the store after the reload, %v before", got, again)
	}
	if got := len(n.ca.Orders()); got != 0 {
		t.Errorf("%d orders, want none", got)
	}
}

// memory is what the node has resident of what is its own, in bytes: without the pages
// of the program's file, of which a test binary has more.
func (n *acmeNode) memory(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/" + strconv.Itoa(n.cmd.Process.Pid) + "/status")
	if err != nil {
		t.Skip("only Linux tells how much memory a process has")
	}
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte("RssAnon:")); ok {
			kb, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(string(rest)), " kB"))
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatalf("no RssAnon in %s", status)
	return 0
}
