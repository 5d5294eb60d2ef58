package demand_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/certs/demand"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var client = netip.MustParseAddr("192.0.2.7")

// oracle decides as it is told.
type oracle struct {
	asked atomic.Int64
	mu    sync.Mutex
	yes   map[string]bool
	err   error
	hang  time.Duration // how long an answer takes
}

func (o *oracle) decide(ctx context.Context, name string, _ netip.Addr) (bool, error) {
	o.asked.Add(1)
	o.mu.Lock()
	yes, err, hang := o.yes[name], o.err, o.hang
	o.mu.Unlock()
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-time.After(hang):
	}
	return yes, err
}

func (o *oracle) set(change func(*oracle)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change(o)
}

func guard(t testing.TB, o demand.Options) *demand.Guard {
	t.Helper()
	g, err := demand.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

func oracles(names ...string) *oracle {
	o := &oracle{yes: map[string]bool{}}
	for _, name := range names {
		o.yes[name] = true
	}
	return o
}

// reason returns why err refuses; "" if it does not.
func reason(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	r, ok := errors.AsType[*demand.Refusal](err)
	if !ok {
		t.Fatalf("error %v (%T) is no Refusal", err, err)
	}
	if !strings.HasPrefix(r.Error(), "refuse certificate for ") || r.Err == nil {
		t.Errorf("refusal reads %q", r.Error())
	}
	return r.Reason
}

func expect(t testing.TB, g *demand.Guard, name, want string) {
	t.Helper()
	if got := reason(t, g.Allowed(t.Context(), name, client)); got != want {
		t.Errorf("%s: refused for %q; want %q", name, got, want)
	}
}

func visitor(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)})
}

func TestNew_RefusesAnOpenDoor(t *testing.T) {
	t.Parallel()
	for hint, o := range map[string]demand.Options{
		"nobody is asked": {},
		"everybody":       {Allow: []string{"**.com"}},
		"negative":        {Allow: []string{"example.com"}, Yes: -1},
		"more than 0":     {Allow: []string{"example.com"}, Total: demand.Rate{N: 5}},
		"http://":         {Ask: "ftp://example.com"},
		"no host":         {Ask: "http://:80/"},
		"fragment":        {Ask: "http://localhost/#a"},
		"not a URL":       {Ask: "http://a b:secret@localhost/"},
		"query":           {Ask: "http://localhost/?a=%zz"},
	} {
		_, err := demand.New(o)
		if err == nil || !strings.Contains(err.Error(), hint) || strings.Contains(err.Error(), "secret") {
			t.Errorf("New(%+v): %v; want an error with %q", o, err, hint)
		}
	}
}

func TestAllowed_ByListWithoutAsking(t *testing.T) {
	t.Parallel()
	o := oracles()
	g := guard(t, demand.Options{Allow: []string{"*.example.com"}, Decide: o.decide})
	expect(t, g, "a.example.com", "")
	expect(t, g, "A.example.com", demand.ReasonName)
	expect(t, g, "a.b.example.com", demand.ReasonDenied)
	if n := o.asked.Load(); n != 1 {
		t.Errorf("asked %d times; want once, for what is not listed", n)
	}
	only := guard(t, demand.Options{Allow: []string{"*.example.com"}})
	expect(t, only, "a.example.com", "")
	expect(t, only, "a.example.org", demand.ReasonDenied)
}

func TestAllowed_BadNamesAreNotAskedAbout(t *testing.T) {
	t.Parallel()
	o := oracles()
	g := guard(t, demand.Options{Decide: o.decide})
	for _, name := range []string{"", "com", "co.uk", "127.0.0.1", "app.localhost", "a.example.com\x00", strings.Repeat("a", 1<<16), "github.io"} {
		expect(t, g, name, demand.ReasonName)
	}
	if n := o.asked.Load(); n != 0 {
		t.Errorf("asked %d times", n)
	}
}

func TestAllowed_AnswersAreKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := oracles("yes.example.com")
		g := guard(t, demand.Options{Decide: o.decide})
		check := func(asked int64) {
			t.Helper()
			expect(t, g, "yes.example.com", "")
			expect(t, g, "no.example.com", demand.ReasonDenied)
			if n := o.asked.Load(); n != asked {
				t.Errorf("asked %d times; want %d", n, asked)
			}
		}
		check(2)
		time.Sleep(59 * time.Second)
		check(2)
		time.Sleep(time.Second)
		check(3) // the no has run out
		time.Sleep(time.Hour - time.Minute)
		o.set(func(o *oracle) { o.yes["no.example.com"], o.yes["yes.example.com"] = true, false })
		expect(t, g, "no.example.com", "")
		expect(t, g, "yes.example.com", demand.ReasonDenied)
		if s := g.Stats(); s.Known != 1 || s.Unknown != 1 || s.Yes != 2 || s.No != 3 || s.Asks != 5 {
			t.Errorf("stats %+v", s)
		}
		g.Close()
	})
}

