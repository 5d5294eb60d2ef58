package commons_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/weirproxy/weir/wasmhost/commons"
)

func TestSet_ComparesVersions(t *testing.T) {
	t.Parallel()
	var all commons.Spaces
	s := all.Of("a")
	if _, cas, ok := s.Get([]byte("k")); ok || cas != 0 {
		t.Fatalf("Get of a missing key = version %d, %v, want 0, false", cas, ok)
	}
	// A missing key has no version to differ from.
	if err := s.Set([]byte("k"), nil, 7); err != nil {
		t.Fatalf("Set of a missing key with version 7: %v", err)
	}
	v, first, ok := s.Get([]byte("k"))
	if !ok || first == 0 || len(v) != 0 {
		t.Fatalf("Get of an empty value = %q, version %d, %v; want it there, with a version", v, first, ok)
	}
	if err := s.Set([]byte("k"), []byte("x"), first); err != nil {
		t.Errorf("Set with the right version: %v", err)
	}
	if err := s.Set([]byte("k"), []byte("y"), first); !errors.Is(err, commons.ErrCAS) {
		t.Errorf("Set with an old version: %v, want ErrCAS", err)
	}
	if err := s.Set([]byte("k"), []byte("z"), 0); err != nil {
		t.Errorf("Set without a version: %v", err)
	}
	if v, _, _ := s.Get([]byte("k")); string(v) != "z" {
		t.Errorf("Get = %q, want z", v)
	}
	if _, _, ok := all.Of("b").Get([]byte("k")); ok {
		t.Error("another space has the key")
	}
	if all.Of("a") != s {
		t.Error("Of makes a new space of a known id")
	}
}

func TestSet_KeepsNothingOfItsArguments(t *testing.T) {
	t.Parallel()
	var all commons.Spaces
	s := all.Of("")
	key, value := []byte("key"), []byte("value")
	if err := s.Set(key, value, 0); err != nil {
		t.Fatal(err)
	}
	copy(key, "xxx")
	copy(value, "yyyyy")
	if v, _, ok := s.Get([]byte("key")); !ok || string(v) != "value" {
		t.Errorf("Get = %q, %v, want what was set", v, ok)
	}
}

func TestSet_IsBounded(t *testing.T) {
	t.Parallel()
	var all commons.Spaces
	s := all.Of("")
	big := make([]byte, commons.MaxData/2)
	if err := s.Set([]byte("a"), big, 0); err != nil {
		t.Fatal(err)
	}
	if err := s.Set([]byte("b"), big, 0); !errors.Is(err, commons.ErrFull) {
		t.Fatalf("Set beyond the limit: %v, want ErrFull", err)
	}
	if err := s.Set([]byte("a"), nil, 0); err != nil {
		t.Fatal(err)
	}
	if err := s.Set([]byte("b"), big, 0); err != nil {
		t.Errorf("Set after room was made: %v", err)
	}
	var entries int
	for ; s.Set(fmt.Appendf(nil, "%d", entries), nil, 0) == nil; entries++ {
	}
	if entries > commons.MaxData/64 {
		t.Errorf("%d empty entries fit, which cost more than the limit", entries)
	}
}

func TestSet_Hammer(t *testing.T) {
	t.Parallel()
	var all commons.Spaces
	s := all.Of("")
	key := []byte("n")
	if err := s.Set(key, []byte{0, 0}, 0); err != nil {
		t.Fatal(err)
	}
	const workers, each = 8, 200
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				for {
					v, cas, _ := s.Get(key)
					n := int(v[0])<<8 | int(v[1])
					n++
					if s.Set(key, []byte{byte(n >> 8), byte(n)}, cas) == nil {
						break
					}
				}
			}
		})
	}
	wg.Wait()
	v, _, _ := s.Get(key)
	if got := int(v[0])<<8 | int(v[1]); got != workers*each {
		t.Errorf("%d increments counted, want %d: compare-and-swap lost some", got, workers*each)
	}
}

