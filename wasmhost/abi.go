package wasmhost

import (
	"context"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/wasmhost/cgi"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/httpwasm"
	"github.com/weirproxy/weir/wasmhost/proxywasm"
	"github.com/weirproxy/weir/wasmhost/vm"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

// abi is one way in which guests and hosts talk.
type abi struct {
	name   string
	speaks func(*wasm.Module) bool
	link   func(*wasm.Module) (*vm.Link, error)
	open   func(context.Context, *guest.Plugin, *vm.Program) (guests, error)
}

// guests are a plugin's instances, of any ABI.
type guests interface {
	Filter(context.Context, guest.Use) (exchange.Filter, func(), error)
	Handler(context.Context, guest.Use) (exchange.Handler, func(), error)
	// Trim closes instances that have not been used since it was last called.
	Trim()
	Close()
}

// abis are tried in this order: filters that were built as commands export _start, too.
var abis = []abi{
	{"proxy-wasm", proxywasm.Speaks, proxywasm.Link, opens(proxywasm.Open)},
	{"http-wasm", httpwasm.Speaks, httpwasm.Link, opens(httpwasm.Open)},
	{"cgi", cgi.Speaks, cgi.Link, opens(cgi.Open)},
}

func opens[G guests](open func(context.Context, *guest.Plugin, *vm.Program) (G, error)) func(context.Context, *guest.Plugin, *vm.Program) (guests, error) {
	return func(ctx context.Context, p *guest.Plugin, prog *vm.Program) (guests, error) {
		g, err := open(ctx, p, prog)
		if err != nil {
			return nil, err // and no G in it that is not nil
		}
		return g, nil
	}
}
