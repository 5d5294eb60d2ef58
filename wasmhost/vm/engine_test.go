package vm_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/wasmhost/vm"
	. "github.com/weirproxy/weir/wasmhost/vmtest"
)

func TestEngine_CompilesOnce(t *testing.T) {
	t.Parallel()
	e := newEngine(t, vm.Options{})
	code := Module{Funcs: []Func{add}}.Bytes()
	keep := make(chan *vm.Program, 1000)
	var wg, loaded sync.WaitGroup
	loaded.Add(1000)
	for range 1000 {
		wg.Go(func() {
			p, err := e.Load(t.Context(), code, nothing())
			loaded.Done()
			if err != nil {
				t.Error(err)
				return
			}
			defer p.Release()
			loaded.Wait()
			keep <- p
			i, err := p.Instantiate(vm.Config{})
			if err != nil {
				t.Error(err)
				return
			}
			defer i.Close()
			if v, err := i.Call(i.Lookup("add"), nil, 1, 2); v != 3 || err != nil {
				t.Errorf("1 + 2 = %d, %v", v, err)
			}
		})
	}
	wg.Wait()
	first := <-keep
	for range 999 {
		if <-keep != first {
			t.Fatal("two programs")
		}
	}
	if s := e.Stats(); s.Compiled != 1 || s.Programs != 0 {
		t.Errorf("stats %+v; want one compilation, released", s)
	}
	one := load(t, e, code, nothing())
	if other := load(t, e, code, &vm.Link{Name: "other"}); other == one {
		t.Error("two ABIs share a program")
	}
}

func TestEngine_CancelledLoadHarmsNobody(t *testing.T) {
	t.Parallel()
	e := newEngine(t, vm.Options{})
	code := Module{Funcs: []Func{add}}.Bytes()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		if p, err := e.Load(ctx, code, nothing()); err == nil {
			p.Release() // it was ready at once
		} else if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	load(t, e, code, nothing())
}

func TestEngine_RefusesWhatIsNoModule(t *testing.T) {
	t.Parallel()
	e := newEngine(t, vm.Options{})
	good := Module{Funcs: []Func{add}}.Bytes()
	for _, c := range []struct {
		name string
		code []byte
		want string
	}{
		{"nothing", nil, "it is empty"},
		{"text", []byte("(module)"), "not a WebAssembly module"},
		{"component", []byte("\x00asm\x0d\x00\x01\x00"), "component"},
		{"half", good[:len(good)/2], ""},
		{"wrong types", Module{Funcs: []Func{{Name: "f", Results: I32, Body: Code{I64Const, 1}}}}.Bytes(), ""},
	} {
		for range 2 { // a failure does not poison the second try, nor make it succeed
			_, err := e.Load(t.Context(), c.code, nothing())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v; want %s", c.name, err, c.want)
			}
		}
	}
	if _, err := e.Load(t.Context(), make([]byte, vm.MaxModule+1), nothing()); err == nil || !strings.Contains(err.Error(), "allowed") {
		t.Errorf("too large: %v", err)
	}
}

func TestEngine_Mode(t *testing.T) {
	t.Parallel()
	e := newEngine(t, vm.Options{})
	mode, reason := e.Mode()
	if runtime.GOARCH == "amd64" && mode != "compiler" || mode == "compiler" && reason != "" {
		t.Errorf("%s, %s", mode, reason)
	}
}

