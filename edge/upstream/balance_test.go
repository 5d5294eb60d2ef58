package upstream

import (
	"fmt"
	"math"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// weighted are endpoints 10.0.0.1, 10.0.0.2, … of those weights.
func weighted(weights ...int) (list []Endpoint) {
	for i, w := range weights {
		list = append(list, Endpoint{URL: fmt.Sprintf("http://10.0.%d.%d", i/250, i%250+1), Weight: w})
	}
	return list
}

// shares makes n calls and returns what part of them each endpoint got.
func shares(t *testing.T, w *world, p *Pool, n int) (got []float64) {
	t.Helper()
	before := map[string]int{}
	for _, e := range p.set.Load().all {
		before[e.address] = w.asked(e.address)
	}
	for range n {
		if _, _, err := ask(p, newCall()); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range p.set.Load().all {
		got = append(got, float64(w.asked(e.address)-before[e.address])/float64(n))
	}
	return got
}

func near(got, want []float64, by float64) bool {
	for i := range want {
		if math.Abs(got[i]-want[i]) > by {
			return false
		}
	}
	return len(got) == len(want)
}

func TestPolicies_FollowWeights(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		policy  string
		weights []int
		want    []float64
		by      float64
	}{
		{"round-robin", []int{1, 1}, []float64{.5, .5}, .001},
		{"round-robin", []int{3, 1}, []float64{.75, .25}, .001},
		{"round-robin", []int{5, 1, 4}, []float64{.5, .1, .4}, .001},
		{"random", []int{1, 1}, []float64{.5, .5}, .05},
		{"random", []int{6, 3, 1}, []float64{.6, .3, .1}, .05},
		{"least-requests", []int{1, 1, 1, 1}, []float64{.25, .25, .25, .25}, .05},
		{"least-requests", []int{3, 1}, []float64{.75, .25}, .05},
		{"first", []int{1, 5}, []float64{1, 0}, 0},
	} {
		t.Run(fmt.Sprint(c.policy, c.weights), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // in which all answers take the same time
				w := newWorld(t, ok)
				p := w.pool(t, Settings{Endpoints: weighted(c.weights...), Policy: c.policy})
				if got := shares(t, w, p, 3000); !near(got, c.want, c.by) {
					t.Errorf("got %v, want %v", got, c.want)
				}
			})
		})
	}
}

func TestRoundRobin_IsSmooth(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ok)
	p := w.pool(t, Settings{Endpoints: weighted(5, 1, 1), Policy: "round-robin"})
	row, last := 0, ""
	for range 70 {
		_, r, _ := ask(p, newCall())
		if r.Endpoint != last {
			row, last = 0, r.Endpoint
		}
		if row++; row > 5 {
			t.Fatalf("%s was asked %d times in a row with weights 5, 1, 1; want no more than 5", last, row)
		}
	}
}

func TestLeastRequests_LooksAtWorkAndTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := 20 * time.Millisecond
		w := newWorld(t, func(address string, c *exchange.Call, resp *exchange.Response) error {
			if address == "10.0.0.1:80" {
				time.Sleep(slow)
			} else {
				time.Sleep(5 * time.Millisecond)
			}
			return ok(address, c, resp)
		})
		p := w.pool(t, Settings{Endpoints: weighted(1, 1)})
		if got := shares(t, w, p, 100); got[0] > .1 {
			t.Errorf("the endpoint that takes four times as long got %v of the calls, want little", got[0])
		}
		slow = 5 * time.Millisecond
		time.Sleep(11 * time.Second) // until what is known of it is old
		if got := shares(t, w, p, 200); got[0] < .3 {
			t.Errorf("once it is as fast, it got %v of the calls, want half", got[0])
		}
		// With work on one, the other is asked.
		busy := p.set.Load().all[1]
		busy.inflight.Add(5)
		if got := shares(t, w, p, 100); got[1] != 0 {
			t.Errorf("a busy endpoint got %v of the calls, want none", got[1])
		}
		busy.inflight.Add(-5)
	})
}

