package proxywasm

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/wasmhost/vm"
)

// lone are the instances of one use where every stream has one for itself, which has
// served no other. They are made when the root has been configured, and have that root
// alone. What is the root's business and nobody's request, timers, queues and the answers
// to its own calls, is left to the instance in the slot: here there is nobody to tell.
type lone struct {
	guests *Guests
	use    *use
	mold   vm.Mold
	pool   *vm.Pool
}

// origin is what the host knows of an instance that has served nobody yet.
type origin struct {
	exports  *exports
	root     uint32
	lastID   uint32
	lastCall uint32 // token of what its root has asked, which is never answered
	out, err *vm.Lines
}

// newLone returns the instances of u, of which the first has been started.
func newLone(g *Guests, u *use) (*lone, error) {
	l := &lone{guests: g, use: u}
	p := g.plugin
	l.mold.Make = l.make
	l.mold.Warn = func(err error) {
		p.Log.Warn("each request starts a guest", slog.String("plugin", p.Name), slog.Any("err", err))
	}
	l.pool = vm.NewPool(vm.PoolOptions{Limits: p.Limits, Fresh: true, New: l.mold.New})
	v, err := l.pool.Get(nil)
	if err != nil {
		return nil, err
	}
	l.pool.Put(v)
	return l, nil
}

// make starts an instance, or makes one of an image.
func (l *lone) make(of *vm.Image) (*vm.Instance, error) {
	i := newInstance(l.guests)
	i.lone, i.origin = l, &origin{exports: i.exports}
	i.hold()
	defer i.drop()
	if err := l.begin(i, of); err != nil {
		if !i.closed {
			i.close()
		}
		if i.vm != nil {
			i.vm.Close()
		}
		return nil, i.explain(err)
	}
	l.guests.plugin.Counters.Started.Add(1)
	i.vm.CountIn(&l.guests.plugin.Counters.Usage)
	i.close() // nobody is told of answers to what its root has asked
	return i.vm, nil
}

func (l *lone) begin(i *instance, of *vm.Image) error {
	if of == nil {
		if err := i.start(); err != nil {
			return err
		}
		if err := i.addRoot(l.use); err != nil {
			return err
		}
		i.origin.root, i.origin.lastID, i.origin.lastCall = i.roots[l.use].id, i.nextID, i.calls.last
		return nil
	}
	v, err := of.Instantiate(i.config())
	if err != nil {
		return fmt.Errorf("start instance: %w", err)
	}
	i.vm = v
	i.exports.find(v, l.guests.prog.Info)
	first := of.State.(*instance).origin
	i.origin.root, i.origin.lastID, i.origin.lastCall = first.root, first.lastID, first.lastCall
	return nil
}

// take returns an instance that has served nobody. The caller gives it back with leave.
func (l *lone) take(r *exchange.Request) (*instance, error) {
	var began time.Time
	v, err := l.pool.Get(func() <-chan struct{} {
		began = time.Now()
		return r.Context().Done()
	})
	if !began.IsZero() {
		l.guests.plugin.Counters.Waits.Add(1)
		l.guests.plugin.Counters.Waited.Add(int64(time.Since(began)))
	}
	if err != nil {
		if r.Context().Err() != nil {
			return nil, exchange.ErrClientGone
		}
		return nil, err
	}
	return l.pristine(v), nil
}

// pristine puts a new instance around a guest, so that nothing is left on the host's side
// of what was: who still has the old one finds it closed.
func (l *lone) pristine(v *vm.Instance) *instance {
	old := v.State.(*instance)
	i := newInstance(l.guests)
	i.vm, i.lone, i.origin, i.exports, i.nextID = v, l, old.origin, old.origin.exports, old.origin.lastID
	i.lines, i.spent, i.nanos = old.lines, v.Spent(), v.Nanos()
	i.calls.last = old.origin.lastCall
	rt := &root{use: l.use}
	rt.root, rt.i, rt.id = rt, i, old.origin.root
	i.contexts[rt.id], i.roots[l.use] = &rt.guestContext, rt
	i.streams.Store(1)
	v.State = i
	return i
}

// leave gives back what take gave.
func (l *lone) leave(i *instance) {
	i.hold()
	if !i.closed {
		i.close()
	}
	i.origin.out.Flush()
	i.origin.err.Flush()
	i.drop()
	l.pool.Put(i.vm)
}

func (l *lone) close() {
	l.pool.Close()
	l.mold.Close()
}

// Trim closes instances that have not been used since it was last called.
func (g *Guests) Trim() {
	if !g.setup.TryLock() {
		return // something is being started: it is no time of idleness
	}
	defer g.setup.Unlock()
	for _, u := range g.uses {
		if u.lone != nil {
			u.lone.pool.Trim()
		}
	}
}
