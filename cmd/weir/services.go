package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/edge/store"
	"github.com/weirproxy/weir/sdk/abi/ext"
	"github.com/weirproxy/weir/wasmhost/services"
)

// guestStore is the store as guests see it. It is opened when the first of them asks for
// something: a configuration whose guests keep nothing has none.
type guestStore struct {
	certs *authorities
	c     *config.Config
	dry   bool // only look: there is no store
}

var (
	_ services.Store   = guestStore{}
	_ services.Secrets = guestStore{}
)

// services are what guests may ask for, with the store of the first configuration.
func (w *world) services() *services.Backend {
	s := guestStore{w.certs, w.first, w.dry}
	return services.New(services.Options{Store: s, Secrets: s})
}

var errDryStore = errors.New("who only checks a configuration opens no store")

func (g guestStore) open(ctx context.Context) (*store.Store, error) {
	if g.dry || g.c == nil {
		return nil, errDryStore
	}
	s, err := g.certs.opened.open(ctx, g.c)
	if err != nil {
		g.certs.opened.complain(err)
	}
	return s, err
}

// Get implements services.Store.
func (g guestStore) Get(ctx context.Context, key string) (services.Entry, error) {
	s, err := g.open(ctx)
	if err != nil {
		return services.Entry{}, err
	}
	e, err := s.Get(ctx, key)
	return services.Entry{Key: e.Key, Value: e.Value, Version: e.Version}, forGuests(err)
}

// Put implements services.Store.
func (g guestStore) Put(ctx context.Context, key string, value []byte, ttl time.Duration, wanted uint64) (uint64, error) {
	return g.commit(ctx, store.Op{Key: key, Value: value, TTL: ttl, If: condition(wanted)})
}

// Delete implements services.Store. The store answers alike for what has another version
// and what is not there.
func (g guestStore) Delete(ctx context.Context, key string, wanted uint64) error {
	if wanted != ext.Absent {
		_, err := g.commit(ctx, store.Op{Key: key, Delete: true, If: condition(wanted)})
		if !errors.Is(err, services.ErrChanged) {
			return err
		}
	}
	switch _, err := g.Get(ctx, key); {
	case errors.Is(err, services.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	return services.ErrChanged
}

// commit makes one change. No node watches what guests keep.
func (g guestStore) commit(ctx context.Context, op store.Op) (uint64, error) {
	s, err := g.open(ctx)
	if err != nil {
		return 0, err
	}
	op.Quiet = true
	version, err := s.Commit(ctx, store.Batch{Ops: []store.Op{op}})
	return version, forGuests(err)
}

func condition(wanted uint64) store.Condition {
	switch wanted {
	case ext.Any:
		return store.Condition{}
	case ext.Absent:
		return store.Condition{Absent: true}
	}
	return store.Condition{Version: wanted}
}

// fewEntries are read at once: they cannot be too much for memory.
const fewEntries = 64

// List implements services.Store.
func (g guestStore) List(ctx context.Context, prefix, after string, most int) iter.Seq2[services.Entry, error] {
	return func(yield func(services.Entry, error) bool) {
		s, err := g.open(ctx)
		for err == nil && most > 0 {
			want := min(most, fewEntries)
			var page []store.Entry
			page, err = s.List(ctx, prefix, after, want)
			for _, e := range page {
				if !yield(services.Entry{Key: e.Key, Value: e.Value, Version: e.Version}, nil) {
					return
				}
				after = e.Key
			}
			if most -= len(page); err == nil && len(page) < want {
				return
			}
		}
		if err != nil {
			yield(services.Entry{}, forGuests(err))
		}
	}
}

// forGuests says it in the words of services; an error has no key in it that guests have
// not given.
func forGuests(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrNotFound):
		return services.ErrNotFound
	case errors.Is(err, store.ErrConflict):
		return services.ErrChanged
	}
	return err
}

// keysPrefix is where keys are in the store that weir makes for guests.
const keysPrefix = "keys/"

// Secret implements services.Secrets. Of several nodes that make it at the same time, the
// first one does. It is encrypted as certificates are.
func (g guestStore) Secret(ctx context.Context, name string) ([]byte, error) {
	s, err := g.open(ctx)
	if err != nil {
		return nil, err
	}
	key := keysPrefix + name
	for range 3 { // it may be taken away meanwhile
		e, err := s.Get(ctx, key)
		if err == nil {
			return g.secret(ctx, e)
		}
		if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		value, err := g.newSecret(ctx, key)
		if err != nil {
			return nil, err
		}
		if _, err := s.PutNew(ctx, key, value, 0); err != nil && !errors.Is(err, store.ErrConflict) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("make %s: others make it and take it away again", key)
}

const secretBytes = 32

// newSecret is the value of a new one.
func (g guestStore) newSecret(ctx context.Context, key string) ([]byte, error) {
	secret := make([]byte, secretBytes)
	_, _ = rand.Read(secret) // which never fails
	return sealedValue(ctx, g.c, key, base64.StdEncoding.AppendEncode(nil, secret))
}

// secret reads one from its value.
func (g guestStore) secret(ctx context.Context, e store.Entry) ([]byte, error) {
	text, err := opened(ctx, g.c, e)
	if err != nil {
		return nil, err
	}
	secret, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil || len(secret) != secretBytes {
		return nil, fmt.Errorf("read %s: %w: remove it, and it is made again", e.Key, store.ErrDamaged)
	}
	return secret, nil
}
