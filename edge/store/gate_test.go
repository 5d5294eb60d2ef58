package store

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// hung is an engine whose calls take no notice of their context, as one that waits for a
// disk: they return when they are let go.
type hung struct {
	Engine
	mu   sync.Mutex
	held chan struct{} // nil lets everything pass
	err  error         // what calls that pass return
	n    int           // calls
}

func (h *hung) wait() error {
	h.mu.Lock()
	h.n++
	held, err := h.held, h.err
	h.mu.Unlock()
	if held != nil {
		<-held
	}
	return err
}

func (h *hung) calls() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.n
}

func (h *hung) hold() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held = make(chan struct{})
}

func (h *hung) letGo() {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.held)
	h.held = nil
}

func (h *hung) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
}

func (h *hung) Get(_ context.Context, key string) (Entry, error) {
	return Entry{Key: key, Version: 1}, h.wait()
}

func (h *hung) Acquire(context.Context, string, string, time.Duration) (uint64, error) {
	return 1, h.wait()
}
func (h *hung) Extend(context.Context, Lease, time.Duration) error { return h.wait() }
func (h *hung) Release(context.Context, Lease) error               { return h.wait() }
func (h *hung) Close() error                                       { return h.wait() }

func (h *hung) Watch(ctx context.Context, _ string, changed func(string)) error {
	changed("")
	err := h.wait()
	changed("too late")
	return err
}

func TestStore_EndsAtItsDeadlineThoughTheEngineHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &hung{}
		s := New(h, Options{})
		h.hold()
		began := time.Now()
		_, err := s.Get(t.Context(), "k")
		if took := time.Since(began); !errors.Is(err, ErrUnavailable) || took != 2*time.Second+slack {
			t.Errorf("after %v: %v; want that it does not answer, after 2 s and %v", took, err, slack)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		_, err = s.Get(ctx, "k")
		if took := time.Since(began); !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) || took != time.Second+slack {
			t.Errorf("with a deadline of its own, after %v: %v", took, err)
		}
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, cancel)
		_, err = s.Get(ctx, "k")
		if !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnavailable) {
			t.Errorf("cancelled: %v", err)
		}
		time.Sleep(time.Second)
		if st := s.Stats(); st.Hanging != 3 || st.Running != 3 || st.Operations[0].Count != 3 || st.Operations[0].Failed != 3 {
			t.Errorf("stats %+v, want that 3 hang", st)
		}
		h.letGo()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestStore_BoundsWhatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &hung{}
		s := New(h, Options{Stuck: 4, Concurrent: 8})
		h.hold()
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if _, err := s.Get(t.Context(), "k"); !errors.Is(err, ErrUnavailable) {
					t.Errorf("got %v", err)
				}
			})
		}
		all.Wait()
		if n := h.calls(); n != 8 {
			t.Errorf("%d calls within the engine, want 8", n)
		}
		time.Sleep(time.Minute)
		began := time.Now()
		for range 1000 {
			if _, err := s.Get(t.Context(), "k"); !errors.Is(err, ErrUnavailable) {
				t.Fatalf("got %v", err)
			}
		}
		if took := time.Since(began); took > 0 || h.calls() != 8 {
			t.Errorf("took %v and %d calls; want that all fail at once", took, h.calls())
		}
		// Writes are not kept by reads that hang.
		if _, err := s.TryLock(t.Context(), "k"); !errors.Is(err, ErrUnavailable) || h.calls() == 8 {
			t.Fatalf("lock: %v", err)
		}
		h.letGo()
		synctest.Wait()
		time.Sleep(pause)
		if _, err := s.Get(t.Context(), "k"); err != nil {
			t.Errorf("when the engine goes on: %v", err)
		}
		s.Close()
	})
}

func TestStore_TriesNowAndThenWhileTheEngineDoesNotAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &hung{}
		s := New(h, Options{})
		h.fail(ErrUnavailable)
		for range 10 * 20 { // ten seconds
			if _, err := s.Get(t.Context(), "k"); !errors.Is(err, ErrUnavailable) {
				t.Fatalf("got %v", err)
			}
			time.Sleep(50 * time.Millisecond)
		}
		if n := h.calls(); n > patience+20 {
			t.Errorf("%d calls in ten seconds, want at most %d and two each second", n, patience)
		}
		if st := s.Stats(); !st.Open || !st.Silent {
			t.Errorf("open %v, silent %v, want both", st.Open, st.Silent)
		}
		h.fail(nil)
		time.Sleep(pause)
		if _, err := s.Get(t.Context(), "k"); err != nil || s.Stats().Open || s.Stats().Silent {
			t.Errorf("when it answers again: %v", err)
		}
		// An answer that says no, and an error that is no silence, are answers.
		for _, err := range []error{ErrNotFound, errors.New("disk full")} {
			h.fail(err)
			for range 3 * patience {
				if _, got := s.Get(t.Context(), "k"); !errors.Is(got, err) {
					t.Fatalf("got %v, want %v", got, err)
				}
			}
		}
		// A caller in a hurry does not stop the others.
		h.fail(nil)
		h.hold()
		for range 3 * patience {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			_, _ = s.Get(ctx, "k")
			cancel()
		}
		h.letGo()
		synctest.Wait()
		if _, err := s.Get(t.Context(), "k"); err != nil {
			t.Errorf("after callers in a hurry: %v", err)
		}
		s.Close()
	})
}

func TestStore_WatchEndsThoughTheEngineHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &hung{}
		s := New(h, Options{})
		h.hold()
		ctx, cancel := context.WithCancel(t.Context())
		var told []string
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.Watch(ctx, "", func(key string) { told = append(told, key) })
		}()
		synctest.Wait()
		cancel()
		<-done
		h.letGo()
		synctest.Wait()
		if len(told) != 1 || told[0] != "" {
			t.Errorf("told %q, want the beginning alone", told)
		}
		s.Close()
	})
}

func TestLock_IsLostWhenItCannotBeExtended(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &hung{}
		s := New(h, Options{})
		l, err := s.Lock(t.Context(), "l")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour) // it is extended all the time
		select {
		case <-l.Lost():
			t.Fatal("lost")
		default:
		}
		h.hold()
		began := time.Now()
		<-l.Lost()
		if took := time.Since(began); took < 20*time.Second || took > 30*time.Second+slack {
			t.Errorf("lost after %v, want that it is when a lease of 30 s has ended", took)
		}
		if err := l.Unlock(t.Context()); err != nil {
			t.Errorf("unlock of what was lost: %v", err)
		}
		h.letGo()
		s.Close()
	})
}

func TestLock_IsNotWaitedForWhileTheEngineDoesNotAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &hung{err: ErrUnavailable}
		s := New(h, Options{})
		began := time.Now()
		_, err := s.Lock(t.Context(), "l")
		if !errors.Is(err, ErrUnavailable) || time.Since(began) > time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		h.fail(ErrHeld)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began = time.Now()
		_, err = s.Lock(ctx, "l")
		if !errors.Is(err, ErrHeld) || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Minute {
			t.Errorf("held by another, after %v: %v", time.Since(began), err)
		}
		s.Close()
	})
}