func TestQueue_FirstInFirstOut(t *testing.T) {
	t.Parallel()
	var all commons.Spaces
	a, b := all.Of("a"), all.Of("b")
	var told []uint32
	l := &commons.Listener{Ready: func(q uint32) { told = append(told, q) }}
	q, err := a.Register("q", l)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Resolve("", "q"); !errors.Is(err, commons.ErrNotFound) {
		t.Errorf("Resolve in the space's own: %v, want ErrNotFound", err)
	}
	if _, err := b.Resolve("none", "q"); !errors.Is(err, commons.ErrNotFound) {
		t.Errorf("Resolve in a space that is not: %v, want ErrNotFound", err)
	}
	if got, err := b.Resolve("a", "q"); got != q || err != nil {
		t.Fatalf("Resolve = %d, %v, want %d", got, err, q)
	}
	item := []byte("1")
	for _, v := range []string{"1", "", "3"} {
		item = append(item[:0], v...)
		if err := b.Push(q, item); err != nil {
			t.Fatal(err)
		}
	}
	if want := []uint32{q, q, q}; !slices.Equal(told, want) {
		t.Errorf("told of %v, want %v", told, want)
	}
	if _, err := b.Pop(q); !errors.Is(err, commons.ErrNotFound) {
		t.Errorf("Pop from another space's queue: %v, want ErrNotFound", err)
	}
	for _, want := range []string{"1", "", "3"} {
		if got, err := a.Pop(q); err != nil || string(got) != want {
			t.Errorf("Pop = %q, %v, want %q", got, err, want)
		}
	}
	if _, err := a.Pop(q); !errors.Is(err, commons.ErrEmpty) {
		t.Errorf("Pop of an empty queue: %v, want ErrEmpty", err)
	}
	for _, n := range []uint32{0, q + 1, 1 << 31} {
		if err := a.Push(n, nil); !errors.Is(err, commons.ErrNotFound) {
			t.Errorf("Push to %d: %v, want ErrNotFound", n, err)
		}
		if _, err := a.Pop(n); !errors.Is(err, commons.ErrNotFound) {
			t.Errorf("Pop from %d: %v, want ErrNotFound", n, err)
		}
	}
}

func TestQueue_TellsWhoRegisteredLastAndLives(t *testing.T) {
	t.Parallel()
	var all commons.Spaces
	s := all.Of("")
	var told []string
	listen := func(name string) *commons.Listener {
		return &commons.Listener{Ready: func(uint32) { told = append(told, name) }}
	}
	first, last := listen("first"), listen("last")
	q, _ := s.Register("q", first)
	if again, err := s.Register("q", last); again != q || err != nil {
		t.Fatalf("Register again = %d, %v, want %d", again, err, q)
	}
	push := func() { _ = s.Push(q, nil) }
	push()
	s.Leave(last)
	push()
	s.Leave(first)
	push()
	if want := []string{"last", "first"}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}

func TestQueue_IsBounded(t *testing.T) {
	t.Parallel()
	var all commons.Spaces
	s := all.Of("")
	l := &commons.Listener{Ready: func(uint32) {}}
	q, _ := s.Register("q", l)
	big := make([]byte, commons.MaxQueued/2)
	if err := s.Push(q, big); err != nil {
		t.Fatal(err)
	}
	if err := s.Push(q, big); !errors.Is(err, commons.ErrFull) {
		t.Errorf("Push beyond the bytes: %v, want ErrFull", err)
	}
	if v, err := s.Pop(q); err != nil || !bytes.Equal(v, big) {
		t.Fatalf("Pop: %v", err)
	}
	for n := range commons.MaxItems {
		if err := s.Push(q, nil); err != nil {
			t.Fatalf("Push of item %d: %v", n, err)
		}
	}
	if err := s.Push(q, nil); !errors.Is(err, commons.ErrFull) {
		t.Errorf("Push beyond the items: %v, want ErrFull", err)
	}
	for n := 1; n < commons.MaxQueues; n++ {
		if _, err := s.Register(fmt.Sprint(n), l); err != nil {
			t.Fatalf("Register of queue %d: %v", n, err)
		}
	}
	if _, err := s.Register("more", l); !errors.Is(err, commons.ErrFull) {
		t.Errorf("Register beyond the queues: %v, want ErrFull", err)
	}
	if _, err := s.Register(strings.Repeat("n", commons.MaxName+1), l); !errors.Is(err, commons.ErrArgument) {
		t.Errorf("Register of a long name: %v, want ErrArgument", err)
	}
}

