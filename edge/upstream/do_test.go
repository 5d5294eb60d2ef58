package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// phase is where the first attempt of a call ends.
type phase struct {
	name    string
	attempt exchange.Attempt
	status  int // of the error
}

var phases = []phase{
	{"dial", exchange.Attempt{}, 502},
	{"refused", exchange.Attempt{Reused: true}, 502},
	{"stale", exchange.Attempt{Reused: true, Written: true}, 502},
	{"cut", exchange.Attempt{Written: true}, 502},
	{"slow", exchange.Attempt{Written: true}, 504},
	{"slow again", exchange.Attempt{Written: true, Reused: true}, 504},
	{"answered", exchange.Attempt{Written: true, Answered: true}, 502},
	{"answered again", exchange.Attempt{Written: true, Answered: true, Reused: true}, 502},
}

// body kinds of the table below.
var bodies = map[string]func() exchange.Body{
	"none":    func() exchange.Body { return exchange.NoBody },
	"empty":   func() exchange.Body { return exchange.NewBody(strings.NewReader(""), 0, nil) },
	"memory":  func() exchange.Body { return exchange.NewBytes([]byte("hello")) },
	"stream":  func() exchange.Body { return exchange.NewBody(strings.NewReader("hello"), 5, nil) },
	"chunked": func() exchange.Body { return exchange.NewBody(strings.NewReader("hello"), -1, nil) },
}

// sentAgain is the rule in other words: what a second attempt of a call is.
func sentAgain(method, body string, ph phase) string {
	safe := method != "POST" && method != "PATCH" && body != "stream" && body != "chunked"
	switch ph.name {
	case "dial":
		return "elsewhere"
	case "refused":
		// The script reads the body before it fails: what is gone cannot be sent.
		if body != "stream" && body != "chunked" {
			return "elsewhere"
		}
	case "stale", "cut", "slow", "slow again":
		if safe {
			return "elsewhere"
		}
	}
	return "no"
}

func TestDo_RetriesOnlyWhereSafe(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "POST", "PATCH"} {
		for body, made := range bodies {
			for _, ph := range phases {
				t.Run(fmt.Sprintf("%s %s %s", method, body, ph.name), func(t *testing.T) {
					t.Parallel()
					var asked, got []string
					w := newWorld(t, func(address string, c *exchange.Call, resp *exchange.Response) error {
						asked = append(asked, address)
						// Before a connection is there, nothing is read; see the next test.
						if len(asked) > 1 || ph.name != "dial" {
							b, err := io.ReadAll(c.Body)
							if err != nil {
								t.Error(err)
							}
							got = append(got, string(b))
						}
						if len(asked) == 1 {
							c.Attempt = ph.attempt
							return broken(ph.status)
						}
						return ok(address, c, resp)
					})
					p := w.pool(t, Settings{Endpoints: hosts("10.0.0.1:80 10.0.0.2:80"), Policy: "round-robin"})
					c := newCall()
					c.Method, c.Body = method, made()
					status, r, err := ask(p, c)
					want, have := sentAgain(method, body, ph), "no"
					if len(asked) == 2 {
						if have = "elsewhere"; asked[0] == asked[1] {
							have = "here"
						}
						if last := got[len(got)-1]; body != "none" && body != "empty" && last != "hello" {
							t.Errorf("second body %q, want all of it", last)
						}
						stale := ph.name == "stale" || ph.name == "refused"
						if c.Fresh != stale {
							t.Errorf("sent again over a connection of its own: %v", c.Fresh)
						}
						if n := w.client(asked[0]).idleClosed; n != 1 && stale {
							t.Errorf("idle connections closed %d times before the second attempt, want 1", n)
						}
					}
					if have != want || len(asked) > 2 {
						t.Fatalf("asked %v: sent again %s, want %s", asked, have, want)
					}
					if want == "no" && statusOf(err) != ph.status || want != "no" && (err != nil || status != 200) {
						t.Errorf("got %d, %v", status, err)
					}
					if r.Attempts != len(asked) || r.Endpoint != asked[len(asked)-1] {
						t.Errorf("result %+v, want what was asked: %v", r, asked)
					}
					for _, e := range p.set.Load().all {
						if n := e.inflight.Load(); n != 0 {
							t.Errorf("%d calls in flight at %s after all was done", n, e.address)
						}
					}
				})
			}
		}
	}
}

