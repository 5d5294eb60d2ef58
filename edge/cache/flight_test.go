package cache

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
)

// crowd is a leader and followers that ask for the same.
type crowd struct {
	t       *testing.T
	f       *Filter
	o       *origin
	done    sync.WaitGroup
	results []*exchangetest.Result
	leave   []context.CancelCauseFunc
	// Made in the bubble, for the test's and the origin's use.
	proceed, all chan struct{}
	parts        chan string
}

// answers is what the crowd's origin does.
type answers func(c *crowd, n int64, r *exchange.Request) (*exchange.Response, error)

// come has n more requests made, each in a goroutine, and waits until all of them wait.
func (c *crowd) come(n int, options ...exchangetest.Option) {
	for range n {
		ctx, leave := context.WithCancelCause(c.t.Context())
		c.leave = append(c.leave, leave)
		i := len(c.results)
		c.results = append(c.results, nil)
		c.done.Go(func() {
			result := get(c.t, c.f, c.o, "/", append(options, exchangetest.Context(ctx))...)
			c.results[i] = result
		})
	}
	synctest.Wait()
}

// withCrowd runs test in a bubble of time. Requests to the origin wait for go.
func withCrowd(t *testing.T, o StoreOptions, answer answers, test func(c *crowd)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, err := NewStore(o)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		c := &crowd{t: t, f: newFilter(t, Options{Store: s}), proceed: make(chan struct{}), all: make(chan struct{}), parts: make(chan string)}
		c.o = &origin{answer: func(n int64, r *exchange.Request) (*exchange.Response, error) { return answer(c, n, r) }}
		test(c)
		c.done.Wait()
		synctest.Wait()
		if s.arriving != 0 || len(s.flights.byKey) != 0 {
			t.Errorf("left behind: %d bytes arriving, %d flights", s.arriving, len(s.flights.byKey))
		}
	})
}

// patiently waits for proceed, or for the end of the request.
func patiently(r *exchange.Request, proceed <-chan struct{}) error {
	select {
	case <-proceed:
		return nil
	case <-r.Context().Done():
		return context.Cause(r.Context())
	}
}

func public(r *exchange.Request, body exchange.Body) *exchange.Response {
	resp := r.NewResponse(200)
	resp.Header.Append("cache-control", "public, max-age=60")
	resp.Body = body
	return resp
}

func TestFlight_OneFetchForMany(t *testing.T) {
	withCrowd(t, StoreOptions{}, func(c *crowd, _ int64, r *exchange.Request) (*exchange.Response, error) {
		return public(r, exchange.NewBody(strings.NewReader("hello"), 5, nil)), patiently(r, c.proceed)
	}, func(c *crowd) {
		c.come(20)
		close(c.proceed)
		c.done.Wait()
		for i, r := range c.results {
			if string(r.Body) != "hello" || r.Err != nil {
				t.Errorf("request %d: got %q, %v", i, r.Body, r.Err)
			}
		}
		if got := c.o.asked.Load(); got != 1 {
			t.Errorf("upstream asked %d times, want once", got)
		}
		if got := c.f.store.Stats().Collapsed; got != 19 {
			t.Errorf("collapsed %d, want 19", got)
		}
	})
}

// What is not for everybody must not make clients queue, neither behind the first
// request nor behind each other.
func TestFlight_ReleasesAllAtOnceWhatIsNotKept(t *testing.T) {
	withCrowd(t, StoreOptions{}, func(c *crowd, n int64, r *exchange.Request) (*exchange.Response, error) {
		wait := c.all
		if n == 1 {
			wait = c.proceed
		}
		return r.NewResponse(204), patiently(r, wait)
	}, func(c *crowd) {
		c.come(10)
		close(c.proceed)
		synctest.Wait()
		if got := c.o.asked.Load(); got != 10 {
			t.Errorf("after the first answer %d requests have reached the upstream, want all 10", got)
		}
		c.come(5) // by now it is known
		if got := c.o.asked.Load(); got != 15 {
			t.Errorf("%d requests have reached the upstream, want all 15", got)
		}
		close(c.all)
	})
}

func TestFlight_LeaderMayLeave(t *testing.T) {
	withCrowd(t, StoreOptions{}, func(c *crowd, _ int64, r *exchange.Request) (*exchange.Response, error) {
		if err := patiently(r, c.proceed); err != nil {
			return nil, err
		}
		return public(r, exchange.NewBody(strings.NewReader("hello"), 5, nil)), nil
	}, func(c *crowd) {
		c.come(1)
		c.come(2)
		c.leave[0](exchange.ErrClientGone)
		synctest.Wait()
		close(c.proceed)
		c.done.Wait()
		for i, r := range c.results[1:] {
			if string(r.Body) != "hello" || r.Err != nil {
				t.Errorf("follower %d: got %q, %v", i, r.Body, r.Err)
			}
		}
		if got := c.o.asked.Load(); got != 1 {
			t.Errorf("upstream asked %d times, want once", got)
		}
	})
}