func TestAllowed_OldAnswersCountWhileNobodyCanBeAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := oracles("yes.example.com")
		g := guard(t, demand.Options{Decide: o.decide})
		expect(t, g, "yes.example.com", "")
		expect(t, g, "no.example.com", demand.ReasonDenied)
		o.set(func(o *oracle) { o.err = errors.New("away") })

		time.Sleep(25*time.Hour - time.Second)
		expect(t, g, "yes.example.com", "")
		expect(t, g, "new.example.com", demand.ReasonAsk)
		if s := g.Stats(); s.Stale != 1 || s.Failures != 2 {
			t.Errorf("stats %+v", s)
		}
		expect(t, g, "yes.example.com", "") // and nobody is asked again so soon
		expect(t, g, "new.example.com", demand.ReasonAsk)
		if n := o.asked.Load(); n != 4 {
			t.Errorf("asked %d times; want 4", n)
		}
		time.Sleep(time.Second)
		expect(t, g, "yes.example.com", demand.ReasonAsk) // the day is over
		o.set(func(o *oracle) { o.err = nil; o.yes["new.example.com"] = true })
		time.Sleep(5 * time.Second)
		expect(t, g, "yes.example.com", "")
		expect(t, g, "new.example.com", "")
		g.Close()
	})
}

func TestAllowed_AnOldNoStaysANo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := oracles()
		g := guard(t, demand.Options{Decide: o.decide})
		expect(t, g, "no.example.com", demand.ReasonDenied)
		o.set(func(o *oracle) { o.err = errors.New("away") })
		time.Sleep(time.Hour)
		expect(t, g, "no.example.com", demand.ReasonDenied)
		never := guard(t, demand.Options{Decide: o.decide, Stale: -1})
		o.set(func(o *oracle) { o.err = nil })
		expect(t, never, "no.example.com", demand.ReasonDenied)
		o.set(func(o *oracle) { o.err = errors.New("away") })
		time.Sleep(time.Minute)
		expect(t, never, "no.example.com", demand.ReasonAsk)
		g.Close()
		never.Close()
	})
}

func TestAllowed_OneQuestionForAllWhoWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := oracles("x.example.com")
		o.hang = time.Second
		g := guard(t, demand.Options{Decide: o.decide})
		left, leave := context.WithCancel(t.Context())
		gone := make(chan error)
		go func() { gone <- g.Allowed(left, "x.example.com", client) }()
		synctest.Wait()
		answers := make(chan error)
		for i := range 200 {
			go func() { answers <- g.Allowed(t.Context(), "x.example.com", visitor(i)) }()
		}
		synctest.Wait()
		leave() // who began it does not end it for the others
		if got := reason(t, <-gone); got != demand.ReasonCanceled {
			t.Errorf("who left is told %q", got)
		}
		for range 200 {
			if err := <-answers; err != nil {
				t.Error(err)
			}
		}
		if n := o.asked.Load(); n != 1 {
			t.Errorf("asked %d times; want once", n)
		}
		g.Close()
	})
}

// Scenario 9: a flood of names costs a small budget of questions, and names that are
// known are answered at once, whatever it does.
func TestAllowed_AFloodOfNamesCostsABudget(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		visitor func(i int) netip.Addr
		most    int64
	}{
		{"from one client", func(int) netip.Addr { return visitor(1) }, 30},
		{"from everywhere", visitor, 100},
		{"from one IPv6 network", func(i int) netip.Addr {
			return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 0, byte(i >> 8), byte(i), 1})
		}, 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o := oracles("known.example.com")
				g := guard(t, demand.Options{Decide: o.decide, Allow: []string{"listed.example.com"}})
				expect(t, g, "known.example.com", "")
				before := o.asked.Load()
				began := time.Now()
				for i := range 1000 {
					name := fmt.Sprintf("r%d.example%d.com", i, i)
					got := reason(t, g.Allowed(t.Context(), name, c.visitor(i)))
					if got != demand.ReasonDenied && got != demand.ReasonAsks {
						t.Fatalf("%s: %q", name, got)
					}
					expect(t, g, "known.example.com", "")
					expect(t, g, "listed.example.com", "")
				}
				if n := o.asked.Load() - before; n > c.most || n < c.most/2 {
					t.Errorf("1000 names cost %d questions; want at most %d", n, c.most)
				}
				if took := time.Since(began); took != 0 {
					t.Errorf("somebody waited: %v", took)
				}
				// The budget comes back, and the name's yes is asked about outside of it.
				time.Sleep(time.Hour)
				expect(t, g, "known.example.com", "")
				expect(t, g, "new.example.com", demand.ReasonDenied)
				g.Close()
			})
		})
	}
}

