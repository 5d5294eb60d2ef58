package cache

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
)

// sized answers with as many bytes as the query says.
func sized() *origin {
	o := &origin{}
	o.answer = func(_ int64, r *exchange.Request) (*exchange.Response, error) {
		var n int
		fmt.Sscan(r.Query, &n)
		return public(r, exchange.NewBody(strings.NewReader(strings.Repeat("x", n)), int64(n), nil)), nil
	}
	return o
}

func TestStore_KeepsToItsMemory(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	s := newStore(t, StoreOptions{Memory: limit})
	f, o := newFilter(t, Options{Store: s}), sized()
	for i := range 500 {
		get(t, f, o, fmt.Sprintf("/%d?%d", i, 100+rand.IntN(100<<10)))
		if got := s.Stats().Memory; got > limit {
			t.Fatalf("holds %d bytes, want %d at most", got, limit)
		}
	}
	if st := s.Stats(); st.Evicted == 0 || st.Entries < 5 || st.Memory < limit/2 {
		t.Errorf("stats %+v", st)
	}
	s.check(t)
}

// check compares the counters with what is there.
func (s *Store) check(t testing.TB) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	memory, entries, onDisk := int64(0), 0, int64(0)
	for e := s.oldest; e != nil; e = e.newer {
		memory += e.weight
		entries++
		if e.file != "" {
			onDisk += s.disk.cost(e)
		}
		if !slices.Contains(s.resources[e.key], e) || !e.kept || e.newer != nil && e.newer.older != e {
			t.Errorf("entry %q: lists disagree", e.key)
		}
	}
	mapped := 0
	for _, all := range s.resources {
		mapped += len(all)
	}
	if memory != s.memory || entries != s.entries || mapped != entries || onDisk != s.onDisk || s.arriving != 0 || s.spooled != 0 {
		t.Errorf("counted %d bytes (%d arriving), %d entries, %d on disk (%d spooled); there are %d bytes, %d entries, %d in the map, %d on disk",
			s.memory, s.arriving, s.entries, s.onDisk, s.spooled, memory, entries, mapped, onDisk)
	}
}