func TestFlight_EndsWithItsLastClient(t *testing.T) {
	withCrowd(t, StoreOptions{}, func(c *crowd, _ int64, r *exchange.Request) (*exchange.Response, error) {
		return nil, patiently(r, nil)
	}, func(c *crowd) {
		c.come(1)
		c.come(1)
		c.leave[0](exchange.ErrClientGone)
		synctest.Wait()
		if c.results[0] != nil {
			t.Error("the fetch ended with its leader, though somebody follows")
		}
		c.leave[1](exchange.ErrClientGone)
		c.done.Wait() // or the bubble is stuck
		for i, r := range c.results {
			if r.Err == nil {
				t.Errorf("request %d: got %d, want an error", i, r.Status)
			}
		}
		if got := c.o.asked.Load(); got != 1 {
			t.Errorf("upstream asked %d times, want once", got)
		}
	})
}

// drip is a body whose parts come when the test says so.
type drip struct {
	parts <-chan string
	rest  string
	end   error
	gone  context.Context
}

func (d *drip) Read(p []byte) (int, error) {
	for d.rest == "" {
		select {
		case part, ok := <-d.parts:
			if !ok {
				return 0, d.end
			}
			d.rest = part
		case <-d.gone.Done():
			return 0, context.Cause(d.gone)
		}
	}
	n := copy(p, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

func dripping(length int64, end error) answers {
	return func(c *crowd, _ int64, r *exchange.Request) (*exchange.Response, error) {
		return public(r, exchange.NewBody(&drip{parts: c.parts, end: end, gone: r.Context()}, length, nil)), nil
	}
}

const half = 100 << 10

func TestFlight_StreamsToAll(t *testing.T) {
	for _, leaves := range []bool{false, true} {
		t.Run(map[bool]string{false: "to the end", true: "leader leaves"}[leaves], func(t *testing.T) {
			withCrowd(t, StoreOptions{}, dripping(2*half, io.EOF), func(c *crowd) {
				c.come(1)
				c.parts <- strings.Repeat("a", half)
				c.come(3) // comes when a half is there
				if leaves {
					c.leave[0](exchange.ErrClientGone)
					synctest.Wait()
				}
				c.parts <- strings.Repeat("b", half)
				close(c.parts)
				c.done.Wait()
				want := strings.Repeat("a", half) + strings.Repeat("b", half)
				for i, r := range c.results {
					if (string(r.Body) != want || r.Err != nil) && !(leaves && i == 0) {
						t.Errorf("request %d: got %d bytes, %v, want %d", i, len(r.Body), r.Err, len(want))
					}
				}
				if leaves && c.results[0].Err == nil {
					t.Error("who had left got all")
				}
				if got := get(t, c.f, c.o, "/"); string(got.Body) != want || c.o.asked.Load() != 1 {
					t.Errorf("afterwards: got %d bytes, upstream asked %d times", len(got.Body), c.o.asked.Load())
				}
			})
		})
	}
}

func TestFlight_NeverKeepsWhatWasCut(t *testing.T) {
	for _, length := range []int64{2 * half, -1} {
		t.Run(map[bool]string{true: "known", false: "unknown"}[length > 0], func(t *testing.T) {
			cut := errors.New("connection reset")
			withCrowd(t, StoreOptions{}, dripping(length, cut), func(c *crowd) {
				c.come(2)
				c.parts <- strings.Repeat("a", half)
				synctest.Wait()
				close(c.parts)
				c.done.Wait()
				for i, r := range c.results {
					if r.Err == nil {
						t.Errorf("request %d: got a complete body of %d bytes", i, len(r.Body))
					}
				}
				if st := c.f.store.Stats(); st.Entries != 0 || st.Memory != 0 {
					t.Errorf("kept: %+v", st)
				}
			})
		})
	}
}

// A body of unknown length that becomes too large goes on to the one who leads, at his
// pace; the others fetch it themselves.
func TestFlight_LetsGoWhatIsTooLarge(t *testing.T) {
	const size = 3 * half
	withCrowd(t, StoreOptions{Object: half}, func(c *crowd, n int64, r *exchange.Request) (*exchange.Response, error) {
		return public(r, exchange.NewBody(strings.NewReader(strings.Repeat("x", size)), -1, nil)), nil
	}, func(c *crowd) {
		c.come(4)
		c.done.Wait()
		for i, r := range c.results {
			if len(r.Body) != size || r.Err != nil {
				t.Errorf("request %d: got %d bytes, %v, want %d", i, len(r.Body), r.Err, size)
			}
		}
		if st := c.f.store.Stats(); st.Entries != 0 || st.Memory != 0 {
			t.Errorf("kept: %+v", st)
		}
	})
}

func TestFlight_SharesTheUpstreamsFault(t *testing.T) {
	fault := &exchange.Error{Fault: exchange.Upstream, Err: errors.New("refused")}
	withCrowd(t, StoreOptions{}, func(c *crowd, _ int64, r *exchange.Request) (*exchange.Response, error) {
		if err := patiently(r, c.proceed); err != nil {
			return nil, err
		}
		return nil, fault
	}, func(c *crowd) {
		c.come(5)
		close(c.proceed)
		c.done.Wait()
		for i, r := range c.results {
			if !errors.Is(r.Err, fault) {
				t.Errorf("request %d: got %v, want %v", i, r.Err, fault)
			}
		}
		if got := c.o.asked.Load(); got > 5 {
			t.Errorf("upstream asked %d times, want once for each at most", got)
		}
	})
}

// Where one request found the upstream ill, those that waited for it do not ask again:
// each takes what is stale.
func TestFlight_ShareWhatIsStale(t *testing.T) {
	for _, fails := range []bool{false, true} {
		t.Run(map[bool]string{false: "503", true: "error"}[fails], func(t *testing.T) {
			withCrowd(t, StoreOptions{}, func(c *crowd, n int64, r *exchange.Request) (*exchange.Response, error) {
				resp := public(r, exchange.NewBytes([]byte("old")))
				resp.Header.Set("cache-control", "max-age=1, stale-if-error=60")
				if n == 1 {
					return resp, nil
				}
				if err := patiently(r, c.proceed); err != nil || fails {
					return nil, &exchange.Error{Fault: exchange.Upstream, Err: errors.Join(err, errors.New("refused"))}
				}
				resp.Status = 503
				return resp, nil
			}, func(c *crowd) {
				c.come(1)
				time.Sleep(10 * time.Second)
				c.come(5)
				close(c.proceed)
				c.done.Wait()
				for i, r := range c.results {
					if string(r.Body) != "old" || r.Err != nil || r.Status != 200 {
						t.Errorf("request %d: got %d %q, %v", i, r.Status, r.Body, r.Err)
					}
				}
				if got := c.o.asked.Load(); got != 2 {
					t.Errorf("upstream asked %d times, want twice", got)
				}
			})
		})
	}
}

func TestFlight_FollowersLosePatience(t *testing.T) {
	withCrowd(t, StoreOptions{}, func(c *crowd, n int64, r *exchange.Request) (*exchange.Response, error) {
		if n == 1 {
			return public(r, exchange.NoBody), patiently(r, c.proceed)
		}
		return public(r, exchange.NoBody), nil
	}, func(c *crowd) {
		c.come(1)
		c.come(2)
		time.Sleep(patience + time.Second) // of the bubble
		synctest.Wait()
		if c.results[1] == nil || c.results[2] == nil {
			t.Error("followers are waiting still")
		}
		close(c.proceed)
	})
}

func TestFlight_PurgeHoldsForWhatIsArriving(t *testing.T) {
	withCrowd(t, StoreOptions{}, dripping(2*half, io.EOF), func(c *crowd) {
		c.come(1)
		c.parts <- strings.Repeat("a", half)
		if _, err := c.f.store.Purge(Selection{Prefix: "/"}); err != nil {
			t.Fatal(err)
		}
		c.parts <- strings.Repeat("a", half)
		close(c.parts)
		c.done.Wait()
		if st := c.f.store.Stats(); st.Entries != 0 || st.Memory != 0 {
			t.Errorf("what was purged while it arrived has been kept: %+v", st)
		}
	})
}

// mine is a body whose reading is a bug.
type mine struct{ exchange.Body }

func (mine) Read([]byte) (int, error) { panic("bug") }
func (mine) Len() int64               { return 5 }

func TestFlight_APanicLetsFollowersGo(t *testing.T) {
	withCrowd(t, StoreOptions{}, func(c *crowd, n int64, r *exchange.Request) (*exchange.Response, error) {
		if n == 1 {
			patiently(r, c.proceed)
			return public(r, mine{exchange.NoBody}), nil
		}
		return public(r, exchange.NoBody), nil
	}, func(c *crowd) {
		c.done.Go(func() {
			defer func() { recover() }()
			get(t, c.f, c.o, "/")
		})
		synctest.Wait()
		c.come(2)
		close(c.proceed)
		c.done.Wait()
		if c.results[0].Err != nil || c.results[1].Err != nil {
			t.Errorf("followers: got %v, %v", c.results[0].Err, c.results[1].Err)
		}
	})
}