func TestQueue_Hammer(t *testing.T) {
	t.Parallel()
	var all commons.Spaces
	s := all.Of("")
	var told, popped atomic.Int64
	q, _ := s.Register("q", &commons.Listener{Ready: func(uint32) { told.Add(1) }})
	const workers, each = 8, 500
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				_ = s.Push(q, []byte("x"))
				if _, err := s.Pop(q); err == nil {
					popped.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if told.Load() != workers*each || popped.Load() != workers*each {
		t.Errorf("told %d times, popped %d items, want %d of each", told.Load(), popped.Load(), workers*each)
	}
}

func TestMetric_CountsAsItsKind(t *testing.T) {
	t.Parallel()
	var all commons.Spaces
	s := all.Of("vm")
	define := func(k commons.Kind, name string) uint32 {
		n, err := s.Define(k, name)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	c, g, h := define(commons.Counter, "c"), define(commons.Gauge, "g"), define(commons.Histogram, "h")
	for _, tt := range []struct {
		name string
		do   error
		want error
	}{
		{"counter adds", s.Record(c, 5), nil},
		{"counter grows", s.Increment(c, 2), nil},
		{"counter does not shrink", s.Increment(c, -1), commons.ErrArgument},
		{"counter grows by something", s.Increment(c, 0), commons.ErrArgument},
		{"gauge is set", s.Record(g, 5), nil},
		{"gauge shrinks", s.Increment(g, -7), nil},
		{"histogram counts", s.Record(h, 5), nil},
		{"histogram counts more", s.Record(h, 1<<40), nil},
		{"histogram is not incremented", s.Increment(h, 1), commons.ErrArgument},
		{"unknown is not recorded", s.Record(99, 1), commons.ErrNotFound},
		{"unknown is not incremented", s.Increment(0, 1), commons.ErrNotFound},
	} {
		if !errors.Is(tt.do, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, tt.do, tt.want)
		}
	}
	if v, err := s.Value(c); v != 7 || err != nil {
		t.Errorf("counter = %d, %v, want 7", v, err)
	}
	if v, err := s.Value(g); int64(v) != -2 || err != nil {
		t.Errorf("gauge = %d, %v, want -2", int64(v), err)
	}
	if _, err := s.Value(h); !errors.Is(err, commons.ErrArgument) {
		t.Errorf("value of a histogram: %v, want ErrArgument", err)
	}
	if _, err := s.Value(99); !errors.Is(err, commons.ErrNotFound) {
		t.Errorf("value of nothing: %v, want ErrNotFound", err)
	}
	list := all.Metrics()
	if len(list) != 3 || list[0].Value != 7 || list[1].Value != -2 || list[0].VMID != "vm" || list[0].Name != "c" {
		t.Fatalf("Metrics = %+v", list)
	}
	hist := list[2]
	if hist.Count != 2 || hist.Sum != 5+1<<40 || hist.Below[0] != 0 || hist.Below[1] != 1 || hist.Below[len(hist.Below)-1] != 1 {
		t.Errorf("histogram = %+v, want one value at most 5 and one above all bounds", hist)
	}
}

func TestDefine_IsOnePerName(t *testing.T) {
	t.Parallel()
	var all commons.Spaces
	s := all.Of("")
	a, _ := s.Define(commons.Counter, "m")
	if b, err := s.Define(commons.Counter, "m"); a != b || err != nil {
		t.Errorf("Define again = %d, %v, want %d", b, err, a)
	}
	if _, err := s.Define(commons.Gauge, "m"); !errors.Is(err, commons.ErrArgument) {
		t.Errorf("Define as another kind: %v, want ErrArgument", err)
	}
	if _, err := s.Define(3, "k"); !errors.Is(err, commons.ErrArgument) {
		t.Errorf("Define of kind 3: %v, want ErrArgument", err)
	}
	if _, err := s.Define(commons.Gauge, strings.Repeat("n", commons.MaxName+1)); !errors.Is(err, commons.ErrArgument) {
		t.Errorf("Define of a long name: %v, want ErrArgument", err)
	}
	for n := 1; n < commons.MaxSeries; n++ {
		if _, err := s.Define(commons.Counter, fmt.Sprint(n)); err != nil {
			t.Fatalf("Define of metric %d: %v", n, err)
		}
	}
	if _, err := s.Define(commons.Counter, "more"); !errors.Is(err, commons.ErrFull) {
		t.Errorf("Define beyond the limit: %v, want ErrFull", err)
	}
}

func TestMetric_Hammer(t *testing.T) {
	t.Parallel()
	var all commons.Spaces
	s := all.Of("")
	const workers, each = 8, 100
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for n := range each {
				id, err := s.Define(commons.Counter, fmt.Sprint(n))
				if err != nil {
					t.Error(err)
					return
				}
				_ = s.Increment(id, 1)
				all.Metrics()
			}
		})
	}
	wg.Wait()
	for _, m := range all.Metrics() {
		if m.Value != workers {
			t.Errorf("metric %s = %d, want %d", m.Name, m.Value, workers)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	var all commons.Spaces
	s := all.Of("")
	key := []byte("some-key")
	_ = s.Set(key, []byte("value"), 0)
	b.ReportAllocs()
	for b.Loop() {
		s.Get(key)
	}
}

func BenchmarkIncrement(b *testing.B) {
	var all commons.Spaces
	s := all.Of("")
	n, _ := s.Define(commons.Counter, "c")
	b.ReportAllocs()
	for b.Loop() {
		_ = s.Increment(n, 1)
	}
}
