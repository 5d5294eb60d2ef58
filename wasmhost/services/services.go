package services

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

// Options are what services stand on.
type Options struct {
	Store   Store   // nil: there is none, and what needs it fails
	Secrets Secrets // nil: keys that weir makes itself fail
}

// Backend is what the services of all plugins share.
type Backend struct {
	store     Store
	secrets   Secrets
	passwords *turns
	large     *turns // of passwords whose hash takes much memory or time, beside
	lists     *turns

	mu    sync.Mutex       // guards what follows
	rooms map[string]*room // by what keys begin with; there are as many as configurations name
}

// New returns a backend.
func New(o Options) *Backend {
	return &Backend{store: o.Store, secrets: o.Secrets, passwords: passwordTurns(), large: largeTurns(), lists: listTurns(), rooms: map[string]*room{}}
}

// Plugin says whose services they are, and what it is granted.
type Plugin struct {
	Space string   // the part of the store that is its own
	Store []string // other parts that it may use
	Keys  []Key    // that it may sign with
	// Room is how many bytes a part of the store may hold for it to write there; 0: any
	// number.
	Room int64
}

// Services are those of one plugin. They are safe for concurrent use.
type Services struct {
	back   *Backend
	own    string            // name of its own space
	spaces map[string]string // what entries' keys begin with, by the space's name
	most   int64             // bytes that a space may hold; 0: any number
	keys   map[string]*signer
	// Those of its calls that wait for their turn to hash, and to list.
	passes, large, lists queue
}

// Of returns the services of a plugin. It fails if a key cannot be used.
func (b *Backend) Of(p Plugin) (*Services, error) {
	s := &Services{back: b, own: p.Space, most: p.Room, spaces: map[string]string{}, keys: map[string]*signer{}}
	for _, name := range append([]string{p.Space}, p.Store...) {
		s.spaces[name] = prefixOf(name)
	}
	for _, k := range p.Keys {
		made, err := b.signer(p.Space, k)
		if err != nil {
			return nil, fmt.Errorf("use key %q: %w", k.Name, err)
		}
		s.keys[k.Name] = made
	}
	return s, nil
}

// function does what a guest asks for.
type function func(context.Context, *Services, *ext.Fields) ([]byte, error)

// find returns the function of that name; nil: there is none.
func find(name string) function {
	switch name {
	case ext.StoreGet:
		return storeGet
	case ext.StorePut:
		return storePut
	case ext.StoreDelete:
		return storeDelete
	case ext.StoreList:
		return storeList
	case ext.PasswordHash:
		return passwordHash
	case ext.PasswordVerify:
		return passwordVerify
	case ext.Sign:
		return sign
	case ext.Verify:
		return verify
	}
	return nil
}

// Has tells whether there is a function of that name.
func (s *Services) Has(name string) bool { return find(name) != nil }

// Call does what the function of that name does, and waits for it. It ends when ctx does,
// or soon after. An error says to people why there is no answer; the status is for guests.
func (s *Services) Call(ctx context.Context, name string, argument []byte) ([]byte, abi.Status, error) {
	f := find(name)
	if f == nil {
		return nil, abi.NotFound, fmt.Errorf("there is no function %q", name)
	}
	fields := ext.Read(argument)
	answer, err := f(ctx, s, &fields)
	if err != nil {
		return nil, statusOf(err), err
	}
	return answer, abi.OK, nil
}

// refusal is an error with a status of its own.
type refusal struct {
	status abi.Status
	text   string
}

func (r *refusal) Error() string { return r.text }

// bad is an argument that is none.
func bad(format string, a ...any) error {
	return &refusal{abi.BadArgument, fmt.Sprintf(format, a...)}
}

// denied is what was not granted; the text says what to write.
func denied(format string, a ...any) error {
	return &refusal{ext.Denied, fmt.Sprintf(format, a...)}
}

// ended checks that nothing is left of an argument, and nothing was missing.
func ended(f *ext.Fields) error {
	if err := f.End(); err != nil {
		return &refusal{abi.BadArgument, err.Error()}
	}
	return nil
}

// statusOf is what guests are told of an error.
func statusOf(err error) abi.Status {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.status
	}
	switch {
	case errors.Is(err, ErrNotFound):
		return abi.NotFound
	case errors.Is(err, ErrChanged):
		return abi.CASMismatch
	}
	return abi.InternalFailure
}

// flag is a field that tells yes or no.
func flag(b []byte, yes bool) []byte {
	if yes {
		return ext.AppendUint(b, 1)
	}
	return ext.AppendUint(b, 0)
}