// When the one who is asked hangs, names that it knew do not wait for it for long, and
// it is not hammered.
func TestAllowed_HangingOracle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var known []string
		for i := range 50 {
			known = append(known, fmt.Sprintf("k%d.example.com", i))
		}
		o := oracles(known...)
		g := guard(t, demand.Options{Decide: o.decide})
		for i, name := range known {
			if err := g.Allowed(t.Context(), name, visitor(i)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Hour)
		o.set(func(o *oracle) { o.hang = time.Hour })
		before := o.asked.Load()
		for i := range 500 { // a flood takes what room there is
			go g.Allowed(context.Background(), fmt.Sprintf("r%d.example.com", i), visitor(i))
		}
		synctest.Wait()
		if n := o.asked.Load() - before; n != 24 {
			t.Errorf("%d questions in flight; want 24", n)
		}
		began := time.Now()
		expect(t, g, known[0], "") // one of the eight that are left
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("a known name waited %v", took)
		}
		synctest.Wait() // until the flood has had its time, too
		began = time.Now()
		for _, name := range append(known, known...) {
			expect(t, g, name, "")
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("known names waited %v for one who is known to hang", took)
		}
		expect(t, g, "new.example.com", demand.ReasonAsk)
		time.Sleep(time.Minute)
		before = o.asked.Load()
		for range 60 {
			for _, name := range known {
				go g.Allowed(context.Background(), name, client)
			}
			time.Sleep(time.Second)
		}
		if n := o.asked.Load() - before; n > 31 {
			t.Errorf("%d questions in a minute to one who hangs; want one at a time", n)
		}
		o.set(func(o *oracle) { o.hang = 0 })
		time.Sleep(10 * time.Second)
		expect(t, g, known[1], "") // which finds out that asking works again
		synctest.Wait()
		expect(t, g, "new.example.com", demand.ReasonDenied)
		g.Close()
	})
}

func TestAllowed_NoNamesDoNotPushOutYesNames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := oracles("known.example.com")
		much := demand.Rate{N: 1_000_000, Per: time.Second}
		g := guard(t, demand.Options{Decide: o.decide, AskPerClient: much, AskTotal: much})
		expect(t, g, "known.example.com", "")
		for i := range 11_000 {
			expect(t, g, fmt.Sprintf("r%d.example.com", i), demand.ReasonDenied)
			if i%64 == 0 {
				expect(t, g, "used.example.com", demand.ReasonDenied)
			}
		}
		if s := g.Stats(); s.Known != 1 || s.Unknown != 10_000 {
			t.Errorf("kept %d names with a yes, %d others; want 1 and 10000", s.Known, s.Unknown)
		}
		before := o.asked.Load()
		expect(t, g, "known.example.com", "")
		expect(t, g, "used.example.com", demand.ReasonDenied) // in use, so it was spared
		if n := o.asked.Load() - before; n != 0 {
			t.Errorf("asked %d times about what was kept", n)
		}
		expect(t, g, "r0.example.com", demand.ReasonDenied) // the oldest went
		if n := o.asked.Load() - before; n != 1 {
			t.Errorf("asked %d times about the oldest; want once", n)
		}
		g.Close()
	})
}

func TestClose_EndsQuestions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := oracles("known.example.com")
		g := guard(t, demand.Options{Decide: o.decide})
		expect(t, g, "known.example.com", "")
		o.set(func(o *oracle) { o.hang = time.Hour })
		waiting := make(chan error, 1)
		go func() { waiting <- g.Allowed(t.Context(), "x.example.com", client) }()
		synctest.Wait()
		began := time.Now()
		g.Close()
		if got := reason(t, <-waiting); got != demand.ReasonClosed || time.Since(began) != 0 {
			t.Errorf("who waits is told %q after %v", got, time.Since(began))
		}
		expect(t, g, "known.example.com", "")
		expect(t, g, "y.example.com", demand.ReasonClosed)
		if _, err := g.Begin("known.example.com", client); reason(t, err) != demand.ReasonClosed {
			t.Errorf("Begin: %v", err)
		}
		g.Close()
	})
}
