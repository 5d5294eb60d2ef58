package main

import (
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
	w.also([]string{second})
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
		w.also(c.list)
		if got := changes(c.file); got != c.want {
			t.Errorf("%s with the list %v: changed %v, want %v", c.file, c.list, got, c.want)
		}
	}
}
