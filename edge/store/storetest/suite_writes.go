package storetest

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/store"
)

func versions(t *testing.T, b *bench) {
	seen := make(map[uint64]bool)
	for i := range 20 {
		v := b.put("k", strconv.Itoa(i))
		if seen[v] {
			t.Fatalf("version %d twice", v)
		}
		seen[v] = true
		if i%3 == 0 {
			b.commit(store.Op{Key: "k", Delete: true})
			b.want(b.try(store.Op{Key: "k", Value: []byte("x"), If: store.Condition{Version: v}}), store.ErrConflict)
		}
	}
	// A second handle counts on, not anew.
	first := b.put("aba", "a")
	b.commit(store.Op{Key: "aba", Delete: true})
	other := b.another()
	if v, err := other.Commit(b.ctx, store.Batch{Ops: []store.Op{{Key: "aba", Value: []byte("a")}}}); err != nil || v == first {
		t.Fatalf("made again: version %d, %v; it was %d before", v, err, first)
	}
	b.want(b.try(store.Op{Key: "aba", Value: []byte("b"), If: store.Condition{Version: first}}), store.ErrConflict)
	b.is("aba", "a")
}

func conditions(t *testing.T, b *bench) {
	absent := store.Condition{Absent: true}
	v1 := b.commit(store.Op{Key: "k", Value: []byte("1"), If: absent})
	b.want(b.try(store.Op{Key: "k", Value: []byte("x"), If: absent}), store.ErrConflict)
	v2 := b.commit(store.Op{Key: "k", Value: []byte("2"), If: store.Condition{Version: v1}})
	b.want(b.try(store.Op{Key: "k", Value: []byte("x"), If: store.Condition{Version: v1}}), store.ErrConflict)
	b.want(b.try(store.Op{Key: "k", Delete: true, If: store.Condition{Version: v1}}), store.ErrConflict)
	b.is("k", "2")
	b.commit(store.Op{Key: "k", Delete: true, If: store.Condition{Version: v2}})
	b.is("k", "-")
	b.want(b.try(store.Op{Key: "k", Delete: true, If: store.Condition{Version: v2}}), store.ErrConflict)
	b.want(b.try(store.Op{Key: "k", Value: []byte("x"), If: store.Condition{Version: 1 << 63}}), store.ErrConflict)
	b.want(b.try(store.Op{Key: "k", Value: []byte("x"), If: store.Condition{Version: 1<<64 - 1}}), store.ErrConflict)
	b.is("k", "-")

	s := store.New(b.e, store.Options{Deadline: 20 * time.Second})
	v, err := s.CompareAndSwap(b.ctx, "cas", 0, []byte("1"), 0)
	if err != nil {
		t.Fatalf("compare and swap from nothing: %v", err)
	}
	if _, err = s.CompareAndSwap(b.ctx, "cas", v, []byte("2"), 0); err != nil {
		t.Fatalf("compare and swap: %v", err)
	}
	_, err = s.CompareAndSwap(b.ctx, "cas", v, []byte("3"), 0)
	b.want(err, store.ErrConflict)
	_, err = s.PutNew(b.ctx, "cas", []byte("3"), 0)
	b.want(err, store.ErrConflict)
	b.is("cas", "2")
}

