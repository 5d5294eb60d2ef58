package storage_test

import (
	"testing"

	"github.com/weirproxy/weir/certs/certstest"
	"github.com/weirproxy/weir/certs/storage"
)

// What is put around a store is a store.
func TestWrappers_KeepTheContract(t *testing.T) {
	t.Parallel()
	everything := storage.MirrorOptions{Prefixes: []string{""}}
	for name, wrap := range map[string]func(t *testing.T, s storage.Store) storage.Store{
		"Seal":  func(t *testing.T, s storage.Store) storage.Store { return seal(t, s, secret(1)) },
		"Plain": func(_ *testing.T, s storage.Store) storage.Store { return storage.Plain(s) },
		"Mirror": func(t *testing.T, s storage.Store) storage.Store {
			return mirror(t, s, private(t), everything)
		},
		"Seal of Mirror": func(t *testing.T, s storage.Store) storage.Store {
			return seal(t, mirror(t, s, private(t), everything), secret(1), secret(2))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			certstest.TestStore(t, func(t *testing.T) (a, b storage.Store) {
				var m certstest.MemoryStore
				return wrap(t, m.Node()), wrap(t, m.Node())
			})
		})
	}
}
