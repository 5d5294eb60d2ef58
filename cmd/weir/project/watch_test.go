package project_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/weirproxy/weir/cmd/weir/project"
)

// next waits for changes that are some.
func next(t *testing.T, w *project.Tree) []string {
	t.Helper()
	for {
		select {
		case <-w.C:
		case <-time.After(time.Minute):
			t.Fatal("no change was noticed in a minute")
		}
		if names, err := w.Changed(); err != nil || len(names) > 0 {
			if err != nil {
				t.Fatal(err)
			}
			return names
		}
	}
}

func TestTree_TellsWhichFilesChanged(t *testing.T) {
	t.Parallel()
	dir := tree(t, "here", map[string]string{"main.go": "a", "sub/x.go": "b", "gone.go": "c", "target/x": "d", ".git/HEAD": "e"})
	own, err := os.Create(filepath.Join(dir, "said.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	info, err := own.Stat()
	if err != nil {
		t.Fatal(err)
	}
	w, err := project.Watch(dir, info)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	write := func(name string) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		// As editors do: another file takes the place of this one.
		if err := os.WriteFile(path+"~", []byte("changed "+name), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+"~", path); err != nil {
			t.Fatal(err)
		}
	}
	step := func(what string, want ...string) {
		t.Helper()
		got := map[string]bool{}
		for len(got) < len(want) {
			for _, name := range next(t, w) {
				got[name] = true
			}
		}
		for name := range got {
			if !slices.Contains(want, name) {
				t.Errorf("%s: %s has changed, want %v", what, name, want)
			}
		}
	}
	write("main.go")
	step("a file", "main.go")
	write("target/x")
	write("node_modules/a/b.ts")
	write("hello.wasm")
	write(".git/HEAD")
	write(".main.go.swp")
	write("server.log")
	own.WriteString("change: said.txt\n")
	write("sub/x.go")
	step("what compilers leave, and then a file", "sub/x.go")
	write("new/deep/y.go")
	step("a file in a directory that is new", "new/deep/y.go")
	write("new/deep/y.go.txt")
	step("and another there", "new/deep/y.go.txt")
	if err := os.Remove(filepath.Join(dir, "gone.go")); err != nil {
		t.Fatal(err)
	}
	step("a file that goes", "gone.go")
	if err := os.RemoveAll(filepath.Join(dir, "new")); err != nil {
		t.Fatal(err)
	}
	step("a directory that goes", "new/deep/y.go", "new/deep/y.go.txt")
}

func TestTree_NeedsTheDirectory(t *testing.T) {
	t.Parallel()
	if _, err := project.Watch(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("got no error for a directory that is not there")
	}
}