// What the store says it holds is what the process holds.
func TestStore_WeighsHonestly(t *testing.T) {
	s := newStore(t, StoreOptions{Memory: 256 << 20})
	f, o := newFilter(t, Options{Store: s}), sized()
	h := exchange.Chain(o, f)
	before := heap()
	const n = 20000
	for i := range n {
		exchangetest.Do(t, h, exchangetest.NewRequest("GET", fmt.Sprintf("/%d?10", i)))
	}
	held, said := heap()-before, s.Stats().Memory
	if per := held / n; float64(held) > 1.1*float64(said) {
		t.Errorf("%d bytes per entry held, %d counted", per, said/n)
	}
	runtime.KeepAlive(f)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A slow reader of a large body holds memory, also when it has been taken out.
func TestStore_CountsWhatSlowClientsHold(t *testing.T) {
	t.Parallel()
	s := newStore(t, StoreOptions{})
	f, o := newFilter(t, Options{Store: s}), sized()
	const size = 1 << 20
	target := fmt.Sprintf("/?%d", size)
	get(t, f, o, target)
	resp, err := f.Handle(exchangetest.NewRequest("GET", target), o)
	if err != nil {
		t.Fatal(err)
	}
	s.Purge(Selection{All: true})
	if got := s.Stats(); got.Entries != 0 || got.Memory < size {
		t.Errorf("while it is read: %+v", got)
	}
	resp.Body.Close()
	resp.Body.Close()
	if got := s.Stats().Memory; got != 0 {
		t.Errorf("afterwards %d bytes are held", got)
	}
}

// An entry weighs more than its body: also where all else that is there is being read,
// and so cannot make room, the limit holds.
func TestStore_CountsHeadsOfWhatArrives(t *testing.T) {
	t.Parallel()
	const limit = 2 << 20
	s := newStore(t, StoreOptions{Memory: limit})
	f, o := newFilter(t, Options{Store: s}), sized()
	open := func(size int64) *exchange.Response {
		resp, err := f.Handle(exchangetest.NewRequest("GET", fmt.Sprintf("/?%d", size)), o)
		if err != nil {
			t.Fatal(err)
		}
		io.ReadFull(resp.Body, make([]byte, size))
		return resp
	}
	first := open(limit / 2)
	defer first.Body.Close()
	for settled := false; !settled; settled = s.Stats().Entries == 1 {
		runtime.Gosched()
	}
	size := limit - s.Stats().Memory - 100 // there is room for the body, not for its head
	second := open(size)
	for range 2000 { // meanwhile it is put in, or not
		if got := s.Stats(); got.Memory > limit {
			t.Fatalf("while both are read: %+v", got)
		}
		runtime.Gosched()
	}
	second.Body.Close()
	if got := s.Stats(); got.Memory > limit || got.Entries != 1 {
		t.Errorf("afterwards: %+v", got)
	}
}

func TestStore_BoundsVariants(t *testing.T) {
	t.Parallel()
	s := newStore(t, StoreOptions{})
	f, o := newFilter(t, Options{Store: s}), &origin{header: []string{"cache-control", "max-age=60", "vary", "cookie"}}
	for i := range 100 {
		get(t, f, o, "/", exchangetest.Field("cookie", fmt.Sprint(i)))
	}
	if got := s.Stats().Entries; got != maxVariants {
		t.Errorf("%d variants, want %d", got, maxVariants)
	}
	s.check(t)
}

func TestStore_Hammer(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"", t.TempDir()} {
		s := newStore(t, StoreOptions{Memory: 2 << 20, Dir: dir, Disk: 4 << 20})
		f, o := newFilter(t, Options{Store: s}), sized()
		sizes := []int{0, 10, 1000, 40 << 10, 100 << 10, 300 << 10, 900 << 10}
		var done sync.WaitGroup
		for c := range 8 {
			done.Go(func() {
				random := rand.New(rand.NewPCG(1, uint64(c)))
				for range 50 {
					size := sizes[random.IntN(len(sizes))]
					got := get(t, f, o, fmt.Sprintf("/%d?%d", random.IntN(8), size))
					if len(got.Body) != size || got.Err != nil {
						t.Errorf("got %d bytes, %v, want %d", len(got.Body), got.Err, size)
					}
					if random.IntN(20) == 0 {
						s.Purge(Selection{Prefix: fmt.Sprintf("/%d", random.IntN(8))})
					}
					if st := s.Stats(); st.Memory > 2<<20 || st.Disk > 4<<20 {
						t.Errorf("beyond the limits: %+v", st)
					}
				}
			})
		}
		done.Wait()
		s.check(t)
	}
}

// settle waits until what is to be written has been.
func (s *Store) settle(t testing.TB) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		s.mu.RLock()
		unsaved := 0
		for e := s.oldest; e != nil; e = e.newer {
			if e.file != "" && !e.saved.Load() {
				unsaved++
			}
		}
		s.mu.RUnlock()
		if unsaved == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d entries have not been written", unsaved)
		}
		runtime.Gosched()
	}
}

// loaded waits until n entries are there.
func (s *Store) loaded(t testing.TB, n int) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for s.Stats().Entries < n {
		if time.Now().After(deadline) {
			t.Fatalf("%d entries, want %d", s.Stats().Entries, n)
		}
		runtime.Gosched()
	}
}

