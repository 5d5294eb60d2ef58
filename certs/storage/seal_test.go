package storage_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/weirproxy/weir/certs/certstest"
	"github.com/weirproxy/weir/certs/storage"
)

func secret(c byte) []byte { return bytes.Repeat([]byte{c}, 32) }

func seal(t testing.TB, inner storage.Store, secrets ...[]byte) storage.Store {
	t.Helper()
	s, err := storage.Seal(inner, secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t testing.TB, s storage.Store, key, value string) {
	t.Helper()
	if err := s.Put(t.Context(), key, []byte(value), 0); err != nil {
		t.Fatal(err)
	}
}

func want(t testing.TB, s storage.Store, key, value string) {
	t.Helper()
	if got, err := s.Get(t.Context(), key); err != nil || string(got) != value {
		t.Errorf("get %s: %q, %v; want %q", key, got, err, value)
	}
}

func TestSeal_HidesValuesAndReadsThemBack(t *testing.T) {
	t.Parallel()
	inner := new(certstest.MemoryStore).Node()
	s := seal(t, inner, secret(1))
	put(t, s, "cert/a", "hush")
	lock, err := s.Lock(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Put(t.Context(), "cert/b", []byte("hush"), 0); err != nil {
		t.Fatal(err)
	}
	if err := lock.Unlock(t.Context()); err != nil {
		t.Fatal(err)
	}
	var raw [][]byte
	for _, key := range []string{"cert/a", "cert/b"} {
		want(t, s, key, "hush")
		b, err := inner.Get(t.Context(), key)
		if err != nil || bytes.Contains(b, []byte("hush")) || !storage.IsSealed(b) {
			t.Errorf("the store has %q for %s, %v; want it sealed", b, key, err)
		}
		raw = append(raw, b)
	}
	if bytes.Equal(raw[0][20:], raw[1][20:]) {
		t.Error("equal values are sealed alike")
	}
	list, err := s.List(t.Context(), "cert/", "", 10)
	if err != nil || len(list) != 2 || string(list[0].Value) != "hush" || string(list[1].Value) != "hush" {
		t.Errorf("list: %q, %v", list, err)
	}
	if _, err := s.Get(t.Context(), "cert/c"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("get of nothing: %v", err)
	}
}

func TestSeal_TellsWhyAValueDoesNotOpen(t *testing.T) {
	t.Parallel()
	m := new(certstest.MemoryStore)
	inner := m.Node()
	put(t, seal(t, inner, secret(1)), "cert/x", "hush")
	put(t, inner, "cert/y", string(m.Snapshot()["cert/x"]))
	newer := bytes.Clone(m.Snapshot()["cert/x"])
	newer[12] = 2
	put(t, inner, "cert/newer", string(newer))
	put(t, inner, "cert/cut", string(newer[:20]))
	put(t, inner, "cert/bare", string(newer[:12]))
	for _, tt := range []struct {
		name  string
		store storage.Store
		key   string
		want  error
		text  string
	}{
		{"another key", seal(t, inner, secret(2)), "cert/x", storage.ErrOtherKey, "value of cert/x: it was sealed with another key than those of store.encryption_key"},
		{"no key", storage.Plain(inner), "cert/x", storage.ErrSealed, "value of cert/x: it is encrypted: give store.encryption_key"},
		{"put under another name", seal(t, inner, secret(1)), "cert/y", storage.ErrDamaged, "belongs to another key of the store"},
		{"a later form", seal(t, inner, secret(1)), "cert/newer", storage.ErrNewer, "newer weir"},
		{"cut", seal(t, inner, secret(1)), "cert/bare", storage.ErrDamaged, ""},
	} {
		_, err := tt.store.Get(t.Context(), tt.key)
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v; want %v with %q", tt.name, err, tt.want, tt.text)
		}
	}
}

func TestSeal_RefusesEveryChangedByte(t *testing.T) {
	t.Parallel()
	m := new(certstest.MemoryStore)
	inner := m.Node()
	s := seal(t, inner, secret(1))
	put(t, s, "cert/x", "hush")
	good := m.Snapshot()["cert/x"]
	for i := 12; i < len(good); i++ { // behind the magic
		bad := bytes.Clone(good)
		bad[i] ^= 1
		put(t, inner, "cert/x", string(bad))
		if got, err := s.Get(t.Context(), "cert/x"); err == nil {
			t.Errorf("byte %d changed: got %q", i, got)
		}
		put(t, inner, "cert/x", string(good[:i]))
		if got, err := s.Get(t.Context(), "cert/x"); err == nil {
			t.Errorf("cut at %d: got %q", i, got)
		}
	}
}

func TestSeal_ReadsPlainValuesAndSealsThemWithTheNextWrite(t *testing.T) {
	t.Parallel()
	m := new(certstest.MemoryStore)
	inner := m.Node()
	put(t, storage.Plain(inner), "account/x", "{}")
	s := seal(t, inner, secret(1))
	want(t, s, "account/x", "{}")
	put(t, s, "account/x", "{}")
	if b := m.Snapshot()["account/x"]; !storage.IsSealed(b) {
		t.Errorf("after a write: %q", b)
	}
}

func TestSeal_OpensWithOlderKeysAndSealsWithTheFirst(t *testing.T) {
	t.Parallel()
	inner := new(certstest.MemoryStore).Node()
	put(t, seal(t, inner, secret(1)), "cert/old", "one")
	both := seal(t, inner, secret(2), secret(1))
	want(t, both, "cert/old", "one")
	put(t, both, "cert/new", "two")
	want(t, seal(t, inner, secret(2)), "cert/new", "two")
}

func TestSeal_ListsWhatDoesNotOpenAsItIs(t *testing.T) {
	t.Parallel()
	inner := new(certstest.MemoryStore).Node()
	put(t, seal(t, inner, secret(1)), "cert/a", "one")
	s := seal(t, inner, secret(2))
	put(t, s, "cert/b", "two")
	list, err := s.List(t.Context(), "cert/", "", 10)
	if err != nil || len(list) != 2 || !storage.IsSealed(list[0].Value) || string(list[1].Value) != "two" {
		t.Fatalf("list: %q, %v", list, err)
	}
	for _, s := range []storage.Store{s, storage.Plain(inner)} {
		if err := s.Put(t.Context(), "cert/a", list[0].Value, 0); err == nil {
			t.Error("a sealed value is sealed once more")
		}
	}
}

func TestSeal_RefusesShortSecrets(t *testing.T) {
	t.Parallel()
	inner := new(certstest.MemoryStore).Node()
	if _, err := storage.Seal(inner); err == nil {
		t.Error("no key: no error")
	}
	if _, err := storage.Seal(inner, secret(1), []byte("short")); err == nil || strings.Contains(err.Error(), "short\"") {
		t.Errorf("short key: %v", err)
	}
}

func FuzzSeal_Get(f *testing.F) {
	m := new(certstest.MemoryStore)
	inner := m.Node()
	s := seal(f, inner, secret(1))
	put(f, s, "cert/x", "hush")
	f.Add(m.Snapshot()["cert/x"])
	f.Add([]byte("\x00weir sealed"))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := inner.Put(context.Background(), "cert/x", b, 0); err != nil {
			t.Fatal(err)
		}
		got, err := s.Get(context.Background(), "cert/x")
		if err == nil && storage.IsSealed(b) && string(got) != "hush" {
			t.Errorf("%q opens to %q", b, got)
		}
		if !storage.IsSealed(b) && !bytes.Equal(got, b) {
			t.Errorf("plain %q is read as %q, %v", b, got, err)
		}
	})
}
