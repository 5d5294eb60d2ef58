package upstream

import (
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// states are those of the endpoints of pool "app", in order.
func (w *world) states() string {
	var all []string
	for _, e := range w.Status()[0].Endpoints {
		all = append(all, e.State)
	}
	return strings.Join(all, " ")
}

func (w *world) expect(t *testing.T, want string) {
	t.Helper()
	if got := w.states(); got != want {
		t.Errorf("states %q, want %q", got, want)
	}
}

func TestHealth_TakesEndpointsOutAndBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ill atomic.Bool
		w := newWorld(t, func(address string, c *exchange.Call, resp *exchange.Response) error {
			if c.Target == "/health" && c.Header.Get("user-agent") != "weir-health" {
				t.Errorf("check without a name: %v", c.Header)
			}
			if c.Target == "/health" && address == "10.0.0.1:80" && ill.Load() {
				return status(500)(address, c, resp)
			}
			return ok(address, c, resp)
		})
		p := w.pool(t, Settings{Endpoints: weighted(1, 1), Health: Health{Path: "/health", Interval: 10 * time.Second}})
		synctest.Wait()
		w.expect(t, "up up")
		if n := w.asked("10.0.0.1:80"); n != 1 {
			t.Errorf("%d checks at the start, want one at once", n)
		}
		ill.Store(true)
		time.Sleep(23 * time.Second) // two checks, with jitter
		w.expect(t, "up up")
		time.Sleep(10 * time.Second)
		w.expect(t, "down up")
		if st := w.Status()[0].Endpoints[0]; st.Failed != 3 || st.Passed != 1 || st.Why != "answers 500, not 200 to 399" {
			t.Errorf("status %+v, want 3 failed checks, and why", st)
		}
		for range 20 {
			if _, r, err := ask(p, newCall()); err != nil || r.Endpoint != "10.0.0.2:80" {
				t.Fatalf("got %+v, %v; want the other", r, err)
			}
		}
		ill.Store(false)
		time.Sleep(12 * time.Second)
		w.expect(t, "down up")
		time.Sleep(11 * time.Second)
		w.expect(t, "up up")
	})
}

func TestHealth_FirstCheckDecides(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, refused)
		p := w.pool(t, Settings{Endpoints: weighted(1, 1), Health: Health{Interval: time.Minute}})
		synctest.Wait()
		w.expect(t, "down down")
		before := w.asked("10.0.0.1:80")
		_, r, err := ask(p, newCall())
		e, _ := err.(*exchange.Error)
		if e == nil || e.Status != 503 || e.Fields[0] != (exchange.Field{Name: "retry-after", Value: "1"}) || r.Attempts != 0 {
			t.Errorf("got %+v, %v; want 503 at once", r, err)
		}
		if !strings.Contains(err.Error(), "no endpoint is well; 10.0.0.1:80: connection broken") {
			t.Errorf("error %v, want why", err)
		}
		if w.asked("10.0.0.1:80") != before {
			t.Error("an endpoint that is down was asked")
		}
	})
}

// TestHealth_SlowChecksHoldNobodyUp has one endpoint whose checks never end by
// themselves.
func TestHealth_SlowChecksHoldNobodyUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(address string, c *exchange.Call, resp *exchange.Response) error {
			if address == "10.0.0.1:80" {
				gone := make(chan error, 1)
				c.Caller.Watch(interrupter(gone))
				defer c.Caller.Watch(nil)
				return <-gone
			}
			return ok(address, c, resp)
		})
		w.pool(t, Settings{Endpoints: weighted(1, 1), Health: Health{Interval: time.Second, Timeout: 30 * time.Second}})
		time.Sleep(29 * time.Second)
		w.expect(t, "up up")
		if n := w.asked("10.0.0.2:80"); n < 25 || n > 33 {
			t.Errorf("%d checks of the other in 29 s, want one per second", n)
		}
		time.Sleep(2 * time.Second)
		w.expect(t, "down up")
	})
}

type interrupter chan error

func (i interrupter) Interrupt(cause error) { i <- cause }

func TestHealth_ChecksAgainOverFreshConnections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		w := newWorld(t, func(address string, c *exchange.Call, resp *exchange.Response) error {
			if n++; n%2 == 1 {
				c.Attempt = exchange.Attempt{Reused: true, Written: true}
				return broken(502)
			}
			return ok(address, c, resp)
		})
		w.pool(t, Settings{Endpoints: weighted(1), Health: Health{Interval: time.Second}})
		time.Sleep(10 * time.Second)
		w.expect(t, "up")
		if st := w.Status()[0].Endpoints[0]; st.Failed != 0 || st.Passed < 8 {
			t.Errorf("%d passed, %d failed; want none to fail", st.Passed, st.Failed)
		}
	})
}