// TestDo_StaysWhereItBelongs: after a connection that was closed, a call that is one
// endpoint's own, by its cookie or its hash, is that endpoint's again, and so is one that
// has no other to go to but one that stands by.
func TestDo_StaysWhereItBelongs(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]Settings{
		"alone":  {Endpoints: hosts("10.0.0.1:80")},
		"hash":   {Endpoints: hosts("10.0.0.1:80 10.0.0.2:80"), Policy: "hash", Hash: "uri"},
		"sticky": {Endpoints: hosts("10.0.0.1:80 10.0.0.2:80"), Sticky: "at"},
		"first":  {Endpoints: hosts("10.0.0.1:80 10.0.0.2:80"), Policy: "first"},
		"tiers":  {Endpoints: []Endpoint{{URL: "srv+http://_app._tcp.test"}}},
	} {
		var asked []string
		w := newWorld(t, func(address string, c *exchange.Call, resp *exchange.Response) error {
			if asked = append(asked, address); len(asked) == 1 {
				c.Attempt = exchange.Attempt{Reused: true, Written: true}
				return broken(502)
			}
			if !c.Fresh {
				t.Errorf("%s: asked again over any connection", name)
			}
			return ok(address, c, resp)
		})
		w.names.services["_app._tcp.test"] = []*net.SRV{{Target: "a.test.", Port: 80, Priority: 1}, {Target: "b.test.", Port: 80, Priority: 2}}
		w.names.set("a.test.", "10.0.0.1")
		w.names.set("b.test.", "10.0.0.2")
		p := w.pool(t, s)
		c := newCall()
		if s.Sticky != "" {
			c.Header.Append("cookie", "at="+p.set.Load().all[0].id)
		}
		if status, _, err := ask(p, c); err != nil || status != 200 || len(asked) != 2 || asked[0] != asked[1] {
			t.Errorf("%s: asked %v: %d, %v", name, asked, status, err)
		}
	}
}

// TestDo_AServerThatShutsDown closes what it has answered on, then its door with new
// connections before it, then the rest: a call that meets the first meets the second
// where it is sent again.
func TestDo_AServerThatShutsDown(t *testing.T) {
	t.Parallel()
	dying := ""
	w := newWorld(t, func(address string, c *exchange.Call, resp *exchange.Response) error {
		if dying == "" {
			dying = address
		}
		if address == dying {
			c.Attempt = exchange.Attempt{Reused: !c.Fresh, Written: true}
			return broken(502)
		}
		return ok(address, c, resp)
	})
	p := w.pool(t, Settings{Endpoints: hosts("10.0.0.1:80 10.0.0.2:80")})
	if status, r, err := ask(p, newCall()); err != nil || status != 200 {
		t.Errorf("got %d after %+v: %v", status, r, err)
	}
}

// TestDo_HalfABodyIsNotSent: what is left of a body that was read from for an attempt
// that was refused looks whole where no length says what it was.
func TestDo_HalfABodyIsNotSent(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"stream", "chunked"} {
		for _, reused := range []bool{false, true} {
			asked := 0
			w := newWorld(t, func(_ string, c *exchange.Call, _ *exchange.Response) error {
				asked++
				_, _ = c.Body.Read(make([]byte, 3))
				c.Attempt.Reused = reused
				return broken(502)
			})
			p := w.pool(t, Settings{Endpoints: hosts("10.0.0.1 10.0.0.2")})
			c := newCall()
			c.Method, c.Body = "POST", bodies[body]()
			if _, _, err := ask(p, c); asked != 1 || statusOf(err) != 502 {
				t.Errorf("%s, reused %v: asked %d times, %v; want once", body, reused, asked, err)
			}
		}
	}
}

// TestEject_HurriedCallersHurtNobody gives calls less time than any endpoint needs.
func TestEject_HurriedCallersHurtNobody(t *testing.T) {
	t.Parallel()
	for _, ours := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(_ string, c *exchange.Call, _ *exchange.Response) error {
				c.Attempt.Written = true
				time.Sleep(time.Until(c.Deadline))
				return broken(504)
			})
			s := Settings{Endpoints: hosts("10.0.0.1 10.0.0.2"), Policy: "first"}
			if ours {
				s.Timeouts.Whole = time.Second
			}
			p := w.pool(t, s)
			for range 5 {
				c := newCall()
				if !ours {
					c.Deadline = time.Now().Add(time.Millisecond)
				}
				_, _, _ = ask(p, c)
			}
			want := "up up"
			if ours {
				want = "ejected up"
			}
			w.expect(t, want)
		})
	}
}

