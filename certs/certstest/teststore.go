package certstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/certs/storage"
)

// patience is how long the contract waits for what must come.
const patience = 10 * time.Second

// TestStore holds a store to what [storage.Store] promises. open returns two nodes'
// handles to one new, empty store and closes them at its test's end.
func TestStore(t *testing.T, open func(t *testing.T) (a, b storage.Store)) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, a, b storage.Store)
	}{
		{"ReadsWhatAnyNodeWrote", testReads},
		{"ListsInOrderAndPages", testLists},
		{"ForgetsAfterTTL", testTTL},
		{"DeletesWhatIsThere", testDeletes},
		{"KeepsItsOwnCopies", testCopies},
		{"EndsWithItsContext", testContexts},
		{"LocksOneCallerOut", testExcludes},
		{"LockWaits", testWaits},
		{"LocksCount", testCounts},
		{"LockWritesWhileItIsHeld", testFences},
		{"WatchHearsOfOthers", testWatches},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a, b := open(t)
			c.test(t, a, b)
		})
	}
}

func testReads(t *testing.T, a, b storage.Store) {
	ctx := t.Context()
	if v, err := a.Get(ctx, "cert/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Get of a missing key = %q, %v; want fs.ErrNotExist", v, err)
	}
	big := bytes.Repeat([]byte{0, 255, '\n'}, 100_000)
	for key, value := range map[string][]byte{
		"cert/example.com": []byte("one"), "cert/*.example.com": []byte("two"), "empty": {}, "big": big,
		"cert/2001:db8::1": []byte("ip"), "a/b c/ü%\\_'\"": []byte("odd"),
	} {
		put(t, a, key, value, 0)
		if got, err := b.Get(ctx, key); err != nil || !bytes.Equal(got, value) {
			t.Errorf("Get(%q) = %d bytes, %v; want the %d that were put", key, len(got), err, len(value))
		}
	}
	put(t, b, "cert/example.com", []byte("three"), 0)
	if got, err := a.Get(ctx, "cert/example.com"); err != nil || string(got) != "three" {
		t.Errorf("Get after it was overwritten = %q, %v; want three", got, err)
	}
}

func testLists(t *testing.T, a, b storage.Store) {
	ctx := t.Context()
	want := []string{"cert/A", "cert/a", "cert/a.b", "cert/b", "cert/é"}
	for _, key := range slices.Backward(want) {
		put(t, a, key, []byte("v "+key), 0)
	}
	for _, key := range []string{"cert", "certs/x", "ceru", "cers", "cer_/x"} {
		put(t, a, key, nil, 0)
	}
	for _, limit := range []int{1, 2, 5, 100} {
		var got []string
		for after := ""; ; {
			page, err := b.List(ctx, "cert/", after, limit)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page {
				if string(r.Value) != "v "+r.Key {
					t.Errorf("List gave %q the value %q", r.Key, r.Value)
				}
				got = append(got, r.Key)
			}
			if len(page) < limit {
				break
			}
			after = page[len(page)-1].Key
		}
		if !slices.Equal(got, want) {
			t.Errorf("keys listed %d at a time = %q, want %q", limit, got, want)
		}
	}
	if page, err := b.List(ctx, "nothing/", "", 10); err != nil || len(page) != 0 {
		t.Errorf("List of nothing = %v, %v", page, err)
	}
}

func testTTL(t *testing.T, a, b storage.Store) {
	put(t, a, "challenge/short", []byte("x"), time.Second)
	put(t, a, "challenge/long", []byte("x"), time.Hour)
	put(t, a, "challenge/prolonged", []byte("x"), time.Second)
	put(t, a, "challenge/prolonged", []byte("x"), 0)
	if _, err := b.Get(t.Context(), "challenge/short"); err != nil {
		t.Errorf("Get before its time is up: %v", err)
	}
	eventually(t, "the value to expire", func() bool {
		_, err := b.Get(t.Context(), "challenge/short")
		return errors.Is(err, fs.ErrNotExist)
	})
	list, err := a.List(t.Context(), "challenge/", "", 10)
	if err != nil || len(list) != 2 {
		t.Errorf("List = %d records, %v; want the two that live", len(list), err)
	}
}

func testDeletes(t *testing.T, a, b storage.Store) {
	ctx := t.Context()
	for i := range 5 {
		put(t, a, fmt.Sprintf("k%d", i), []byte("x"), 0)
	}
	if err := b.Delete(ctx, "k1", "missing", "k3"); err != nil {
		t.Errorf("Delete: %v", err)
	}
	if err := b.Delete(ctx); err != nil {
		t.Errorf("Delete of nothing: %v", err)
	}
	list, err := a.List(ctx, "k", "", 10)
	if err != nil || len(list) != 3 {
		t.Errorf("List after Delete = %v, %v; want three", list, err)
	}
	if _, err := a.Get(ctx, "k1"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Get of a deleted key: %v", err)
	}
}

func testCopies(t *testing.T, a, b storage.Store) {
	v := []byte("good")
	put(t, a, "k", v, 0)
	v[0] = 'f'
	got, err := a.Get(t.Context(), "k")
	if err != nil || string(got) != "good" {
		t.Fatalf("Get = %q, %v; want what was put, not what became of it", got, err)
	}
	got[0] = 'w'
	if again, err := b.Get(t.Context(), "k"); err != nil || string(again) != "good" {
		t.Errorf("Get = %q, %v after who got it wrote to it", again, err)
	}
}

func testContexts(t *testing.T, a, _ storage.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, getErr := a.Get(ctx, "k")
	_, listErr := a.List(ctx, "", "", 1)
	_, lockErr := a.Lock(ctx, "l")
	_, tryErr := a.TryLock(ctx, "l")
	for op, err := range map[string]error{
		"Get": getErr, "List": listErr, "Lock": lockErr, "TryLock": tryErr,
		"Put": a.Put(ctx, "k", nil, 0), "Delete": a.Delete(ctx, "k"),
	} {
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s under a context that has ended: %v, want its error", op, err)
		}
	}
}

