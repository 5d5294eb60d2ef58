package vm

import (
	"reflect"
	"sync"
	"unsafe"

	"github.com/tetratelabs/wazero/api"
)

// deep is how many bytes of native stack make an instance worn.
const deep = 4 << 20

// nativeStacks finds out how large a stack the engine has given to a function. It lets
// stacks grow to some 80 MiB of Go's heap and never shrink, beside all limits of memory,
// and does not tell; what is read here is a field of its own.
type nativeStacks struct {
	once   sync.Once
	typ    reflect.Type
	offset uintptr
}

// of returns where f's stack is told, or nil where that is not known: in the interpreter.
func (n *nativeStacks) of(f api.Function) *[]byte {
	n.once.Do(func() { // an interpreter that is first has it never told: no harm
		t := reflect.TypeOf(f)
		if t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct {
			return
		}
		if field, ok := t.Elem().FieldByName("stack"); ok && field.Type == reflect.TypeFor[[]byte]() {
			n.typ, n.offset = t, field.Offset
		}
	})
	if n.typ == nil || reflect.TypeOf(f) != n.typ {
		return nil
	}
	return (*[]byte)(unsafe.Add(reflect.ValueOf(f).UnsafePointer(), n.offset))
}
