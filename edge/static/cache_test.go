package static

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
)

func TestCache_HotRequestsDoNotAllocate(t *testing.T) {
	root := makeTree(t, map[string]string{"a.js": strings.Repeat("x", 1000), "a.js.gz": "gz", "big": strings.Repeat("x", 100<<10), "index.html": "i"})
	h := serve(t, Options{Root: root, Try: []string{"{path}", "/index.html"}})
	etag := get(t, h, "/a.js").Header.Get("etag")
	for name, fields := range map[string][]string{
		"/a.js":     nil,
		"/a.js?gz":  {"accept-encoding", "gzip, deflate, br"},
		"/a.js?304": {"if-none-match", etag},
		"/a.js?ims": {"if-modified-since", oldDate},
		"/big":      nil,
		"/":         nil,
		"/app/link": nil,
	} {
		again := hot(t, h, name, fields...)
		if n := testing.AllocsPerRun(200, again); n != 0 {
			t.Errorf("%s: got %v allocations, want 0", name, n)
		}
	}
}

// hot returns a function that repeats a request in the memory of a kept-alive connection.
func hot(t testing.TB, h *Handler, target string, fields ...string) func() {
	r := at(h, target, time.Millisecond)
	conn, stream := r.Conn, r.Stream()
	path, start := r.Path, r.Record.Start
	return func() {
		r.Reset(conn, stream)
		r.Method, r.Path, r.Record.Start = "GET", path, start
		for i := 0; i < len(fields); i += 2 {
			r.Header.Append(fields[i], fields[i+1])
		}
		resp, err := h.Handle(r)
		if err != nil {
			t.Fatalf("%s: %v", target, err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCache_SeesChangesWithinInterval moves the time of requests, not the clock.
func TestCache_SeesChangesWithinInterval(t *testing.T) {
	t.Parallel()
	root := makeTree(t, map[string]string{"a": "one", "gone": "x", "js.js": "plain content", "big": strings.Repeat("a", smallFile+1)})
	h := serve(t, Options{Root: root, MaxAgeCheck: time.Minute})
	ask := func(target string, after time.Duration, fields ...string) string {
		r := at(h, target, after)
		for i := 0; i < len(fields); i += 2 {
			check(t, r.Header.Add(fields[i], fields[i+1]))
		}
		got := brief(exchangetest.Do(t, h, r))
		return got[:min(len(got), 20)]
	}
	gz := []string{"accept-encoding", "gzip"}
	for _, target := range []string{"/a", "/gone", "/new", "/js.js", "/big"} {
		ask(target, 0, gz...)
	}
	// Written in place with the old time and size: only the inode's content differs.
	write(t, filepath.Join(root, "a"), "a", "second", old.Add(time.Second))
	check(t, os.Remove(filepath.Join(root, "gone")))
	write(t, filepath.Join(root, "new"), "new", "new", old)
	write(t, filepath.Join(root, "js.js.gz"), "gz", "gz", old)
	replace(t, filepath.Join(root, "big"), strings.Repeat("b", smallFile+1), old)
	for _, c := range []struct{ target, before, after string }{
		{"/a", "200 one", "200 second"},
		{"/gone", "200 x", "404 "},
		{"/new", "404 ", "200 new"},
		{"/js.js", "200 plain content", "200 gz"},
		{"/big", "200 aaaaaaaaaaaaaaaa", "200 bbbbbbbbbbbbbbbb"},
	} {
		if got := ask(c.target, 59*time.Second, gz...); got != c.before {
			t.Errorf("%s within the interval: got %q, want %q", c.target, got, c.before)
		}
		if got := ask(c.target, 60*time.Second, gz...); got != c.after {
			t.Errorf("%s after the interval: got %q, want %q", c.target, got, c.after)
		}
	}
}

// replace puts another file in the place of one, as deployments do.
func replace(t testing.TB, path, content string, modified time.Time) {
	t.Helper()
	write(t, path+".tmp", "tmp", content, modified)
	check(t, os.Rename(path+".tmp", path))
}

// TestCache_SameStampOtherContent: a second write within the grain of the file
// system's clock leaves size and time as they were.
func TestCache_SameStampOtherContent(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	path, stamp := filepath.Join(root, "a"), time.Now()
	write(t, path, "a", "one", stamp)
	h := serve(t, Options{Root: root, MaxAgeCheck: -1})
	if got := brief(get(t, h, "/a")); got != "200 one" {
		t.Fatalf("got %q", got)
	}
	write(t, path, "a", "two", stamp)
	if got := brief(get(t, h, "/a")); got != "200 two" {
		t.Errorf("after a write that left the time stamp: got %q, want 200 two", got)
	}
}

func TestCache_SharesOpenFiles(t *testing.T) {
	t.Parallel()
	h := serve(t, Options{Root: makeTree(t, map[string]string{"a": strings.Repeat("a", smallFile+1)})})
	var bodies []exchange.Body
	var files = map[*os.File]bool{}
	for range 10 {
		resp, err := h.Handle(exchangetest.NewRequest("GET", "/a"))
		check(t, err)
		bodies = append(bodies, resp.Body)
		files[resp.Body.(*exchange.File).F] = true
	}
	if len(files) != 1 {
		t.Errorf("open files of ten responses: got %d, want 1", len(files))
	}
	check(t, h.Close())
	for f := range files {
		for i, b := range bodies {
			if _, err := f.Stat(); err != nil {
				t.Errorf("file is closed while %d bodies use it: %v", len(bodies)-i, err)
			}
			check(t, b.Close())
			check(t, b.Close())
		}
		if _, err := f.Stat(); err == nil {
			t.Error("file is open after its last body was closed")
		}
	}
}

// TestCache_FormOfBody: a file goes to the kernel where that can send it alone,
// and comes from memory where it cannot and the file was wanted before.
func TestCache_FormOfBody(t *testing.T) {
	t.Parallel()
	h := serve(t, Options{MaxAgeCheck: time.Minute, Root: makeTree(t, map[string]string{
		"small": strings.Repeat("s", smallFile), "medium": strings.Repeat("m", smallFile+1), "full": strings.Repeat("f", mediumFile), "large": strings.Repeat("l", mediumFile+1)})})
	etags := map[string]string{}
	for _, c := range []struct {
		target   string
		after    time.Duration
		fromFile bool
	}{
		{"/small", 0, false}, {"/medium", 0, true}, {"/full", 0, true}, {"/large", 0, true},
		{"/medium", time.Minute, true}, {"/full", time.Minute, true},
		{"https://a/small", time.Minute, false}, {"https://a/medium", time.Minute, true}, {"https://a/full", time.Minute, true}, {"https://a/large", time.Minute, true},
		{"https://a/small", time.Hour, false}, {"https://a/medium", time.Hour, false}, {"https://a/full", time.Hour, false}, {"https://a/large", time.Hour, true},
		{"/medium", time.Hour, true}, {"/medium", 2 * time.Hour, true}, {"https://a/medium", 2 * time.Hour, false},
	} {
		r := at(h, c.target, c.after)
		resp, err := h.Handle(r)
		check(t, err)
		if _, got := resp.Body.(*exchange.File); got != c.fromFile {
			t.Errorf("%s after %v: got a %T, want from file %v", c.target, c.after, resp.Body, c.fromFile)
		}
		etag := resp.Header.Get("etag")
		if was := etags[r.Path]; was != "" && was != etag {
			t.Errorf("%s after %v: entity tag changed from %s to %s", c.target, c.after, was, etag)
		}
		etags[r.Path] = etag
		b, err := io.ReadAll(resp.Body)
		check(t, err)
		if want := strings.Repeat(r.Path[1:2], len(b)); string(b) != want || len(b) < smallFile {
			t.Errorf("%s: got %d bytes of other content", c.target, len(b))
		}
		check(t, resp.Body.Close())
	}
}

func TestReadWhole_RefusesWhatChanges(t *testing.T) {
	t.Parallel()
	path := filepath.Join(makeTree(t, map[string]string{"a": "hello"}), "a")
	f, err := os.Open(path)
	check(t, err)
	defer f.Close()
	info, err := f.Stat()
	check(t, err)
	if b, _, err := readWhole(f, info); string(b) != "hello" || err != nil {
		t.Errorf("got %q, %v", b, err)
	}
	for _, content := range []string{"hello again", "hi", "HELLO"} {
		check(t, os.WriteFile(path, []byte(content), 0o644))
		_, after, err := readWhole(f, info)
		if err != errUnsettled || after.Size() != int64(len(content)) {
			t.Errorf("became %q while it was read: got %v, size %d", content, err, after.Size())
		}
		if b, _, err := readWhole(f, after); string(b) != content || err != nil {
			t.Errorf("read again: got %q, %v, want %q", b, err, content)
		}
	}
}

func TestCache_UnsettledIsGoodForOneAnswer(t *testing.T) {
	t.Parallel()
	h := serve(t, Options{Root: makeTree(t, map[string]string{"a": "A"})})
	k := key{h, "/a"}
	unsettled, err := h.refresh(k, 0, nil, 0, func(string, *entry) (*entry, error) {
		e := &entry{unsettled: true}
		e.seal("/a")
		return e, nil
	})
	check(t, err)
	looks := 0
	settled, err := h.refresh(k, 0, unsettled, 0, func(_ string, old *entry) (*entry, error) {
		looks++
		return h.load("/a", nil)
	})
	check(t, err)
	if h.fresh(unsettled, 0) || !h.fresh(settled, 0) || looks != 1 {
		t.Errorf("fresh: got %v while unsettled and %v after, %d looks; want false, true, 1", h.fresh(unsettled, 0), h.fresh(settled, 0), looks)
	}
}

func TestCache_Bounds(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	for i := range 30 {
		files[fmt.Sprintf("small%d", i)] = strings.Repeat("s", 10<<10)
		files[fmt.Sprintf("large%d", i)] = strings.Repeat("l", smallFile+1)
	}
	root := makeTree(t, files)
	for _, o := range []CacheOptions{{Bytes: 200 << 10, Files: 7}, {Bytes: 5000, Files: 1}, {Bytes: -1, Files: -1}, {Files: -1}, {Bytes: 1 << 20}} {
		c := NewCache(o)
		h1, h2 := serve(t, Options{Root: root, Cache: c}), serve(t, Options{Root: root, Cache: c})
		for range 2 {
			for name, content := range files {
				for _, h := range []*Handler{h1, h2} {
					if got := get(t, h, "/"+name); string(got.Body) != content {
						t.Fatalf("%+v: %s: got %d bytes, want %d", o, name, len(got.Body), len(content))
					}
				}
				if b, f := c.bytes.Load(), c.files.Load(); b > max(c.maxBytes, 0) || f > max(c.maxFiles, 0) || b < 0 || f < 0 {
					t.Fatalf("%+v: cache holds %d bytes, %d files", o, b, f)
				}
			}
		}
		sum(t, c)
		check(t, h1.Close())
		sum(t, c)
	}
}

// sum compares the counters of a cache with what is in it.
func sum(t *testing.T, c *Cache) {
	t.Helper()
	var bytes, files int64
	for i := range c.shards {
		for _, e := range c.shards[i].entries {
			bytes, files = bytes+e.cost, files+e.files
		}
		if n := len(c.shards[i].flights); n > 0 {
			t.Errorf("flights under way: got %d, want 0", n)
		}
	}
	if bytes != c.bytes.Load() || files != c.files.Load() {
		t.Errorf("cache counts %d bytes, %d files, holds %d, %d", c.bytes.Load(), c.files.Load(), bytes, files)
	}
}

func TestCache_FloodOfMissesEvictsNothing(t *testing.T) {
	t.Parallel()
	h := serve(t, Options{Root: makeTree(t, map[string]string{"a": "A"})})
	get(t, h, "/a")
	before := h.cache.bytes.Load()
	for i := range 6000 {
		get(t, h, fmt.Sprintf("/none/%d", i))
	}
	if after := h.cache.bytes.Load(); after != before {
		t.Errorf("bytes in the cache: got %d, were %d", after, before)
	}
}

// TestCache_Hammer reads from many goroutines while files change, vanish and
// are evicted. Every answer is one version, whole.
func TestCache_Hammer(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	sizes := map[string]int{"a": 100, "b": 30 << 10, "c": smallFile + 1000}
	put := func(name string, version byte) {
		replace(t, filepath.Join(root, name), strings.Repeat(string(version), sizes[name]), time.Now())
	}
	for name := range sizes {
		put(name, 'a')
	}
	h := serve(t, Options{Root: root, Cache: NewCache(CacheOptions{Bytes: 40 << 10, Files: 1}), MaxAgeCheck: time.Microsecond})
	var readers sync.WaitGroup
	stop := make(chan struct{})
	for range 6 {
		readers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				name := string("abc"[i%3])
				resp, err := h.Handle(exchangetest.NewRequest("GET", "/"+name))
				if err != nil {
					if err != exchange.ErrNotFound {
						t.Errorf("%s: %v", name, err)
					}
					continue
				}
				b, err := io.ReadAll(resp.Body)
				if err != nil || len(b) != sizes[name] || strings.Count(string(b), string(b[0])) != len(b) {
					t.Errorf("%s: got %d bytes of mixed versions, %v", name, len(b), err)
				}
				if err := resp.Body.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 60 {
		for name := range sizes {
			if i%10 == 9 {
				check(t, os.Remove(filepath.Join(root, name)))
			}
			put(name, byte('a'+i%26))
		}
	}
	close(stop)
	readers.Wait()
	sum(t, h.cache)
}

// TestCache_LooksOnceForAll: those who come while one looks wait for what it finds.
func TestCache_LooksOnceForAll(t *testing.T) {
	t.Parallel()
	h := serve(t, Options{Root: t.TempDir()})
	k := key{h, "/x"}
	begun, proceed := make(chan struct{}), make(chan struct{})
	looks := 0
	load := func(string, *entry) (*entry, error) {
		looks++
		close(begun)
		<-proceed
		e := &entry{}
		e.seal("/x")
		return e, nil
	}
	var all sync.WaitGroup
	results := make(chan *entry, 5)
	refresh := func() {
		e, err := h.refresh(k, 7, nil, 0, load)
		if err != nil {
			t.Error(err)
		}
		results <- e
	}
	all.Go(refresh)
	<-begun
	for range 4 {
		all.Go(refresh)
	}
	for waiting := int32(0); waiting < 4; { // until all have joined
		s := &h.cache.shards[7]
		s.mu.Lock()
		waiting = s.flights[k].waiting
		s.mu.Unlock()
	}
	// One who knows an entry that has just gone out of date does not wait.
	known := &entry{}
	known.seal("/x")
	if e, err := h.refresh(k, 7, known, int64(h.maxAge), load); e != known || err != nil {
		t.Errorf("with an old entry: got %v, %v, want that entry", e, err)
	}
	close(proceed)
	all.Wait()
	first := <-results
	for range 4 {
		if e := <-results; e != first {
			t.Error("got another entry than the one who looked")
		}
	}
	if looks != 1 {
		t.Errorf("looks at the disk: got %d, want 1", looks)
	}
}

func TestCache_TroubleOfTheDiskKeepsWhatIsKnown(t *testing.T) {
	t.Parallel()
	h := serve(t, Options{Root: makeTree(t, map[string]string{"a": "A"})})
	e, err := h.lookup([]byte("/a"), 0)
	check(t, err)
	trouble := &exchange.Error{Fault: exchange.Internal, Status: 503}
	got, err := h.refresh(key{h, "/a"}, 0, e, int64(time.Hour), func(string, *entry) (*entry, error) { return nil, trouble })
	if got != e || err != nil {
		t.Errorf("got %v, %v, want the old entry", got, err)
	}
	if _, err := h.refresh(key{h, "/b"}, 1, nil, 0, func(string, *entry) (*entry, error) { return nil, trouble }); err != error(trouble) {
		t.Errorf("nothing known: got %v, want %v", err, trouble)
	}
}

func TestCache_PanicOfOneDoesNotHangOthers(t *testing.T) {
	t.Parallel()
	h := serve(t, Options{Root: makeTree(t, map[string]string{"a": "A"})})
	k := key{h, "/a"}
	func() {
		defer func() { _ = recover() }()
		_, _ = h.refresh(k, 0, nil, 0, func(string, *entry) (*entry, error) { panic("bug") })
	}()
	if e, err := h.refresh(k, 0, nil, 0, h.load); e == nil || err != nil {
		t.Errorf("next look: got %v, %v, want an entry", e, err)
	}
}
