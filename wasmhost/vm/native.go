package vm

import (
	"errors"
	"reflect"
	"sync"
	"unsafe"

	"github.com/tetratelabs/wazero/api"
)

const (
	// nativeStack is how large a stack an instance has, for all its calls together.
	nativeStack = 8 << 20
	// deep is how much of it a guest uses until its instance is worn: it stays in memory.
	deep = 2 << 20
	// floor is left below where the engine says that a stack is too small, and roof where
	// a call begins: it writes its arguments before it looks.
	floor, roof = 4 << 10, 4 << 10
)

var errNative = errors.New("there is no address space for its stack")

// nativeStacks gives guests their stacks. The engine's own begin small, are copied to
// ones of twice the size when they are full, some 160 MB in all until that is too much,
// and each function that is called has another: beside all limits of memory, and with a
// third of a second for which nothing else runs. So the engine is given stacks that look
// too large to grow, of which only the end is there: it finds out for nothing when that
// is used up, as it would by itself. What is written here are fields of its own; where
// it has none of that name and type, in the interpreter, guests have stacks as it likes.
type nativeStacks struct {
	once  sync.Once
	typ   reflect.Type
	stack uintptr // offset of a []byte: all of it
	top   uintptr // of a uintptr: where calls begin
	end   uintptr // of a pointer: below it the stack is used up
	at    uintptr // of a pointer: where it stood when it called the host
	spare memories
}

// of returns the engine's f whose stack can be had, or nil.
func (n *nativeStacks) of(f api.Function) unsafe.Pointer {
	n.once.Do(func() { n.find(reflect.TypeOf(f)) }) // an interpreter that is first has it never found: no harm
	if n.typ == nil || reflect.TypeOf(f) != n.typ {
		return nil
	}
	return reflect.ValueOf(f).UnsafePointer()
}

func (n *nativeStacks) find(t reflect.Type) {
	if t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct {
		return
	}
	known := true
	field := func(in reflect.Type, name string, want reflect.Type) uintptr {
		f, ok := in.FieldByName(name)
		known = known && ok && f.Type == want
		return f.Offset
	}
	n.stack = field(t.Elem(), "stack", reflect.TypeFor[[]byte]())
	n.top = field(t.Elem(), "stackTop", reflect.TypeFor[uintptr]())
	context, ok := t.Elem().FieldByName("execCtx")
	if !ok || context.Type.Kind() != reflect.Struct {
		return
	}
	n.end = context.Offset + field(context.Type, "stackBottomPtr", reflect.TypeFor[*byte]())
	n.at = context.Offset + field(context.Type, "stackPointerBeforeGoCall", reflect.TypeFor[*uint64]())
	if known {
		n.typ = t
	}
}

// lend gives f the stack of i: all of it, or what is below the call under way, which
// cannot go on before f returns.
func (n *nativeStacks) lend(i *Instance, f *Func) error {
	if i.stack == nil {
		m := n.spare.get(nativeStack)
		if m == nil || !m.grow(nativeStack) {
			return errNative
		}
		n.spare.live.Add(nativeStack)
		i.stack = m
	}
	base := uintptr(unsafe.Pointer(&i.stack.bytes[0]))
	top := base + nativeStack
	if i.current != nil && i.current.native != nil {
		top = n.stands(i.current) &^ 15
	}
	top -= roof
	if top < base+floor+roof {
		return errStack
	}
	if f.top == top {
		return nil
	}
	f.top = top
	*(*uintptr)(unsafe.Add(f.native, n.top)) = top
	*(**byte)(unsafe.Add(f.native, n.end)) = &i.stack.bytes[floor]
	// It copies a stack that is not larger than 50 MB. Nobody reads what is beyond.
	*(*[]byte)(unsafe.Add(f.native, n.stack)) = unsafe.Slice(&i.stack.bytes[0], 1<<30)
	return nil
}

// stands returns where the stack of f, which has called the host, ends.
func (n *nativeStacks) stands(f *Func) uintptr {
	return uintptr(*(*unsafe.Pointer)(unsafe.Add(f.native, n.at)))
}

// standing returns how much stack the function that has called the host has used.
func (i *Instance) standing() int64 {
	f := i.current
	if f == nil || f.native == nil {
		return 0
	}
	n := int64(f.top - i.program.engine.native.stands(f))
	i.worn = i.worn || n > deep
	return n
}
