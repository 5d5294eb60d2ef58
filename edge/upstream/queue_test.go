package upstream

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// taking answers after d.
func taking(d time.Duration) func(string, *exchange.Call, *exchange.Response) error {
	return func(address string, c *exchange.Call, resp *exchange.Response) error {
		time.Sleep(d)
		return ok(address, c, resp)
	}
}

func TestQueue_FirstComeFirstServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		most := 0
		var mu sync.Mutex
		running := map[string]int{}
		w := newWorld(t, func(address string, c *exchange.Call, resp *exchange.Response) error {
			mu.Lock()
			running[address]++
			most = max(most, running[address])
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			running[address]--
			mu.Unlock()
			return ok(address, c, resp)
		})
		p := w.pool(t, Settings{Endpoints: weighted(1, 1), Limits: Limits{Requests: 1, Wait: time.Minute}})
		var order []int
		var callers sync.WaitGroup
		for i := range 10 {
			callers.Go(func() {
				_, r, err := ask(p, newCall())
				if err != nil || r.Waited != time.Second {
					t.Errorf("call %d: %+v, %v; want a second, without the wait for a place", i, r, err)
				}
				mu.Lock()
				order = append(order, i/2) // two run at a time
				mu.Unlock()
			})
			synctest.Wait()
		}
		if n := w.Status()[0].Pending; n != 8 {
			t.Errorf("%d pending, want 8", n)
		}
		callers.Wait()
		if !slices.IsSorted(order) || most != 1 {
			t.Errorf("order %v, %d at a time; want one after the other", order, most)
		}
	})
}

func TestQueue_IsBoundedInLengthAndTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, taking(time.Minute))
		p := w.pool(t, Settings{Endpoints: weighted(1), Limits: Limits{Requests: 1, Pending: 2}})
		var callers sync.WaitGroup
		var mu sync.Mutex
		got := map[string]int{}
		for range 5 {
			callers.Go(func() {
				began := time.Now()
				s, _, err := ask(p, newCall())
				mu.Lock()
				defer mu.Unlock()
				got[fmt.Sprint(s+statusOf(err), " after ", time.Since(began))]++
			})
			synctest.Wait()
		}
		callers.Wait()
		want := map[string]int{"200 after 1m0s": 1, "503 after 5s": 2, "503 after 0s": 2}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if st := w.Status()[0]; st.Refused != 4 || st.Pending != 0 || st.Endpoints[0].InFlight != 0 {
			t.Errorf("status %+v, want 4 refused, nothing left", st)
		}
	})
}

func TestQueue_DeadlineOfTheCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, taking(time.Minute))
		p := w.pool(t, Settings{Endpoints: weighted(1), Limits: Limits{Requests: 1}})
		var busy sync.WaitGroup
		busy.Go(func() { _, _, _ = ask(p, newCall()) })
		synctest.Wait()
		began := time.Now()
		c := newCall()
		c.Deadline = began.Add(time.Second)
		if _, _, err := ask(p, c); statusOf(err) != 504 || time.Since(began) != time.Second {
			t.Errorf("got %v after %v, want 504 after 1 s", err, time.Since(began))
		}
		busy.Wait()
	})
}

func TestQueue_WhoLeavesGivesUpTheirPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, taking(time.Second))
		p := w.pool(t, Settings{Endpoints: weighted(1), Limits: Limits{Requests: 1}})
		var callers sync.WaitGroup
		callers.Go(func() { _, _, _ = ask(p, newCall()) })
		synctest.Wait()
		ctx, cancel := context.WithCancelCause(t.Context())
		callers.Go(func() {
			c := newCall()
			c.Caller = exchange.CallerOf(ctx)
			began := time.Now()
			if _, r, err := ask(p, c); err != exchange.ErrClientGone || time.Since(began) != 0 || r.Attempts != 0 {
				t.Errorf("got %v after %v, want the cause at once", err, time.Since(began))
			}
		})
		synctest.Wait()
		callers.Go(func() {
			began := time.Now()
			if _, _, err := ask(p, newCall()); err != nil || time.Since(began) != 2*time.Second {
				t.Errorf("the next one: %v after %v; want 2 s", err, time.Since(began))
			}
		})
		synctest.Wait()
		cancel(exchange.ErrClientGone)
		callers.Wait()
		if n := w.asked("10.0.0.1:80"); n != 2 {
			t.Errorf("%d calls were made, want 2", n)
		}
	})
}

// TestQueue_PlacesAreHeldUntilBodiesEnd has a response whose body is not read.
func TestQueue_PlacesAreHeldUntilBodiesEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(_ string, _ *exchange.Call, resp *exchange.Response) error {
			resp.Status, resp.Body = 200, exchange.NewBody(failing{nil}, -1, nil)
			return nil
		})
		p := w.pool(t, Settings{Endpoints: weighted(1), Limits: Limits{Requests: 1}})
		var first, second exchange.Response
		if _, err := p.Do(newCall(), &first); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Do(newCall(), &second); statusOf(err) != 503 {
			t.Errorf("second call: %v, want 503 after a wait", err)
		}
		first.Body.Close()
		first.Body.Close()
		if _, err := p.Do(newCall(), &second); err != nil {
			t.Errorf("third call: %v", err)
		}
		if n := w.Status()[0].Endpoints[0].InFlight; n != 1 {
			t.Errorf("%d in flight, want 1", n)
		}
	})
}

func TestQueue_EndpointsThatComeServe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, taking(time.Minute))
		p := w.pool(t, Settings{Endpoints: weighted(1, 1), Limits: Limits{Requests: 1}})
		if err := p.drain("10.0.0.2:80", true); err != nil {
			t.Fatal(err)
		}
		var callers sync.WaitGroup
		for range 2 {
			callers.Go(func() {
				if _, _, err := ask(p, newCall()); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if err := p.drain("10.0.0.2:80", false); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := w.asked("10.0.0.2:80"); n != 1 {
			t.Errorf("the endpoint that came was asked %d times, want once", n)
		}
		callers.Wait()
	})
}

// TestQueue_RetriesDoNotWait fails a call whose only other endpoint is busy.
func TestQueue_RetriesDoNotWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t, refused)
	p := w.pool(t, Settings{Endpoints: weighted(1, 1), Policy: "first", Limits: Limits{Requests: 1}})
	p.set.Load().all[1].inflight.Add(1)
	if _, r, err := ask(p, newCall()); statusOf(err) != 502 || r.Attempts != 1 {
		t.Errorf("got %+v, %v; want the first failure", r, err)
	}
}
