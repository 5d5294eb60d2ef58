package vm_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/wasmhost/vm"
	. "github.com/weirproxy/weir/wasmhost/vmtest"
)

// adders returns what makes instances for pools, and counts them.
func adders(t testing.TB) (newInstance func() (*vm.Instance, error), made *atomic.Int32) {
	e := newEngine(t, vm.Options{})
	m := Module{Pages: 1, Funcs: []Func{add, {Name: "grow", Params: I32, Results: I32, Body: Code{LocalGet, 0, MemoryGrow, 0}}}}
	p := load(t, e, m.Do(Crash(), "crash", nil, nil).Bytes(), nothing())
	made = &atomic.Int32{}
	return func() (*vm.Instance, error) { made.Add(1); return p.Instantiate(vm.Config{}) }, made
}

func get(t *testing.T, p *vm.Pool) *vm.Instance {
	t.Helper()
	i, err := p.Get(nil)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestPool_LendsTheLastOneFirst(t *testing.T) {
	t.Parallel()
	f, made := adders(t)
	p := vm.NewPool(vm.PoolOptions{New: f})
	defer p.Close()
	a, b := get(t, p), get(t, p)
	p.Put(a)
	p.Put(b)
	if c := get(t, p); c != b {
		t.Error("not the last one")
	} else {
		p.Put(c)
	}
	if made.Load() != 2 {
		t.Errorf("%d made", made.Load())
	}
}

func TestPool_ReplacesTheDeadAndTheWorn(t *testing.T) {
	t.Parallel()
	f, made := adders(t)
	p := vm.NewPool(vm.PoolOptions{New: f})
	defer p.Close()
	a := get(t, p)
	a.Call(a.Lookup("crash"), nil)
	p.Put(a)
	b := get(t, p)
	b.Call(b.Lookup("grow"), nil, 600)
	p.Put(b)
	if c := get(t, p); a == b || b == c || made.Load() != 3 {
		t.Errorf("%d made", made.Load())
	} else {
		p.Put(c)
	}
}

func TestPool_WaitsInLine(t *testing.T) {
	t.Parallel()
	f, _ := adders(t)
	synctest.Test(t, func(t *testing.T) {
		p := vm.NewPool(vm.PoolOptions{Limits: vm.Limits{Instances: 1, Queue: time.Second}, New: f})
		defer p.Close()
		first := get(t, p)
		var order []int
		var wg sync.WaitGroup
		for n := range 3 {
			wg.Go(func() {
				i, err := p.Get(nil)
				if err != nil {
					t.Error(err)
					return
				}
				order = append(order, n)
				p.Put(i)
			})
			synctest.Wait()
		}
		if s := p.Stats(); s.Waiting != 3 || s.Waits != 3 || s.Live != 1 {
			t.Errorf("stats %+v", s)
		}
		p.Put(first)
		wg.Wait()
		if order[0] != 0 || order[1] != 1 || order[2] != 2 {
			t.Errorf("order %v", order)
		}
		first = get(t, p)
		begin := time.Now()
		if _, err := p.Get(nil); !errors.Is(err, vm.ErrBusy) || time.Since(begin) != time.Second {
			t.Errorf("after %s: %v", time.Since(begin), err)
		}
		gone := make(chan struct{})
		close(gone)
		if _, err := p.Get(func() <-chan struct{} { return gone }); !errors.Is(err, vm.ErrBusy) {
			t.Errorf("client gone: %v", err)
		}
		if s := p.Stats(); s.Waiting != 0 || s.Waited != time.Second {
			t.Errorf("stats %+v", s)
		}
		p.Put(first)
	})
}

func TestPool_RestsWhereNewFails(t *testing.T) {
	t.Parallel()
	f, made := adders(t)
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		tries := 0
		ok := false
		p := vm.NewPool(vm.PoolOptions{New: func() (*vm.Instance, error) {
			if tries++; ok {
				return f()
			}
			return nil, broken
		}})
		for range 100 {
			if _, err := p.Get(nil); err != broken {
				t.Fatal(err)
			}
		}
		if tries != 3 {
			t.Errorf("tried %d times", tries)
		}
		time.Sleep(time.Hour)
		ok = true
		p.Put(get(t, p))
		if s := p.Stats(); s.Live != 1 || s.Idle != 1 || made.Load() != 1 {
			t.Errorf("stats %+v", s)
		}
		p.Close()
		if _, err := p.Get(nil); err != vm.ErrClosed {
			t.Errorf("closed: %v", err)
		}
	})
}

