package storetest

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/store"
)

// Server is what can go wrong with a server.
type Server interface {
	Restart()
	Kill()
	Start()
	Pause()
	Resume()
}

// Remote is a store on a server of the test's own.
type Remote struct {
	Server Server
	Addr   string
	// Open opens a handle by way of the address, to the store of that name.
	Open func(addr, name string) store.Engine
}

// RunFaults runs the suite of what may happen between a node and a server. The server
// is restarted and frozen: it must be nobody else's.
func RunFaults(t *testing.T, r Remote) {
	for _, c := range []struct {
		name string
		test func(*testing.T, *faulty)
	}{
		{"CutConnectionsLoseNothing", cutConnections},
		{"HangsEndAtTheDeadline", hangs},
		{"RestartIsSurvived", restart},
		{"FrozenServerIsSurvived", frozen},
		{"LockIsLostToOthersInAnOutage", outageLosesLock},
		{"LostAnswerLeavesNoLock", lostAnswer},
		{"WatchTellsOfGaps", watchGaps},
	} {
		t.Run(c.name, func(t *testing.T) { // one after the other: they share the server
			p := StartProxy(t, r.Addr)
			f := &faulty{Remote: r, bench: &bench{T: t}, proxy: p, stall: watchStall(t)}
			var cancel context.CancelFunc
			f.ctx, cancel = context.WithTimeout(context.Background(), 3*time.Minute)
			t.Cleanup(cancel)
			f.open = func() store.Engine { return r.Open(r.Addr, c.name) }
			f.e = f.another()
			f.far = f.remote(deadline, 2*time.Second)
			c.test(t, f)
		})
	}
}

const deadline = 500 * time.Millisecond

// faulty is a bench with a second way to the store, that breaks.
type faulty struct {
	Remote
	*bench
	proxy *Proxy
	stall *stall
	far   *store.Store
}

func (f *faulty) remote(deadline, lease time.Duration) *store.Store {
	s := store.New(f.Open(f.proxy.Addr, f.name()), store.Options{Deadline: deadline, Lease: lease})
	f.Cleanup(func() { s.Close() }) // whatever the state of the proxy
	return s
}

func (f *faulty) name() string {
	_, name, _ := cutLast(f.T.Name())
	return name
}

func cutLast(s string) (before, after string, ok bool) {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == '/' {
			return s[:i], s[i+1:], true
		}
	}
	return "", s, false
}

// timed runs one operation and fails if it takes longer than its deadline.
func (f *faulty) timed(what string, op func() error) error {
	began := time.Now()
	err := op()
	if took := time.Since(began); took > deadline+f.stall.allowed() {
		f.Errorf("%s took %v, its deadline is %v and the machine was late by %v (%v)", what, took, deadline, time.Duration(f.stall.worst.Load()), err)
	}
	return err
}

// recovers waits until the far store works again.
func (f *faulty) recovers() {
	f.Helper()
	Eventually(f.T, "the store works again", func() bool {
		_, writing := f.far.Put(f.ctx, "recovers", nil, 0)
		_, reading := f.far.Get(f.ctx, "recovers")
		return writing == nil && reading == nil
	})
}

// pair changes two keys to one value, if the first has not changed meanwhile.
func pair(ctx context.Context, s *store.Store) error {
	e, err := s.Get(ctx, "n")
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	n, _ := strconv.Atoi(string(e.Value))
	value := []byte(strconv.Itoa(n + 1))
	_, err = s.Commit(ctx, store.Batch{Ops: []store.Op{
		{Key: "n", Value: value, If: store.Condition{Absent: e.Version == 0, Version: e.Version}}, {Key: "m", Value: value},
	}})
	return err
}

// pairs has some workers count until stop is closed; returns how many increments were
// acknowledged, and how many have an unknown end.
func (f *faulty) pairs(stop <-chan struct{}) (acknowledged, unknown *atomic.Int64, wait func()) {
	acknowledged, unknown = new(atomic.Int64), new(atomic.Int64)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				err := f.timed("pair", func() error {
					ctx, cancel := context.WithTimeout(f.ctx, deadline)
					defer cancel()
					return pair(ctx, f.far)
				})
				switch {
				case err == nil:
					acknowledged.Add(1)
				case errors.Is(err, store.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
					unknown.Add(1)
					select { // most fail at once now
					case <-stop:
					case <-time.After(5 * time.Millisecond):
					}
				case !errors.Is(err, store.ErrConflict):
					f.Errorf("pair: %v", err)
					return
				}
			}
		})
	}
	return acknowledged, unknown, wg.Wait
}

