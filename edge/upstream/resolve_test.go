package upstream

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// addresses are those of pool "app", in order, those that stand by in brackets.
func (w *world) addresses() string {
	p := w.current()[0]
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	for _, e := range p.set.Load().all {
		if e.tier > 0 {
			all = append(all, "("+e.address+")")
		} else {
			all = append(all, e.address)
		}
	}
	return strings.Join(all, " ")
}

func (w *world) expectAddresses(t *testing.T, want string) {
	t.Helper()
	if got := w.addresses(); got != want {
		t.Errorf("endpoints %q, want %q", got, want)
	}
}

func TestResolve_FollowsNames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, ok)
		w.names.set("app.test", "10.0.0.1 10.0.0.2")
		p := w.pool(t, Settings{Endpoints: []Endpoint{{URL: "https://app.test:8443"}, {URL: "https://10.9.9.9"}}})
		if _, r, err := ask(p, newCall()); err != nil || r.Endpoint == "" {
			t.Fatalf("first call: %+v, %v", r, err)
		}
		synctest.Wait()
		w.expectAddresses(t, "10.0.0.1:8443 10.0.0.2:8443 10.9.9.9:443")
		for i, want := range []string{"app.test", "app.test", "10.9.9.9"} {
			if e := p.set.Load().all[i]; e.server != want {
				t.Errorf("endpoint %d has the name %q, want %q", i, e.server, want)
			}
		}
		kept, gone := p.set.Load().all[1], w.client("10.0.0.1:8443")
		kept.count.calls.Add(100)
		w.names.set("app.test", "10.0.0.3 10.0.0.2")
		time.Sleep(31 * time.Second)
		w.expectAddresses(t, "10.0.0.2:8443 10.0.0.3:8443 10.9.9.9:443")
		if now := p.set.Load().all[0]; now != kept || w.client("10.0.0.2:8443").closed || !gone.closed {
			t.Errorf("the endpoint that stayed is another one, or closed; or the one that went is open")
		}
		w.names.set("app.test", "")
		time.Sleep(30 * time.Second)
		w.expectAddresses(t, "10.0.0.2:8443 10.0.0.3:8443 10.9.9.9:443")
		if st := w.Status()[0]; st.Err != "resolve https://app.test:8443: no addresses" {
			t.Errorf("status says %q, want why names do not resolve", st.Err)
		}
	})
}

func TestResolve_WaitsForTheFirstAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, ok)
		began := time.Now()
		p := w.pool(t, Settings{Endpoints: hosts("app.test")})
		if _, _, err := ask(p, newCall()); statusOf(err) != 503 || !strings.Contains(err.Error(), "lookup app.test: no such host") {
			t.Errorf("got %v, want 503 and why", err)
		}
		if _, _, err := ask(p, newCall()); statusOf(err) != 503 || time.Since(began) != 0 {
			t.Errorf("got %v after %v, want 503 at once", err, time.Since(began))
		}
		w.names.set("app.test", "10.0.0.1")
		time.Sleep(time.Second + time.Millisecond) // it is asked for again soon
		if _, _, err := ask(p, newCall()); err != nil {
			t.Error(err)
		}
	})
}

func TestResolve_SlowNamesAreNotWaitedForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, ok)
		p := w.pool(t, Settings{Endpoints: hosts("10.0.0.1")})
		p.set.Store(&set{}) // as before a first answer that does not come
		p.resolved = make(chan struct{})
		began := time.Now()
		if _, _, err := ask(p, newCall()); statusOf(err) != 503 || time.Since(began) != 5*time.Second {
			t.Errorf("got %v after %v, want 503 after 5 s", err, time.Since(began))
		}
	})
}

