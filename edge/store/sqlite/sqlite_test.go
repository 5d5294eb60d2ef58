//go:build unix

package sqlite_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/weirproxy/weir/edge/store"
	"github.com/weirproxy/weir/edge/store/sqlite"
	"github.com/weirproxy/weir/edge/store/storetest"
)

func open(t testing.TB, path string) store.Engine {
	t.Helper()
	e, err := sqlite.Open(context.Background(), sqlite.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestSuite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Handles {
		path := filepath.Join(t.TempDir(), "weir.db")
		return func() store.Engine { return open(t, path) }
	})
}

func TestFrozenHolderCannotWrite(t *testing.T) {
	t.Parallel()
	storetest.FrozenHolder(t, func() string { return filepath.Join(t.TempDir(), "weir.db") }, open)
}

func BenchmarkSQLite(b *testing.B) {
	storetest.Benchmark(b, open(b, filepath.Join(b.TempDir(), "weir.db")))
}