// slowly is a body of a client with a slow line, or one that has come already.
type slowly struct {
	exchange.Body
	there int
}

func (s slowly) Buffered() int { return s.there }

// TestLatency_IsNotThatOfClients: an endpoint that had slow clients is not slow.
func TestLatency_IsNotThatOfClients(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(address string, c *exchange.Call, resp *exchange.Response) error {
			time.Sleep(time.Second)
			return ok(address, c, resp)
		})
		p := w.pool(t, Settings{Endpoints: hosts("10.0.0.1")})
		for _, tt := range []struct {
			body exchange.Body
			want time.Duration
		}{
			{slowly{bodies["stream"](), 4}, 0},
			{slowly{bodies["chunked"](), 5}, 0},
			{bodies["stream"](), 0},
			{slowly{bodies["stream"](), 5}, time.Second},
			{bodies["memory"](), time.Second},
			{exchange.NoBody, time.Second},
		} {
			time.Sleep(time.Minute) // what was measured before holds no longer
			c := newCall()
			c.Body = tt.body
			if _, _, err := ask(p, c); err != nil {
				t.Fatal(err)
			}
			if got := time.Duration(p.set.Load().all[0].latencyAt(p.now())); got != tt.want {
				t.Errorf("%T of %d bytes: got %v, want %v", tt.body, tt.body.Len(), got, tt.want)
			}
		}
	})
}

// TestRoundRobin_FindsLightOnes: where one endpoint outweighs a thousand, the rest get
// their share all the same.
func TestRoundRobin_FindsLightOnes(t *testing.T) {
	t.Parallel()
	weights := []int{1000}
	for range 1000 {
		weights = append(weights, 1)
	}
	w := newWorld(t, ok)
	p := w.pool(t, Settings{Endpoints: weighted(weights...), Policy: "round-robin"})
	if got := shares(t, w, p, 4000)[0]; got < .45 || got > .55 {
		t.Errorf("the heavy one got %v, want half", got)
	}
}

func TestFastErrors_AttractNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(address string, c *exchange.Call, resp *exchange.Response) error {
			if address == "10.0.0.1:80" {
				return status(500)(address, c, resp)
			}
			time.Sleep(10 * time.Millisecond)
			return ok(address, c, resp)
		})
		p := w.pool(t, Settings{Endpoints: weighted(1, 1)})
		if got := shares(t, w, p, 1000); got[0] > .6 {
			t.Errorf("an endpoint that fails at once got %v of the calls, want no more than its share", got[0])
		}
	})
}

func TestSlowStart_RampsUp(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"round-robin", "random", "least-requests"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, ok)
				p := w.pool(t, Settings{Endpoints: weighted(1, 1, 1), Policy: policy, SlowStart: 10 * time.Second})
				if got := shares(t, w, p, 3000); !near(got, []float64{.33, .33, .33}, .05) {
					t.Errorf("at first: %v, want equal shares", got)
				}
				for _, drain := range []bool{true, false} {
					if err := w.Drain("app", "10.0.0.1:80", drain); err != nil {
						t.Fatal(err)
					}
				}
				if got := w.Status()[0].Endpoints[0].State; got != "starting" {
					t.Errorf("state %q, want starting", got)
				}
				last := 0.0
				for range 4 {
					got := shares(t, w, p, 3000)[0]
					if got <= last || last == 0 && got > .1 {
						t.Errorf("after %v a share of %v, then %v: want it to grow from little", time.Since(p.born), last, got)
					}
					last = got
					time.Sleep(3 * time.Second)
				}
				if got := shares(t, w, p, 3000); !near(got, []float64{.33, .33, .33}, .05) {
					t.Errorf("at last: %v, want equal shares", got)
				}
			})
		})
	}
}