// TestResolve_NamesDoNotWaitForEachOther: of a hundred names only the last one's server
// answers.
func TestResolve_NamesDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, ok)
		asked := map[string]int{}
		w.lookupNetIP = func(ctx context.Context, network, host string) ([]netip.Addr, error) {
			w.mu.Lock()
			asked[host]++
			w.mu.Unlock()
			if host != "app.test" {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return w.names.lookupNetIP(ctx, network, host)
		}
		w.names.set("app.test", "10.0.0.1")
		began := time.Now()
		p := w.pool(t, Settings{Endpoints: hosts(strings.Repeat("dead.test ", lookupsMost-1) + "app.test dead.test")})
		if _, r, err := ask(p, newCall()); r.Endpoint != "10.0.0.1:80" || err != nil || time.Since(began) != 0 {
			t.Errorf("got %+v, %v after %v; want an answer at once", r, err, time.Since(began))
		}
		time.Sleep(lookupTimeout + lookupTimeout/2)
		st := w.Status()[0].Err
		if n := strings.Count(st, "resolve http://dead.test"); n != 3 || !strings.HasSuffix(st, "and 61 more") {
			t.Errorf("status says %q, want three of 64 names and how many more", st)
		}
		w.names.set("app.test", "10.0.0.2")
		time.Sleep(time.Minute)
		w.expectAddresses(t, "10.0.0.2:80")
		w.mu.Lock()
		if n := asked["app.test"]; n != 3 {
			t.Errorf("the good name was asked for %d times in 75 s, want 3", n)
		}
		w.mu.Unlock()
	})
}

// TestResolve_KeepsItsOrder: name servers give more addresses than a pool takes, each
// time in another order. Endpoints are not to come and go, nor change places.
func TestResolve_KeepsItsOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, ok)
		var ips []string
		for i := range 300 {
			ips = append(ips, fmt.Sprintf("10.0.%d.%d", i>>8, i&255))
		}
		turn := func() {
			rand.Shuffle(len(ips), func(i, j int) { ips[i], ips[j] = ips[j], ips[i] })
			w.names.set("app.test", strings.Join(ips, " "))
		}
		turn()
		p := w.pool(t, Settings{Endpoints: hosts("app.test"), Policy: "first"})
		synctest.Wait()
		before := p.set.Load()
		for range 3 {
			turn()
			time.Sleep(31 * time.Second)
		}
		if now := p.set.Load(); now != before || len(now.all) != addressMost || now.all[0].address != "10.0.0.0:80" {
			t.Errorf("%d endpoints, from %s, the same: %v; want the same %d", len(now.all), now.all[0].address, now == before, addressMost)
		}
	})
}

// TestResolve_TargetsOfServicesStay: a target that cannot be looked up for a moment is
// no target that is gone.
func TestResolve_TargetsOfServicesStay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, ok)
		var failure error
		w.lookupNetIP = func(ctx context.Context, network, host string) ([]netip.Addr, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if host == "b.test." && failure != nil {
				return nil, failure
			}
			return w.names.lookupNetIP(ctx, network, host)
		}
		fail := func(err error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			failure = err
		}
		w.names.set("a.test.", "10.0.0.1")
		w.names.set("b.test.", "10.0.0.2 fd00::2")
		w.names.services["app.test"] = []*net.SRV{{Target: "b.test.", Port: 82}, {Target: "a.test.", Port: 81}}
		w.pool(t, Settings{Endpoints: []Endpoint{{URL: "srv+http://app.test"}}})
		synctest.Wait()
		w.expectAddresses(t, "10.0.0.1:81 10.0.0.2:82 ([fd00::2]:82)")
		fail(&net.DNSError{Err: "server misbehaving", Name: "b.test", IsTemporary: true})
		w.names.set("a.test.", "10.0.0.3")
		time.Sleep(31 * time.Second)
		w.expectAddresses(t, "10.0.0.3:81 10.0.0.2:82 ([fd00::2]:82)")
		if st := w.Status()[0].Err; !strings.Contains(st, "server misbehaving") {
			t.Errorf("status says %q, want what is wrong", st)
		}
		fail(&net.DNSError{Err: "no such host", Name: "b.test", IsNotFound: true})
		time.Sleep(31 * time.Second)
		w.expectAddresses(t, "10.0.0.3:81")
	})
}

