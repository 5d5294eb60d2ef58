package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/certs/storage"
	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/edge/store"
	"github.com/weirproxy/weir/sdk/abi/ext"
	"github.com/weirproxy/weir/wasmhost/services"
)

// storeFor returns the store of a configuration as guests see it.
func storeFor(t *testing.T, text string) guestStore {
	t.Helper()
	c, err := config.Parse("weir.yaml", []byte(text+"\nsites: {localhost: {respond: 200}}"), config.Options{Dir: t.TempDir(), Env: os.LookupEnv, ReadFile: os.ReadFile})
	if err != nil {
		t.Fatal(err)
	}
	a := newAuthorities(quiet())
	t.Cleanup(a.close)
	return guestStore{certs: a, c: c}
}

const ownStore = "store: {url: 'sqlite:./weir.db', timeout: 20s}"

func TestGuestStore_WritesWhereTheVersionIsTheWantedOne(t *testing.T) {
	t.Parallel()
	g := storeFor(t, ownStore)
	ctx := t.Context()
	put := func(key string, wanted uint64) error {
		_, err := g.Put(ctx, key, []byte("v"), 0, wanted)
		return err
	}
	version, err := g.Put(ctx, "k", []byte("first"), 0, ext.Absent)
	if err != nil || version == ext.Absent || version == ext.Any {
		t.Fatalf("version %d, %v", version, err)
	}
	if e, err := g.Get(ctx, "k"); err != nil || e.Key != "k" || string(e.Value) != "first" || e.Version != version {
		t.Errorf("got %+v, %v", e, err)
	}
	for _, tt := range []struct {
		name      string
		got, want error
	}{
		{"absent, of one that is there", put("k", ext.Absent), services.ErrChanged},
		{"another version", put("k", version+1), services.ErrChanged},
		{"a version of one that is not there", put("none", version), services.ErrChanged},
		{"its version", put("k", version), nil},
		{"its version of before", put("k", version), services.ErrChanged},
		{"any", put("k", ext.Any), nil},
		{"any, of one that is not there", put("new", ext.Any), nil},
		{"delete with another version", g.Delete(ctx, "k", version), services.ErrChanged},
		{"delete what must not be there", g.Delete(ctx, "k", ext.Absent), services.ErrChanged},
		{"delete any", g.Delete(ctx, "k", ext.Any), nil},
		{"delete any, of one that is not there", g.Delete(ctx, "k", ext.Any), nil},
		{"delete a version of one that is not there", g.Delete(ctx, "k", version), nil},
		{"delete what is not there", g.Delete(ctx, "k", ext.Absent), nil},
	} {
		if !errors.Is(tt.got, tt.want) || tt.want == nil && tt.got != nil {
			t.Errorf("%s: got %v, want %v", tt.name, tt.got, tt.want)
		}
	}
	if _, err := g.Get(ctx, "k"); !errors.Is(err, services.ErrNotFound) {
		t.Errorf("of what was deleted: %v", err)
	}
}

func TestGuestStore_ListsInPages(t *testing.T) {
	t.Parallel()
	g := storeFor(t, ownStore)
	const all = 2*fewEntries + 3
	for i := range all {
		if _, err := g.Put(t.Context(), fmt.Sprintf("a/%03d", i), nil, 0, ext.Any); err != nil {
			t.Fatal(err)
		}
	}
	for _, other := range []string{"a", "b"} {
		if _, err := g.Put(t.Context(), other, nil, 0, ext.Any); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		after       string
		most, count int
		first       string
	}{{"", 1000, all, "a/000"}, {"", fewEntries, fewEntries, "a/000"}, {"", fewEntries + 1, fewEntries + 1, "a/000"}, {"a/001", 1, 1, "a/002"}, {"a/129", 1000, 1, "a/130"}, {"a/130", 1000, 0, ""}} {
		n, last := 0, ""
		for e, err := range g.List(t.Context(), "a/", tt.after, tt.most) {
			if err != nil || e.Key <= last || n == 0 && e.Key != tt.first {
				t.Fatalf("got %q after %q: %v", e.Key, last, err)
			}
			n, last = n+1, e.Key
		}
		if n != tt.count {
			t.Errorf("%d after %q: got %d, want %d", tt.most, tt.after, n, tt.count)
		}
	}
	for e, err := range g.List(t.Context(), "a/\n", "", 1) {
		if !errors.Is(err, store.ErrInvalid) {
			t.Errorf("got %+v, %v", e, err)
		}
	}
}