// counted fails unless every acknowledged increment is there, and no more than may be.
func (f *faulty) counted(acknowledged, unknown *atomic.Int64) {
	f.Helper()
	n, m := f.value(f.e, "n"), f.value(f.e, "m")
	if n != m {
		f.Errorf("half a batch: %s and %s", n, m)
	}
	got, _ := strconv.ParseInt(n, 10, 64)
	if a, u := acknowledged.Load(), unknown.Load(); got < a || got > a+u {
		f.Errorf("counted %d, acknowledged %d and %d unknown", got, a, u)
	} else {
		f.Logf("counted %d, acknowledged %d, unknown %d", got, a, u)
	}
}

func cutConnections(t *testing.T, f *faulty) {
	stop := make(chan struct{})
	acknowledged, unknown, wait := f.pairs(stop)
	for cuts := range 40 {
		had := acknowledged.Load()
		Eventually(t, "some are counted", func() bool { return acknowledged.Load() > had })
		if cuts%10 == 9 {
			f.proxy.Away()
			f.proxy.Pass()
		} else {
			f.proxy.Cut()
		}
	}
	close(stop)
	wait()
	f.recovers()
	f.counted(acknowledged, unknown)
}

// everything does one of each operation, and returns their errors.
func (f *faulty) everything() map[string]error {
	s, ctx := f.far, f.ctx
	l := store.Lease{Name: "l", Holder: "h", Fence: 1}
	ops := map[string]func() error{
		"get":    func() error { _, err := s.Get(ctx, "k"); return err },
		"list":   func() error { _, err := s.List(ctx, "", "", 10); return err },
		"put":    func() error { _, err := s.Put(ctx, "k", []byte("x"), 0); return err },
		"commit": func() error { _, err := s.Commit(ctx, store.Batch{Held: &l, Ops: []store.Op{{Key: "k"}}}); return err },
		"now":    func() error { _, err := s.Now(ctx); return err },
		"try": func() error {
			ctx, cancel := context.WithTimeout(ctx, deadline)
			defer cancel()
			_, err := s.TryLock(ctx, "free")
			return err
		},
	}
	errs := make(map[string]error)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for name, op := range ops {
		wg.Go(func() {
			err := f.timed(name, op)
			mu.Lock()
			defer mu.Unlock()
			errs[name] = err
		})
	}
	wg.Wait()
	return errs
}

// silent fails unless all operations say in time that there is no answer.
func (f *faulty) silent() {
	f.Helper()
	for range 3 {
		for name, err := range f.everything() {
			if !errors.Is(err, store.ErrUnavailable) {
				f.Errorf("%s: %v, want that the store does not answer", name, err)
			}
		}
	}
	if st := f.far.Stats(); !st.Open || st.Hanging > 0 {
		f.Errorf("after many failures: %+v, want that it is open and nothing hangs", st)
	}
	began := time.Now()
	_, err := f.far.Get(f.ctx, "k")
	f.want(err, store.ErrUnavailable)
	if took := time.Since(began); took > deadline+f.stall.allowed() {
		f.Errorf("get took %v", took)
	}
}

func hangs(_ *testing.T, f *faulty) {
	f.recovers()
	f.proxy.Hang()
	f.silent()
	f.proxy.Pass()
	f.recovers()
	f.proxy.Hang()
	f.proxy.Cut() // and new connections hang, too
	f.silent()
	f.proxy.Pass()
	f.recovers()
	f.proxy.Away()
	f.silent()
	f.proxy.Pass()
	f.recovers()
	if f.far.Stats().Open {
		f.Error("the breaker is open, although the store works")
	}
}

func restart(t *testing.T, f *faulty) {
	stop := make(chan struct{})
	acknowledged, unknown, wait := f.pairs(stop)
	for i := range 3 {
		had := acknowledged.Load()
		Eventually(t, "some are counted", func() bool { return acknowledged.Load() > had+5 })
		if i == 1 {
			f.Server.Kill()
			f.Server.Start()
		} else {
			f.Server.Restart()
		}
	}
	had := acknowledged.Load()
	Eventually(t, "some are counted", func() bool { return acknowledged.Load() > had })
	close(stop)
	wait()
	f.recovers()
	Eventually(t, "the other handle works again", func() bool { _, err := f.e.Get(f.ctx, "n"); return err == nil })
	f.counted(acknowledged, unknown)
}