func testExcludes(t *testing.T, a, b storage.Store) {
	l := lock(t, a, "cert/x")
	for name, s := range map[string]storage.Store{"another node": b, "the same node": a} {
		if _, err := s.TryLock(t.Context(), "cert/x"); !errors.Is(err, storage.ErrHeld) {
			t.Errorf("TryLock by %s = %v, want ErrHeld", name, err)
		}
	}
	other := lock(t, b, "cert/y")
	unlock(t, other)
	unlock(t, l)
	unlock(t, l) // twice is no error
	l, err := b.TryLock(t.Context(), "cert/x")
	if err != nil {
		t.Fatalf("TryLock after Unlock: %v", err)
	}
	select {
	case <-l.Lost():
		t.Error("a lock that is held is reported as lost")
	default:
	}
	unlock(t, l)
}

func testWaits(t *testing.T, a, b storage.Store) {
	first := lock(t, a, "l")
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := b.Lock(short, "l"); err == nil {
		t.Fatal("Lock got what another holds")
	}
	got := make(chan storage.Lock, 1)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		l, err := b.Lock(ctx, "l")
		if err != nil {
			t.Errorf("Lock: %v", err)
		}
		got <- l
	}()
	select {
	case <-got:
		t.Error("Lock returned while another held it")
	case <-time.After(50 * time.Millisecond):
	}
	unlock(t, first)
	if l := <-got; l != nil {
		unlock(t, l)
	}
}

func testCounts(t *testing.T, a, b storage.Store) {
	const nodes, rounds = 4, 5
	var work sync.WaitGroup
	for i := range nodes {
		s := []storage.Store{a, b}[i%2]
		work.Go(func() {
			for range rounds {
				l := lock(t, s, "counter")
				v, err := s.Get(t.Context(), "n")
				if err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Error(err)
				}
				n, _ := strconv.Atoi(string(v)) // none yet: 0
				if err := l.Put(t.Context(), "n", []byte(strconv.Itoa(n+1)), 0); err != nil {
					t.Error(err)
				}
				unlock(t, l)
			}
		})
	}
	work.Wait()
	if v, err := a.Get(t.Context(), "n"); err != nil || string(v) != strconv.Itoa(nodes*rounds) {
		t.Errorf("counter under a lock = %q, %v; want %d", v, err, nodes*rounds)
	}
}

func testFences(t *testing.T, a, b storage.Store) {
	ctx := t.Context()
	l := lock(t, a, "l")
	if err := l.Put(ctx, "k", []byte("by a"), 0); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Get(ctx, "k"); err != nil || string(got) != "by a" {
		t.Errorf("Get of what a lock wrote = %q, %v", got, err)
	}
	unlock(t, l)
	if err := l.Put(ctx, "k", []byte("late"), 0); !errors.Is(err, storage.ErrLost) {
		t.Errorf("Put by a lock that was given back = %v, want ErrLost", err)
	}
	next := lock(t, b, "l")
	if err := l.Put(ctx, "k", []byte("late"), 0); !errors.Is(err, storage.ErrLost) {
		t.Errorf("Put by a lock that another holds now = %v, want ErrLost", err)
	}
	unlock(t, l) // does not touch the other's
	if err := next.Put(ctx, "k", []byte("by b"), 0); err != nil {
		t.Errorf("Put by who holds the lock: %v", err)
	}
	if got, _ := a.Get(ctx, "k"); string(got) != "by b" {
		t.Errorf("the store holds %q, want what the holder wrote", got)
	}
	unlock(t, next)
}

func testWatches(t *testing.T, a, b storage.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	heard := map[string]bool{}
	has := func(key string) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			return heard[key]
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.Watch(ctx, "cert/", func(key string) {
			mu.Lock()
			defer mu.Unlock()
			heard[key] = true
		})
	}()
	eventually(t, "Watch to begin", has(""))
	put(t, b, "cert/by-other", []byte("x"), 0)
	put(t, a, "cert/by-own", []byte("x"), 0)
	put(t, b, "other/key", []byte("x"), 0)
	l := lock(t, b, "l")
	if err := l.Put(ctx, "cert/by-lock", []byte("x"), 0); err != nil {
		t.Fatal(err)
	}
	unlock(t, l)
	for _, key := range []string{"cert/by-other", "cert/by-own", "cert/by-lock"} {
		eventually(t, "Watch to tell of "+key, has(key))
	}
	mu.Lock()
	clear(heard)
	mu.Unlock()
	if err := b.Delete(ctx, "cert/by-other"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "Watch to tell of a deletion", has("cert/by-other"))
	if has("other/key")() {
		t.Error("Watch tells of keys elsewhere")
	}
	cancel()
	select {
	case <-done:
	case <-time.After(patience):
		t.Error("Watch does not end with its context")
	}
}

func put(t *testing.T, s storage.Store, key string, value []byte, ttl time.Duration) {
	t.Helper()
	if err := s.Put(t.Context(), key, value, ttl); err != nil {
		t.Fatalf("Put(%q): %v", key, err)
	}
}

func lock(t *testing.T, s storage.Store, name string) storage.Lock {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	l, err := s.Lock(ctx, name)
	if err != nil {
		t.Errorf("Lock(%q): %v", name, err)
		return nil
	}
	return l
}

func unlock(t *testing.T, l storage.Lock) {
	t.Helper()
	if err := l.Unlock(t.Context()); err != nil {
		t.Errorf("Unlock: %v", err)
	}
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}