// cached returns the files of a cache, by path.
func cached(t *testing.T, dir string) (code, sums []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil || d.IsDir():
		case d.Name() == "sum":
			sums = append(sums, path)
		default:
			code = append(code, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return code, sums
}

func TestCache_IsUsedOnlyAsItWasWritten(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "cache")
	code := Module{Funcs: []Func{add}}.Bytes()
	use := func() {
		t.Helper()
		e := newEngine(t, vm.Options{CacheDir: dir})
		p, err := e.Load(t.Context(), code, nothing())
		if err != nil {
			t.Fatal(err)
		}
		defer p.Release()
		i, err := p.Instantiate(vm.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer i.Close()
		if v, err := i.Call(i.Lookup("add"), nil, 40, 2); v != 42 || err != nil {
			t.Errorf("40 + 2 = %d, %v", v, err)
		}
	}
	use()
	files, sums := cached(t, dir)
	if len(files) != 1 || len(sums) != 1 {
		t.Fatalf("files %v, sums %v", files, sums)
	}
	good, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	before, _ := os.Stat(files[0])
	use()
	if after, err := os.Stat(files[0]); err != nil || !os.SameFile(before, after) {
		t.Errorf("what was kept was not used: %v", err)
	}
	huge := append([]byte(nil), good...)
	at := strings.Index(string(good), "WAZEVO") + 7 + int(good[6])
	copy(huge[at:], "\xff\xff\xff\x7f") // so many functions
	for name, bad := range map[string][]byte{
		"empty": nil, "one byte": good[:1], "half": good[:len(good)/2], "one byte less": good[:len(good)-1],
		"other code":            append(good[:len(good)-8:len(good)-8], "\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc"...),
		"two billion functions": huge, "none": []byte("hello"),
	} {
		for _, withSum := range []bool{true, false} {
			if err := os.WriteFile(files[0], bad, 0o600); err != nil {
				t.Fatal(err)
			}
			if !withSum {
				_ = os.Remove(sums[0])
			}
			use()
			if now, _ := os.ReadFile(files[0]); string(now) != string(good) {
				t.Errorf("%s, sum %t: not written anew", name, withSum)
			}
		}
	}
}

func TestCache_RefusesDirectoriesOfOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := vm.NewEngine(vm.Options{CacheDir: dir}); err == nil || !strings.Contains(err.Error(), "written to by others") {
		t.Errorf("open to all: %v", err)
	}
	within := filepath.Join(dir, "cache")
	for mode, want := range map[os.FileMode]bool{0o777: false, 0o777 | os.ModeSticky: true, 0o755: true} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := vm.NewEngine(vm.Options{CacheDir: within}); (err == nil) != want {
			t.Errorf("its own, in a directory of mode %v: %v", mode, err)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := vm.NewEngine(vm.Options{CacheDir: file}); err == nil {
		t.Error("a file")
	}
}

func TestCache_ForgetsWhatNobodyUses(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "cache")
	old, other := filepath.Join(dir, strings.Repeat("ab", 32)), filepath.Join(dir, "mine")
	unfinished := filepath.Join(dir, "new-123")
	for _, d := range []string{old, other, unfinished} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
		then := time.Now().AddDate(-1, 0, 0)
		if err := os.Chtimes(d, then, then); err != nil {
			t.Fatal(err)
		}
	}
	newEngine(t, vm.Options{CacheDir: dir})
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("an old entry: %v", err)
	}
	if _, err := os.Stat(unfinished); !os.IsNotExist(err) {
		t.Errorf("an old draft: %v", err)
	}
	if _, err := os.Stat(other); err != nil {
		t.Errorf("what is no entry: %v", err)
	}
}

// TestCache_IsSharedByProcesses has several engines, which know of each other no more than
// processes do, compile the same module at once.
func TestCache_IsSharedByProcesses(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "cache")
	code := Module{Funcs: []Func{add}}.Bytes()
	for round := range 5 {
		var engines []*vm.Engine
		for range 8 {
			engines = append(engines, newEngine(t, vm.Options{CacheDir: dir}))
		}
		var wg sync.WaitGroup
		for _, e := range engines {
			wg.Go(func() {
				p, err := e.Load(t.Context(), code, nothing())
				if err != nil {
					t.Error(err)
					return
				}
				defer p.Release()
				i, err := p.Instantiate(vm.Config{})
				if err != nil {
					t.Error(err)
					return
				}
				defer i.Close()
				if v, err := i.Call(i.Lookup("add"), nil, 40, 2); v != 42 || err != nil {
					t.Errorf("40 + 2 = %d, %v", v, err)
				}
			})
		}
		wg.Wait()
		list, err := os.ReadDir(dir)
		if files, sums := cached(t, dir); err != nil || len(list) != 1 || len(files) != 1 || len(sums) != 1 {
			t.Errorf("round %d: left %v, files %v, sums %v, %v; want one entry", round, list, files, sums, err)
		}
		if round%2 == 0 { // the next ones find it broken
			if _, sums := cached(t, dir); len(sums) == 1 {
				os.Remove(sums[0])
			}
		}
	}
}

