package storetest

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/store"
)

// listener gathers what a watch tells.
type listener struct {
	mu   sync.Mutex
	gaps int
	keys map[string]int
}

func (l *listener) changed(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keys == nil {
		l.keys = make(map[string]int)
	}
	if key == "" {
		l.gaps++
		return
	}
	l.keys[key]++
}

func (l *listener) heard(key string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if key == "" {
		return l.gaps
	}
	return l.keys[key]
}

// listen watches prefix until the test ends, and waits until it will miss nothing.
func listen(t testing.TB, s *store.Store, prefix string) *listener {
	t.Helper()
	l := &listener{}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Watch(ctx, prefix, l.changed)
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Error("the watch does not end with its context")
		}
	})
	Eventually(t, "the watch begins", func() bool { return l.heard("") > 0 })
	return l
}

func watchTells(t *testing.T, b *bench) {
	b.put("before", "x")
	near, far := listen(t, b.store(0), ""), listen(t, b.store(0), "")
	b.put("k", "1")
	b.commit(store.Op{Key: "a", Value: []byte("1")}, store.Op{Key: "b", Value: []byte("1")})
	b.commit(store.Op{Key: "before", Delete: true})
	b.want(b.try(store.Op{Key: "refused", Value: nil, If: store.Condition{Version: 1}}), store.ErrConflict)
	b.commit(store.Op{Key: "quiet", Value: nil, Quiet: true})
	b.commit(store.Op{Key: "quiet", Delete: true, Quiet: true})
	b.commit(store.Op{Key: "quiet", Value: nil, Quiet: true}, store.Op{Key: "with quiet"})
	b.is("quiet", "")
	b.commit(store.Op{Key: "last, ä", Value: nil, TTL: time.Minute})
	for _, l := range []*listener{near, far} {
		for _, key := range []string{"k", "a", "b", "before", "with quiet", "last, ä"} {
			Eventually(t, "the watch tells "+key, func() bool { return l.heard(key) > 0 })
		}
		if l.heard("refused") != 0 || l.heard("quiet") != 0 {
			t.Error("what was not written was told, or what was quiet")
		}
		if l.heard("") != 1 {
			t.Errorf("%d gaps, want the one at the beginning", l.heard(""))
		}
	}
}

func watchPrefix(t *testing.T, b *bench) {
	l := listen(t, b.store(0), "a/%")
	for _, key := range []string{"a/", "a/x", "a", "b/a/%", "a/%", "a/%1"} {
		b.put(key, "x")
	}
	b.put("a/%end", "x")
	for _, key := range []string{"a/%", "a/%1", "a/%end"} {
		Eventually(t, "the watch tells "+key, func() bool { return l.heard(key) > 0 })
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for key := range l.keys {
		if !strings.HasPrefix(key, "a/%") {
			t.Errorf("the watch tells %q", key)
		}
	}
}

// watchAll: writers of two handles at once; every key is told, or a gap is.
func watchAll(t *testing.T, b *bench) {
	s := b.store(0)
	l := listen(t, s, "w/")
	engines := []store.Engine{b.e, b.another()}
	var wg sync.WaitGroup
	const each = 60
	for w := range 4 {
		wg.Go(func() {
			for i := range each {
				key := "w/" + strconv.Itoa(w) + "/" + strconv.Itoa(i)
				if _, err := engines[w%2].Commit(b.ctx, store.Batch{Ops: []store.Op{{Key: key, Value: []byte("x")}}}); err != nil {
					t.Errorf("worker %d: %v", w, err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.put("w/end", "x")
	Eventually(t, "the end is told", func() bool { return l.heard("w/end") > 0 || l.heard("") > 1 })
	if l.heard("") > 1 {
		return
	}
	for w := range 4 {
		for i := range each {
			key := "w/" + strconv.Itoa(w) + "/" + strconv.Itoa(i)
			Eventually(t, key+" is told", func() bool { return l.heard(key) > 0 })
		}
	}
	if n := s.Stats().Watches; n != 1 {
		t.Errorf("%d watches counted, want 1", n)
	}
}

func exportComesBack(t *testing.T, b *bench) {
	s := b.store(0)
	for i := range 300 {
		b.put("k/"+strconv.Itoa(i), strings.Repeat(strconv.Itoa(i), i))
	}
	b.put("<&>\"\\ é", "\x00\xff\n")
	b.commit(store.Op{Key: "soon", Value: []byte("x"), TTL: 30 * time.Millisecond}, store.Op{Key: "later", Value: []byte("x"), TTL: time.Hour})
	later, err := b.e.Get(b.ctx, "later")
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	n, err := s.Export(b.ctx, &file)
	if err != nil || n < 302 || n > 303 {
		t.Fatalf("export: %d entries, %v; want 302 or 303", n, err)
	}
	Eventually(t, "what is short-lived expires", func() bool { return b.value(b.e, "soon") == "-" })
	for e, err := range s.All(b.ctx, "") {
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Delete(b.ctx, e.Key); err != nil {
			t.Fatal(err)
		}
	}
	b.put("k/7", "mine")
	for _, end := range []int{file.Len() - 1, file.Len() / 2, 0} { // cut files change nothing
		if end == file.Len()-1 {
			end = bytes.LastIndexByte(file.Bytes()[:end], '\n') + 1
		}
		_, err := s.Import(b.ctx, bytes.NewReader(file.Bytes()[:end]), store.KeepExisting)
		b.want(err, store.ErrInvalid)
	}
	if got := b.keys("", 10); len(got) != 1 {
		t.Fatalf("a cut file was imported: %q", got)
	}
	count, err := s.Import(b.ctx, struct{ *bytes.Buffer }{bytes.NewBuffer(file.Bytes())}, store.KeepExisting)
	if err != nil || count.Written != 301 || count.Kept != 1 || count.Expired != n-302 {
		t.Fatalf("import: %+v, %v", count, err)
	}
	b.is("k/7", "mine")
	b.is("k/123", strings.Repeat("123", 123))
	b.is("<&>\"\\ é", "\x00\xff\n")
	again, err := b.e.Get(b.ctx, "later")
	if err != nil || again.Expires.Sub(later.Expires).Abs() > 10*time.Second {
		t.Errorf("later: %+v, %v; want it to expire at %v", again, err, later.Expires)
	}
	count, err = s.Import(b.ctx, bytes.NewReader(file.Bytes()), store.ReplaceExisting)
	if err != nil || count.Written != 302 {
		t.Fatalf("import again: %+v, %v", count, err)
	}
	b.is("k/7", "7777777")
}

func checkWell(t *testing.T, b *bench) {
	s := b.store(0)
	r, err := s.Check(b.ctx)
	if err != nil || r.Engine == "" || r.Version == "" || r.Place == "" || r.Write <= 0 || len(r.Findings) < 3 {
		t.Fatalf("check: %+v, %v", r, err)
	}
	for _, f := range r.Findings {
		if f.Level == store.Wrong {
			t.Errorf("finding: %v: %s", f.Level, f.Text)
		}
	}
	if got := b.keys("", 10); len(got) != 0 {
		t.Errorf("check leaves %q", got)
	}
}
