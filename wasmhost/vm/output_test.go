package vm_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/weirproxy/weir/wasmhost/vm"
	. "github.com/weirproxy/weir/wasmhost/vmtest"
)

func TestLines(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 10_000)
	in := "one\ntwo\r\n\nthree " + long + "\nfour\n" + long
	want := []string{"one", "two", "three " + long[:8<<10-6], "four", long[:8<<10]}
	for _, size := range []int{1, 3, 1000, 1 << 20} {
		var got []string
		l := vm.NewLines(func(s string) { got = append(got, s) })
		for part := range slices.Chunk([]byte(in), size) {
			if n, err := l.Write(part); n != len(part) || err != nil {
				t.Fatal(n, err)
			}
		}
		l.Flush()
		l.Flush()
		if !slices.Equal(got, want) {
			t.Errorf("in pieces of %d: %d lines %.200q; want %.200q", size, len(got), got, want)
		}
	}
}

// printer is a guest that prints what is at an address, and then crashes.
func printer(text string) []byte {
	fd := Import{Module: "wasi_snapshot_preview1", Name: "fd_write", Params: I32x4, Results: I32}
	return Module{Pages: 1, Imports: []Import{fd}, Data: []Data{{At: 64, Data: text}}, Funcs: []Func{
		{Name: "print", Params: I32x2, Body: Code{
			I32Const, 0, I32Const, 64, I32Store, 2, 0, I32Const, 4, LocalGet, 1, I32Store, 2, 0,
			LocalGet, 0, I32Const, 0, I32Const, 1, I32Const, 8, Call, "fd_write", Drop}},
		{Name: "die", Params: I32x2, Body: Code{LocalGet, 0, LocalGet, 1, Call, "print", Unreachable}},
	}}.Bytes()
}

func TestTrap_TellsWhatWasPrintedLast(t *testing.T) {
	t.Parallel()
	e := newEngine(t, vm.Options{})
	text := "fatal error: all goroutines are asleep - deadlock!\n"
	var out, errs bytes.Buffer
	i := start(t, load(t, e, printer(text), nothing()), vm.Config{Stdout: &out, Stderr: &errs})
	n := uint64(len(text))
	for range 100 {
		if _, err := i.Call(i.Lookup("print"), nil, 2, 10); err != nil {
			t.Fatal(err)
		}
	}
	i.Call(i.Lookup("print"), nil, 1, 3)
	_, err := i.Call(i.Lookup("die"), nil, 2, n)
	if trap := trapped(t, err, vm.Crashed); trap.Stack != "die\nprinted:\n"+text {
		t.Errorf("stack %q", trap.Stack)
	}
	if out.String() != "fat" || errs.Len() != 1000+len(text) {
		t.Errorf("stdout %q, stderr %d bytes", &out, errs.Len())
	}
	// Not all of it, but the beginning and the end.
	lines := strings.Repeat("x", 60) + "\n"
	i = start(t, load(t, e, printer("begin"+strings.Repeat(lines, 900)+"end"), nothing()), vm.Config{})
	_, err = i.Call(i.Lookup("die"), nil, 2, uint64(900*len(lines)+8))
	stack := trapped(t, err, vm.Crashed).Stack
	if len(stack) > 3000 || !strings.Contains(stack, "printed:\nbegin") || !strings.HasSuffix(stack, "\nend") || !strings.Contains(stack, "\n…\n") {
		t.Errorf("%d bytes: %q", len(stack), stack)
	}
}

func TestInput_IsRead(t *testing.T) {
	t.Parallel()
	e := newEngine(t, vm.Options{})
	w := newWASI(t, e, vm.Config{Stdin: strings.NewReader("hello"), Args: []string{"a", "bc"}, Env: [][2]string{{"K", "v"}}})
	w.i.PutUint32(16, 8192)
	w.i.PutUint32(20, 100)
	if errno := w.do("fd_read", 0, 16, 1, 24); errno != 0 {
		t.Fatal(errno)
	}
	n, _ := w.i.Uint32(24)
	if s, _ := w.i.ReadString(8192, n); s != "hello" {
		t.Errorf("read %q", s)
	}
	w.do("args_sizes_get", 0, 4)
	if n, _ := w.i.Uint32(0); n != 2 {
		t.Errorf("%d arguments", n)
	}
	w.do("environ_sizes_get", 0, 4)
	if n, _ := w.i.Uint32(4); n != 4 { // K=v and its NUL
		t.Errorf("%d bytes of environment", n)
	}
}
