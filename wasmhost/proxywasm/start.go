package proxywasm

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vm"
)

// launch makes an instance with a root for every use. It is called with setup held.
func (g *Guests) launch() (*instance, error) {
	i := newInstance(g)
	i.hold()
	defer i.drop()
	if err := i.start(); err != nil {
		if !i.closed {
			i.close()
		}
		return nil, i.explain(err)
	}
	for _, u := range g.uses {
		if err := i.addRoot(u); err != nil {
			if !i.closed {
				i.close()
			}
			return nil, err
		}
	}
	g.plugin.Counters.Started.Add(1)
	i.vm.CountIn(&g.plugin.Counters.Usage)
	i.account()
	return i, nil
}

// start instantiates the module and runs what its toolchain wants run first.
func (i *instance) start() error {
	g := i.guests
	in, err := g.prog.Instantiate(i.config())
	if err != nil {
		return fmt.Errorf("start instance: %w", err)
	}
	i.vm = in
	i.exports.find(in, g.prog.Info)
	return i.unhurried(func() error {
		for _, e := range [...]struct {
			name string
			args []uint64
			then bool // go on to main, which reactors may have as well
		}{{"_initialize", nil, true}, {"_start", nil, false}} {
			f := in.Lookup(e.name)
			if f == nil {
				continue
			}
			if err := i.first(f, e.args...); err != nil {
				return fmt.Errorf("run %s: %w", e.name, startHint(e.name, err))
			}
			if !e.then {
				return nil
			}
			return i.main(in)
		}
		return nil
	})
}

// config is what its guest gets.
func (i *instance) config() vm.Config {
	p := i.plugin
	out, err := i.printed(slog.LevelInfo), i.printed(slog.LevelError)
	if i.origin != nil {
		i.origin.out, i.origin.err = out, err
	}
	return vm.Config{Limits: p.Limits.WithDefaults(), State: i, Env: p.Env, Stdout: out, Stderr: err, Files: mounts(p.Files)}
}

func mounts(files []guest.Mount) []vm.Mount {
	var all []vm.Mount
	for _, m := range files {
		all = append(all, vm.Mount(m))
	}
	return all
}

// main runs a reactor's main function, where it exports one.
func (i *instance) main(in *vm.Instance) error {
	if f := in.Lookup("main"); f != nil {
		return i.first(f, 0, 0)
	}
	if f := in.Lookup("__main_void"); f != nil {
		return i.first(f)
	}
	return nil
}

// first calls what runs before there is any context.
func (i *instance) first(f *vm.Func, args ...uint64) error {
	_, err := i.vm.Call(f, nil, args...)
	return err
}

// startHint explains the commonest mistake: a Go command exits when main returns.
func startHint(name string, err error) error {
	if t, ok := errors.AsType[*vm.Trap](err); ok && t.Reason == vm.Exited && name == "_start" {
		return fmt.Errorf("%w: the module is a command that ends; build Go with -buildmode=c-shared", err)
	}
	return err
}

// unhurried lets f's calls into the guest take as long as starting may.
func (i *instance) unhurried(f func() error) error {
	l := i.vm.Limits
	i.vm.Limits.CPU, i.vm.Limits.Wall = l.Start, max(l.Wall, 2*l.Start)
	err := f()
	i.vm.Limits.CPU, i.vm.Limits.Wall = l.CPU, l.Wall
	return err
}

// addRoot gives the instance a root for u. The instance is held.
func (i *instance) addRoot(u *use) error {
	if i.closed {
		return errClosed
	}
	i.lines.said.Forget()
	rt := &root{use: u}
	rt.root = rt
	i.add(&rt.guestContext)
	i.roots[u] = rt
	err := i.unhurried(func() error {
		c, id := &rt.guestContext, uint64(rt.id)
		if _, err := i.enter(c, nil, i.exports.contextCreate, id, 0); err != nil {
			return err
		}
		if i.exports.vmStart != nil {
			i.starting = true
			ok, err := i.enter(c, nil, i.exports.vmStart, id, uint64(len(i.plugin.Config)))
			i.starting = false
			if err != nil {
				return err
			}
			if uint32(ok) == 0 {
				return errors.New("the guest did not start: proxy_on_vm_start returned false")
			}
		}
		if i.exports.configure == nil {
			return nil
		}
		ok, err := i.enter(c, nil, i.exports.configure, id, uint64(len(u.Config)))
		if err == nil && uint32(ok) == 0 {
			err = errRefused
		}
		return err
	})
	if err != nil {
		rt.delete()
		if said := i.explain(err); said != errRefused {
			return said
		}
		return fmt.Errorf("%w: proxy_on_configure returned false", errRefused) // and it said nothing
	}
	i.vm.Started()
	return nil
}

var errRefused = errors.New("the guest refuses its configuration")

// explain adds what the guest has said last to an error: the reason is there.
func (i *instance) explain(err error) error { return i.lines.said.Explain(err) }

// patience is how long a root that is not done yet is kept.
const patience = 10 * time.Second

// finish asks the root to come to its end. The instance is held.
func (rt *root) finish() {
	if rt.ended || rt.i.closed {
		return
	}
	rt.ended = true
	i := rt.i
	done, err := uint64(1), error(nil)
	if i.exports.done != nil {
		done, err = i.enter(&rt.guestContext, nil, i.exports.done, uint64(rt.id))
	}
	switch {
	case err != nil:
	case uint32(done) != 0:
		rt.delete()
	default: // until it calls proxy_done
		rt.undone = true
		timer := time.AfterFunc(patience, func() {
			i.hold()
			rt.delete()
			i.drop()
		})
		rt.closers = append(rt.closers, func() { timer.Stop() })
	}
}

// delete forgets the root. The instance is held, and no callback of the guest runs.
func (rt *root) delete() {
	i := rt.i
	if i.closed || i.contexts[rt.id] != &rt.guestContext {
		return
	}
	rt.undone = false
	i.enter(&rt.guestContext, nil, i.exports.delete, uint64(rt.id))
	rt.close() // what it may just have asked for, too
	delete(i.contexts, rt.id)
	delete(i.roots, rt.use)
	if i.retiring.Load() && i.streams.Load() == 0 && len(i.roots) == 0 && !i.closed {
		i.close()
	}
}

// shut ends an instance that has no streams any longer: its roots are asked to come to
// their end, and the last one to do so closes it.
func (i *instance) shut() {
	i.hold()
	defer i.drop()
	if i.closed {
		return
	}
	for _, rt := range i.roots {
		rt.finish()
	}
	if len(i.roots) == 0 && !i.closed {
		i.close()
	}
}
