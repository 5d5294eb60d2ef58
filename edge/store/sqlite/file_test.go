//go:build unix

package sqlite_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/store"
	"github.com/weirproxy/weir/edge/store/sqlite"
)

func TestOpen_MakesAPrivateFile(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a ?#%&", "b")
	path := filepath.Join(dir, "weir.db?mode=memory")
	s := patient(t, path)
	if _, err := s.Put(t.Context(), "k", []byte("x"), 0); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: %v, %v", info.Mode(), err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 2 {
		t.Fatalf("files: %v, %v", files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 || !strings.HasPrefix(f.Name(), "weir.db?mode=memory") {
			t.Errorf("%s: %v, %v", f.Name(), info.Mode(), err)
		}
	}
}

// refuse opens what is at path, wants an error with that text, and that nothing changes.
func refuse(t *testing.T, path, text string) {
	t.Helper()
	before, _ := os.ReadFile(path)
	e, err := sqlite.Open(context.Background(), sqlite.Options{Path: path})
	if err == nil {
		e.Close()
		t.Fatalf("opened; want an error with %q", text)
	}
	if !strings.Contains(err.Error(), text) || !strings.Contains(err.Error(), path) {
		t.Errorf("error %q; want the path and %q", err, text)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("the file was changed")
	}
}

func TestOpen_RefusesWhatIsNoStore(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		make       func(t *testing.T, path string)
	}{
		{"empty", "the file is empty", func(t *testing.T, path string) { write(t, path, nil, 0o600) }},
		{"noise", "damaged", func(t *testing.T, path string) {
			noise := make([]byte, 8192)
			_, _ = rand.Read(noise)
			write(t, path, noise, 0o600)
		}},
		{"text", "damaged", func(t *testing.T, path string) { write(t, path, []byte(strings.Repeat("hello\n", 1000)), 0o600) }},
		{"readable by others", "chmod 600", func(t *testing.T, path string) {
			patient(t, path).Close()
			if err := os.Chmod(path, 0o640); err != nil {
				t.Fatal(err)
			}
		}},
		{"of another program", "another program", func(t *testing.T, path string) {
			write(t, path, nil, 0o600)
			alter(t, path, "CREATE TABLE entry (key, value)")
		}},
		{"of a later weir", "format 7", func(t *testing.T, path string) {
			patient(t, path).Close()
			alter(t, path, "PRAGMA user_version = 7")
		}},
		{"without its log", "journal_mode", func(t *testing.T, path string) {
			patient(t, path).Close()
			alter(t, path, "PRAGMA journal_mode = DELETE")
		}},
		{"without a table", "no such table", func(t *testing.T, path string) {
			patient(t, path).Close()
			alter(t, path, "DROP TABLE lease")
		}},
		{"directory", "regular", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "weir.db")
			c.make(t, path)
			refuse(t, path, c.text)
		})
	}
	if _, err := sqlite.Open(t.Context(), sqlite.Options{}); err == nil {
		t.Error("opened nothing")
	}
}

func write(t *testing.T, path string, data []byte, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, data, mode); err != nil {
		t.Fatal(err)
	}
}

func alter(t *testing.T, path, stmt string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(stmt); err != nil {
		t.Fatal(err)
	}
}

// A file whose pages were overwritten is told, by operations and by Check, and stays.
func TestDamageIsTold(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "weir.db")
	s := patient(t, path)
	for i := range 200 {
		if _, err := s.Put(t.Context(), strconv.Itoa(i), bytes.Repeat([]byte("x"), 2000), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 4096 * 8; i < len(data); i++ {
		data[i] ^= 0x55
	}
	write(t, path, data, 0o600)
	s = patient(t, path)
	r, err := s.Check(t.Context())
	if err == nil && r.Worst() != store.Wrong {
		t.Errorf("check: %+v", r)
	}
	failed := false
	for i := range 200 {
		if _, err := s.Get(t.Context(), strconv.Itoa(i)); errors.Is(err, store.ErrDamaged) {
			failed = true
			if !strings.Contains(err.Error(), "backup") {
				t.Errorf("error %q does not say what to do", err)
			}
		} else if err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Errorf("get: %v", err)
		}
	}
	if !failed {
		t.Error("nothing was noticed")
	}
}

func TestFileThatIsTakenAwayIsTold(t *testing.T) {
	t.Parallel()
	for name, take := range map[string]func(path string) error{
		"removed":  os.Remove,
		"replaced": func(path string) error { return errors.Join(os.Remove(path), os.WriteFile(path, []byte("x"), 0o600)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "weir.db")
			s := patient(t, path)
			if _, err := s.Put(t.Context(), "k", nil, 0); err != nil {
				t.Fatal(err)
			}
			if err := take(path); err != nil {
				t.Fatal(err)
			}
			var err error
			late := time.Now().Add(20 * time.Second) // it looks once a second
			for err == nil && time.Now().Before(late) {
				_, err = s.Put(t.Context(), "k", nil, 0)
			}
			if !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), name) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Expired entries and old changes do not stay in the file.
func TestFileIsSwept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "weir.db")
	s := patient(t, path)
	for i := range 100 {
		ops := make([]store.Op, 0, store.MaxOps)
		for j := range store.MaxOps {
			ops = append(ops, store.Op{Key: strconv.Itoa(i) + "/" + strconv.Itoa(j), TTL: time.Millisecond})
		}
		if _, err := s.Commit(t.Context(), store.Batch{Ops: ops}); err != nil {
			t.Fatal(err)
		}
	}
	for range 500 {
		if _, err := s.Put(t.Context(), "k", nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var entries, changes int
	if err := db.QueryRow("SELECT (SELECT count(*) FROM entry), (SELECT count(*) FROM change)").Scan(&entries, &changes); err != nil {
		t.Fatal(err)
	}
	if entries != 1 || changes > 4096+256 {
		t.Errorf("%d entries and %d changes are kept", entries, changes)
	}
}