func frozen(_ *testing.T, f *faulty) {
	f.recovers()
	f.Server.Pause()
	f.silent()
	f.Server.Resume()
	f.recovers()
}

// outageLosesLock: a node that is cut off loses its locks, is told, and cannot write
// under them when it is back.
func outageLosesLock(t *testing.T, f *faulty) {
	const lease = time.Second
	s := f.remote(deadline, lease)
	l, err := s.Lock(f.ctx, "l")
	if err != nil {
		t.Fatal(err)
	}
	f.proxy.Hang()
	began := time.Now()
	next := f.patiently(f.e, "l", "two", time.Minute)
	if next.Fence <= l.Lease().Fence {
		t.Errorf("fence %d after %d", next.Fence, l.Lease().Fence)
	}
	select {
	case <-l.Lost():
	case <-time.After(lease + f.stall.allowed()):
		t.Errorf("not told after %v", time.Since(began))
	}
	if _, err := f.e.Commit(f.ctx, store.Batch{Held: &next, Ops: []store.Op{{Key: "k", Value: []byte("two")}}}); err != nil {
		t.Fatal(err)
	}
	f.proxy.Pass()
	held := l.Lease()
	Eventually(t, "the late write is refused", func() bool {
		_, err := s.Commit(f.ctx, store.Batch{Held: &held, Ops: []store.Op{{Key: "k", Value: []byte("late")}}})
		if err == nil {
			t.Fatal("a late write was accepted")
		}
		return errors.Is(err, store.ErrFenced)
	})
	f.is("k", "two")
}

// lostAnswer: a lock whose answer did not arrive is not held by nobody for long.
func lostAnswer(t *testing.T, f *faulty) {
	for i := range 5 {
		name := "l" + strconv.Itoa(i)
		ctx, cancel := context.WithTimeout(f.ctx, 2*deadline)
		go func() {
			t := time.NewTimer(rand.N(3 * time.Millisecond))
			defer t.Stop()
			select {
			case <-t.C:
			case <-ctx.Done():
			}
			f.proxy.Hang()
		}()
		l, err := f.far.Lock(ctx, name)
		cancel()
		if err == nil {
			_ = l.Unlock(f.ctx)
		} else {
			f.want(err, store.ErrUnavailable)
		}
		f.proxy.Pass()
		began := time.Now()
		f.patiently(f.e, name, "two", time.Minute)
		if took := time.Since(began); took > 2*time.Second+f.stall.allowed() {
			t.Errorf("the lease was free after %v only", took)
		}
		f.recovers()
	}
}

// watchGaps: after each kind of break the watch says that it may have missed something,
// and then tells what is new.
func watchGaps(t *testing.T, f *faulty) {
	l := listen(t, f.far, "")
	for i, fault := range []struct{ begin, end func() }{
		{f.proxy.Cut, func() {}},
		{f.proxy.Away, f.proxy.Pass},
		{f.proxy.Hang, func() { f.proxy.Cut(); f.proxy.Pass() }},
		{f.Server.Restart, func() {}},
	} {
		gaps := l.heard("")
		fault.begin()
		key := "missed" + strconv.Itoa(i)
		Eventually(t, "something is written meanwhile", func() bool { return f.try(store.Op{Key: key}) == nil })
		fault.end()
		Eventually(t, "the watch tells "+key+" or of a gap", func() bool { return l.heard("") > gaps || l.heard(key) > 0 })
		Eventually(t, "the watch tells of a gap", func() bool { return l.heard("") > gaps })
		gaps = l.heard("")
		f.put("k"+strconv.Itoa(i), "x")
		Eventually(t, "the watch goes on", func() bool { return l.heard("k"+strconv.Itoa(i)) > 0 || l.heard("") > gaps })
	}
	// A hang that nobody ends: the silence is noticed, and a new connection made.
	gaps, made := l.heard(""), f.proxy.made.Load()
	f.proxy.Hang()
	f.put("silent", "x")
	Eventually(t, "the watch gives up a silent connection", func() bool { return f.proxy.made.Load() > made })
	f.proxy.Pass()
	Eventually(t, "the watch tells", func() bool { return l.heard("") > gaps || l.heard("silent") > 0 })
}