func TestDisk_OutlivesTheProcess(t *testing.T) {
	t.Parallel()
	dir, o := t.TempDir(), sized()
	s := newStore(t, StoreOptions{Dir: dir})
	f := newFilter(t, Options{Store: s})
	for _, target := range []string{"/small?10", "/large?500000"} {
		get(t, f, o, target)
	}
	s.settle(t)
	s.Close()

	s = newStore(t, StoreOptions{Dir: dir})
	s.loaded(t, 2)
	f = newFilter(t, Options{Store: s})
	for _, target := range []string{"/small?10", "/large?500000"} {
		got := get(t, f, o, target)
		if !strings.HasPrefix(got.Header.Get("cache-status"), "weir; hit") || got.Header.Get("cache-control") != "public, max-age=60" {
			t.Errorf("%s: got %v", target, got.Header)
		}
		if n := fmt.Sprint(len(got.Body)); !strings.HasSuffix(target, "?"+n) {
			t.Errorf("%s: got %s bytes", target, n)
		}
	}
	s.check(t)
	if n, err := s.Purge(Selection{All: true}); n != 2 || err != nil {
		t.Errorf("purged %d, %v", n, err)
	}
	if left := files(t, dir); len(left) != 0 {
		t.Errorf("left after the purge: %q", left)
	}
}

func files(t testing.TB, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Whatever happened to the files, no client gets what the upstream did not send.
func TestDisk_BelievesNothing(t *testing.T) {
	t.Parallel()
	damage := map[string]func(t *testing.T, dir, head, body string){
		"body changed": func(t *testing.T, _, _, body string) { flip(t, body, 5) },
		"body cut":     func(t *testing.T, _, _, body string) { os.Truncate(body, 7) },
		"body empty":   func(t *testing.T, _, _, body string) { os.Truncate(body, 0) },
		"body gone":    func(t *testing.T, _, _, body string) { os.Remove(body) },
		"head changed": func(t *testing.T, _, head, _ string) { flip(t, head, 40) },
		"head cut":     func(t *testing.T, _, head, _ string) { os.Truncate(head, 30) },
		"head gone":    func(t *testing.T, _, head, _ string) { os.Remove(head) },
		"head huge":    func(t *testing.T, _, head, _ string) { os.Truncate(head, 8<<20) },
		"body is a link": func(t *testing.T, dir, _, body string) {
			os.Remove(body)
			os.WriteFile(filepath.Join(dir, "secret"), []byte("0123456789"), 0o600)
			os.Symlink("../secret", body)
		},
	}
	for name, harm := range damage {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, o := t.TempDir(), sized()
			s := newStore(t, StoreOptions{Dir: dir})
			get(t, newFilter(t, Options{Store: s}), o, "/?10")
			s.settle(t)
			s.Close()
			for _, foreign := range []string{"x", "x.head", "notes.txt", "0.tmp", strings.Repeat("a", 32) + ".body"} {
				os.WriteFile(filepath.Join(dir, folder, foreign), []byte("foreign"), 0o600)
			}
			os.Mkdir(filepath.Join(dir, folder, "d"), 0o700)
			os.WriteFile(filepath.Join(dir, "mine"), []byte("not in the folder"), 0o600)
			for _, file := range files(t, dir) {
				if base, ok := strings.CutSuffix(file, ".head"); ok && isName(filepath.Base(base)) {
					harm(t, dir, file, base+".body")
				}
			}
			s = newStore(t, StoreOptions{Dir: dir})
			s.disk.load() // a second time does no harm; when it is over, all has been seen
			s.Close()
			if left := files(t, dir); len(left) != 0 || s.Stats().Entries != 0 {
				t.Errorf("left: %q, %+v", left, s.Stats())
			}
			if _, err := os.Stat(filepath.Join(dir, "mine")); err != nil {
				t.Errorf("what is not ours: %v", err)
			}
		})
	}
}