func batchAtomic(t *testing.T, b *bench) {
	b.put("there", "old")
	for _, c := range []struct {
		name string
		bad  store.Op
	}{
		{"absent", store.Op{Key: "there", Value: []byte("x"), If: store.Condition{Absent: true}}},
		{"version", store.Op{Key: "there", Value: []byte("x"), If: store.Condition{Version: 7}}},
		{"version of nothing", store.Op{Key: "none", Value: []byte("x"), If: store.Condition{Version: 7}}},
		{"delete", store.Op{Key: "there", Delete: true, If: store.Condition{Version: 7}}},
	} {
		err := b.try(
			store.Op{Key: "a", Value: []byte("1")}, store.Op{Key: "z", Value: []byte("1")}, c.bad,
			store.Op{Key: "zz", Value: []byte("1"), TTL: time.Hour})
		if !errors.Is(err, store.ErrConflict) {
			t.Errorf("%s: got %v, want a conflict", c.name, err)
		}
		if got := b.keys("", 10); len(got) != 1 || got[0] != "there" {
			t.Fatalf("%s: after a refused batch: %q", c.name, got)
		}
		b.is("there", "old")
	}
	version := b.commit(store.Op{Key: "z", Value: []byte("1")}, store.Op{Key: "there", Delete: true},
		store.Op{Key: "a", Value: []byte("2"), If: store.Condition{Absent: true}})
	for _, key := range []string{"a", "z"} {
		if e, err := b.e.Get(b.ctx, key); err != nil || e.Version != version {
			t.Errorf("%s: %+v, %v; want version %d", key, e, err, version)
		}
	}
	b.is("there", "-")
}

func batchLargest(t *testing.T, b *bench) {
	ops := make([]store.Op, store.MaxOps)
	for i := range ops {
		ops[i] = store.Op{Key: fmt.Sprintf("%03d", i), Value: bytes.Repeat([]byte{byte(i)}, store.MaxBatch/store.MaxOps-3)}
	}
	s := store.New(b.e, store.Options{Deadline: 30 * time.Second})
	if _, err := s.Commit(b.ctx, store.Batch{Ops: ops}); err != nil {
		t.Fatal(err)
	}
	if got := b.keys("", 1000); len(got) != len(ops) {
		t.Fatalf("%d entries, want %d", len(got), len(ops))
	}
	ops[0].Value = append(ops[0].Value, 0)
	_, err := s.Commit(b.ctx, store.Batch{Ops: ops})
	b.want(err, store.ErrInvalid)
	for i := range ops {
		ops[i] = store.Op{Key: ops[i].Key, Delete: true}
	}
	if _, err := s.Commit(b.ctx, store.Batch{Ops: ops}); err != nil {
		t.Fatal(err)
	}
}

func expiry(t *testing.T, b *bench) {
	before, err := b.e.Now(b.ctx)
	if err != nil {
		t.Fatal(err)
	}
	const ttl = 400 * time.Millisecond
	b.commit(store.Op{Key: "short", Value: []byte("x"), TTL: ttl}, store.Op{Key: "long", Value: []byte("x"), TTL: time.Hour},
		store.Op{Key: "ever", Value: []byte("x")})
	b.commit(store.Op{Key: "single", Value: []byte("x"), TTL: ttl})
	b.commit(store.Op{Key: "kept", Value: []byte("x"), TTL: ttl})
	b.commit(store.Op{Key: "kept", Value: []byte("y")})
	after, err := b.e.Now(b.ctx)
	if err != nil {
		t.Fatal(err)
	}
	long, err := b.e.Get(b.ctx, "long")
	const round = 2 * time.Millisecond
	if err != nil || long.Expires.Before(before.Add(time.Hour-round)) || long.Expires.After(after.Add(time.Hour+round)) {
		t.Errorf("long: %+v, %v; want it to expire an hour after %v", long, err, before)
	}
	page, _, err := b.e.List(b.ctx, "long", "", 10)
	if err != nil || len(page) != 1 || !page[0].Expires.Equal(long.Expires) {
		t.Errorf("list: %+v, %v; want expiry %v", page, err, long.Expires)
	}
	for _, key := range []string{"short", "single"} {
		Eventually(t, key+" expires", func() bool { return b.value(b.e, key) == "-" })
	}
	now, err := b.e.Now(b.ctx)
	if err != nil || now.Before(before.Add(ttl-round)) {
		t.Errorf("expired at %v, %v; it was written after %v for %v", now, err, before, ttl)
	}
	if got := strings.Join(b.keys("", 10), " "); got != "ever kept long" {
		t.Errorf("list: %q", got)
	}
	b.is("kept", "y")
}

