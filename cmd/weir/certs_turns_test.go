package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/certs"
	"github.com/weirproxy/weir/certs/certstest"
	"github.com/weirproxy/weir/certs/demand"
	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/edge"
)

// An authority, a DNS provider or a store that does not answer must not keep a process
// alive that was told twice to end, or to end at once.
func TestStop_WaitsForNobodyWhenToldTwice(t *testing.T) {
	t.Parallel()
	for drain, want := range map[time.Duration]exitError{time.Hour: exitForced, 0: exitUnclean} {
		p := deaf()
		p.world, p.server = newWorld(quiet()), edge.New(edge.Options{Log: quiet()})
		hangs := make(chan struct{})
		p.world.certs.done.Go(func() { <-hangs })
		if drain > 0 {
			p.signals <- syscall.SIGTERM
		}
		ended := make(chan error, 1)
		go func() { ended <- p.stop(drain) }()
		select {
		case err := <-ended:
			if !errors.Is(err, want) {
				t.Errorf("drain of %v: %v, want %v", drain, err, want)
			}
		case <-time.After(20 * time.Second):
			t.Errorf("drain of %v: the process goes on", drain)
		}
		close(hangs)
	}
}

// A reload that changes on_demand must not refuse whom the old guard is asking about.
func TestAuthorities_ReloadLetsQuestionsEnd(t *testing.T) {
	t.Parallel()
	asked, answer := make(chan struct{}), make(chan struct{})
	door := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("domain") == "www.example.com" {
			close(asked)
			<-answer
		}
	}))
	defer door.Close()
	a := newAuthorities(quiet())
	defer a.close()
	a.shared = new(certstest.MemoryStore).Node()
	a.manager = certs.NewManager(certs.ManagerOptions{Store: a.shared})
	guard := func(no time.Duration) *demand.Guard {
		g, err := demand.New(demand.Options{Ask: door.URL, AskTimeout: time.Minute, No: no})
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	a.plan, a.planGuard = &certs.Plan{Guard: guard(time.Minute)}, "old"
	a.apply()
	allowed := make(chan error, 1)
	old := a.guard
	go func() { allowed <- old.Allowed(t.Context(), "www.example.com", netip.Addr{}) }()
	<-asked
	a.plan, a.planGuard = &certs.Plan{Guard: guard(time.Hour)}, "new"
	a.apply()
	select {
	case err := <-allowed:
		t.Errorf("cut off: %v", err)
		close(answer)
	case <-time.After(100 * time.Millisecond):
		close(answer)
		if err := <-allowed; err != nil {
			t.Error(err)
		}
	}
}

// A name is shown with the certificate that clients get: its own while that of the
// wildcard above it is not there.
func TestInventory_CoveredNamesShowWhatIsServed(t *testing.T) {
	t.Parallel()
	now := time.Now()
	good, gone := now.Add(time.Hour), now.Add(-time.Hour)
	for _, tc := range []struct {
		name          string
		own, wildcard certRow
		covered       bool
	}{
		{"the wildcard is there", certRow{NotAfter: good}, certRow{NotAfter: good}, true},
		{"both are not", certRow{}, certRow{}, true},
		{"the wildcard is not", certRow{NotAfter: good}, certRow{}, false},
		{"the wildcard has run out", certRow{NotAfter: good}, certRow{NotAfter: gone}, false},
		{"weir is about to get its own", certRow{Live: true}, certRow{Live: true}, false},
	} {
		own, wildcard := tc.own, tc.wildcard
		own.Name, own.From, wildcard.Name, wildcard.From = "a.example.org", "acme", "*.example.org", "acme"
		v := &inventory{c: &config.Config{}, now: now, rows: map[string]*certRow{own.Name: &own, wildcard.Name: &wildcard}}
		v.relate(&own)
		if got := own.CoveredBy != ""; got != tc.covered {
			t.Errorf("%s: covered %t, want %t", tc.name, got, tc.covered)
		}
	}
}

// What could not be published is published later, and what came meanwhile as well: else
// it would take until the keys change, which is weeks.
func TestRepeat_UntilNothingIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		wake, calls, fails := make(chan struct{}, 1), 0, 2
		go repeat(ctx, wake, func(context.Context) bool {
			if calls++; calls == 1 {
				wake <- struct{}{} // while it is under way
			}
			time.Sleep(10 * time.Second)
			fails--
			return fails < 0
		})
		wake <- struct{}{}
		time.Sleep(time.Hour)
		synctest.Wait()
		if calls != 3 {
			t.Errorf("%d attempts, want two that fail and one that does not", calls)
		}
		time.Sleep(24 * time.Hour)
		wake <- struct{}{}
		time.Sleep(time.Minute)
		synctest.Wait()
		if calls != 4 {
			t.Errorf("%d attempts, want none until there is something new", calls)
		}
		cancel()
	})
}
