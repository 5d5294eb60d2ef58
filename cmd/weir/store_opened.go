package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/edge/store"
)

// openedStore is the process's store, opened by who needs it first: certificates at the
// start, or a guest later. A file must not be opened twice in a process, see package
// sqlite.
type openedStore struct {
	log  *slog.Logger
	turn chan struct{} // holds a value while it is being opened

	mu     sync.Mutex // guards what follows
	store  *store.Store
	engine string
	place  string // without passwords
	closed bool
	err    error // why it could not be opened, then
	failed time.Time
	logged bool // err was
}

func newOpenedStore(log *slog.Logger) *openedStore {
	return &openedStore{log: log, turn: make(chan struct{}, 1)}
}

// sulk is how long a store that could not be opened is not tried again: guests ask often.
const sulk = 5 * time.Second

// open returns the store, which is that of the configuration it was first asked with.
func (o *openedStore) open(ctx context.Context, c *config.Config) (*store.Store, error) {
	if s, err := o.known(); s != nil || err != nil {
		return s, err
	}
	select {
	case o.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-o.turn }()
	if s, err := o.known(); s != nil || err != nil {
		return s, err
	}
	s, err := openStore(c, o.log)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		err = hinted{err, "set store: or data: (or WEIR_DATA_DIR) to what user " + strconv.Itoa(os.Getuid()) + " may write"}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case err != nil:
		o.err, o.failed, o.logged = err, time.Now(), false
	case o.closed:
		_ = s.Close() // nothing was written to it
		err = store.ErrClosed
	default:
		o.store, o.engine = s, c.Store.Engine()
		o.place, _ = placeOf(c)
	}
	return o.store, err
}

func (o *openedStore) known() (*store.Store, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.closed:
		return nil, store.ErrClosed
	case o.store == nil && o.err != nil && time.Since(o.failed) < sulk:
		return nil, o.err
	}
	return o.store, nil
}

// complain logs once that guests have no store, and why: they may not say it.
func (o *openedStore) complain(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err == o.err && !o.logged {
		o.logged = true
		o.log.Warn("guests have no store", "err", err)
	}
}

// get returns what is open, and where it is; nil if nothing is.
func (o *openedStore) get() (s *store.Store, engine, place string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.store, o.engine, o.place
}

// close ends the store. It is not opened again.
func (o *openedStore) close() error {
	o.mu.Lock()
	s := o.store
	o.closed = true
	o.mu.Unlock()
	if s == nil {
		return nil
	}
	return s.Close()
}
