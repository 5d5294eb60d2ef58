package weir

import (
	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/sdk/internal/host"
)

// late is an answer that a task waits for, or will.
type late struct {
	t      *task
	token  uint32
	there  bool
	st     abi.Status
	fields []byte // what follows token and status
}

// ask calls a function of weir's that answers later. It returns what will be answered.
func (g *guest) ask(op, name string, argument []byte) (*late, error) {
	t := g.current
	if t == nil {
		return nil, &Error{Op: op, kind: ErrNoRequest}
	}
	if t.gone {
		return nil, ErrGone
	}
	if !g.onWeir() {
		return nil, &Error{Op: op, Status: abi.Unimplemented}
	}
	b, st := host.Foreign(name, argument)
	if st != abi.OK {
		return nil, refused(op, st)
	}
	f := ext.Read(b)
	l := &late{t: t, token: uint32(f.Uint())}
	if f.End() != nil {
		return nil, &Error{Op: op, Status: abi.SerializationFailure}
	}
	g.lates[l.token] = l
	return l, nil
}

// refused makes an error of what a host says at once: there, that something is not found
// means that it knows no such function.
func refused(op string, st abi.Status) error {
	switch st {
	case abi.NotFound:
		st = abi.Unimplemented
	case abi.InternalFailure:
		return &Error{Op: op, Status: st, kind: ErrBusy}
	}
	return failed(op, st)
}

// await waits for the answer, and returns its fields.
func (l *late) await(op string) (ext.Fields, error) {
	for !l.there {
		if !l.t.wait() {
			l.cancel()
			return ext.Fields{}, ErrGone
		}
	}
	l.there = false // there may be another
	f := ext.Read(l.fields)
	if l.st != abi.OK && l.st != abi.Empty {
		return ext.Fields{}, &Error{Op: op, Status: l.st, Message: f.Text()}
	}
	return f, nil
}

// forget says that no further answer is expected.
func (l *late) forget() { delete(l.t.g.lates, l.token) }

// cancel gives up what was asked for.
func (l *late) cancel() {
	if l.t.g.lates[l.token] != l {
		return
	}
	l.forget()
	host.Foreign(ext.Cancel, ext.AppendUint(nil, uint64(l.token)))
}

// answered takes an answer from the host.
func (g *guest) answered(b []byte) {
	f := ext.Read(b)
	token, st := uint32(f.Uint()), abi.Status(f.Uint())
	if token == g.outside.token && token != 0 {
		g.outside.token = 0 // leaving will see to it
		return
	}
	l := g.lates[token]
	if l == nil {
		return
	}
	l.there, l.st, l.fields = true, st, f.Rest()
	g.wake(l.t)
}

// wake lets a task go on, with its stream as what the host speaks of, and then sees what
// has become of that.
func (g *guest) wake(t *task) {
	if t.s == nil {
		host.SetEffectiveContext(t.root)
		t.run()
		return
	}
	host.SetEffectiveContext(t.s.id)
	t.run()
	t.s.settle()
}