// TestCache_FailsToAFreshCompilation has the cache break while it is used.
func TestCache_FailsToAFreshCompilation(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "cache")
	e := newEngine(t, vm.Options{CacheDir: dir})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	load(t, e, Module{Funcs: []Func{add}}.Bytes(), nothing())
}

// TestEngine_ReleaseFreesCode loads and releases, and counts the mappings of the process;
// so it runs alone.
func TestEngine_ReleaseFreesCode(t *testing.T) {
	if testing.Short() || runtime.GOOS != "linux" {
		t.Skip("slow, and for Linux")
	}
	e := newEngine(t, vm.Options{CacheDir: filepath.Join(t.TempDir(), "cache")})
	round := func(n int) {
		for k := range n {
			m := Module{Pages: 1, Funcs: []Func{add, {Name: "k", Results: I32, Body: Code{I32Const, k % 50}}}}
			p, err := e.Load(t.Context(), m.Do(Flood(Clock()), "flood", nil, nil).Bytes(), nothing())
			if err != nil {
				t.Fatal(err)
			}
			i, err := p.Instantiate(vm.Config{})
			if err != nil {
				t.Fatal(err)
			}
			i.Call(i.Lookup("k"), nil)
			p.Release() // its instance still uses it
			if _, err := i.Call(i.Lookup("add"), nil, 1, 2); err != nil {
				t.Fatal(err)
			}
			i.Close()
		}
		for range 3 { // finalizers free the code
			runtime.GC()
		}
	}
	executable := func() (n int) {
		maps, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Skip(err)
		}
		return strings.Count(string(maps), " r-xp 00000000 00:00 0")
	}
	round(20)
	before := executable()
	round(100)
	if after := executable(); after > before+20 {
		t.Errorf("%d mappings of code after 20 rounds, %d after 120", before, after)
	}
}

// slow is a module that takes the compiler some tenths of a second.
func slow() []byte {
	body := Code{}
	for range 900 {
		body = append(body, Loop, Void)
	}
	for range 900 {
		body = append(body, End)
	}
	return Module{Funcs: []Func{{Name: "run", Body: body}}}.Bytes()
}

// A compilation cannot be ended: who waits for it, and who closes the engine, goes on
// without.
func TestSecurity_W7_CompilationsAreNotWaitedForForever(t *testing.T) {
	t.Parallel()
	e, err := vm.NewEngine(vm.Options{Patience: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Load(t.Context(), slow(), nothing()); err == nil || !strings.Contains(err.Error(), "not been compiled") {
		t.Errorf("got %v, want an error about the time that it takes", err)
	}
	e.Close()
	if n := e.Stats().Compiled; n != 0 {
		t.Errorf("%d modules had been compiled, after all: nothing was tested", n)
	}
}

// TestClose_LeavesNothing of programs that have been released a moment ago: whoever
// compiled them may not have noticed yet.
func TestClose_LeavesNothing(t *testing.T) {
	t.Parallel()
	for range 500 {
		e, err := vm.NewEngine(vm.Options{})
		if err != nil {
			t.Fatal(err)
		}
		p, err := e.Load(t.Context(), Module{Funcs: []Func{add}}.Bytes(), nothing())
		if err != nil {
			t.Fatal(err)
		}
		p.Release()
		e.Close()
		if s := e.Stats(); s.Programs != 0 {
			t.Fatalf("left behind: %+v", s)
		}
	}
}
