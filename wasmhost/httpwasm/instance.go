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

	out, err *vm.Lines
}

// flush logs what the guest has printed without ending the line: the next line is
// another request's.
func (i *instance) flush() {
	i.out.Flush()
	i.err.Flush()
}

// start makes an instance that is ready for its first request.
func start(p *guest.Plugin, prog *vm.Program, config []byte) (*vm.Instance, error) {
	i := &instance{plugin: p, config: string(config)}
	i.voice = voice{plugin: p, most: p.Limits.WithDefaults().Logs}
	i.out, i.err = vm.NewLines(i.voice.print), vm.NewLines(i.voice.print)
	failed := func(err error) error {
		i.flush()
		return i.voice.explain(fmt.Errorf("start guest: %w", err))
	}
	v, err := prog.Instantiate(vm.Config{
		Limits: p.Limits, State: i, Env: p.Env, Files: p.Files, Stdout: i.out, Stderr: i.err,
	})
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
			_, err := i.vm.Start(f)
			return err
		}
	}
	return nil
}
