package demand_test

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/certs/demand"
)

// begin begins and ends an issuance, and returns why not.
func begin(t testing.TB, g *demand.Guard, name string, client netip.Addr) string {
	t.Helper()
	done, err := g.Begin(name, client)
	if err == nil {
		done()
	}
	return reason(t, err)
}

func TestBegin_Budgets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		begin   func(i int) (string, netip.Addr)
		passed  int
		reason  string
		back    time.Duration // after which there is one more
		another string        // what is not concerned; "": everything is
	}{
		{"per client", func(i int) (string, netip.Addr) { return fmt.Sprintf("a.d%d.com", i), client }, 10, demand.ReasonPerClient, 6 * time.Second, "-"},
		{"per domain", func(i int) (string, netip.Addr) { return fmt.Sprintf("a%d.example.co.uk", i), visitor(i) }, 50, demand.ReasonPerDomain, 72 * time.Second, "a.example2.co.uk"},
		{"per private suffix's customer", func(i int) (string, netip.Addr) { return fmt.Sprintf("a%d.u.github.io", i), visitor(i) }, 50, demand.ReasonPerDomain, 72 * time.Second, "v.github.io"},
		{"total", func(i int) (string, netip.Addr) { return fmt.Sprintf("a.d%d.com", i), visitor(i) }, 300, demand.ReasonTotal, 36 * time.Second, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := guard(t, demand.Options{Allow: []string{"example.com"}})
				passed := 0
				for i := range 1000 {
					name, from := c.begin(i)
					switch got := begin(t, g, name, from); got {
					case "":
						passed++
					case c.reason:
					default:
						t.Fatalf("%s: refused for %q", name, got)
					}
				}
				if passed != c.passed {
					t.Errorf("%d issuances pass; want %d", passed, c.passed)
				}
				name, from := c.begin(1001)
				_, err := g.Begin(name, from)
				r, _ := errors.AsType[*demand.Refusal](err)
				if r == nil || time.Until(r.Until) != c.back {
					t.Fatalf("refusal %+v; want one until %v from now", r, c.back)
				}
				switch c.another {
				case "":
				case "-":
					if got := begin(t, g, "a.d0.com", visitor(1)); got != "" {
						t.Errorf("another client is refused for %q", got)
					}
				default:
					if got := begin(t, g, c.another, visitor(1)); got != "" {
						t.Errorf("another domain is refused for %q", got)
					}
				}
				time.Sleep(c.back)
				if got := begin(t, g, name, from); got != "" {
					t.Errorf("after %v refused for %q", c.back, got)
				}
				g.Close()
			})
		})
	}
}

// What is refused by one budget takes from no other.
func TestBegin_RefusalsCostNothing(t *testing.T) {
	t.Parallel()
	g := guard(t, demand.Options{Allow: []string{"example.com"}, Total: demand.Rate{N: 20, Per: time.Hour}})
	for i := range 1000 {
		begin(t, g, fmt.Sprintf("a.d%d.com", i), client)
		begin(t, g, "co.uk", client)
	}
	for i := range 10 {
		if got := begin(t, g, "a.example.com", visitor(i)); got != "" {
			t.Errorf("issuance %d refused for %q", i, got)
		}
	}
	if s := g.Stats(); s.Issuances != 20 || s.Refused[demand.ReasonPerClient] != 990 || s.Refused[demand.ReasonName] != 1000 {
		t.Errorf("stats %+v", s)
	}
}

func TestBegin_RefusesWhenFullAndNeverQueues(t *testing.T) {
	t.Parallel()
	g := guard(t, demand.Options{Allow: []string{"example.com"}, InFlight: 3})
	var ends []func()
	for i := range 3 {
		done, err := g.Begin("a.example.com", visitor(i))
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, done)
	}
	if got := begin(t, g, "b.example.com", client); got != demand.ReasonInFlight {
		t.Errorf("refused for %q; want %q", got, demand.ReasonInFlight)
	}
	for range 5 {
		ends[0]() // counts once
	}
	if n := g.Stats().InFlight; n != 2 {
		t.Errorf("%d in flight; want 2", n)
	}
	done, err := g.Begin("b.example.com", client)
	if err != nil {
		t.Fatal(err)
	}
	if got := begin(t, g, "c.example.com", client); got != demand.ReasonInFlight {
		t.Errorf("refused for %q; want %q", got, demand.ReasonInFlight)
	}
	done()
	ends[1]()
	ends[2]()
}
