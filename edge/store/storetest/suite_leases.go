package storetest

import (
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/store"
)

func (b *bench) acquire(e store.Engine, name, holder string, ttl time.Duration) store.Lease {
	b.Helper()
	fence, err := e.Acquire(b.ctx, name, holder, ttl)
	if err != nil {
		b.Fatalf("acquire %q for %s: %v", name, holder, err)
	}
	if fence == 0 {
		b.Fatalf("acquire %q for %s: fence 0", name, holder)
	}
	return store.Lease{Name: name, Holder: holder, Fence: fence}
}

// patiently acquires as soon as it is possible.
func (b *bench) patiently(e store.Engine, name, holder string, ttl time.Duration) store.Lease {
	b.Helper()
	var l store.Lease
	Eventually(b.T, holder+" gets the lease", func() bool {
		fence, err := e.Acquire(b.ctx, name, holder, ttl)
		if err != nil && !errors.Is(err, store.ErrHeld) {
			b.Fatal(err)
		}
		l = store.Lease{Name: name, Holder: holder, Fence: fence}
		return err == nil
	})
	return l
}

func leaseExclusive(t *testing.T, b *bench) {
	other := b.another()
	l := b.acquire(b.e, "l", "one", time.Minute)
	for _, e := range []store.Engine{b.e, other} {
		_, err := e.Acquire(b.ctx, "l", "two", time.Minute)
		b.want(err, store.ErrHeld)
	}
	b.acquire(other, "another", "two", time.Minute)
	b.acquire(other, "name with blanks", "two", time.Minute)
	if err := b.e.Release(b.ctx, l); err != nil {
		t.Fatal(err)
	}
	b.acquire(other, "l", "two", time.Minute)
	if got := b.keys("", 10); len(got) != 0 {
		t.Errorf("leases are listed as keys: %q", got)
	}
}

func leaseAgain(t *testing.T, b *bench) {
	l := b.acquire(b.e, "l", "one", 2*time.Second)
	if again := b.acquire(b.another(), "l", "one", time.Minute); again != l {
		t.Fatalf("asked for again: %+v, want %+v", again, l)
	}
	// It was extended by that.
	late := time.Now().Add(2500 * time.Millisecond)
	Eventually(t, "time passes", func() bool { return time.Now().After(late) })
	_, err := b.e.Acquire(b.ctx, "l", "two", time.Minute)
	b.want(err, store.ErrHeld)
	// Who does not know the fence can release it.
	if err := b.e.Release(b.ctx, store.Lease{Name: "l", Holder: "one"}); err != nil {
		t.Fatal(err)
	}
	b.acquire(b.e, "l", "two", time.Minute)
}

func leaseExpires(t *testing.T, b *bench) {
	const ttl = 300 * time.Millisecond
	began := time.Now()
	l := b.acquire(b.e, "l", "one", ttl)
	b.patiently(b.another(), "l", "two", time.Minute)
	if took := time.Since(began); took < ttl-5*time.Millisecond {
		t.Errorf("given away after %v, it was for %v", took, ttl)
	}
	b.want(b.e.Extend(b.ctx, l, time.Minute), store.ErrFenced)
	// A lease that ended is not held, even if nobody else has it.
	l = b.acquire(b.e, "m", "one", 10*time.Millisecond)
	late := time.Now().Add(50 * time.Millisecond)
	Eventually(t, "it ends", func() bool { return time.Now().After(late) })
	b.want(b.e.Extend(b.ctx, l, time.Minute), store.ErrFenced)
	if again := b.acquire(b.e, "m", "one", time.Minute); again.Fence <= l.Fence {
		t.Errorf("fence %d after %d", again.Fence, l.Fence)
	}
}

