package vm_test

import (
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/wasmhost/vm"
	. "github.com/weirproxy/weir/wasmhost/vmtest"
)

// TestTrap_NamesTheLimit: whoever reads the log learns what to raise, and no frames that
// are weir's.
func TestTrap_NamesTheLimit(t *testing.T) {
	t.Parallel()
	e := newEngine(t, vm.Options{})
	l := vm.Limits{CPU: 2 * time.Millisecond, Request: 3 * time.Millisecond, Start: 4 * time.Millisecond}
	for _, c := range []struct {
		name, want string
		budget     []vm.Limits // of the request; what calls before have left
		start      bool
	}{
		{"one call", "2ms (limits.cpu)", nil, false},
		{"all calls", "3ms in a request (limits.request_cpu)", []vm.Limits{{Request: time.Millisecond}}, false},
		{"no call any longer", "3ms in a request (limits.request_cpu)", []vm.Limits{{Request: -1}}, false},
		{"the start", "4ms (limits.start)", nil, true},
	} {
		i := start(t, load(t, e, Guest(Spin()), nothing()), vm.Config{Limits: l})
		run := i.Lookup("run")
		var err error
		switch {
		case c.start:
			_, err = i.Start(run)
		case c.budget != nil:
			b := c.budget[0].NewBudget()
			_, err = i.Call(run, &b)
		default:
			_, err = i.Call(run, nil)
		}
		trap, _ := err.(*vm.Trap)
		if trap == nil || trap.Reason != vm.OutOfFuel || !strings.HasSuffix(err.Error(), "it computed for more than "+c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		} else if trap.Stack != "run" && trap.Stack != "" {
			t.Errorf("%s: got stack %q, want the guest's alone", c.name, trap.Stack)
		}
	}
}