// TestSecurity_G15_StaleConnectionsAreRetriedOnce has an endpoint that always closes
// connections that lay idle.
func TestSecurity_G15_StaleConnectionsAreRetriedOnce(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 3} {
		asked := 0
		w := newWorld(t, func(_ string, c *exchange.Call, resp *exchange.Response) error {
			asked++
			c.Attempt = exchange.Attempt{Reused: true, Written: true}
			return broken(502)
		})
		p := w.pool(t, Settings{Endpoints: hosts("10.0.0.1 10.0.0.2 10.0.0.3")[:n]})
		_, r, err := ask(p, newCall())
		if asked != 2 || r.Attempts != 2 || statusOf(err) != 502 {
			t.Errorf("%d endpoints: asked %d times, result %+v, %v; want 2 and 502", n, asked, r, err)
		}
	}
}

func TestDo_TriesEveryEndpointOnceToConnect(t *testing.T) {
	t.Parallel()
	w := newWorld(t, refused)
	p := w.pool(t, Settings{Endpoints: hosts("10.0.0.1 10.0.0.2 10.0.0.3")})
	c := newCall()
	c.Method, c.Body = "POST", exchange.NewBody(strings.NewReader("x"), 1, nil)
	_, r, err := ask(p, c)
	if r.Attempts != 3 || statusOf(err) != 502 {
		t.Errorf("got %+v, %v; want 3 attempts and 502", r, err)
	}
	for _, at := range []string{"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"} {
		if n := w.asked(at); n != 1 {
			t.Errorf("%s was asked %d times, want once", at, n)
		}
	}
	e, _ := errors.AsType[*exchange.Error](err)
	if !strings.Contains(err.Error(), `10.0.0.`) || !strings.Contains(err.Error(), `"app"`) || e.Title != "" || !errors.Is(err, errBroken) {
		t.Errorf("error %v, title %q: want endpoint and pool named for the log, nothing for the client", err, e.Title)
	}
}

func TestDo_RetriesStatuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method, body string
		first        int
		want, asked  int
	}{
		{"GET", "none", 503, 200, 2},
		{"PUT", "memory", 503, 200, 2},
		{"PUT", "stream", 503, 503, 1},
		{"POST", "none", 503, 503, 1},
		{"GET", "none", 500, 500, 1},
	} {
		asked, closed := 0, 0
		w := newWorld(t, func(address string, call *exchange.Call, resp *exchange.Response) error {
			if asked++; asked > 1 {
				if resp.Header.Len() != 0 || resp.Status != 0 {
					t.Errorf("second attempt got a response with %d fields", resp.Header.Len())
				}
				return ok(address, call, resp)
			}
			call.Attempt.Written, call.Attempt.Answered = true, true
			resp.Status = c.first
			resp.Header.Append("x", "first")
			resp.Body = exchange.NewBody(strings.NewReader("sorry"), 5, func() error { closed++; return nil })
			return nil
		})
		p := w.pool(t, Settings{Endpoints: hosts("10.0.0.1 10.0.0.2"), Retry: Retry{Statuses: []int{503}}})
		call := newCall()
		call.Method, call.Body = c.method, bodies[c.body]()
		status, r, err := ask(p, call)
		if err != nil || status != c.want || asked != c.asked || closed != 1 || r.Attempts != c.asked {
			t.Errorf("%s %s after %d: got %d, %v, asked %d times, first body closed %d times; want %d, %d, 1",
				c.method, c.body, c.first, status, err, asked, closed, c.want, c.asked)
		}
	}
	// With nobody else to ask, the answer stands.
	w := newWorld(t, status(503))
	p := w.pool(t, Settings{Endpoints: hosts("10.0.0.1"), Retry: Retry{Statuses: []int{503}}})
	if got, r, err := ask(p, newCall()); got != 503 || r.Attempts != 1 || err != nil {
		t.Errorf("one endpoint: got %d, %+v, %v; want its 503", got, r, err)
	}
}

func TestDo_AttemptsAreLimited(t *testing.T) {
	t.Parallel()
	for _, attempts := range []int{1, 2, 3} {
		w := newWorld(t, func(_ string, c *exchange.Call, _ *exchange.Response) error {
			c.Attempt.Written = true
			return broken(502)
		})
		p := w.pool(t, Settings{Endpoints: hosts("10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4"), Retry: Retry{Attempts: attempts}})
		if _, r, err := ask(p, newCall()); r.Attempts != attempts || statusOf(err) != 502 {
			t.Errorf("attempts %d: got %+v, %v", attempts, r, err)
		}
	}
}

func TestDo_NotAgainForCallersThatAreGone(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	asked := 0
	w := newWorld(t, func(string, *exchange.Call, *exchange.Response) error {
		asked++
		cancel() // while the endpoint refuses
		return broken(502)
	})
	p := w.pool(t, Settings{Endpoints: hosts("10.0.0.1 10.0.0.2")})
	c := newCall()
	c.Caller = exchange.CallerOf(ctx)
	if _, _, err := ask(p, c); asked != 1 || err == nil {
		t.Errorf("asked %d times, %v; want once", asked, err)
	}
}