// hangs is an engine that answers nothing.
type hangs struct{ store.Engine }

func (hangs) Get(ctx context.Context, _ string) (store.Entry, error) {
	<-ctx.Done()
	return store.Entry{}, ctx.Err()
}

func (hangs) Commit(ctx context.Context, _ store.Batch) (uint64, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

func (hangs) List(ctx context.Context, _, _ string, _ int) ([]store.Entry, bool, error) {
	<-ctx.Done()
	return nil, false, ctx.Err()
}

func (hangs) Close() error { return nil }

// What an engine does not answer, guests are told in time.
func TestGuestStore_NeverHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAuthorities(quiet())
		defer a.close()
		g := guestStore{certs: a, c: &config.Config{Store: &config.Store{}}}
		a.opened.store = store.New(hangs{}, store.Options{Deadline: time.Second})
		began := time.Now()
		_, get := g.Get(t.Context(), "k")
		_, put := g.Put(t.Context(), "k", nil, 0, ext.Any)
		_, secret := g.Secret(t.Context(), "p/k")
		var list error
		for _, err := range g.List(t.Context(), "", "", 1) {
			list = err
		}
		for _, err := range []error{get, put, secret, g.Delete(t.Context(), "k", ext.Any), list} {
			if !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("got %v", err)
			}
		}
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestGuestStore_OpensNothingToLookOrToEnd(t *testing.T) {
	t.Parallel()
	g := storeFor(t, ownStore)
	g.dry = true
	if _, err := g.Get(t.Context(), "k"); !errors.Is(err, errDryStore) {
		t.Errorf("got %v", err)
	}
	if _, err := g.Secret(t.Context(), "k"); !errors.Is(err, errDryStore) {
		t.Errorf("got %v", err)
	}
	g.dry = false
	g.certs.close()
	if _, err := g.Get(t.Context(), "k"); !errors.Is(err, store.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
	if left, err := os.ReadDir(g.c.Dir); err != nil || len(left) != 0 {
		t.Errorf("made %v, %v", left, err)
	}
}

// One that cannot be opened is not tried with every call of a guest, but again.
func TestOpenedStore_IsTriedAgain(t *testing.T) {
	t.Parallel()
	g := storeFor(t, ownStore)
	var log bytes.Buffer
	g.certs.opened.log = slog.New(slog.NewTextHandler(&log, nil))
	path := filepath.Join(g.c.Dir, "weir.db")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	_, first := g.Get(t.Context(), "k")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	_, again := g.Get(t.Context(), "k")
	if first == nil || !errors.Is(again, first) {
		t.Fatalf("got %v, then %v", first, again)
	}
	if strings.Count(log.String(), "guests have no store") != 1 {
		t.Errorf("logged:\n%s", log.String())
	}
	g.certs.opened.failed = time.Now().Add(-sulk)
	if _, err := g.Get(t.Context(), "k"); !errors.Is(err, services.ErrNotFound) {
		t.Errorf("a while later: %v", err)
	}
	if v := g.certs.view(); v.store == nil || v.engine != "sqlite" || v.place != path {
		t.Errorf("admin and metrics see %+v", v)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	other := newOpenedStore(quiet())
	other.turn <- struct{}{}
	if _, err := other.open(ctx, g.c); !errors.Is(err, context.Canceled) {
		t.Errorf("who has gone got %v", err)
	}
}

func TestGuestStore_MakesASecretOnce(t *testing.T) {
	t.Parallel()
	for name, conf := range map[string]string{
		"plain":  ownStore,
		"sealed": "store: {url: 'sqlite:./weir.db', timeout: 20s, encryption_key: '${WEIR_TEST_KEY:-" + strings.Repeat("0123456789abcdef", 4) + "}'}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := storeFor(t, conf)
			var mu sync.Mutex
			all := map[string]bool{}
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					secret, err := g.Secret(t.Context(), "p/session")
					mu.Lock()
					defer mu.Unlock()
					if all[string(secret)] = true; err != nil || len(secret) != secretBytes {
						t.Errorf("got %d bytes, %v", len(secret), err)
					}
				})
			}
			wg.Wait()
			if len(all) != 1 {
				t.Errorf("there are %d secrets", len(all))
			}
			if other, err := g.Secret(t.Context(), "q/session"); err != nil || all[string(other)] {
				t.Errorf("another plugin has the same, %v", err)
			}
			s, err := g.open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			e, err := s.Get(t.Context(), "keys/p/session")
			if err != nil || storage.IsSealed(e.Value) != (name == "sealed") {
				t.Errorf("kept %q, %v", e.Value, err)
			}
			if _, err := s.Put(t.Context(), "keys/q/session", e.Value, 0); err != nil {
				t.Fatal(err)
			}
			if moved, err := g.Secret(t.Context(), "q/session"); name == "sealed" && !errors.Is(err, storage.ErrDamaged) {
				t.Errorf("one plugin's was put under another's name: %x, %v", moved, err)
			}
			g.c.Store.Keys = nil
			if _, err := g.Secret(t.Context(), "p/session"); name == "sealed" && !errors.Is(err, storage.ErrSealed) {
				t.Errorf("without a key: %v", err)
			}
			for _, bad := range []string{"", "short", strings.Repeat("!", 44)} {
				if _, err := s.Put(t.Context(), "keys/p/session", []byte(bad), 0); err != nil {
					t.Fatal(err)
				}
				if _, err := g.Secret(t.Context(), "p/session"); !errors.Is(err, store.ErrDamaged) {
					t.Errorf("of %q: %v", bad, err)
				}
			}
		})
	}
}

