package services

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

// fields makes fields of texts and numbers.
func fields(all ...any) (b []byte) {
	for _, a := range all {
		switch a := a.(type) {
		case string:
			b = ext.Append(b, a)
		case int:
			b = ext.AppendUint(b, uint64(a))
		case uint64:
			b = ext.AppendUint(b, a)
		}
	}
	return b
}

// rig is the services of a plugin.
type rig struct {
	testing.TB
	*Services
}

func newRig(t testing.TB, o Options, p Plugin) rig {
	t.Helper()
	s, err := New(o).Of(p)
	if err != nil {
		t.Fatal(err)
	}
	return rig{t, s}
}

// ask calls a function and expects a status.
func (r rig) ask(want abi.Status, name string, args ...any) (ext.Fields, error) {
	r.Helper()
	answer, st, err := r.Call(r.Context(), name, fields(args...))
	if st != want || (err == nil) != (want == abi.OK) {
		r.Fatalf("%s(%.200q): got status %d, %v; want %d", name, args, st, err, want)
	}
	return ext.Read(answer), err
}

// broken is a store that says what it is told to, and notes which key it was asked for.
type broken struct {
	err  error
	list []Entry
	keys *[]string
}

func (b broken) note(key string) {
	if b.keys != nil {
		*b.keys = append(*b.keys, key)
	}
}

func (b broken) Get(_ context.Context, key string) (Entry, error) { b.note(key); return Entry{}, b.err }

func (b broken) Put(_ context.Context, key string, _ []byte, _ time.Duration, _ uint64) (uint64, error) {
	b.note(key)
	return 1, b.err
}

func (b broken) Delete(_ context.Context, key string, _ uint64) error { b.note(key); return b.err }

func (b broken) List(_ context.Context, prefix, after string, _ int) iter.Seq2[Entry, error] {
	b.note(prefix)
	b.note(after)
	return func(yield func(Entry, error) bool) {
		for _, e := range b.list {
			if !yield(e, nil) {
				return
			}
		}
		if b.err != nil {
			yield(Entry{}, b.err)
		}
	}
}

func TestCall_SaysWhyAStoreGivesNoAnswer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want abi.Status
	}{
		{errors.New("the disk is on fire"), abi.InternalFailure},
		{context.DeadlineExceeded, abi.InternalFailure},
		{ErrNotFound, abi.NotFound},
		{ErrChanged, abi.CASMismatch},
	} {
		r := newRig(t, Options{Store: broken{err: tt.err}}, Plugin{Space: "p"})
		for _, call := range []struct {
			name string
			args []any
		}{
			{ext.StoreGet, []any{"", "k"}},
			{ext.StorePut, []any{"", "k", "v", 0, uint64(ext.Any)}},
			{ext.StoreDelete, []any{"", "k", uint64(ext.Any)}},
			{ext.StoreList, []any{"", "k", "", 1}},
		} {
			_, err := r.ask(tt.want, call.name, call.args...)
			if !errors.Is(err, tt.err) || !strings.Contains(err.Error(), `"k"`) || strings.Contains(err.Error(), guestsPrefix) {
				t.Errorf("%s: %v", call.name, err)
			}
		}
	}
	r := newRig(t, Options{}, Plugin{Space: "p", Keys: []Key{{Name: "k"}}})
	r.ask(abi.InternalFailure, ext.StoreGet, "", "k")
	r.ask(abi.InternalFailure, ext.Sign, "k", "message")
}

func TestSecurity_W12_WhatIsNotGrantedIsDenied(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{Store: broken{}}, Plugin{Space: "p", Store: []string{"shared"}, Keys: []Key{{Name: "k", Secret: []byte(strings.Repeat("s", 32))}}})
	r.ask(abi.OK, ext.StoreGet, "", "k")
	r.ask(abi.OK, ext.StoreGet, "p", "k")
	r.ask(abi.OK, ext.StoreGet, "shared", "k")
	for _, call := range []struct {
		name, hint string
		args       []any
	}{
		{ext.StoreGet, "grants: {store: [users]}", []any{"users", "k"}},
		{ext.StorePut, "grants: {store: [users]}", []any{"users", "k", "v", 0, 0}},
		{ext.StoreDelete, "grants: {store: [users]}", []any{"users", "k", 0}},
		{ext.StoreList, "grants: {store: [users]}", []any{"users", "", "", 1}},
		{ext.Sign, "grants: {keys: {session: auto}}", []any{"session", "m"}},
		{ext.Verify, "grants: {keys: {session: auto}}", []any{"session", "m", "s"}},
	} {
		if _, err := r.ask(ext.Denied, call.name, call.args...); !strings.Contains(err.Error(), call.hint) {
			t.Errorf("%s: %v, want %q in it", call.name, err, call.hint)
		}
	}
}

