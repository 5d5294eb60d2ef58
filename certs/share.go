package certs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/weirproxy/weir/certs/storage"
)

// rootKey is where the store has the internal authority's root, with its key.
const rootKey = "internal/root"

// ShareRoot has all nodes of a store sign with one internal root, so that clients trust
// one: call it before OpenInternal of the same directory. The first node gives the store
// the root that it has, or makes one; the others take it from there. A node that had
// another root before puts that aside, under a name that ends in .replaced, and log hears
// of it. An error leaves the directory as it is, which can be opened nevertheless.
func ShareRoot(ctx context.Context, store storage.Store, dir, name string, log *slog.Logger) error {
	shared, err := store.Get(storage.Fresh(ctx), rootKey)
	if errors.Is(err, fs.ErrNotExist) {
		shared, err = giveRoot(ctx, store, dir, name)
	}
	if err != nil {
		return fmt.Errorf("share internal root: %w", err)
	}
	root, err := decodeAuthority(shared)
	if err != nil {
		return fmt.Errorf("share internal root: what the store has at %s is damaged: %w", rootKey, err)
	}
	if err := takeRoot(dir, root, shared, log); err != nil {
		return fmt.Errorf("share internal root: %w", err)
	}
	return nil
}

// giveRoot puts the root of dir into the store, or a new one, unless another node was
// faster; it returns what the store has then.
func giveRoot(ctx context.Context, store storage.Store, dir, name string) ([]byte, error) {
	lock, err := store.Lock(ctx, rootKey)
	if err != nil {
		return nil, err
	}
	defer func() { _ = lock.Unlock(context.WithoutCancel(ctx)) }()
	switch shared, err := store.Get(storage.Fresh(ctx), rootKey); {
	case err == nil:
		return shared, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	own, err := vault{dir, name}.read(rootKeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		if name == "" {
			name = defaultRootName
		}
		own, err = newRoot(name, time.Now(), longestBackdate)
	}
	if err != nil {
		return nil, err
	}
	value, err := own.encode()
	if err != nil {
		return nil, err
	}
	return value, lock.Put(ctx, rootKey, value, 0)
}

// takeRoot makes root that of the directory.
func takeRoot(dir string, root *authority, encoded []byte, log *slog.Logger) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	unlock, err := lock(filepath.Join(dir, lockFile))
	if err != nil {
		return err
	}
	defer unlock()
	v := vault{dir: dir}
	own, err := v.read(rootKeyFile)
	switch {
	case err == nil && bytes.Equal(own.cert.Raw, root.cert.Raw):
		return nil
	case err == nil:
		log.Warn("this node's internal root is replaced by the one that all nodes share: clients have to trust that (weir trust)", "dir", dir)
		for _, name := range []string{rootKeyFile, rootFile, intermediateKeyFile} {
			if err := os.Rename(filepath.Join(dir, name), filepath.Join(dir, name+".replaced")); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := v.write(rootKeyFile, encoded, 0o600); err != nil {
		return err
	}
	return v.write(rootFile, encodeCert(root.cert), 0o644)
}