func expiredIsAbsent(t *testing.T, b *bench) {
	const ttl = 50 * time.Millisecond
	var old [4]uint64
	for i := range old {
		old[i] = b.commit(store.Op{Key: strconv.Itoa(i), Value: []byte("x"), TTL: ttl})
	}
	Eventually(t, "they expire", func() bool { return b.value(b.e, "3") == "-" })
	v := b.commit(store.Op{Key: "0", Value: []byte("y"), If: store.Condition{Absent: true}})
	if v == old[0] {
		t.Errorf("version %d twice", v)
	}
	b.want(b.try(store.Op{Key: "1", Value: []byte("y"), If: store.Condition{Version: old[1]}}), store.ErrConflict)
	b.want(b.try(store.Op{Key: "1", Delete: true, If: store.Condition{Version: old[1]}}), store.ErrConflict)
	b.want(b.try(store.Op{Key: "1", Value: []byte("y"), If: store.Condition{Version: old[1]}}, store.Op{Key: "o", Value: nil}), store.ErrConflict)
	b.commit(store.Op{Key: "2", Value: []byte("y"), If: store.Condition{Absent: true}}, store.Op{Key: "o", Value: []byte("z")})
	b.is("0", "y")
	b.is("1", "-")
	b.is("2", "y")
	b.is("o", "z")
	b.commit(store.Op{Key: "3", Delete: true})
	b.commit(store.Op{Key: "3", Value: []byte("y")})
	b.is("3", "y")
}

func values(t *testing.T, b *bench) {
	random := make([]byte, store.MaxValue)
	_, _ = rand.Read(random)
	for name, value := range map[string][]byte{
		"nil": nil, "empty": {}, "zeros": make([]byte, 1000), "all": random, "lines": []byte("1 2\n\r\n3\x00\xff"),
		"number": []byte("0"), "header": []byte("17 0\n"),
	} {
		b.commit(store.Op{Key: name, Value: value})
		got, err := b.e.Get(b.ctx, name)
		if err != nil || !bytes.Equal(got.Value, value) {
			t.Errorf("%s: %d bytes, %v; want %d", name, len(got.Value), err, len(value))
		}
		page, _, err := b.e.List(b.ctx, name, "", 1)
		if err != nil || len(page) != 1 || !bytes.Equal(page[0].Value, value) {
			t.Errorf("list %s: %d entries, %v", name, len(page), err)
		}
	}
}

