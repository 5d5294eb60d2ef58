package main

import (
	"fmt"
	"slices"

	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/edge/cache"
	"github.com/weirproxy/weir/edge/exchange"
)

// cache makes the filter that keeps responses; nil where none are kept.
func (b *builder) cache(c *config.Cache) exchange.Filter {
	if c == nil || !c.Enabled {
		return nil
	}
	store, err := b.world.openStore(&b.c.Cache)
	if err != nil {
		b.fail(b.c.Cache.Pos, c.Pos, err)
		return nil
	}
	o := cache.Options{
		Store: store, TTL: c.TTL, MaxTTL: c.MaxTTL,
		StaleWhileRevalidate: c.StaleWhileRevalidate, StaleIfError: c.StaleIfError,
		IgnoreQuery: c.IgnoreQuery, IgnoreAllQuery: slices.Contains(c.IgnoreQuery, "*"),
		Cookies: c.BypassCookies, Tags: c.Tags,
	}
	if o.IgnoreAllQuery {
		o.IgnoreQuery = nil
	}
	f, err := cache.New(o)
	if err != nil {
		b.fail(c.Pos, c.Pos, err)
		return nil
	}
	if t := b.world.told; t != nil {
		return t.caches(f)
	}
	return f
}

func firstCache(all ...*config.Cache) *config.Cache {
	for _, c := range all {
		if c != nil {
			return c
		}
	}
	return nil
}

// openStore returns the process's store of responses. It is opened by the first
// configuration that keeps any, and stays as that says.
func (w *world) openStore(c *config.CacheStore) (*cache.Store, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.store != nil {
		return w.store, nil
	}
	o := cache.StoreOptions{Memory: c.Memory, Dir: c.Dir, Disk: c.Disk, Object: c.Object, Log: w.log}
	if w.dry {
		o.Dir = "" // who only looks makes no directory
	}
	store, err := cache.NewStore(o)
	if err != nil {
		return nil, fmt.Errorf("open cache: %w", err)
	}
	w.store, w.storedAs = store, storeKey(c)
	return store, nil
}

// storeKey tells stores with different settings apart.
func storeKey(c *config.CacheStore) string {
	return fmt.Sprintf("%d %q %d %d", c.Memory, c.Dir, c.Disk, c.Object)
}

// cacheStore returns the store, or nil while nothing has been kept.
func (w *world) cacheStore() *cache.Store {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.store
}
