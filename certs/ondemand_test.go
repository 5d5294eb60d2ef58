package certs_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/certs"
	"github.com/weirproxy/weir/certs/certstest"
	"github.com/weirproxy/weir/certs/demand"
	"github.com/weirproxy/weir/certs/issuer"
)

// doorman decides about names in a test.
type doorman struct {
	mu    sync.Mutex
	asked int
	err   error
}

func (d *doorman) decide(_ context.Context, name string, _ netip.Addr) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	return strings.HasSuffix(name, ".shop.example.com"), d.err
}

func (d *doorman) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked
}

// demandPlan lets clients have certificates of from for names that d agrees to.
func demandPlan(t *testing.T, from certs.Issuer, d *doorman, change ...func(*demand.Options)) *certs.Plan {
	t.Helper()
	o := demand.Options{Decide: d.decide}
	for _, f := range change {
		f(&o)
	}
	g, err := demand.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	policy := &certs.Policy{Issuers: []certs.Issuer{from}}
	return &certs.Plan{Guard: g, Demand: func(name string) *certs.Policy {
		if strings.HasSuffix(name, ".example.com") {
			return policy
		}
		return nil
	}}
}

func (n *node) try(name string) error {
	_, err := n.Certificate(context.Background(), name, netip.MustParseAddr("192.0.2.1"))
	return err
}

// Scenario 7: simultaneous first handshakes are one order and one question.
func TestManager_OnDemandOrdersOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, d, n := newSigner(t, "ca", 90*day), new(doorman), newNode(t, new(certstest.MemoryStore))
		n.Apply(demandPlan(t, ca, d))
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				if err := n.try("a.shop.example.com"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if ca.count() != 1 || d.count() != 1 {
			t.Errorf("%d orders, %d questions, want one of each", ca.count(), d.count())
		}
		n.close(t)
	})
}

// Finding 2: an order that fails must not keep handshakes, and not be begun again by
// each of them.
func TestManager_OnDemandFailsAtOnceAndRemembers(t *testing.T) {
	// Not in parallel: it counts goroutines.
	synctest.Test(t, func(t *testing.T) {
		ca, d, n := newSigner(t, "ca", 90*day), new(doorman), newNode(t, new(certstest.MemoryStore))
		ca.refuse = func(issuer.Order) error { return errors.New("connection refused") }
		n.Apply(demandPlan(t, ca, d))
		began := time.Now()
		if err := n.try("a.shop.example.com"); err == nil || time.Since(began) > 2*time.Second {
			t.Errorf("%v after %v, want an error a second after it began, when the authority answers", err, time.Since(began))
		}
		began = time.Now()
		for range 50 {
			if err := n.try("a.shop.example.com"); err == nil || !strings.Contains(err.Error(), "connection refused") {
				t.Errorf("%v, want what went wrong", err)
			}
		}
		if ca.count() != 1 || time.Since(began) > 0 {
			t.Errorf("%d orders, 50 more handshakes in %v; want 1 and no time", ca.count(), time.Since(began))
		}
		goroutines := runtime.NumGoroutine()
		time.Sleep(20 * time.Second)
		if now := runtime.NumGoroutine(); now > goroutines {
			t.Errorf("%d goroutines, %d before", now, goroutines)
		}
		ca.set(func() { ca.refuse = nil })
		time.Sleep(2 * time.Minute)
		n.get(t, "a.shop.example.com")
		n.close(t)
	})
}

// An order that takes longer than a client waits goes on for the next one.
func TestManager_OnDemandWaitsSoLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, d, n := newSigner(t, "ca", 90*day), new(doorman), newNode(t, new(certstest.MemoryStore))
		ca.takes = time.Minute
		n.Apply(demandPlan(t, ca, d))
		began := time.Now()
		if err := n.try("a.shop.example.com"); err == nil || time.Since(began) != 15*time.Second {
			t.Errorf("%v after %v, want an error after 15 s", err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := n.Certificate(ctx, "a.shop.example.com", netip.Addr{}); err == nil {
			t.Error("a client that leaves gets a certificate")
		}
		time.Sleep(45 * time.Second)
		n.get(t, "a.shop.example.com")
		if ca.count() != 1 {
			t.Errorf("%d orders, want 1", ca.count())
		}
		n.close(t)
	})
}

