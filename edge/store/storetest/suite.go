package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/store"
)

// Handles opens one more handle to a store, as another node would.
type Handles func() store.Engine

// Run runs the suite of what engines promise. fresh makes a new, empty store each time
// it is called; handles are closed by the suite.
func Run(t *testing.T, fresh func(t *testing.T) Handles) {
	for _, c := range []struct {
		name string
		test func(*testing.T, *bench)
	}{
		{"GetReturnsWhatWasPut", getReturnsWhatWasPut},
		{"MissingKeyIsErrNotExist", missingKey},
		{"ListIsInTheOrderOfBytes", listOrder},
		{"ListGoesOnBehindAKey", listPages},
		{"ListCutsPagesOfLargeValues", listLarge},
		{"DeleteOfNothingIsNoError", deleteNothing},
		{"VersionsAreNotUsedAgain", versions},
		{"ConditionsHoldOrNothingIsWritten", conditions},
		{"BatchIsWholeOrNothing", batchAtomic},
		{"BatchesOfTheLargestSize", batchLargest},
		{"ValuesExpire", expiry},
		{"AnExpiredKeyIsAbsent", expiredIsAbsent},
		{"LargeAndEmptyValues", values},
		{"StrangeKeys", strangeKeys},
		{"TwoHandlesSeeEachOther", twoHandles},
		{"CountersLoseNothing", counters},
		{"NewKeysAreMadeOnce", madeOnce},
		{"CrossingBatchesEnd", crossing},
		{"LeaseHasOneHolder", leaseExclusive},
		{"LeaseCanBeAskedForAgain", leaseAgain},
		{"LeaseExpires", leaseExpires},
		{"LeaseIsExtended", leaseExtended},
		{"FencesGrow", fencesGrow},
		{"FencedCommitIsRefused", fencedCommit},
		{"LateReleaseHarmsNobody", lateRelease},
		{"LocksExclude", locksExclude},
		{"LockKeepsItselfAlive", lockKeeps},
		{"LockIsLost", lockLost},
		{"ReleaseAllFreesLocks", releaseAll},
		{"CancelledContextEnds", cancelled},
		{"WatchTellsChanges", watchTells},
		{"WatchKeepsToItsPrefix", watchPrefix},
		{"WatchMissesNothing", watchAll},
		{"ClockIsNow", clockIsNow},
		{"ExportComesBack", exportComesBack},
		{"CheckFindsAllWell", checkWell},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, newBench(t, fresh(t)))
		})
	}
}

// bench is what one test works at: an engine, and a way to more of them.
type bench struct {
	*testing.T
	ctx  context.Context
	e    store.Engine
	open Handles
}

func newBench(t *testing.T, open Handles) *bench {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	b := &bench{T: t, ctx: ctx, open: open}
	b.e = b.another()
	return b
}

func (b *bench) another() store.Engine {
	b.Helper()
	e := b.open()
	b.Cleanup(func() {
		if err := e.Close(); err != nil {
			b.Errorf("close: %v", err)
		}
	})
	return e
}

// store returns a store on a handle of its own.
func (b *bench) store(lease time.Duration) *store.Store {
	s := store.New(b.open(), store.Options{Deadline: 20 * time.Second, Lease: lease})
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Errorf("close: %v", err)
		}
	})
	return s
}

func (b *bench) put(key, value string) uint64 {
	b.Helper()
	return b.commit(store.Op{Key: key, Value: []byte(value)})
}

func (b *bench) commit(ops ...store.Op) uint64 {
	b.Helper()
	version, err := b.e.Commit(b.ctx, store.Batch{Ops: ops})
	if err != nil {
		b.Fatalf("commit %q: %v", ops[0].Key, err)
	}
	if version == 0 {
		b.Fatalf("commit %q: version 0", ops[0].Key)
	}
	return version
}

// try commits and returns the error.
func (b *bench) try(ops ...store.Op) error {
	_, err := b.e.Commit(b.ctx, store.Batch{Ops: ops})
	return err
}

func (b *bench) want(err, target error) {
	b.Helper()
	if !errors.Is(err, target) {
		b.Fatalf("got error %v, want %v", err, target)
	}
}