func TestHealth_GRPC(t *testing.T) {
	t.Parallel()
	frame := func(m string) string { return "\x00\x00\x00\x00" + string(rune(len(m))) + m }
	for _, c := range []struct {
		name, body, trailer, header string
		status                      int
		want                        string
	}{
		{"serving", frame("\x08\x01"), "0", "", 200, ""},
		{"not serving", frame("\x08\x02"), "0", "", 200, "answers NOT_SERVING"},
		{"unknown", frame(""), "0", "", 200, "answers UNKNOWN"},
		{"new status", frame("\x08\x63"), "0", "", 200, "answers status 99"},
		{"no such service", "", "", "5", 200, `answers grpc-status "5"`},
		{"cancelled late", frame("\x08\x01"), "1", "", 200, `answers grpc-status "1"`},
		{"no gRPC", "hello", "", "", 200, `answers grpc-status ""`},
		{"not found", "", "", "", 404, "answers 404, not 200"},
		{"cut", "\x00\x00\x00\x00\x02\x08", "0", "", 200, "the answer is no HealthCheckResponse"},
		{"more fields", frame("\x12\x01x\x08\x01\x1d....\x21........"), "0", "", 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(_ string, call *exchange.Call, resp *exchange.Response) error {
					b, _ := io.ReadAll(call.Body)
					if call.Method != "POST" || call.Target != "/grpc.health.v1.Health/Check" || string(b) != "\x00\x00\x00\x00\x05\x0a\x03app" || call.Header.Get("te") != "trailers" {
						t.Errorf("asked %+v with %q", call, b)
					}
					resp.Status = c.status
					if c.header != "" {
						resp.Header.Append("grpc-status", c.header)
					}
					if c.trailer != "" {
						resp.Trailer.Append("grpc-status", c.trailer)
					}
					resp.Body = exchange.NewBody(strings.NewReader(c.body), -1, nil)
					return nil
				})
				w.pool(t, Settings{Endpoints: []Endpoint{{URL: "h2c://10.0.0.1"}}, Health: Health{Kind: "grpc", Service: "app", Interval: time.Minute}})
				synctest.Wait()
				st := w.Status()[0].Endpoints[0]
				if (st.State == "up") != (c.want == "") || st.Why != c.want {
					t.Errorf("%s, %q; want %q", st.State, st.Why, c.want)
				}
			})
		})
	}
}

func FuzzServing(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x02\x08\x01"))
	f.Add([]byte("\x00\x00\x00\x00\x0b\x12\x01x\x08\x01\x1d...."))
	f.Fuzz(func(t *testing.T, b []byte) {
		if serving(b) == nil && (len(b) < 7 || len(b) > 1<<20) {
			t.Errorf("%q is said to serve", b)
		}
	})
}

func TestHealth_TCP(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			c.Close()
		}
		accepted <- err
	}()
	w := newWorld(t, ok)
	p := w.pool(t, Settings{Endpoints: hosts(l.Addr().String()), Health: Health{Kind: "tcp", Interval: time.Hour}})
	e := p.set.Load().all[0]
	if err := <-accepted; err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := p.probe(t.Context(), e); err == nil {
		t.Error("a closed port passed the check")
	}
	if n := w.asked(e.address); n != 0 {
		t.Errorf("%d calls were made, want none", n)
	}
}

func TestEject_AfterFailuresInARow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ill atomic.Bool
		ill.Store(true)
		w := newWorld(t, func(address string, c *exchange.Call, resp *exchange.Response) error {
			if address == "10.0.0.1:80" && ill.Load() {
				return status(503)(address, c, resp)
			}
			return ok(address, c, resp)
		})
		p := w.pool(t, Settings{Endpoints: weighted(1, 1, 1), Policy: "first"})
		failures := func() (n int) {
			for range 20 {
				if s, _, _ := ask(p, newCall()); s == 503 {
					n++
				}
			}
			return n
		}
		for i, want := range []time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 100 * time.Second, 100 * time.Second} {
			if n := failures(); n != 5 {
				t.Fatalf("round %d: %d failures before the endpoint was out, want 5", i, n)
			}
			w.expect(t, "ejected up up")
			time.Sleep(want - time.Millisecond)
			if n := failures(); n != 0 {
				t.Errorf("round %d: %d failures while it was out for %v", i, n, want)
			}
			time.Sleep(2 * time.Millisecond)
			w.expect(t, "up up up")
		}
		st := w.Status()[0].Endpoints[0]
		if st.Ejections != 6 || st.Status != 30 {
			t.Errorf("status %+v, want 6 ejections, 30 failures", st)
		}
		ill.Store(false)
		failures()
		time.Sleep(201 * time.Second) // well for so long that it begins anew
		ill.Store(true)
		failures()
		time.Sleep(11 * time.Second)
		w.expect(t, "up up up")
	})
}

