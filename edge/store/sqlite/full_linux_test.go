package sqlite_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/weirproxy/weir/edge/store"
)

// A full disk is told as such, loses nothing, and writing goes on when there is room.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=2m,mode=700"); err != nil {
		if os.Getenv("WEIR_CI") != "" {
			t.Fatalf("mount a small disk: %v", err)
		}
		t.Skipf("mount a small disk: %v", err) // only root can
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	s := patient(t, filepath.Join(dir, "weir.db"))
	defer s.Close()
	var written []string
	var err error
	value := bytes.Repeat([]byte("x"), 50_000)
	for i := range 100 {
		key := strconv.Itoa(i)
		if _, err = s.Commit(t.Context(), store.Batch{Ops: []store.Op{{Key: "a" + key, Value: value}, {Key: "b" + key, Value: value}}}); err != nil {
			break
		}
		written = append(written, key)
	}
	if !errors.Is(err, syscall.ENOSPC) || len(written) < 2 {
		t.Fatalf("after %d writes: %v; want that the disk is full", len(written), err)
	}
	whole := func() {
		t.Helper()
		all, err := s.List(t.Context(), "", "", 1000)
		if err != nil || len(all) != 2*len(written) {
			t.Fatalf("%d entries, %v; want %d", len(all), err, 2*len(written))
		}
		for _, e := range all {
			if !bytes.Equal(e.Value, value) {
				t.Errorf("%s: %d bytes", e.Key, len(e.Value))
			}
		}
	}
	whole()
	if err := syscall.Mount("none", dir, "tmpfs", syscall.MS_REMOUNT, "size=16m,mode=700"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), "a-", value, 0); err != nil {
		t.Fatalf("with room: %v", err)
	}
	if err := s.Delete(t.Context(), "a-"); err != nil {
		t.Fatal(err)
	}
	whole()
	if r, err := s.Check(t.Context()); err != nil || r.Worst() == store.Wrong {
		t.Errorf("check: %+v, %v", r, err)
	}
}
