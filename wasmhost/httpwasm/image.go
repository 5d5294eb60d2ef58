package httpwasm

import (
	"log/slog"
	"sync"

	abi "github.com/weirproxy/weir/sdk/abi/httpwasm"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vm"
)

// source makes the instances of one configuration. Where each is to serve one request,
// the first is frozen when it has started, and the others are made of that.
type source struct {
	plugin *guest.Plugin
	prog   *vm.Program
	config string

	mu     sync.RWMutex // held while instances are started
	tried  bool         // one has been started, and frozen where that is possible
	closed bool
	image  *image // nil: instances are started
}

// image is an instance that has started, and what its host learned from it meanwhile.
type image struct {
	vm       *vm.Image
	features abi.Features
}

func (s *source) make() (*vm.Instance, error) {
	s.mu.RLock()
	if s.plugin.Fresh && !s.tried && !s.closed {
		s.mu.RUnlock()
		return s.first()
	}
	defer s.mu.RUnlock()
	if s.closed {
		return nil, vm.ErrClosed
	}
	return start(s.plugin, s.prog, s.config, s.image)
}

// first starts an instance and freezes it.
func (s *source) first() (*vm.Instance, error) {
	s.mu.Lock()
	if s.tried || s.closed { // somebody else was
		s.mu.Unlock()
		return s.make()
	}
	defer s.mu.Unlock()
	v, err := start(s.plugin, s.prog, s.config, nil)
	if err != nil {
		return nil, err
	}
	s.tried = true
	frozen, err := v.Freeze()
	if err != nil {
		s.plugin.Log.Warn("each request starts a guest", slog.String("plugin", s.plugin.Name), slog.Any("err", err))
		return v, nil
	}
	s.image = &image{frozen, v.State.(*instance).features}
	return v, nil
}

// close gives back what instances are made of.
func (s *source) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed = true; s.image != nil {
		s.image.vm.Close()
		s.image = nil
	}
}
