package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestWatch_FollowsTheListOfFiles: files of a new list are watched, in other directories
// too; those of the old one are not.
func TestWatch_FollowsTheListOfFiles(t *testing.T) {
	t.Parallel()
	one, two := t.TempDir(), t.TempDir()
	first, second, third := filepath.Join(one, "weir.yaml"), filepath.Join(two, "a.wasm"), filepath.Join(two, "b.wasm")
	for _, path := range []string{first, second, third} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w, err := watch(first, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	w.also([]string{second}, nil)
	changes := func(path string) bool {
		if err := os.WriteFile(path+".new", []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
		select {
		case <-w.changed:
			return true
		case <-time.After(5 * settle):
			return false
		}
	}
	for _, c := range []struct {
		file string
		list []string
		want bool
	}{
		{first, nil, true}, // whatever the list
		{second, nil, false},
		{third, nil, false},
		{second, []string{second}, true},
		{third, []string{second}, false},
		{third, []string{third}, true},
		{second, []string{third}, false},
	} {
		w.also(c.list, nil)
		if got := changes(c.file); got != c.want {
			t.Errorf("%s with the list %v: changed %v, want %v", c.file, c.list, got, c.want)
		}
	}
}

// TestWatch_NoticesWhatChangedBefore: a file may be written after it was read, and before
// anybody watches.
func TestWatch_NoticesWhatChangedBefore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config, module := filepath.Join(dir, "weir.yaml"), filepath.Join(t.TempDir(), "a.wasm")
	for _, path := range []string{config, module} {
		if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w, err := watch(config, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	then, err := os.Stat(module)
	if err != nil {
		t.Fatal(err)
	}
	read := map[string]fs.FileInfo{module: then}
	w.also([]string{module}, read)
	select {
	case <-w.changed:
		t.Error("nothing has changed")
	case <-time.After(5 * settle):
	}
	w.also(nil, nil) // so that nobody watches
	if err := os.WriteFile(module, []byte("newer"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.also([]string{module}, read)
	select {
	case <-w.changed:
	case <-time.After(time.Minute):
		t.Error("the change was missed")
	}
}