// value returns the value of key, "-" if there is none.
func (b *bench) value(e store.Engine, key string) string {
	b.Helper()
	got, err := e.Get(b.ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return "-"
	}
	if err != nil {
		b.Fatalf("get %q: %v", key, err)
	}
	return string(got.Value)
}

func (b *bench) is(key, want string) {
	b.Helper()
	if got := b.value(b.e, key); got != want {
		b.Fatalf("value of %q: got %q, want %q", key, got, want)
	}
}

// keys lists everything below prefix, in pages of that many.
func (b *bench) keys(prefix string, limit int) []string {
	b.Helper()
	var all []string
	after := ""
	for {
		page, more, err := b.e.List(b.ctx, prefix, after, limit)
		if err != nil {
			b.Fatalf("list %q: %v", prefix, err)
		}
		if len(page) > limit {
			b.Fatalf("list %q: %d entries, limit %d", prefix, len(page), limit)
		}
		for _, e := range page {
			all = append(all, e.Key)
			after = e.Key
		}
		if len(page) < limit && !more || len(page) == 0 {
			return all
		}
	}
}

func getReturnsWhatWasPut(t *testing.T, b *bench) {
	version := b.put("a/b", "one")
	got, err := b.e.Get(b.ctx, "a/b")
	if err != nil || got.Key != "a/b" || string(got.Value) != "one" || got.Version != version || !got.Expires.IsZero() {
		t.Fatalf("got %+v, %v; want a/b, one, version %d, no expiry", got, err, version)
	}
	got.Value[0] = 'X' // the caller's to change
	b.is("a/b", "one")
	second := b.put("a/b", "two")
	b.is("a/b", "two")
	if second == version {
		t.Fatalf("version %d twice", version)
	}
}

func missingKey(t *testing.T, b *bench) {
	_, err := b.e.Get(b.ctx, "nothing")
	b.want(err, store.ErrNotFound)
	_, err = store.New(b.e, store.Options{}).Get(b.ctx, "nothing")
	b.want(err, store.ErrNotFound)
	if !strings.Contains(err.Error(), `"nothing"`) {
		t.Errorf("error %q does not name the key", err)
	}
}

func listOrder(t *testing.T, b *bench) {
	keys := []string{"a", "a/", "a/1", "a/10", "a/2", "a/B", "a/b", "a/b/c", "a/ä", "a/\u20ac", "a/\U0001F600", "a/\U0010FFFF", "a0", "b", "ä"}
	for _, i := range []int{7, 3, 11, 0, 14, 5, 9, 1, 13, 2, 6, 4, 10, 8, 12} {
		b.put(keys[i], "x")
	}
	if got := b.keys("", 100); !slices.Equal(got, keys) {
		t.Errorf("list of all:\n got %q\nwant %q", got, keys)
	}
	for _, prefix := range []string{"a", "a/", "a/b", "a/ä", "a/\U0010FFFF", "b", "c", "a/1"} {
		var want []string
		for _, k := range keys {
			if strings.HasPrefix(k, prefix) {
				want = append(want, k)
			}
		}
		if got := b.keys(prefix, 100); !slices.Equal(got, want) {
			t.Errorf("list of %q:\n got %q\nwant %q", prefix, got, want)
		}
		if got := b.keys(prefix, 2); !slices.Equal(got, want) {
			t.Errorf("list of %q by twos:\n got %q\nwant %q", prefix, got, want)
		}
	}
}

func listPages(t *testing.T, b *bench) {
	for i := range 25 {
		b.put(fmt.Sprintf("k%02d", i), fmt.Sprint(i))
	}
	for _, c := range []struct {
		prefix, after string
		limit         int
		first, last   string
		n             int
	}{
		{"k", "", 10, "k00", "k09", 10},
		{"k", "k09", 10, "k10", "k19", 10},
		{"k", "k19", 10, "k20", "k24", 5},
		{"k", "k24", 10, "", "", 0},
		{"k", "k1", 3, "k10", "k12", 3}, // after need not be there
		{"k1", "a", 3, "k10", "k12", 3}, // and may lie before the prefix
		{"k1", "z", 3, "", "", 0},       // or behind
		{"k", "k05", 1, "k06", "k06", 1},
	} {
		page, _, err := b.e.List(b.ctx, c.prefix, c.after, c.limit)
		if err != nil || len(page) != c.n {
			t.Errorf("list %q after %q: %d entries, %v; want %d", c.prefix, c.after, len(page), err, c.n)
			continue
		}
		if c.n > 0 && (page[0].Key != c.first || page[c.n-1].Key != c.last) {
			t.Errorf("list %q after %q: %s to %s, want %s to %s", c.prefix, c.after, page[0].Key, page[c.n-1].Key, c.first, c.last)
		}
		for _, e := range page {
			if want := strings.TrimLeft(e.Key[1:], "0"); string(e.Value) != want && string(e.Value) != "0" || e.Version == 0 {
				t.Errorf("list: entry %+v", e)
			}
		}
	}
}

