package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/weirproxy/weir/certs/storage"
	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/edge/store"
	"github.com/weirproxy/weir/edge/store/postgres"
	"github.com/weirproxy/weir/edge/store/redis"
	"github.com/weirproxy/weir/edge/store/sqlite"
)

// storeFile is where the store is, below the data directory, unless one is configured.
const storeFile = "weir.db"

// openStore opens the store of a configuration. Servers need not be there: that they
// are away is found out, and got over, when they are asked.
func openStore(c *config.Config, log *slog.Logger) (*store.Store, error) {
	s := c.Store
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var engine store.Engine
	var err error
	switch s.Engine() {
	case "redis":
		engine, err = redis.Open(ctx, redis.Options{URL: withPassword(s), Prefix: s.Prefix})
	case "postgres":
		engine, err = postgres.Open(ctx, postgres.Options{URL: withPassword(s), Prefix: tablePrefix(s.Prefix)})
	default:
		path := s.Path()
		if path == "" {
			data, err := dataDir(c)
			if err != nil {
				return nil, err
			}
			path = filepath.Join(data, storeFile)
		}
		engine, err = sqlite.Open(ctx, sqlite.Options{Path: path})
	}
	if err != nil {
		return nil, err // which begins with "open store"
	}
	return store.New(engine, store.Options{Deadline: s.Timeout, Lease: s.Lease, Log: log}), nil
}

// withPassword is the URL of a store's server, with the password that is kept apart.
func withPassword(s *config.Store) string {
	u, err := url.Parse(s.URL)
	if err != nil || s.Password == "" {
		return s.URL
	}
	u.User = url.UserPassword(u.User.Username(), s.Password)
	return u.String()
}

// tablePrefix is a prefix as names of tables may have it.
func tablePrefix(prefix string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(prefix)) + "_"
}

// kept is a part of the store as certificates see it: all keys and locks begin with
// its prefix.
type kept struct {
	*store.Store
	prefix string
}

var _ storage.Store = kept{}

// certsPrefix is where certificates have their part of the store.
const certsPrefix = "tls/"

// Get implements storage.Store.
func (k kept) Get(ctx context.Context, key string) ([]byte, error) {
	e, err := k.Store.Get(ctx, k.prefix+key)
	return e.Value, err
}

// List implements storage.Store.
func (k kept) List(ctx context.Context, prefix, after string, limit int) ([]storage.Record, error) {
	if after != "" {
		after = k.prefix + after
	}
	page, err := k.Store.List(ctx, k.prefix+prefix, after, limit)
	records := make([]storage.Record, len(page))
	for i, e := range page {
		records[i] = storage.Record{Key: strings.TrimPrefix(e.Key, k.prefix), Value: e.Value}
	}
	return records, err
}

// Put implements storage.Store.
func (k kept) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	_, err := k.Store.Put(ctx, k.prefix+key, value, ttl)
	return err
}

// Delete implements storage.Store.
func (k kept) Delete(ctx context.Context, keys ...string) error {
	all := make([]string, len(keys))
	for i, key := range keys {
		all[i] = k.prefix + key
	}
	return k.Store.Delete(ctx, all...)
}

// Lock implements storage.Store.
func (k kept) Lock(ctx context.Context, name string) (storage.Lock, error) {
	l, err := k.Store.Lock(ctx, k.prefix+name)
	if err != nil {
		return nil, err
	}
	return keptLock{l, k}, nil
}

// TryLock implements storage.Store.
func (k kept) TryLock(ctx context.Context, name string) (storage.Lock, error) {
	l, err := k.Store.TryLock(ctx, k.prefix+name)
	switch {
	case errors.Is(err, store.ErrHeld):
		return nil, fmt.Errorf("%w: %w", storage.ErrHeld, err)
	case err != nil:
		return nil, err
	}
	return keptLock{l, k}, nil
}

// Watch implements storage.Store.
func (k kept) Watch(ctx context.Context, prefix string, changed func(key string)) {
	k.Store.Watch(ctx, k.prefix+prefix, func(key string) { changed(strings.TrimPrefix(key, k.prefix)) })
}

// keptLock is a lock of the store as certificates see it.
type keptLock struct {
	*store.Lock
	k kept
}

// Put implements storage.Lock.
func (l keptLock) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	lease := l.Lease()
	_, err := l.k.Commit(ctx, store.Batch{Held: &lease, Ops: []store.Op{{Key: l.k.prefix + key, Value: value, TTL: ttl}}})
	if errors.Is(err, store.ErrFenced) {
		return fmt.Errorf("%w: %w", storage.ErrLost, err)
	}
	return err
}