// Keys are encrypted with those of certificates, by weir store encrypt, too.
func TestStore_EncryptsKeysOfGuests(t *testing.T) {
	t.Parallel()
	g := storeFor(t, ownStore)
	secret, err := g.Secret(t.Context(), "p/session")
	if err != nil {
		t.Fatal(err)
	}
	g.c.Store.Keys = []config.StoreKey{{Bytes: bytes.Repeat([]byte{7}, 32)}}
	s, err := g.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	shelf := &shelf{store: s, c: g.c}
	for _, want := range []encrypted{{Done: 1}, {Before: 1}} {
		if n, err := shelf.encrypt(t.Context()); err != nil || n != want {
			t.Errorf("got %+v, %v; want %+v", n, err, want)
		}
	}
	e, err := s.Get(t.Context(), "keys/p/session")
	if err != nil || !storage.IsSealed(e.Value) {
		t.Errorf("kept %q, %v", e.Value, err)
	}
	if again, err := g.Secret(t.Context(), "p/session"); err != nil || !bytes.Equal(again, secret) {
		t.Errorf("it became another: %v", err)
	}
}

// What cannot be asked for is no grant, and a key has to be one.
func TestBuild_RefusesGrantsThatAreNone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "p.wasm", string(stamp("p")))
	w := dryWorld()
	defer w.close()
	for grants, want := range map[string]string{
		"{store: [other]}":                     "p.wasm: it speaks http-wasm, which has no way to ask for the store or a key",
		"{keys: {k: auto}}":                    "p.wasm: it speaks http-wasm, which has no way to ask for the store or a key",
		"{keys: {k: {secret: '[redacted]'}}}":  `use key "k": a secret of 10 bytes: it has 32 at least`,
		"{keys: {k: {ed25519: '[redacted]'}}}": `use key "k": a seed of 10 bytes: it has 32`,
	} {
		err := builtBy(t, w, dir, "listen: {http: ':0'}\nlog: off\nplugins: {p: {wasm: p.wasm, grants: "+grants+"}}\nsites: {a.test: {filters: p, respond: 200}}\n")
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "weir.yaml:3:") {
			t.Errorf("%s: %v", grants, err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) != 1 {
		t.Errorf("there is %q, %v", left, err)
	}
}
