package trial

import (
	"context"
	"crypto/rand"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/wasmhost/services"
)

// pantry is the store that guests find, in memory. It is safe for concurrent use.
type pantry struct {
	mu      sync.Mutex
	entries map[string]stored
	secrets map[string][]byte
	version uint64
	brought map[Entry]bool // by cases; of who runs them
}

type stored struct {
	value   []byte
	version uint64
	dies    time.Time // zero: never
}

var (
	_ services.Store   = (*pantry)(nil)
	_ services.Secrets = (*pantry)(nil)
)

// clear takes everything out.
func (p *pantry) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.entries, p.secrets = map[string]stored{}, map[string][]byte{}
	p.brought = map[Entry]bool{}
}

// find returns an entry that lives. It is called with p.mu held.
func (p *pantry) find(key string) (stored, bool) {
	e, ok := p.entries[key]
	return e, ok && (e.dies.IsZero() || time.Now().Before(e.dies))
}

// fits tells whether a key has the wanted version. It is called with p.mu held.
func (p *pantry) fits(key string, wanted uint64) bool {
	e, ok := p.find(key)
	switch wanted {
	case ext.Any:
		return true
	case ext.Absent:
		return !ok
	}
	return ok && e.version == wanted
}

// Get implements services.Store.
func (p *pantry) Get(_ context.Context, key string) (services.Entry, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e, ok := p.find(key)
	if !ok {
		return services.Entry{}, services.ErrNotFound
	}
	return services.Entry{Key: key, Value: e.value, Version: e.version}, nil
}

// Put implements services.Store.
func (p *pantry) Put(_ context.Context, key string, value []byte, ttl time.Duration, wanted uint64) (uint64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.fits(key, wanted) {
		return 0, services.ErrChanged
	}
	p.version++
	e := stored{value: slices.Clone(value), version: p.version}
	if ttl > 0 {
		e.dies = time.Now().Add(ttl)
	}
	p.entries[key] = e
	return e.version, nil
}

// Delete implements services.Store.
func (p *pantry) Delete(_ context.Context, key string, wanted uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.find(key); ok && !p.fits(key, wanted) {
		return services.ErrChanged
	}
	delete(p.entries, key)
	return nil
}

// List implements services.Store.
func (p *pantry) List(_ context.Context, prefix, after string, most int) iter.Seq2[services.Entry, error] {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []services.Entry
	for _, key := range slices.Sorted(maps.Keys(p.entries)) {
		if e, ok := p.find(key); ok && strings.HasPrefix(key, prefix) && key > after && len(all) < most {
			all = append(all, services.Entry{Key: key, Value: e.value, Version: e.version})
		}
	}
	return func(yield func(services.Entry, error) bool) {
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// Secret implements services.Secrets.
func (p *pantry) Secret(_ context.Context, name string) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.secrets[name] == nil {
		secret := make([]byte, 32)
		_, _ = rand.Read(secret) // which never fails
		p.secrets[name] = secret
	}
	return p.secrets[name], nil
}

// shelf is one space of a pantry, as a plugin has it whose own it is.
type shelf struct{ services *services.Services }

func (r *Runner) shelf(c *Case, space string) (shelf, error) {
	if space == "" {
		space = c.Settings.Store
		if space == "" {
			space = c.Settings.Name
		}
	}
	s, err := r.services.Of(services.Plugin{Space: space})
	return shelf{s}, err
}

func (s shelf) put(ctx context.Context, key, value string) error {
	argument := ext.Append(ext.Append(ext.Append(nil, ""), key), value)
	_, _, err := s.services.Call(ctx, ext.StorePut, ext.AppendUint(ext.AppendUint(argument, 0), ext.Any))
	return err
}

// get returns the value of a key, and whether there is one.
func (s shelf) get(ctx context.Context, key string) (string, bool, error) {
	answer, status, err := s.services.Call(ctx, ext.StoreGet, ext.Append(ext.Append(nil, ""), key))
	if status == abi.NotFound {
		return "", false, nil
	}
	f := ext.Read(answer)
	return f.Text(), true, err
}

// stock puts into the store what a case begins with: where cases share, what is not there
// because of a case before.
func (r *Runner) stock(ctx context.Context, c *Case) error {
	for _, e := range c.Store {
		if r.o.Shared && r.store.brought[e] {
			continue
		}
		r.store.brought[e] = true
		s, err := r.shelf(c, e.Space)
		if err == nil {
			err = s.put(ctx, e.Key, e.Value)
		}
		if err != nil {
			return fmt.Errorf("fill the store: %w", err)
		}
	}
	return nil
}

// left reads from the store what the case looks at.
func (r *Runner) left(ctx context.Context, c *Case, o *Outcome) error {
	o.Store = nil
	for _, w := range c.Expect.Store {
		s, err := r.shelf(c, w.Space)
		if err != nil {
			return err
		}
		value, there, err := s.get(ctx, w.Key)
		if err != nil {
			return fmt.Errorf("look into the store: %w", err)
		}
		if there {
			o.Store = append(o.Store, Entry{w.Space, w.Key, value})
		}
	}
	return nil
}
