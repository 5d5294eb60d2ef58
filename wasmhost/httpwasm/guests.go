package httpwasm

import (
	"context"
	"errors"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vm"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

// Speaks tells whether m speaks this ABI: it exports handle_request and handle_response.
func Speaks(m *wasm.Module) bool { return false }

// Link returns what the ABI offers to m. It fails if m imports what there is not, and
// names it.
func Link(m *wasm.Module) (*vm.Link, error) { return nil, errors.ErrUnsupported }

// Guests are a plugin's instances. They are safe for concurrent use.
type Guests struct{}

// Open starts a first instance of prog, so that what is wrong is known now.
func Open(ctx context.Context, p *guest.Plugin, prog *vm.Program) (*Guests, error) {
	return nil, errors.ErrUnsupported
}

// Filter returns a filter for one place where the plugin is used, and what gives it back
// when no exchange uses it any longer. It fails if the guest refuses its configuration.
func (g *Guests) Filter(ctx context.Context, u guest.Use) (exchange.Filter, func(), error) {
	return nil, nil, errors.ErrUnsupported
}

// Handler returns a handler, as Filter does: the guest answers requests.
func (g *Guests) Handler(ctx context.Context, u guest.Use) (exchange.Handler, func(), error) {
	return nil, nil, errors.ErrUnsupported
}

// Close ends all instances that no exchange uses, and the rest when theirs is over.
func (g *Guests) Close() {}