func TestDo_ErrorsOfTheCallerStay(t *testing.T) {
	t.Parallel()
	for _, want := range []error{
		exchange.ErrClientGone, context.Canceled,
		&exchange.Error{Fault: exchange.Client, Status: 413},
	} {
		w := newWorld(t, func(_ string, c *exchange.Call, _ *exchange.Response) error {
			c.Attempt.Written = true
			return want
		})
		p := w.pool(t, Settings{Endpoints: hosts("10.0.0.1 10.0.0.2"), Eject: Eject{Failures: 1}})
		if _, r, err := ask(p, newCall()); err != want || r.Attempts != 1 {
			t.Errorf("got %v after %d attempts, want %v after 1", err, r.Attempts, want)
		}
		for _, e := range w.Status()[0].Endpoints {
			if e.State != "up" || e.Connect+e.Cut+e.Timeout+e.Status != 0 {
				t.Errorf("%v is held against %+v", want, e)
			}
		}
	}
}

func TestDo_WholeCallHasADeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		w := newWorld(t, func(_ string, c *exchange.Call, _ *exchange.Response) error {
			asked++
			if left := time.Until(c.Deadline); left != 3*time.Second {
				t.Errorf("%v left, want 3 s", left)
			}
			time.Sleep(3 * time.Second)
			return broken(504)
		})
		p := w.pool(t, Settings{Endpoints: hosts("10.0.0.1 10.0.0.2"), Timeouts: Timeouts{Whole: 3 * time.Second}})
		_, r, err := ask(p, newCall())
		if asked != 1 || statusOf(err) != 504 || r.Waited != 3*time.Second {
			t.Errorf("asked %d times, %+v, %v; want once, 3 s and 504", asked, r, err)
		}
	})
}

// TestDo_FillsInScheme: that of each endpoint asked, not of the first.
func TestDo_FillsInScheme(t *testing.T) {
	t.Parallel()
	var got []string
	w := newWorld(t, func(address string, c *exchange.Call, resp *exchange.Response) error {
		if got = append(got, c.Scheme); len(got) == 1 {
			return broken(502)
		}
		return ok(address, c, resp)
	})
	p := w.pool(t, Settings{Endpoints: []Endpoint{{URL: "h2c://10.0.0.1"}, {URL: "h2://10.0.0.2"}}, Policy: "first"})
	c := newCall()
	c.Scheme = ""
	if _, _, err := ask(p, c); err != nil || !slices.Equal(got, []string{"http", "https"}) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestDo_FillsInAuthority(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"http://10.0.0.1:9000": "10.0.0.1:9000", "http://10.0.0.1": "10.0.0.1", "https://[::1]": "[::1]",
		"https://10.0.0.1:80": "10.0.0.1:80", "http://[::1]:81": "[::1]:81", "unix:/run/app.sock": "localhost",
	} {
		w := newWorld(t, ok)
		p := w.pool(t, Settings{Endpoints: []Endpoint{{URL: url}}})
		c := newCall()
		c.Authority = ""
		_, r, err := ask(p, c)
		if got := w.client(r.Endpoint).authorities; err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%s: asked for %q, %v; want %q", url, got, err, want)
		}
	}
}

func TestBudget_BoundsRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(_ string, c *exchange.Call, _ *exchange.Response) error {
			c.Attempt.Written = true
			return broken(502)
		})
		p := w.pool(t, Settings{Endpoints: hosts("10.0.0.1 10.0.0.2"), Eject: Eject{Failures: -1}})
		retried := func(calls int) (n int) {
			for range calls {
				_, r, _ := ask(p, newCall())
				n += r.Attempts - 1
			}
			return n
		}
		// 30 in any case, and a fifth of the calls since the first.
		if n := retried(1000); n < 200 || n > 231 {
			t.Errorf("%d retries of 1000 calls, want some 230", n)
		}
		if st := w.Status()[0]; st.Exhausted == 0 || st.Retries+st.Exhausted != 1000 {
			t.Errorf("status %+v, want retries and those not allowed to be all", st)
		}
		if n := retried(5); n > 1 {
			t.Errorf("%d retries of 5 calls more, want what the budget gains", n)
		}
		time.Sleep(10 * time.Second)
		if n := retried(5); n != 5 {
			t.Errorf("%d retries of 5 calls ten seconds later, want all", n)
		}
	})
}
