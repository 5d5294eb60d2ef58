package vm

import (
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero/api"

	"github.com/weirproxy/weir/wasmhost/meter"
)

// Image is what an instance was when it was frozen: its memory, and its mutable globals.
// Instances are made of it, and made the same again by Reset. It does not change, and is
// safe for concurrent use; Close ends it, and its instances live on.
//
// Whatever the guest drew from the generator of random numbers before, all instances of
// its image have drawn: the seeds of their hash tables are the same.
type Image struct {
	// State is what that of the instance was: what its host knows of it.
	State   any
	program *Program
	still   *still // nil: it has no memory
	size    int    // of the memory, in bytes
	globals []uint64
}

// Freezable returns why instances of the program cannot be frozen; nil: they can.
func (p *Program) Freezable() error {
	if p.hides != "" {
		return fmt.Errorf("the module uses %s, which no image has", p.hides)
	}
	return nil
}

var (
	errFiles = errors.New("the guest holds open files")
	errShape = errors.New("the instance does not become what the image was")
)

// Freeze takes an image of the instance, which goes on and can be Reset to it. Nobody is
// in it meanwhile.
func (i *Instance) Freeze() (m *Image, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("freeze instance: %w", err)
		}
	}()
	if err := i.program.Freezable(); err != nil {
		return nil, err
	}
	switch {
	case i.trap != nil:
		return nil, i.trap
	case i.files.changed():
		return nil, errFiles
	case !i.state.CompareAndSwap(idle, inside):
		return nil, errClosed
	}
	defer i.exit()
	m = &Image{State: i.State, program: i.program, size: len(i.memory)}
	if m.size > 0 {
		if m.still, err = i.mapping.freeze(m.size); err != nil {
			return nil, err
		}
	}
	i.findGlobals()
	for _, g := range i.globals {
		m.globals = append(m.globals, g.Get())
	}
	i.program.retain()
	i.program.engine.memories.live.Add(int64(m.size))
	i.image, i.initial = m, m.size
	return m, nil
}

// Instantiate makes an instance that is what the image was. Nothing of the guest runs
// but the module's start section, of which nothing is left. c.Limits must allow for the
// image's memory.
func (m *Image) Instantiate(c Config) (*Instance, error) {
	i, err := m.program.Instantiate(c)
	if err != nil {
		return nil, err
	}
	if err := i.become(m); err != nil {
		i.Close()
		return nil, fmt.Errorf("start instance of an image: %w", err)
	}
	return i, nil
}

// become makes a new instance what m is.
func (i *Instance) become(m *Image) error {
	if more := m.size - len(i.memory); more > 0 {
		if _, ok := i.module.Memory().Grow(uint32(more >> 16)); !ok {
			return fmt.Errorf("its memory of %d KiB is above its limit, or the system's", m.size>>10)
		}
	}
	if len(i.memory) != m.size || i.files.changed() {
		return errShape // its start section does not always do the same
	}
	if m.size > 0 {
		if err := i.mapping.lay(m.still); err != nil {
			return err
		}
	}
	i.findGlobals()
	i.image, i.initial = m, m.size
	i.setGlobals()
	return nil
}

// Reset makes the instance again what its image was, and tells whether it could: not
// where it has failed, was never frozen nor made of an image, holds files, or where its
// memory has grown, which never shrinks. Such an instance is to be closed. Nobody is in
// it meanwhile.
func (i *Instance) Reset() bool {
	m := i.image
	if m == nil || i.trap != nil || i.worn || i.cause.Load() != nil || len(i.memory) != m.size ||
		i.files.changed() || !i.state.CompareAndSwap(idle, inside) {
		return false
	}
	ok := m.size == 0 || i.mapping.restore()
	i.setGlobals()
	i.starved = false
	i.printed.forget()
	return !i.exit() && ok
}

// Close gives back the image. Nobody makes an instance of it then.
func (m *Image) Close() {
	if m.still != nil {
		m.still.close()
	}
	m.program.engine.memories.live.Add(-int64(m.size))
	m.program.Release()
}

func (i *Instance) findGlobals() {
	for _, n := range i.program.globals {
		if g, ok := i.module.ExportedGlobal(meter.Global(n)).(api.MutableGlobal); ok {
			i.globals = append(i.globals, g)
		}
	}
}

func (i *Instance) setGlobals() {
	for k, g := range i.globals {
		g.Set(i.image.globals[k])
	}
}

// handles is what becomes of a guest's table of files, which is the engine's: nothing
// that a guest keeps there may outlive a request, nor a number by which it keeps it.
type handles struct {
	open  int64 // files, beside those that it got
	moved bool  // it has done to the table what is not undone
}

func (h *handles) changed() bool { return h.open != 0 || h.moved }
