package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/certs/certstest"
	"github.com/weirproxy/weir/certs/storage"
)

func mirror(t testing.TB, inner storage.Store, dir string, o storage.MirrorOptions) *storage.Mirrored {
	t.Helper()
	m, err := storage.Mirror(inner, dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// private returns a directory that is not there yet.
func private(t testing.TB) string { return filepath.Join(t.TempDir(), "copy") }

func keys(list []storage.Record) string {
	var all []string
	for _, r := range list {
		all = append(all, r.Key)
	}
	return strings.Join(all, " ")
}

func TestMirror_AnswersWhileTheStoreIsDown(t *testing.T) {
	t.Parallel()
	inner, dir := new(certstest.MemoryStore).Node(), private(t)
	var log bytes.Buffer
	m := mirror(t, inner, dir, storage.MirrorOptions{Log: slog.New(slog.NewTextHandler(&log, nil))})
	put(t, inner, "cert/read", "r")
	put(t, inner, "cert/listed", "l")
	put(t, inner, "other/x", "o")
	put(t, m, "cert/written", "w")
	want(t, m, "cert/read", "r")
	want(t, m, "other/x", "o")
	if _, err := m.List(t.Context(), "cert/", "cert/l", 1); err != nil {
		t.Fatal(err)
	}
	if m.Stale() {
		t.Error("stale while the store is there")
	}
	inner.Down()
	for range 2 { // of which the second is another process, and then a third
		want(t, m, "cert/read", "r")
		want(t, m, "cert/written", "w")
		want(t, m, "cert/listed", "l")
		if list, err := m.List(t.Context(), "cert/", "", 2); err != nil || keys(list) != "cert/listed cert/read" {
			t.Errorf("list: %q, %v", keys(list), err)
		}
		if list, err := m.List(t.Context(), "cert/", "cert/read", 2); err != nil || keys(list) != "cert/written" || string(list[0].Value) != "w" {
			t.Errorf("rest of the list: %q, %v", list, err)
		}
		if list, err := m.List(t.Context(), "cert/", "cert/written", 2); err != nil || len(list) != 0 {
			t.Errorf("list behind its end: %q, %v", list, err)
		}
		if list, err := m.List(t.Context(), "account/", "", 2); !errors.Is(err, certstest.ErrDown) {
			t.Errorf("list of what there is no copy of: %q, %v; want the store's error", list, err)
		}
		// Another process, which has never reached the store.
		m = mirror(t, inner, dir, storage.MirrorOptions{Log: slog.New(slog.NewTextHandler(&log, nil))})
	}
	want(t, m, "cert/read", "r")
	if s := m.Status(); !s.Stale || s.Files != 3 || s.FromCopy != 1 || s.Since.IsZero() || !errors.Is(s.Err, certstest.ErrDown) || s.DiskErr != nil {
		t.Errorf("status %+v", s)
	}
	for _, key := range []string{"other/x", "cert/unknown"} {
		if got, err := m.Get(t.Context(), key); !errors.Is(err, certstest.ErrDown) {
			t.Errorf("get %s: %q, %v", key, got, err)
		}
	}
	if got, err := m.Get(storage.Fresh(t.Context()), "cert/read"); !errors.Is(err, certstest.ErrDown) {
		t.Errorf("fresh get: %q, %v", got, err)
	}
	if got, err := m.List(storage.Fresh(t.Context()), "cert/", "", 10); !errors.Is(err, certstest.ErrDown) {
		t.Errorf("fresh list: %q, %v", got, err)
	}
	if err := m.Put(t.Context(), "cert/read", []byte("new"), 0); err == nil {
		t.Error("written while the store is down")
	}
	want(t, m, "cert/read", "r")
	inner.Up()
	if _, err := m.Get(storage.Fresh(t.Context()), "cert/read"); err != nil || m.Stale() {
		t.Errorf("after the outage: %v, stale %v", err, m.Stale())
	}
	if got := strings.Count(log.String(), "store cannot be reached"); got != 3 {
		t.Errorf("%d complaints of three processes:\n%s", got, &log)
	}
}

func TestMirror_WaitsForAHangingStoreOnlyNowAndThen(t *testing.T) {
	t.Parallel()
	dir := private(t)
	synctest.Test(t, func(t *testing.T) {
		inner := new(certstest.MemoryStore).Node()
		m := mirror(t, inner, dir, storage.MirrorOptions{})
		put(t, m, "cert/x", "v")
		inner.Hang()
		began := time.Now()
		for range 1000 {
			want(t, m, "cert/x", "v")
		}
		if took := time.Since(began); took != inner.Patience {
			t.Errorf("1000 reads took %v, want the patience of one, %v", took, inner.Patience)
		}
		time.Sleep(2 * time.Second)
		inner.Up()
		put(t, inner, "cert/x", "new")
		want(t, m, "cert/x", "new")
	})
}

func TestMirror_LeavesWithItsCaller(t *testing.T) {
	t.Parallel()
	inner := new(certstest.MemoryStore).Node()
	m := mirror(t, inner, private(t), storage.MirrorOptions{})
	put(t, m, "cert/x", "v")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := m.Get(ctx, "cert/x"); !errors.Is(err, context.Canceled) || m.Stale() {
		t.Errorf("get: %q, %v, stale %v", got, err, m.Stale())
	}
}

func TestMirror_ForgetsWhatTheStoreHasNot(t *testing.T) {
	t.Parallel()
	inner := new(certstest.MemoryStore).Node()
	m := mirror(t, inner, private(t), storage.MirrorOptions{})
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		put(t, m, "cert/"+name, name)
	}
	lock, err := m.TryLock(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Put(t.Context(), "cert/locked", []byte("v"), 0); err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(m.Delete(t.Context(), "cert/a"))
	must(inner.Delete(t.Context(), "cert/b", "cert/c", "cert/d", "cert/g"))
	if _, err := m.Get(t.Context(), "cert/b"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("get of nothing: %v", err)
	}
	if _, err := m.List(t.Context(), "cert/c", "", 5); err != nil { // finds that c is gone
		t.Fatal(err)
	}
	if n := m.Status().Files; n != 5 {
		t.Errorf("%d files, want d e f g locked", n)
	}
	if _, err := m.List(t.Context(), "cert/", "", 1); err != nil { // as far as e: d is gone
		t.Fatal(err)
	}
	if n := m.Status().Files; n != 4 {
		t.Errorf("%d files, want e f g locked", n)
	}
	must(m.Put(t.Context(), "cert/e", []byte("e"), 90*24*time.Hour))
	must(m.Put(t.Context(), "cert/f", []byte("f"), time.Minute))          // goes away by itself: no copy
	if _, err := m.List(t.Context(), "cert/", "cert/f", 10); err != nil { // finds that g is gone
		t.Fatal(err)
	}
	if v, err := m.Get(storage.LastSeen(t.Context()), "cert/b"); err != nil || string(v) != "b" {
		t.Errorf("what was last seen of a certificate that the store has lost: %q, %v", v, err)
	}
	if _, err := m.Get(storage.LastSeen(t.Context()), "cert/a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was last seen of what was removed: %v", err)
	}
	inner.Down()
	list, err := m.List(t.Context(), "cert/", "", 10)
	if err != nil || keys(list) != "cert/e cert/locked" {
		t.Errorf("list: %q, %v", keys(list), err)
	}
}

func TestMirror_DirectoryIsForOneUser(t *testing.T) {
	t.Parallel()
	inner, dir := new(certstest.MemoryStore).Node(), filepath.Join(private(t), "new", "copy")
	m := mirror(t, inner, dir, storage.MirrorOptions{})
	put(t, m, "cert/x", "v")
	for path, mode := range map[string]fs.FileMode{dir: 0o700, filepath.Join(dir, "cert%2fx"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v; want %v", path, info, err, mode)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := storage.Mirror(inner, dir, storage.MirrorOptions{}); err == nil || !strings.Contains(err.Error(), "chmod 700") {
		t.Errorf("open what others may read: %v", err)
	}
}

func TestMirror_SweepsItsDirectoryAndLeavesOthersFiles(t *testing.T) {
	t.Parallel()
	inner, dir := new(certstest.MemoryStore).Node(), private(t)
	m := mirror(t, inner, dir, storage.MirrorOptions{})
	long := "cert/" + strings.Repeat("Ü", 200)
	put(t, m, "cert/x", "v")
	put(t, m, "account/x", "v")
	put(t, m, long, "v")
	for _, name := range []string{".new-old", ".new-now", "README.md", "cert%2Fq", "a~b", "%zz", "cert%2"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	yesterday := time.Now().Add(-24 * time.Hour)
	if err := os.Chtimes(filepath.Join(dir, ".new-old"), yesterday, yesterday); err != nil {
		t.Fatal(err)
	}
	m = mirror(t, inner, dir, storage.MirrorOptions{Prefixes: []string{"cert/"}})
	if n := m.Status().Files; n != 2 {
		t.Errorf("%d files, want 2", n)
	}
	inner.Down()
	want(t, m, "cert/x", "v")
	want(t, m, long, "v")
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 8 {
		t.Errorf("left %v, %v; want the two copies, one being written, and the five files of others", entries, err)
	}
}

func TestMirror_DoesNotUseDamagedCopies(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(b []byte) []byte{
		"cut":          func(b []byte) []byte { return b[:len(b)-1] },
		"empty":        func([]byte) []byte { return nil },
		"changed":      func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"key changed":  func(b []byte) []byte { b[22] ^= 1; return b },
		"another form": func(b []byte) []byte { b[10]++; return b },
	} {
		inner, dir := new(certstest.MemoryStore).Node(), private(t)
		m := mirror(t, inner, dir, storage.MirrorOptions{})
		put(t, m, "cert/x", "v")
		path := filepath.Join(dir, "cert%2fx")
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, damage(b), 0o600); err != nil {
			t.Fatal(err)
		}
		inner.Down()
		if got, err := m.Get(t.Context(), "cert/x"); !errors.Is(err, certstest.ErrDown) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
		inner.Up()
		want(t, m, "cert/x", "v")
		inner.Down()
		want(t, m, "cert/x", "v")
	}
}

func TestMirror_IsBounded(t *testing.T) {
	t.Parallel()
	inner, dir := new(certstest.MemoryStore).Node(), private(t)
	var log bytes.Buffer
	m := mirror(t, inner, dir, storage.MirrorOptions{Files: 3, Log: slog.New(slog.NewTextHandler(&log, nil))})
	for i := range 10 {
		put(t, m, fmt.Sprint("cert/", i), "v")
	}
	put(t, m, "cert/0", "new")
	put(t, m, "cert/1", strings.Repeat("x", 2<<20))
	if s := m.Status(); s.Files != 2 {
		t.Errorf("status %+v", s)
	}
	if n := strings.Count(log.String(), "not written"); n != 1 {
		t.Errorf("%d complaints:\n%s", n, &log)
	}
	inner.Down()
	want(t, m, "cert/0", "new")
}

func TestMirror_GoesOnWithoutItsDisk(t *testing.T) {
	t.Parallel()
	inner, dir := new(certstest.MemoryStore).Node(), private(t)
	m := mirror(t, inner, dir, storage.MirrorOptions{})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	put(t, m, "cert/x", "v")
	want(t, m, "cert/x", "v")
	if s := m.Status(); s.DiskErr == nil {
		t.Errorf("status %+v", s)
	}
}

// A slow read is not to bring back, nor to take away, what was written while it was on
// its way.
func TestMirror_KeepsWhatWasWrittenLast(t *testing.T) {
	t.Parallel()
	for _, before := range []string{"old", ""} {
		node := new(certstest.MemoryStore).Node()
		slow := &slowReads{Node: node, read: make(chan struct{}), goOn: make(chan struct{})}
		m := mirror(t, slow, private(t), storage.MirrorOptions{})
		if before != "" {
			put(t, node, "cert/x", before)
		}
		var done sync.WaitGroup
		done.Go(func() { m.Get(context.Background(), "cert/x") })
		<-slow.read
		put(t, m, "cert/x", "new")
		close(slow.goOn)
		done.Wait()
		node.Down()
		want(t, m, "cert/x", "new")
	}
}

type slowReads struct {
	*certstest.Node
	read, goOn chan struct{}
}

func (s *slowReads) Get(ctx context.Context, key string) ([]byte, error) {
	b, err := s.Node.Get(ctx, key)
	select {
	case s.read <- struct{}{}:
		<-s.goOn
	case <-s.goOn:
	}
	return b, err
}

func TestMirror_CopyIsSealedUnderSeal(t *testing.T) {
	t.Parallel()
	inner, dir := new(certstest.MemoryStore).Node(), private(t)
	s := seal(t, mirror(t, inner, dir, storage.MirrorOptions{}), secret(1))
	put(t, s, "cert/x", "hush")
	b, err := os.ReadFile(filepath.Join(dir, "cert%2fx"))
	if err != nil || bytes.Contains(b, []byte("hush")) {
		t.Errorf("the copy is %q, %v", b, err)
	}
	inner.Down()
	want(t, s, "cert/x", "hush")
}

func TestMirror_ManyAtOnce(t *testing.T) {
	t.Parallel()
	inner := new(certstest.MemoryStore).Node()
	m := mirror(t, inner, private(t), storage.MirrorOptions{})
	var done sync.WaitGroup
	for i := range 8 {
		done.Go(func() {
			for j := range 40 {
				key := fmt.Sprint("cert/", (i+j)%5)
				switch j % 4 {
				case 0:
					m.Put(context.Background(), key, []byte(key), 0)
				case 1:
					if b, err := m.Get(context.Background(), key); err == nil && string(b) != key {
						t.Errorf("get %s: %q", key, b)
					}
				case 2:
					m.List(context.Background(), "cert/", "", 3)
				case 3:
					m.Delete(context.Background(), key)
				}
			}
		})
	}
	done.Wait()
}

func BenchmarkMirror_FirstCopyOf100(b *testing.B) {
	inner := new(certstest.MemoryStore).Node()
	for i := range 100 {
		put(b, inner, fmt.Sprint("cert/", i), strings.Repeat("x", 5000))
	}
	b.ReportAllocs()
	for b.Loop() {
		m := mirror(b, inner, private(b), storage.MirrorOptions{})
		if _, err := m.List(b.Context(), "cert/", "", 100); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMirror_GetUnchanged(b *testing.B) {
	inner := new(certstest.MemoryStore).Node()
	m := mirror(b, inner, private(b), storage.MirrorOptions{})
	put(b, m, "cert/x", strings.Repeat("x", 5000))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Get(b.Context(), "cert/x"); err != nil {
			b.Fatal(err)
		}
	}
}

// Ten thousand certificates are listed from the copy, page by page.
func BenchmarkMirror_List10000FromCopy(b *testing.B) {
	inner := new(certstest.MemoryStore).Node()
	for i := range 10_000 {
		put(b, inner, fmt.Sprintf("cert/host-%d.example.com", i), strings.Repeat("x", 5000))
	}
	m := mirror(b, inner, private(b), storage.MirrorOptions{})
	list := func() {
		n := 0
		for after := ""; ; {
			page, err := m.List(b.Context(), "cert/", after, 100)
			if err != nil {
				b.Fatal(err)
			}
			if n += len(page); len(page) < 100 {
				break
			}
			after = page[len(page)-1].Key
		}
		if n != 10_000 {
			b.Fatalf("%d records", n)
		}
	}
	began := time.Now()
	list()
	first := time.Since(began)
	list()
	unchanged := time.Since(began) - first
	inner.Down()
	for b.Loop() {
		list()
	}
	b.ReportMetric(first.Seconds(), "s/first-copy")
	b.ReportMetric(unchanged.Seconds(), "s/unchanged")
}
