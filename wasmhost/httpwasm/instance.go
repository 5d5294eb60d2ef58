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
	kept                          bool         // it was told that a host stays

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

// start makes an instance that is ready for its first request: of an image that has been
// started before, or else by starting it.
func start(p *guest.Plugin, prog *vm.Program, config string, from *vm.Image) (*vm.Instance, error) {
	i := &instance{plugin: p, config: config}
	i.voice = voice{plugin: p, most: p.Limits.WithDefaults().Logs}
	i.out, i.err = vm.NewLines(i.voice.print), vm.NewLines(i.voice.print)
	if err := i.start(prog, from); err != nil {
		i.flush()
		p.Trapped(nil, err)
		return nil, i.voice.said.Explain(fmt.Errorf("start guest: %w", err))
	}
	p.Counters.Started.Add(1)
	i.vm.CountIn(&p.Counters.Usage)
	return i.vm, nil
}

func (i *instance) start(prog *vm.Program, from *vm.Image) (err error) {
	p := i.plugin
	c := vm.Config{Limits: p.Limits, State: i, Env: p.Env, Files: p.Files, Stdout: i.out, Stderr: i.err}
	var v *vm.Instance
	if from != nil {
		v, err = from.Instantiate(c)
		i.features = from.State.(*instance).features
	} else {
		v, err = prog.Instantiate(c)
	}
	if err != nil {
		return err
	}
	if i.vm = v; from == nil {
		err = i.run()
	}
	i.handleRequest, i.handleResponse = v.Lookup(abi.HandleRequest), v.Lookup(abi.HandleResponse)
	if err == nil && (i.handleRequest == nil || i.handleResponse == nil) {
		err = errors.New("it does not export what it should")
	}
	if err != nil {
		v.Close()
	}
	return err
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
