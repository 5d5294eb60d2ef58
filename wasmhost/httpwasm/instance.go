package httpwasm

import (
	"errors"
	"fmt"

	abi "github.com/weirproxy/weir/sdk/abi/httpwasm"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vm"
)

// instance is one guest, and the exchange that it serves.
type instance struct {
	vm                            *vm.Instance
	plugin                        *guest.Plugin
	config                        string
	handleRequest, handleResponse *vm.Func
	features                      abi.Features // that it asked for when it started: for all exchanges

	x     visit
	words words
	list  []string
	voice voice
}

// start makes an instance that is ready for its first request.
func start(p *guest.Plugin, prog *vm.Program, config []byte) (*vm.Instance, error) {
	i := &instance{plugin: p, config: string(config)}
	i.voice = voice{plugin: p, most: p.Limits.WithDefaults().Logs}
	out, failed := vm.Config{
		Limits: p.Limits, State: i, Env: p.Env,
		Stdout: &printed{voice: &i.voice}, Stderr: &printed{voice: &i.voice},
	}, func(err error) error { return i.voice.explain(fmt.Errorf("start guest: %w", err)) }
	v, err := prog.Instantiate(out)
	if err != nil {
		return nil, failed(err)
	}
	i.vm = v
	if err := i.run(); err != nil {
		v.Close()
		return nil, failed(err)
	}
	i.handleRequest, i.handleResponse = v.Lookup(abi.HandleRequest), v.Lookup(abi.HandleResponse)
	if i.handleRequest == nil || i.handleResponse == nil {
		v.Close()
		return nil, failed(errors.New("it does not export what it should"))
	}
	p.Counters.Started.Add(1)
	return v, nil
}

// run calls the guest's start function: that of a reactor, else that of a command, which
// TinyGo's guests have.
func (i *instance) run() error {
	for _, name := range []string{"_initialize", "_start"} {
		if f := i.vm.Lookup(name); f != nil {
			_, err := i.vm.Call(f, nil)
			return err
		}
	}
	return nil
}