// Scenario 9: names that nobody allowed cost nothing but a bounded number of questions.
func TestManager_OnDemandRefusesStrangers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, d, n := newSigner(t, "ca", 90*day), new(doorman), newNode(t, new(certstest.MemoryStore))
		n.Apply(demandPlan(t, ca, d))
		n.get(t, "a.shop.example.com")
		for i := range 1000 {
			if err := n.try(fmt.Sprintf("x%d.evil.example.com", i)); err == nil {
				t.Fatal("a stranger got a certificate")
			}
		}
		for _, name := range []string{"", "a", "127.0.0.1", "*.shop.example.com", "a..shop.example.com", strings.Repeat("a.", 200) + "shop.example.com", "other.org"} {
			if err := n.try(name); err == nil {
				t.Errorf("%q got a certificate", name)
			}
		}
		if ca.count() != 1 || d.count() > 200 {
			t.Errorf("%d orders and %d questions for 1,000 strangers", ca.count(), d.count())
		}
		n.get(t, "a.shop.example.com")
		if all := slices.Collect(n.Statuses()); len(all) > 10 {
			t.Errorf("%d names are remembered, want the one that was allowed", len(all))
		}
		n.close(t)
	})
}

// Scenario 10: whoever decides is away; what was allowed goes on, from the store too.
func TestManager_OnDemandServesWhatItHasWhileNobodyDecides(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, d, shared := newSigner(t, "ca", 90*day), new(doorman), new(certstest.MemoryStore)
		n := newNode(t, shared, func(o *certs.ManagerOptions) { o.Cache = 1 })
		n.Apply(demandPlan(t, ca, d))
		first := n.get(t, "a.shop.example.com")
		n.get(t, "b.shop.example.com") // has a's leave memory
		d.mu.Lock()
		d.err = errors.New("away")
		d.mu.Unlock()
		if got := n.get(t, "a.shop.example.com"); got != first {
			t.Error("another certificate than before")
		}
		other := newNode(t, shared)
		other.Apply(demandPlan(t, ca, d))
		if got := other.get(t, "a.shop.example.com"); got != first || ca.count() != 2 {
			t.Errorf("another node ordered anew: %d orders", ca.count())
		}
		n.close(t)
		other.close(t)
	})
}

// Names that are had on demand are renewed before a visitor has to wait, as long as
// there are visitors.
func TestManager_OnDemandRenewsWhatIsVisited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, d, n := newSigner(t, "ca", 90*day), new(doorman), newNode(t, new(certstest.MemoryStore))
		n.Apply(demandPlan(t, ca, d))
		n.get(t, "quiet.shop.example.com")
		n.get(t, "busy.shop.example.com")
		time.Sleep(time.Minute)
		n.get(t, "busy.shop.example.com")
		time.Sleep(89 * day)
		if got := ca.count(); got != 3 {
			t.Errorf("%d orders, want 3: the busy one renewed, the quiet one not", got)
		}
		began := time.Now()
		n.get(t, "busy.shop.example.com")
		if took := time.Since(began); took > 0 {
			t.Errorf("the visitor of a busy site waited %v", took)
		}
		time.Sleep(10 * day)
		n.get(t, "quiet.shop.example.com")
		if got := ca.count(); got != 4 {
			t.Errorf("%d orders after a visit to the quiet one, want 4", got)
		}
		n.close(t)
	})
}

// Budgets refuse, and never make wait.
func TestManager_OnDemandKeepsToBudgets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, d, n := newSigner(t, "ca", 90*day), new(doorman), newNode(t, new(certstest.MemoryStore))
		ca.takes = 5 * time.Second
		n.Apply(demandPlan(t, ca, d, func(o *demand.Options) {
			o.InFlight, o.PerClient = 16, demand.Rate{N: 1000, Per: time.Minute}
			o.PerDomain = demand.Rate{N: 1000, Per: time.Hour}
		}))
		var wg sync.WaitGroup
		var mu sync.Mutex
		refused, served, longest := 0, 0, time.Duration(0)
		for i := range 100 {
			wg.Go(func() {
				began := time.Now()
				err := n.try(fmt.Sprintf("n%d.shop.example.com", i))
				mu.Lock()
				defer mu.Unlock()
				longest = max(longest, time.Since(began))
				if err != nil {
					refused++
				} else {
					served++
				}
			})
		}
		wg.Wait()
		if served != 16 || refused != 84 || longest > 15*time.Second || ca.count() != 16 {
			t.Errorf("%d served, %d refused, %d orders, longest wait %v; want 16, 84, 16 and 15 s at most", served, refused, ca.count(), longest)
		}
		n.close(t)
	})
}