// TestHash_MovesLittle takes every endpoint of a pool out in turn: only keys that it
// had may move, and all come back with it.
func TestHash_MovesLittle(t *testing.T) {
	t.Parallel()
	for _, weights := range [][]int{{1, 1, 1, 1, 1}, {5, 1, 2, 2, 10}} {
		t.Run(fmt.Sprint(weights), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, ok)
			p := w.pool(t, Settings{Endpoints: weighted(weights...), Policy: "hash", Hash: "uri"})
			const keys = 4000
			where := func() (at [keys]string) {
				for i := range keys {
					c := newCall()
					c.Target = fmt.Sprintf("/key/%d?x=%d", i, i*i)
					at[i], _ = p.Choose(c)
				}
				return at
			}
			before := where()
			total, got := 0, map[string]int{}
			for _, w := range weights {
				total += w
			}
			for _, at := range before {
				got[at]++
			}
			for i, e := range p.set.Load().all {
				want := float64(weights[i]) / float64(total)
				if have := float64(got[e.address]) / keys; math.Abs(have-want) > .03 {
					t.Errorf("endpoint %d of weight %d has %v of the keys, want %v", i, weights[i], have, want)
				}
			}
			for _, out := range p.set.Load().all {
				if err := p.drain(out.address, true); err != nil {
					t.Fatal(err)
				}
				to := map[string]bool{}
				for i, at := range where() {
					if before[i] == out.address {
						to[at] = true
					} else if at != before[i] {
						t.Fatalf("key %d moved from %s to %s, though %s is out", i, before[i], at, out.address)
					}
				}
				if len(to) != len(weights)-1 || to[out.address] {
					t.Errorf("keys of %s went to %v, want all others", out.address, to)
				}
				if err := p.drain(out.address, false); err != nil {
					t.Fatal(err)
				}
				if where() != before {
					t.Errorf("after %s is back, keys are elsewhere than before", out.address)
				}
			}
		})
	}
}

func TestHash_ByWhat(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		by     string
		change func(c *exchange.Call, i int)
		spread bool
	}{
		{"ip", func(c *exchange.Call, i int) {
			c.Client = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, 2, byte(i)}), 80)
		}, true},
		{"ip", func(c *exchange.Call, i int) {
			c.Client = netip.AddrPortFrom(netip.MustParseAddr("10.9.9.9"), uint16(i))
		}, false},
		{"uri", func(c *exchange.Call, i int) { c.Target = fmt.Sprint("/", i) }, true},
		{"header X-User", func(c *exchange.Call, i int) { c.Header.Append("x-user", fmt.Sprint(i)) }, true},
		{"cookie sid", func(c *exchange.Call, i int) { c.Header.Append("cookie", fmt.Sprintf("a=b; sid=%d; c=d", i)) }, true},
		{"cookie sid", func(c *exchange.Call, i int) { c.Header.Append("cookie", fmt.Sprintf("asid=%d; sid=same", i)) }, false},
	} {
		w := newWorld(t, ok)
		p := w.pool(t, Settings{Endpoints: weighted(1, 1, 1), Policy: "hash", Hash: c.by})
		at := map[string]int{}
		for i := range 300 {
			call := newCall()
			c.change(call, i)
			e, why := p.Choose(call)
			if why != "hash of "+c.by+", 3 of 3 well" {
				t.Fatalf("why: %q", why)
			}
			at[e]++
		}
		if (len(at) == 3) != c.spread || len(at) != 1 && !c.spread {
			t.Errorf("by %s, calls went to %v; spread %v", c.by, at, c.spread)
		}
	}
}

func TestHash_CallsWithoutKeyAreBalanced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ok)
	p := w.pool(t, Settings{Endpoints: weighted(1, 1), Policy: "hash", Hash: "header x"})
	at := map[string]bool{}
	for range 100 {
		_, r, _ := ask(p, newCall())
		at[r.Endpoint] = true
	}
	if _, why := p.Choose(newCall()); len(at) != 2 || why != "no header x to hash, so least-requests, 2 of 2 well" {
		t.Errorf("went to %v, %q; want both", at, why)
	}
}