func leaseExtended(t *testing.T, b *bench) {
	began := time.Now()
	const ttl = 2 * time.Second
	l := b.acquire(b.e, "l", "one", ttl)
	Eventually(t, "more than a life passes", func() bool {
		if err := b.e.Extend(b.ctx, l, ttl); err != nil {
			t.Fatalf("extend: %v", err)
		}
		_, err := b.e.Acquire(b.ctx, "l", "two", ttl)
		b.want(err, store.ErrHeld)
		return time.Since(began) > 3*ttl/2
	})
	wrong := l
	wrong.Fence++
	b.want(b.e.Extend(b.ctx, wrong, ttl), store.ErrFenced)
	wrong = l
	wrong.Holder = "two"
	b.want(b.e.Extend(b.ctx, wrong, ttl), store.ErrFenced)
	b.want(b.e.Extend(b.ctx, store.Lease{Name: "none", Holder: "one", Fence: 1}, ttl), store.ErrFenced)
}

func fencesGrow(t *testing.T, b *bench) {
	other := b.another()
	last := uint64(0)
	for i := range 12 {
		e := []store.Engine{b.e, other}[i%2]
		var l store.Lease
		if i%4 == 3 {
			l = b.acquire(e, "l", "h"+strconv.Itoa(i), 10*time.Millisecond) // ends by itself
		} else {
			l = b.patiently(e, "l", "h"+strconv.Itoa(i), time.Minute)
			if err := e.Release(b.ctx, l); err != nil {
				t.Fatal(err)
			}
		}
		if l.Fence <= last {
			t.Fatalf("fence %d after %d", l.Fence, last)
		}
		last = l.Fence
	}
}

func fencedCommit(t *testing.T, b *bench) {
	other := b.another()
	held := b.acquire(b.e, "l", "one", time.Minute)
	write := func(e store.Engine, l store.Lease, value string) error {
		_, err := e.Commit(b.ctx, store.Batch{Held: &l, Ops: []store.Op{{Key: "k", Value: []byte(value)}, {Key: "m", Value: []byte(value)}}})
		return err
	}
	if err := write(b.e, held, "1"); err != nil {
		t.Fatal(err)
	}
	for name, l := range map[string]store.Lease{
		"another fence":  {Name: "l", Holder: "one", Fence: held.Fence + 1},
		"another holder": {Name: "l", Holder: "two", Fence: held.Fence},
		"another name":   {Name: "x", Holder: "one", Fence: held.Fence},
	} {
		if err := write(other, l, name); !errors.Is(err, store.ErrFenced) {
			t.Errorf("%s: %v, want that it is fenced", name, err)
		}
	}
	_, err := b.e.Commit(b.ctx, store.Batch{Held: &held, Ops: []store.Op{{Key: "k", Value: []byte("x"), If: store.Condition{Absent: true}}}})
	b.want(err, store.ErrConflict)
	b.is("k", "1")

	// The holder sleeps, another writes, the first comes back.
	short := b.acquire(b.e, "s", "one", 50*time.Millisecond)
	next := b.patiently(other, "s", "two", time.Minute)
	if err := write(other, next, "2"); err != nil {
		t.Fatal(err)
	}
	b.want(write(b.e, short, "late"), store.ErrFenced)
	_, err = b.e.Commit(b.ctx, store.Batch{Held: &short, Ops: []store.Op{{Key: "k", Value: []byte("late")}}})
	b.want(err, store.ErrFenced)
	b.is("k", "2")
	if err := other.Release(b.ctx, next); err != nil {
		t.Fatal(err)
	}
	b.want(write(other, next, "after release"), store.ErrFenced)
	b.is("m", "2")
}

func lateRelease(t *testing.T, b *bench) {
	short := b.acquire(b.e, "l", "one", 50*time.Millisecond)
	b.patiently(b.e, "l", "two", time.Minute)
	if err := b.e.Release(b.ctx, short); err != nil {
		t.Fatalf("release of what was lost: %v", err)
	}
	_, err := b.e.Acquire(b.ctx, "l", "three", time.Minute)
	b.want(err, store.ErrHeld)
	if err := b.e.Release(b.ctx, store.Lease{Name: "none", Holder: "one", Fence: 1}); err != nil {
		t.Errorf("release of nothing: %v", err)
	}
}