func TestPool_Trims(t *testing.T) {
	t.Parallel()
	f, _ := adders(t)
	p := vm.NewPool(vm.PoolOptions{New: f})
	defer p.Close()
	var all []*vm.Instance
	for range 8 {
		all = append(all, get(t, p))
	}
	for _, i := range all {
		p.Put(i)
	}
	p.Trim()
	for n, want := range []int{8, 2, 2, 1, 1} {
		if got := p.Stats().Live; got != want {
			t.Errorf("after %d rounds %d live; want %d", n+1, got, want)
		}
		if n < 2 { // two are in use
			a, b := get(t, p), get(t, p)
			p.Put(a)
			p.Put(b)
		}
		p.Trim()
	}
}

func TestPool_UnderLoad(t *testing.T) {
	t.Parallel()
	f, _ := adders(t)
	p := vm.NewPool(vm.PoolOptions{Limits: vm.Limits{Instances: 3, Queue: 20 * time.Millisecond}, New: f})
	var wg sync.WaitGroup
	var served atomic.Int32
	for n := range 16 {
		wg.Go(func() {
			for k := range 200 {
				i, err := p.Get(nil)
				if err != nil {
					continue
				}
				if v, err := i.Call(i.Lookup("add"), nil, uint64(n), uint64(k)); err != nil || int(v) != n+k {
					t.Errorf("%d + %d = %d, %v", n, k, v, err)
				}
				if k%50 == 0 {
					i.Call(i.Lookup("crash"), nil)
				}
				served.Add(1)
				p.Put(i)
				if k%60 == 0 {
					p.Trim()
				}
			}
			if n == 7 {
				p.Close()
			}
		})
	}
	wg.Wait()
	p.Close()
	if s := p.Stats(); s.Live != 0 || s.Idle != 0 || s.Waiting != 0 || served.Load() == 0 {
		t.Errorf("%d served, stats %+v", served.Load(), s)
	}
}

func TestGate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var g vm.Gate
		g.LockAlways()
		var order []int
		for n := range 4 {
			go func() {
				switch n {
				case 1:
					begin := time.Now()
					if err := g.Lock(time.Second, nil); err != vm.ErrBusy || time.Since(begin) != time.Second {
						t.Errorf("after %s: %v", time.Since(begin), err)
					}
					return
				case 3:
					g.LockAlways()
				default:
					if err := g.Lock(time.Minute, nil); err != nil {
						t.Error(err)
					}
				}
				order = append(order, n)
				g.Unlock()
			}()
			synctest.Wait()
		}
		gone := make(chan struct{})
		close(gone)
		if err := g.Lock(time.Hour, func() <-chan struct{} { return gone }); err != vm.ErrBusy {
			t.Error(err)
		}
		time.Sleep(2 * time.Second)
		g.Unlock()
		synctest.Wait()
		if len(order) != 3 || order[0] != 0 || order[1] != 2 || order[2] != 3 {
			t.Errorf("order %v", order)
		}
		if err := g.Lock(0, nil); err != nil {
			t.Errorf("open gate: %v", err)
		}
		g.Unlock()
	})
}

// TestGate_IsNotLostBetweenTimeAndTurn has waits end in the moment when their turn comes.
func TestGate_IsNotLostBetweenTimeAndTurn(t *testing.T) {
	t.Parallel()
	var g vm.Gate
	var inside atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				if g.Lock(10*time.Microsecond, nil) != nil {
					continue
				}
				if inside.Add(1) != 1 {
					t.Error("two are inside")
				}
				inside.Add(-1)
				g.Unlock()
			}
		})
	}
	wg.Wait()
	if err := g.Lock(time.Second, nil); err != nil {
		t.Error("the gate is lost")
	}
}