func flip(t *testing.T, file string, at int) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b[at] ^= 1
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A disk that cannot be written to costs the disk, and no answer.
func TestDisk_FailsToMemory(t *testing.T) {
	t.Parallel()
	dir, o := t.TempDir(), sized()
	s := newStore(t, StoreOptions{Dir: dir})
	f := newFilter(t, Options{Store: s})
	if err := os.RemoveAll(filepath.Join(dir, folder)); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"/a?10", "/b?500000", "/c?10", "/d?500000"} {
		for range 2 {
			if got := get(t, f, o, target); got.Status != 200 || got.Err != nil {
				t.Errorf("%s: got %d, %v", target, got.Status, got.Err)
			}
		}
	}
	if got := get(t, f, o, "/d?500000"); !strings.Contains(got.Header.Get("cache-status"), "hit") {
		t.Errorf("memory was not used: %q", got.Header.Get("cache-status"))
	}
}

func TestDisk_KeepsToItsLimit(t *testing.T) {
	t.Parallel()
	const limit = 4 << 20
	dir := t.TempDir()
	s := newStore(t, StoreOptions{Dir: dir, Disk: limit, Memory: 1 << 20})
	f, o := newFilter(t, Options{Store: s}), sized()
	for i := range 60 {
		get(t, f, o, fmt.Sprintf("/%d?%d", i, 260<<10+rand.IntN(300<<10)))
		get(t, f, o, fmt.Sprintf("/%d?%d", i, rand.IntN(100<<10)))
		if got := s.Stats(); got.Disk > limit || got.Memory > 1<<20 {
			t.Fatalf("holds %+v", got)
		}
	}
	s.settle(t)
	s.check(t)
	s.Close()
	total := int64(0)
	for _, file := range files(t, dir) {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	if total > limit {
		t.Errorf("files of %d bytes, want %d at most", total, limit)
	}
}

// What does not fit into memory any longer is answered from its file.
func TestDisk_TakesOverFromMemory(t *testing.T) {
	t.Parallel()
	s := newStore(t, StoreOptions{Dir: t.TempDir(), Memory: 1 << 20})
	f, o := newFilter(t, Options{Store: s}), sized()
	for i := range 40 {
		get(t, f, o, fmt.Sprintf("/%d?%d", i, 100<<10))
		s.settle(t)
	}
	for i := range 40 {
		if got := get(t, f, o, fmt.Sprintf("/%d?%d", i, 100<<10)); len(got.Body) != 100<<10 || got.Err != nil {
			t.Errorf("/%d: got %d bytes, %v", i, len(got.Body), got.Err)
		}
	}
	if got := o.asked.Load(); got != 40 {
		t.Errorf("upstream asked %d times, want 40", got)
	}
	s.check(t)
}

func TestDisk_RefusesADirectoryOfOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, folder), 0o755); err != nil {
		t.Fatal(err)
	}
	os.Chmod(filepath.Join(dir, folder), 0o777)
	if _, err := NewStore(StoreOptions{Dir: dir}); err == nil || !strings.Contains(err.Error(), "0700") {
		t.Errorf("got %v, want an error that names the mode", err)
	}
}

func FuzzDecode(f *testing.F) {
	e := &entry{facts: facts{
		key: "http://example.com/", site: "s", route: "/*", vary: []string{"a"}, variant: "\x02x\x00", status: 200,
		fields: []exchange.Field{{Name: "content-type", Value: "text/plain"}}, tags: []string{"t"}, etag: `"1"`,
		basis: time.Unix(5, 0), size: 3, received: time.Unix(7, 8), age: 1, lifetime: 60, shared: true,
	}}
	good := encode(e)
	f.Add(good[len(magic) : len(good)-4])
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\x7f"))
	f.Fuzz(func(t *testing.T, text []byte) {
		b := seal(append([]byte(magic), text...))
		e, err := decode(b)
		if err != nil {
			return
		}
		for _, field := range e.fields {
			if !exchange.ValidName(field.Name) || !exchange.ValidValue(field.Value) {
				t.Fatalf("%q: got field %q", text, field)
			}
		}
		again, err := decode(encode(e))
		if err != nil || fmt.Sprint(again.facts) != fmt.Sprint(e.facts) {
			t.Fatalf("%q: got %+v, written and read again %+v, %v", text, e.facts, again, err)
		}
	})
}