func TestEject_NeverTooMany(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		endpoints int
		most      int
		down      string // drained before
		want      int
	}{
		{"one stays alone", 1, 100, "", 0},
		{"half of two", 2, 0, "", 1},
		{"one of three in any case", 3, 10, "", 1},
		{"half of five", 5, 50, "", 2},
		{"all but one", 5, 100, "", 4},
		{"the last one that is not drained stays", 2, 100, "10.0.0.2:80", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, refused)
			p := w.pool(t, Settings{Endpoints: weighted(1, 1, 1, 1, 1)[:c.endpoints], Eject: Eject{Failures: 2, Most: c.most}})
			if c.down != "" {
				if err := p.drain(c.down, true); err != nil {
					t.Fatal(err)
				}
			}
			for range 50 {
				if _, _, err := ask(p, newCall()); statusOf(err) != 502 {
					t.Fatalf("got %v, want a try and 502", err)
				}
			}
			if n := strings.Count(w.states(), "ejected"); n != c.want {
				t.Errorf("%d are out (%s), want %d", n, w.states(), c.want)
			}
		})
	}
}

// TestEject_RatherATryThanARefusal ejects one endpoint and then loses the other.
func TestEject_RatherATryThanARefusal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, refused)
	p := w.pool(t, Settings{Endpoints: weighted(1, 1), Eject: Eject{Failures: 1, For: time.Hour}, Policy: "first"})
	_, _, _ = ask(p, newCall())
	w.expect(t, "ejected up")
	if err := p.drain("10.0.0.2:80", true); err != nil {
		t.Fatal(err)
	}
	if _, r, err := ask(p, newCall()); r.Endpoint != "10.0.0.1:80" || statusOf(err) != 502 {
		t.Errorf("got %+v, %v; want the ejected one to be tried", r, err)
	}
}

func TestEject_CutBodiesCount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(address string, c *exchange.Call, resp *exchange.Response) error {
		resp.Status = 200
		resp.Body = exchange.NewBody(io.MultiReader(strings.NewReader("some"), failing{broken(502)}), -1, nil)
		return nil
	})
	p := w.pool(t, Settings{Endpoints: weighted(1, 1), Policy: "first"})
	for range 5 {
		if _, _, err := ask(p, newCall()); statusOf(err) != 502 {
			t.Fatalf("got %v, want the cut", err)
		}
	}
	w.expect(t, "ejected up")
	if st := w.Status()[0].Endpoints[0]; st.Cut != 5 || st.InFlight != 0 {
		t.Errorf("status %+v, want 5 cut, none in flight", st)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestPool_HammerUnderChange makes calls while everything else changes.
func TestPool_HammerUnderChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(address string, c *exchange.Call, resp *exchange.Response) error {
		switch rand.IntN(10) {
		case 0:
			return broken(502)
		case 1:
			c.Attempt = exchange.Attempt{Written: true, Reused: true}
			return broken(502)
		}
		resp.Status = 200
		resp.Body = exchange.NewBody(strings.NewReader("x"), 1, nil)
		return nil
	})
	w.names.set("app.test", "10.0.0.1 10.0.0.2 10.0.0.3")
	p := w.pool(t, Settings{
		Endpoints: hosts("app.test 10.0.0.9"), Refresh: time.Millisecond, Sticky: "at", SlowStart: time.Millisecond,
		Eject:  Eject{Failures: 2, For: time.Millisecond},
		Health: Health{Interval: time.Millisecond}, Limits: Limits{Requests: 2, Wait: 10 * time.Second},
	})
	var callers, changers sync.WaitGroup
	stop := make(chan struct{})
	changers.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			w.names.set("app.test", []string{"10.0.0.1 10.0.0.2", "10.0.0.2 10.0.0.3 ::1"}[i%2])
			_ = w.Drain("app", "10.0.0.9:80", i%3 == 0)
			w.Status()
		}
	})
	for range 8 {
		callers.Go(func() {
			for range 500 {
				if _, _, err := ask(p, newCall()); err != nil && statusOf(err) != 502 && statusOf(err) != 503 {
					t.Error(err)
				}
			}
		})
	}
	callers.Wait()
	close(stop)
	changers.Wait()
	for _, e := range p.set.Load().all {
		if n := e.inflight.Load(); n != 0 {
			t.Errorf("%d calls in flight at %s after all was done", n, e.address)
		}
	}
	if n := p.queue.length.Load(); n != 0 {
		t.Errorf("%d calls wait after all was done", n)
	}
}