func TestResolve_OnlyAtTheStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, ok)
		w.pool(t, Settings{Endpoints: hosts("app.test"), Refresh: -1})
		time.Sleep(2 * time.Second)
		w.names.set("app.test", "10.0.0.1")
		time.Sleep(time.Minute)
		w.expectAddresses(t, "10.0.0.1:80")
		asked := w.names.asked
		time.Sleep(time.Hour)
		if n := w.names.asked; n != asked {
			t.Errorf("asked %d times more, want none", n-asked)
		}
	})
}

func TestResolve_VersionSixStandsBy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(address string, c *exchange.Call, resp *exchange.Response) error {
			if address == "127.0.0.1:3000" { // the app listens to ::1 only
				return broken(502)
			}
			return ok(address, c, resp)
		})
		w.names.set("localhost", "::1 127.0.0.1")
		p := w.pool(t, Settings{Endpoints: hosts("localhost:3000")})
		for i := range 20 {
			if _, r, err := ask(p, newCall()); err != nil || r.Endpoint != "[::1]:3000" || (i < 5) != (r.Attempts == 2) {
				t.Fatalf("call %d: %+v, %v", i, r, err)
			}
		}
		w.expectAddresses(t, "127.0.0.1:3000 ([::1]:3000)")
	})
}

func TestResolve_Services(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, ok)
		w.names.set("a.test.", "10.0.0.1")
		w.names.set("b.test.", "10.0.0.2 fd00::2")
		w.names.set("c.test.", "10.0.0.3")
		w.names.services["_app._tcp.test"] = []*net.SRV{
			{Target: "c.test.", Port: 83, Priority: 20, Weight: 1},
			{Target: "a.test.", Port: 81, Priority: 10, Weight: 3},
			{Target: "b.test.", Port: 82, Priority: 10, Weight: 1},
			{Target: "gone.test.", Port: 84, Priority: 10, Weight: 1},
			{Target: "bad name.", Port: 84, Priority: 10},
			{Target: "a.test.", Port: 0, Priority: 10},
		}
		p := w.pool(t, Settings{Endpoints: []Endpoint{{URL: "srv+https://_app._tcp.test", Weight: 2}}, Policy: "round-robin"})
		synctest.Wait()
		w.expectAddresses(t, "10.0.0.1:81 10.0.0.2:82 ([fd00::2]:82) (10.0.0.3:83)")
		if e := p.set.Load().all[0]; e.server != "a.test" || e.authority != "a.test:81" || e.weight != 6 {
			t.Errorf("endpoint %+v, want the name of its target, and both weights", e.place)
		}
		if got := shares(t, w, p, 400); !near(got, []float64{.75, .25, 0, 0}, .01) {
			t.Errorf("shares %v, want those of the first priority by weight", got)
		}
		for _, at := range []string{"10.0.0.1:81", "10.0.0.2:82", "[fd00::2]:82"} {
			if err := p.drain(at, true); err != nil {
				t.Fatal(err)
			}
		}
		if _, r, err := ask(p, newCall()); err != nil || r.Endpoint != "10.0.0.3:83" {
			t.Errorf("%+v, %v; want the second priority when the first is out", r, err)
		}
	})
}

func TestResolve_ServicesThatAreNot(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"none._tcp.test":  "resolve srv+http://none._tcp.test: lookup none._tcp.test: no such service",
		"empty._tcp.test": "resolve srv+http://empty._tcp.test: no records",
		"off._tcp.test":   `resolve srv+http://off._tcp.test: target ".", port 0: not usable`,
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, ok)
			w.names.services["empty._tcp.test"] = nil
			w.names.services["off._tcp.test"] = []*net.SRV{{Target: "."}} // RFC 2782
			p := w.pool(t, Settings{Endpoints: []Endpoint{{URL: "srv+http://" + name}}})
			if _, _, err := ask(p, newCall()); statusOf(err) != 503 {
				t.Errorf("%s: got %v, want 503", name, err)
			}
			if got := w.Status()[0].Err; got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		})
	}
}

func TestResolve_SameAddressTwiceIsOneEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ok)
	w.pool(t, Settings{Endpoints: []Endpoint{{URL: "http://10.0.0.1"}, {URL: "http://10.0.0.1:80", Weight: 2}}})
	if e := w.Status()[0].Endpoints; len(e) != 1 || e[0].Weight != 3 {
		t.Errorf("got %+v, want one of weight 3", e)
	}
}

func TestPool_IsSharedByNameAndSettings(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, ok)
		s := Settings{Endpoints: hosts("10.0.0.1"), Health: Health{Interval: time.Second}, Retry: Retry{Statuses: []int{503}}}
		first := w.pool(t, s)
		s.Retry.Statuses = []int{503}
		again := w.pool(t, s)
		if first != again {
			t.Error("equal settings: got two pools, want one")
		}
		s.Policy = "least-requests"
		if w.pool(t, s) != first {
			t.Error("a default by its name: got another pool")
		}
		s.Retry.Attempts = 3
		changed := w.pool(t, s)
		if changed == first {
			t.Error("other settings: got the same pool")
		}
		if got := w.Status(); len(got) != 1 {
			t.Errorf("%d pools in status, want the newest of the name", len(got))
		}
		client := first.set.Load().all[0].client.(*scripted)
		first.Release()
		again.Release()
		if client.closed {
			t.Error("closed while somebody holds it")
		}
		first.Release()
		if !client.closed {
			t.Error("not closed when nobody holds it")
		}
		if w.pool(t, s) != changed {
			t.Error("the other pool is gone as well")
		}
	})
}

func TestDrain_NamesWhatIsKnown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ok)
	if err := w.Drain("app", "", true); err == nil || err.Error() != `drain upstream "app": unknown: there are none` {
		t.Errorf("without pools: %v", err)
	}
	p := w.pool(t, Settings{Endpoints: weighted(1, 1)})
	for _, c := range []struct{ pool, endpoint, want string }{
		{"ap", "", `drain upstream "ap": unknown: there are app`},
		{"app", "10.0.0.3", `drain endpoint "10.0.0.3" of upstream "app": unknown: there are 10.0.0.1:80, 10.0.0.2:80`},
	} {
		if err := w.Drain(c.pool, c.endpoint, true); err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	if err := w.Drain("app", "", true); err != nil {
		t.Error(err)
	}
	w.expect(t, "draining draining")
	if _, _, err := ask(p, newCall()); statusOf(err) != 503 {
		t.Errorf("got %v, want 503", err)
	}
	if err := w.Drain("app", "10.0.0.2:80", false); err != nil {
		t.Error(err)
	}
	w.expect(t, "draining up")
}

func TestClose_EndsAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ok)
	p := w.pool(t, Settings{Endpoints: hosts("10.0.0.1"), Health: Health{Interval: time.Hour}})
	w.Close()
	w.Close()
	p.Release()
	if !w.client("10.0.0.1:80").closed {
		t.Error("an endpoint is open after Close")
	}
	if _, err := w.Pool("app", Settings{Endpoints: hosts("10.0.0.1")}); err == nil {
		t.Error("got a pool after Close")
	}
}

func TestListed_FewNamesOnly(t *testing.T) {
	t.Parallel()
	many := strings.Split(strings.Repeat("a ", 13)+"a", " ")
	for want, names := range map[string][]string{"none": nil, "a, a": many[:2], "a, a, a, a, a, a, a, a, a, a and 4 more": many} {
		if got := listed(names); got != want {
			t.Errorf("%d names: got %q, want %q", len(names), got, want)
		}
	}
}
