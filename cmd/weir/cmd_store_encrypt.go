package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strings"
	"time"

	"github.com/weirproxy/weir/certs/storage"
	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/edge/store"
)

type storeEncryptCmd struct {
	configFlag
	JSON bool `name:"json" help:"Print JSON."`
}

// Help is what `weir store encrypt --help` adds.
func (*storeEncryptCmd) Help() string {
	return `What is written from now on is encrypted with the first encryption_key of the configuration anyway. This does it to what was written before there was one, or with another one of the list, which is not needed any more then. Nodes may run meanwhile; all of them need to have the first key already.`
}

// encrypted is what became of the values of certificates, and of keys.
type encrypted struct {
	Done   int `json:"done"`
	Before int `json:"before"` // that were as they should be
	Left   int `json:"left"`   // that no key opens
}

func (cmd *storeEncryptCmd) Run(a *app) error {
	c, err := cmd.load(a)
	if err != nil {
		return err
	}
	if len(c.Store.Keys) == 0 {
		return hinted{errors.New("there is no key to encrypt with"), "store: {encryption_key: {file: FILE}}, on all nodes; make one with: openssl rand -base64 32"}
	}
	s, err := openShelf(c, false)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.missing(); err != nil {
		return err
	}
	ctx, cancel := shelfTime()
	defer cancel()
	n, err := s.encrypt(ctx)
	if err != nil {
		return err
	}
	if cmd.JSON {
		err = printJSON(a.stdout, n)
	} else {
		_, err = fmt.Fprintf(a.stdout, "%s encrypted, %d were before\n", values(n.Done), n.Before)
	}
	if n.Left > 0 && err == nil {
		err = hinted{errors.New(values(n.Left) + " not opened by any encryption_key"), lostKeyHint}
	}
	return err
}

// encrypt seals with the first key what is not. What weir writes meanwhile is left as it
// is then, and so is how long a value lives.
func (s *shelf) encrypt(ctx context.Context) (n encrypted, err error) {
	now, err := s.store.Now(ctx)
	if err != nil {
		return n, err
	}
	began := time.Now()
	for e, err := range s.secrets(ctx) {
		if err != nil {
			return n, err
		}
		if byFirst(ctx, s.c, e) {
			n.Before++
			continue
		}
		value, err := reseal(ctx, s.c, e)
		if err != nil {
			n.Left++
			continue
		}
		op := store.Op{Key: e.Key, Value: value, If: store.Condition{Version: e.Version}}
		if !e.Expires.IsZero() {
			if op.TTL = e.Expires.Sub(now) - time.Since(began); op.TTL <= 0 {
				continue // it is about to go
			}
		}
		switch _, err := s.store.Commit(ctx, store.Batch{Ops: []store.Op{op}}); {
		case errors.Is(err, store.ErrConflict): // weir has written it, or taken it away
		case err != nil:
			return n, err
		default:
			n.Done++
		}
	}
	return n, nil
}

// secrets are all values that are encrypted where there is a key.
func (s *shelf) secrets(ctx context.Context) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		for _, prefix := range []string{certsPrefix, keysPrefix} {
			for e, err := range s.store.All(ctx, prefix) {
				if !yield(e, err) {
					return
				}
			}
		}
	}
}

// sealedName is what a value is bound to that is encrypted: the key that it has in the
// store, but for what certificates have in front of theirs.
func sealedName(key string) string { return strings.TrimPrefix(key, certsPrefix) }

// byFirst tells whether a value is sealed with the first key of c.
func byFirst(ctx context.Context, c *config.Config, e store.Entry) bool {
	if len(c.Store.Keys) == 0 || !storage.IsSealed(e.Value) {
		return false
	}
	first, err := storage.Seal(&oneValue{value: e.Value}, c.Store.Keys[0].Bytes)
	if err != nil {
		return false
	}
	_, err = first.Get(ctx, sealedName(e.Key))
	return err == nil
}

// reseal opens a value with any key of c and seals it with the first.
func reseal(ctx context.Context, c *config.Config, e store.Entry) ([]byte, error) {
	plain, err := opened(ctx, c, e)
	if err != nil {
		return nil, err
	}
	return sealedValue(ctx, c, e.Key, plain)
}

// opened returns what a value says: with any key of c, if it is encrypted.
func opened(ctx context.Context, c *config.Config, e store.Entry) ([]byte, error) {
	sealed, err := sealedBy(c, &oneValue{value: append([]byte{}, e.Value...)}) // which is there, if it is empty
	if err != nil {
		return nil, err
	}
	return sealed.Get(ctx, sealedName(e.Key))
}

// sealedValue returns what is to be written to say that: encrypted, if c has a key.
func sealedValue(ctx context.Context, c *config.Config, key string, plain []byte) ([]byte, error) {
	one := &oneValue{}
	sealed, err := sealedBy(c, one)
	if err != nil {
		return nil, err
	}
	err = sealed.Put(ctx, sealedName(key), plain, 0)
	return one.value, err
}

// oneValue is a store of one value, whatever its key.
type oneValue struct {
	storage.Store
	value []byte
}

// Get implements storage.Store.
func (s *oneValue) Get(context.Context, string) ([]byte, error) {
	if s.value == nil {
		return nil, fs.ErrNotExist
	}
	return s.value, nil
}

// Put implements storage.Store.
func (s *oneValue) Put(_ context.Context, _ string, value []byte, _ time.Duration) error {
	s.value = value
	return nil
}