func listLarge(t *testing.T, b *bench) {
	value := []byte(strings.Repeat("x", store.MaxValue))
	var want []string
	for i := range 7 {
		key := fmt.Sprintf("large/%d", i)
		b.commit(store.Op{Key: key, Value: value})
		want = append(want, key)
	}
	page, more, err := b.e.List(b.ctx, "large/", "", 100)
	if err != nil || !more || len(page) == 0 || len(page) > 5 {
		t.Fatalf("first page of 7 MiB: %d entries, more %v, %v; want a few, and more", len(page), more, err)
	}
	if got := b.keys("large/", 100); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	s := store.New(b.e, store.Options{Deadline: 20 * time.Second})
	all, err := s.List(b.ctx, "large/", "", 100)
	if err != nil || len(all) != 7 {
		t.Errorf("list of the store: %d entries, %v; want 7", len(all), err)
	}
	n := 0
	for e, err := range s.All(b.ctx, "large/") {
		if err != nil || len(e.Value) != store.MaxValue {
			t.Fatalf("all: %d bytes, %v", len(e.Value), err)
		}
		n++
	}
	if n != 7 {
		t.Errorf("all: %d entries, want 7", n)
	}
}

func deleteNothing(_ *testing.T, b *bench) {
	b.commit(store.Op{Key: "none", Delete: true})
	b.put("some", "x")
	b.commit(store.Op{Key: "none", Delete: true}, store.Op{Key: "some", Delete: true})
	b.is("some", "-")
	if got := b.keys("", 10); len(got) != 0 {
		b.Errorf("list: %q, want nothing", got)
	}
}

func clockIsNow(t *testing.T, b *bench) {
	first, err := b.e.Now(b.ctx)
	if err != nil || time.Since(first).Abs() > time.Minute {
		t.Fatalf("clock says %v, %v", first, err)
	}
	Eventually(t, "the clock goes on", func() bool {
		second, err := b.e.Now(b.ctx)
		return err == nil && second.After(first)
	})
}

func cancelled(t *testing.T, b *bench) {
	b.put("k", "x")
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	l := store.Lease{Name: "l", Holder: "h", Fence: 1}
	s := store.New(b.e, store.Options{})
	for name, f := range map[string]func() error{
		"get":  func() error { _, err := b.e.Get(ctx, "k"); return err },
		"list": func() error { _, _, err := b.e.List(ctx, "k", "", 10); return err },
		"commit": func() error {
			_, err := b.e.Commit(ctx, store.Batch{Ops: []store.Op{{Key: "k", Delete: true}}})
			return err
		},
		"acquire": func() error { _, err := b.e.Acquire(ctx, "l", "h", time.Minute); return err },
		"extend":  func() error { return b.e.Extend(ctx, l, time.Minute) },
		"watch":   func() error { return b.e.Watch(ctx, "", func(string) {}) },
		"inspect": func() error { _, err := b.e.Inspect(ctx); return err },
		"store":   func() error { _, err := s.Get(ctx, "k"); return err },
		"lock":    func() error { _, err := s.Lock(ctx, "l"); return err },
	} {
		if err := f(); err == nil {
			t.Errorf("%s: no error", name)
		} else if (name == "store" || name == "lock") && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want that it was cancelled", name, err)
		}
	}
	b.is("k", "x")
	if _, err := b.e.Acquire(b.ctx, "l", "other", time.Minute); err != nil {
		t.Errorf("acquire after: %v", err)
	}
}
