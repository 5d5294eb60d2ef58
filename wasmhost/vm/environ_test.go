package vm_test

import (
	"strings"
	"testing"

	"github.com/weirproxy/weir/wasmhost/vm"
)

func TestEnviron_IsWhatTheGuestWasGiven(t *testing.T) {
	t.Parallel()
	w := newWASI(t, newEngine(t, vm.Options{}), vm.Config{Env: [][2]string{{"KEY", "a=b"}, {"EMPTY", ""}, {"Ä", "ö"}}})
	want := "KEY=a=b\x00EMPTY=\x00Ä=ö\x00"
	if errno := w.do("environ_sizes_get", 0, 4); errno != 0 {
		t.Fatalf("environ_sizes_get: %d", errno)
	}
	count, _ := w.i.Uint32(0)
	size, _ := w.i.Uint32(4)
	if count != 3 || int(size) != len(want) {
		t.Errorf("%d variables of %d bytes, want 3 of %d", count, size, len(want))
	}
	if errno := w.do("environ_get", 16, 1000); errno != 0 {
		t.Fatalf("environ_get: %d", errno)
	}
	if got, _ := w.i.ReadString(1000, size); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for k, begin := range []string{"KEY=", "EMPTY=", "Ä="} {
		at, _ := w.i.Uint32(uint32(16 + 4*k))
		if got, _ := w.i.ReadString(at, uint32(len(begin))); got != begin {
			t.Errorf("variable %d begins %q, want %q", k, got, begin)
		}
	}
}

func TestEnviron_StaysInTheGuestsMemory(t *testing.T) {
	t.Parallel()
	w := newWASI(t, newEngine(t, vm.Options{}), vm.Config{Env: [][2]string{{"KEY", "value"}}})
	end := w.i.Size()
	for _, c := range []struct {
		name string
		args [2]int
	}{
		{"environ_sizes_get", [2]int{end - 3, 0}}, {"environ_sizes_get", [2]int{0, 1<<32 - 1}},
		{"environ_get", [2]int{end - 3, 0}}, {"environ_get", [2]int{0, end - 9}}, {"environ_get", [2]int{0, 1<<32 - 2}},
	} {
		if errno := w.do(c.name, c.args[0], c.args[1]); errno != 21 {
			t.Errorf("%s(%#x): got %d, want a fault", c.name, c.args, errno)
		}
	}
	if errno := w.do("environ_get", 0, end-10); errno != 0 {
		t.Errorf("where it just fits: %d", errno)
	}
}

func TestEnviron_RefusesWhatWouldBeAnotherVariable(t *testing.T) {
	t.Parallel()
	p := load(t, newEngine(t, vm.Options{}), printer("x"), nothing())
	for _, e := range [][2]string{{"", "x"}, {"A=B", "x"}, {"A\x00B", "x"}, {"A", "x\x00B=y"}} {
		i, err := p.Instantiate(vm.Config{Env: [][2]string{{"OK", ""}, e}})
		if err == nil {
			i.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "variable") {
			t.Errorf("%q: got %v, want it refused", e, err)
		}
	}
}