func TestFirst_GoesOnInOrder(t *testing.T) {
	t.Parallel()
	var asked []string
	w := newWorld(t, func(address string, c *exchange.Call, resp *exchange.Response) error {
		if asked = append(asked, address); len(asked) < 3 {
			return broken(502)
		}
		return ok(address, c, resp)
	})
	p := w.pool(t, Settings{Endpoints: weighted(1, 1, 1), Policy: "first"})
	if _, _, err := ask(p, newCall()); err != nil || fmt.Sprint(asked) != "[10.0.0.1:80 10.0.0.2:80 10.0.0.3:80]" {
		t.Errorf("asked %v, %v; want all in order", asked, err)
	}
}

func TestSticky_KeepsClientsWhereTheyAre(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ok)
	p := w.pool(t, Settings{Endpoints: weighted(1, 1, 1, 1), Sticky: "at"})
	var resp exchange.Response
	first, err := p.Do(newCall(), &resp)
	if err != nil {
		t.Fatal(err)
	}
	e := p.set.Load().ids
	set := resp.Header.Get("set-cookie")
	var id string
	for name, at := range e {
		if at.address == first.Endpoint {
			id = name
		}
	}
	if want := "at=" + id + "; Path=/; HttpOnly; SameSite=Lax"; set != want || len(id) != 16 {
		t.Fatalf("set-cookie %q, want %q", set, want)
	}
	send := func(cookie string, secure bool) (Result, string) {
		c := newCall()
		c.Secure = secure
		c.Header.Append("cookie", cookie)
		var resp exchange.Response
		r, err := p.Do(c, &resp)
		if err != nil {
			t.Fatal(err)
		}
		return r, resp.Header.Get("set-cookie")
	}
	for range 50 {
		if r, set := send("x=y; at="+id, false); r.Endpoint != first.Endpoint || set != "" {
			t.Fatalf("went to %s and was told %q, want %s and nothing", r.Endpoint, set, first.Endpoint)
		}
	}
	// What is not ours is ignored, and replaced.
	for _, foreign := range []string{"at=", "at=10.0.0.1:80", "at=" + id + "x", "at=\x80\xff"} {
		if r, set := send(foreign, true); r.Endpoint == "" || len(set) == 0 || set[len(set)-8:] != "; Secure" {
			t.Errorf("cookie %q: %+v, told %q; want another one, for TLS only", foreign, r, set)
		}
	}
	if err := p.drain(first.Endpoint, true); err != nil {
		t.Fatal(err)
	}
	if r, set := send("at="+id, false); r.Endpoint == first.Endpoint || set == "" {
		t.Errorf("with its endpoint out: %+v, told %q; want another", r, set)
	}
}

func TestChoose_SaysWhy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ok)
	p := w.pool(t, Settings{Endpoints: weighted(1, 1), Policy: "first", Sticky: "at", Limits: Limits{Requests: 1}})
	expect := func(c *exchange.Call, wantAt, wantWhy string) {
		t.Helper()
		if at, why := p.Choose(c); at != wantAt || why != wantWhy {
			t.Errorf("got %q, %q; want %q, %q", at, why, wantAt, wantWhy)
		}
	}
	expect(newCall(), "10.0.0.1:80", "first, 2 of 2 well")
	c := newCall()
	c.Header.Append("cookie", "at="+p.set.Load().all[1].id)
	expect(c, "10.0.0.2:80", "by cookie at")
	for _, e := range p.set.Load().all {
		e.inflight.Add(1)
	}
	expect(c, "", "all endpoints are busy: the call would wait")
	for _, e := range p.set.Load().all {
		e.inflight.Add(-1)
	}
	if err := p.drain("", true); err != nil {
		t.Fatal(err)
	}
	expect(c, "", "no endpoint is well; 10.0.0.1:80: drained by order; 10.0.0.2:80: drained by order")
}