// locksExclude: many goroutines of two stores are within the lock one at a time.
func locksExclude(t *testing.T, b *bench) {
	stores := []*store.Store{b.store(10 * time.Second), b.store(10 * time.Second)}
	var within atomic.Int32
	var wg sync.WaitGroup
	for w := range 6 {
		s := stores[w%2]
		wg.Go(func() {
			for range 2 {
				l, err := s.Lock(b.ctx, "l")
				if err != nil {
					t.Errorf("worker %d: %v", w, err)
					return
				}
				if within.Add(1) != 1 {
					t.Error("two within the lock")
				}
				held := l.Lease()
				if _, err := s.Commit(b.ctx, store.Batch{Held: &held, Ops: []store.Op{{Key: "k", Value: []byte("x")}}}); err != nil {
					t.Errorf("worker %d: %v", w, err)
				}
				within.Add(-1)
				if err := l.Unlock(b.ctx); err != nil {
					t.Errorf("worker %d: unlock: %v", w, err)
				}
			}
		})
	}
	wg.Wait()
	if n := stores[0].Stats().Locks + stores[1].Stats().Locks; n != 0 {
		t.Errorf("%d locks are left", n)
	}
}

func lockKeeps(t *testing.T, b *bench) {
	const lease = 2 * time.Second // a busy machine may be late by much
	s := b.store(lease)
	l, err := s.Lock(b.ctx, "l")
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	other := b.store(lease)
	Eventually(t, "two lives pass", func() bool {
		_, err := other.TryLock(b.ctx, "l")
		b.want(err, store.ErrHeld)
		select {
		case <-l.Lost():
			t.Fatal("lost")
		default:
		}
		return time.Since(began) > 2*lease
	})
	if err := l.Unlock(b.ctx); err != nil {
		t.Fatal(err)
	}
	second, err := other.TryLock(b.ctx, "l")
	if err != nil {
		t.Fatalf("after unlock: %v", err)
	}
	if second.Lease().Fence <= l.Lease().Fence {
		t.Errorf("fence %d after %d", second.Lease().Fence, l.Lease().Fence)
	}
	if err := l.Unlock(b.ctx); err != nil {
		t.Errorf("second unlock: %v", err)
	}
	_, err = s.TryLock(b.ctx, "l")
	b.want(err, store.ErrHeld)
}

// lockLost: who is not the holder any more is told.
func lockLost(t *testing.T, b *bench) {
	s := b.store(300 * time.Millisecond)
	l, err := s.Lock(b.ctx, "l")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.e.Release(b.ctx, l.Lease()); err != nil { // as if it had slept for too long
		t.Fatal(err)
	}
	b.acquire(b.e, "l", "two", time.Minute)
	select {
	case <-l.Lost():
	case <-time.After(30 * time.Second):
		t.Fatal("not told")
	}
	held := l.Lease()
	_, err = s.Commit(b.ctx, store.Batch{Held: &held, Ops: []store.Op{{Key: "k", Value: nil}}})
	b.want(err, store.ErrFenced)
	if err := l.Unlock(b.ctx); err != nil {
		t.Errorf("unlock of what was lost: %v", err)
	}
	_, err = b.e.Acquire(b.ctx, "l", "three", time.Minute)
	b.want(err, store.ErrHeld)
}

func releaseAll(t *testing.T, b *bench) {
	s, other := b.store(time.Minute), b.store(time.Minute)
	for _, name := range []string{"a", "b", "c"} {
		if _, err := s.Lock(b.ctx, name); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.ReleaseAll(b.ctx); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "c"} {
		if _, err := other.TryLock(b.ctx, name); err != nil {
			t.Errorf("lock %q after ReleaseAll: %v", name, err)
		}
	}
	// And whatever is held when a store is closed.
	third := store.New(b.open(), store.Options{Deadline: 20 * time.Second})
	if _, err := third.Lock(b.ctx, "d"); err != nil {
		t.Fatal(err)
	}
	if err := third.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := other.TryLock(b.ctx, "d"); err != nil {
		t.Errorf("lock after Close: %v", err)
	}
	_, err := third.Get(b.ctx, "d")
	b.want(err, store.ErrClosed)
	_, err = third.Lock(b.ctx, "d")
	b.want(err, store.ErrClosed)
}