func TestCall_RefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{Store: broken{}}, Plugin{Space: "p", Keys: []Key{{Name: "k", Secret: []byte(strings.Repeat("s", 32))}}})
	long := strings.Repeat("k", mostKey+1)
	hundredYears := int(mostLife / time.Millisecond)
	r.ask(abi.OK, ext.StorePut, "", long[:mostKey], strings.Repeat("v", mostValue), hundredYears, 0)
	r.ask(abi.OK, ext.StoreList, "", long[:mostKey], long[:mostKey], mostList)
	for _, call := range []struct {
		name string
		args []any
	}{
		{ext.StoreGet, nil},
		{ext.StoreGet, []any{"", "k", "more"}},
		{ext.StoreGet, []any{"", ""}},
		{ext.StoreGet, []any{"", long}},
		{ext.StoreGet, []any{"", "\xff"}},
		{ext.StoreGet, []any{"", "a\x00"}},
		{ext.StoreGet, []any{"", "a\u0085"}},
		{ext.StorePut, []any{"", "k", strings.Repeat("v", mostValue+1), 0, 0}},
		{ext.StorePut, []any{"", "k", "v", hundredYears + 1, 0}},
		{ext.StorePut, []any{"", "k", "v", uint64(1<<64 - 1), 0}},
		{ext.StorePut, []any{"", "k", "v", "0", 0}},
		{ext.StoreDelete, []any{"", "k"}},
		{ext.StoreList, []any{"", long, "", 1}},
		{ext.StoreList, []any{"", "", "\n", 1}},
		{ext.StoreList, []any{"", "", "", 0}},
		{ext.StoreList, []any{"", "", "", mostList + 1}},
		{ext.StoreList, []any{"", "", "", uint64(1<<64 - 1)}},
		{ext.PasswordHash, []any{strings.Repeat("p", mostPassword+1)}},
		{ext.PasswordHash, nil},
		{ext.PasswordVerify, []any{"hash"}},
		{ext.PasswordVerify, []any{"hash", "password"}},
		{ext.Sign, []any{"k"}},
		{ext.Sign, []any{"k", strings.Repeat("m", mostMessage+1)}},
		{ext.Verify, []any{"k", "m"}},
	} {
		if _, err := r.ask(abi.BadArgument, call.name, call.args...); len(err.Error()) > 300 {
			t.Errorf("%s: a message of %d bytes", call.name, len(err.Error()))
		}
	}
	if r.Has("weir.store") || !r.Has(ext.StoreGet) {
		t.Error("Has tells of what there is not")
	}
	if _, st, err := r.Call(t.Context(), "weir.store", nil); st != abi.NotFound || err == nil {
		t.Errorf("no function: %d, %v", st, err)
	}
}

func TestStoreList_EndsBeforeItIsTooMuch(t *testing.T) {
	t.Parallel()
	var list []Entry
	for range 40 {
		list = append(list, Entry{Key: "guests/p/k", Value: make([]byte, mostValue), Version: 7})
	}
	r := newRig(t, Options{Store: broken{list: list}}, Plugin{Space: "p"})
	count := func(want int) (n int) {
		f, _ := r.ask(abi.OK, ext.StoreList, "", "", "", want)
		for ; f.More(); n++ {
			if key, value, version := f.Text(), f.Bytes(), f.Uint(); key != "k" || len(value) != mostValue || version != 7 {
				t.Fatalf("got %q, %d bytes, %d", key, len(value), version)
			}
		}
		if f.End() != nil {
			t.Fatal(f.End())
		}
		return n
	}
	if n := count(mostList); n != mostListed/mostValue-1 {
		t.Errorf("got %d entries", n)
	}
	if n := count(3); n != 3 { // the store may give more
		t.Errorf("got %d entries, want 3", n)
	}
}

func TestSecurity_W12_SpacesNeverOverlap(t *testing.T) {
	t.Parallel()
	var keys []string
	long := strings.Repeat("l", 100)
	names := []string{"a", "ab", "a/b", "a%2fb", "a.wasm", "a~", "A", ".", "..", "ä", "\xff", long, long + "x", long[:longestSpace], escape(long)}
	seen := map[string]string{}
	for _, name := range names {
		r := newRig(t, Options{Store: broken{keys: &keys}}, Plugin{Space: name})
		keys = keys[:0]
		r.ask(abi.OK, ext.StoreGet, "", "k/../../b")
		r.ask(abi.OK, ext.StoreList, "", "", "", 1)
		prefix := keys[1]
		if keys[0] != prefix+"k/../../b" || strings.Count(prefix, "/") != 2 || len(prefix) > len(guestsPrefix)+longestSpace+1 || checkKey(prefix) != nil {
			t.Errorf("%q: keys %q", name, keys)
		}
		if other, ok := seen[prefix]; ok {
			t.Errorf("%q and %q are both %q", name, other, prefix)
		}
		seen[prefix] = name
	}
	if !slices.Contains(keys, guestsPrefix+escape(escape(long))+"/") {
		t.Errorf("keys %q", keys)
	}
}

func FuzzCall(f *testing.F) {
	names := []string{ext.StoreGet, ext.StorePut, ext.StoreDelete, ext.StoreList, ext.Sign, ext.Verify}
	f.Add(0, fields("", "k"))
	f.Add(1, fields("", "k", "v", 5, 0))
	f.Add(3, fields("p", "k", "", 1000))
	f.Add(5, fields("k", "m", "s"))
	b := New(Options{Store: broken{list: []Entry{{Key: "guests/p/k", Version: 1}}}})
	s, err := b.Of(Plugin{Space: "p", Keys: []Key{{Name: "k", Secret: []byte(strings.Repeat("s", 32))}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, i int, argument []byte) {
		name := names[uint(i)%uint(len(names))]
		answer, st, err := s.Call(t.Context(), name, argument)
		if (st == abi.OK) != (err == nil) || err != nil && answer != nil {
			t.Errorf("%s(%q): %q, %d, %v", name, argument, answer, st, err)
		}
	})
}
