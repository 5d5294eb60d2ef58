package main

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func worldIn(dir string) *world { return &world{log: quiet(), data: dir} }

func TestSecret_IsKeptForTheOwnerOnly(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	first := worldIn(dir).secret()
	if again := worldIn(dir).secret(); !bytes.Equal(first, again) || len(first) < 16 {
		t.Errorf("got %q, then %q; want the same secret", first, again)
	}
	all, err := os.ReadDir(dir)
	if err != nil || len(all) != 1 {
		t.Fatalf("left %v, %v; want one file", all, err)
	}
	if info, err := all[0].Info(); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
}

func TestSecret_IsOneForAllWhoMakeItAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var all [8][]byte
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() { all[i] = worldIn(dir).secret() })
	}
	wg.Wait()
	for _, key := range all {
		if !bytes.Equal(key, all[0]) {
			t.Errorf("got %q beside %q", key, all[0])
		}
	}
}

func TestSecret_IsRandomWhereItCannotBeKept(t *testing.T) {
	t.Parallel()
	file, short, empty := filepath.Join(t.TempDir(), "file"), t.TempDir(), t.TempDir()
	for path, text := range map[string]string{file: "", filepath.Join(short, secretFile): "short\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, w := range []*world{worldIn(""), worldIn(file), worldIn(short), {log: quiet(), data: empty, dry: true}} {
		if a, b := w.secret(), w.secret(); bytes.Equal(a, b) || len(a) < 16 {
			t.Errorf("data %q: got %q and %q, want two secrets", w.data, a, b)
		}
	}
	if left, err := os.ReadDir(empty); err != nil || len(left) != 0 {
		t.Errorf("who only looks left %v, %v", left, err)
	}
}