func strangeKeys(t *testing.T, b *bench) {
	keys := []string{
		" ", "a b", "'", `"; DROP TABLE entry; --`, `\`, "%", "_", "*", "[", "(", "{x}", "}", "..", "/", "//", "-1", "+", "\u00a0",
		"\u0301", "é", "e\u0301", "\ufeff", "\ufffd", "\U0010FFFF", "NULL", "0", "k:1", "Ω", strings.Repeat("k", store.MaxKey),
		strings.Repeat("\U0010FFFF", store.MaxKey/4),
	}
	for i, key := range keys {
		b.put(key, strconv.Itoa(i))
	}
	for i, key := range keys {
		b.is(key, strconv.Itoa(i))
		page, _, err := b.e.List(b.ctx, key, "", 1)
		if err != nil || len(page) != 1 || page[0].Key != key {
			t.Errorf("list %q: %+v, %v", key, page, err)
		}
	}
	if got := b.keys("", 7); len(got) != len(keys) {
		t.Errorf("%d keys listed, want %d", len(got), len(keys))
	}
	s := store.New(b.e, store.Options{})
	for _, key := range []string{"", "a\x00b", "\n", "a\x7f", "\u0085", "\xff", "a\xc3", "\xed\xa0\x80", strings.Repeat("k", store.MaxKey+1)} {
		_, err := s.Put(b.ctx, key, nil, 0)
		b.want(err, store.ErrInvalid)
		_, err = s.Get(b.ctx, key)
		b.want(err, store.ErrInvalid)
	}
}

func twoHandles(t *testing.T, b *bench) {
	other := b.another()
	for i := range 20 {
		v := b.put("k", strconv.Itoa(i))
		got, err := other.Get(b.ctx, "k")
		if err != nil || string(got.Value) != strconv.Itoa(i) || got.Version != v {
			t.Fatalf("the other handle sees %+v, %v; want %d, version %d", got, err, i, v)
		}
	}
	if _, err := other.Commit(b.ctx, store.Batch{Ops: []store.Op{{Key: "k", Delete: true}}}); err != nil {
		t.Fatal(err)
	}
	b.is("k", "-")
}

// counters: compare-and-swap by many, over two handles, loses no increment.
func counters(t *testing.T, b *bench) {
	engines := []store.Engine{b.e, b.another()}
	const workers, each = 8, 15
	var wg sync.WaitGroup
	for w := range workers {
		e := engines[w%2]
		wg.Go(func() {
			for range each {
				if err := increment(b, e, "counter"); err != nil {
					t.Errorf("worker %d: %v", w, err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.is("counter", strconv.Itoa(workers*each))
}

// increment adds 1 to key, and to a second one in the same batch, until that works.
func increment(b *bench, e store.Engine, key string) error {
	for {
		got, err := e.Get(b.ctx, key)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		n, _ := strconv.Atoi(string(got.Value))
		_, err = e.Commit(b.ctx, store.Batch{Ops: []store.Op{{
			Key: key, Value: []byte(strconv.Itoa(n + 1)), If: store.Condition{Absent: got.Version == 0, Version: got.Version},
		}}})
		if err == nil || !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

func madeOnce(t *testing.T, b *bench) {
	engines := []store.Engine{b.e, b.another()}
	for round := range 10 {
		key := "new/" + strconv.Itoa(round)
		var wg sync.WaitGroup
		var made [8]bool
		for w := range made {
			wg.Go(func() {
				ops := []store.Op{{Key: key, Value: []byte{byte(w)}, If: store.Condition{Absent: true}}}
				if w%2 == 0 { // and in a batch
					ops = append(ops, store.Op{Key: "side/" + strconv.Itoa(round), Value: []byte{byte(w)}})
				}
				_, err := engines[w/2%2].Commit(b.ctx, store.Batch{Ops: ops})
				if err != nil && !errors.Is(err, store.ErrConflict) {
					t.Errorf("worker %d: %v", w, err)
				}
				made[w] = err == nil
			})
		}
		wg.Wait()
		n := 0
		for w, ok := range made {
			if ok {
				n++
				b.is(key, string([]byte{byte(w)}))
			}
		}
		if n != 1 {
			t.Fatalf("round %d: made %d times", round, n)
		}
	}
}

// crossing: batches over the same keys in opposite orders all end, and each is whole.
func crossing(t *testing.T, b *bench) {
	engines := []store.Engine{b.e, b.another()}
	var wg sync.WaitGroup
	for w := range 6 {
		wg.Go(func() {
			for i := range 10 {
				value := binary.BigEndian.AppendUint64(nil, uint64(w*1000+i))
				ops := []store.Op{{Key: "a", Value: value}, {Key: "m", Value: value}, {Key: "z", Value: value}}
				if w%2 == 1 {
					ops[0], ops[2] = ops[2], ops[0]
				}
				if i%5 == 4 {
					for j := range ops {
						ops[j] = store.Op{Key: ops[j].Key, Delete: true}
					}
				}
				if _, err := engines[w%2].Commit(b.ctx, store.Batch{Ops: ops}); err != nil {
					t.Errorf("worker %d: %v", w, err)
				}
			}
		})
	}
	wg.Wait()
	if a, m, z := b.value(b.e, "a"), b.value(b.e, "m"), b.value(b.e, "z"); a != m || m != z {
		t.Errorf("torn batch: %x, %x, %x", a, m, z)
	}
}
