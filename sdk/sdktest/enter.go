package sdktest

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/sdk/internal/host"
)

// fault is what host functions panic with: the filter cannot go on.
type fault string

// lent is what can be read during a callback.
type lent struct {
	config              bool
	data                []byte // CallData
	head, body, trailer []byte // of a call's answer
	answered            bool   // these are there
	failedCode          uint32
	failedWhy           string
}

// enter calls into the guest, with x as what host functions speak of.
func (h *Host) enter(x *Exchange, f func(g host.Guest)) (err error) {
	if h.broken != nil {
		return h.broken
	}
	leave := host.Enter(env{h})
	h.busy, h.effective, h.asked = true, x, 0
	watch := time.AfterFunc(h.longest, h.stuck(x))
	over := false
	defer func() {
		watch.Stop()
		h.busy, h.effective, h.lent = false, nil, lent{}
		leave()
		v := recover()
		switch v := v.(type) {
		case nil:
			if !over {
				h.broken = errors.New("the filter has ended the test")
			}
			return
		case fault:
			h.broken = errors.New(string(v))
		default:
			h.broken = fmt.Errorf("the filter panics: %v; its stack is in the log", v)
			if n := len(h.log); n == 0 || h.log[n-1].Level != abi.Critical { // no coroutine
				h.broken = fmt.Errorf("the filter panics: %v\n%s", v, debug.Stack())
			}
		}
		if x != nil {
			h.broken = fmt.Errorf("%s: %w", x.name(), h.broken)
		}
		err = h.broken
	}()
	f(h.guest)
	over = true
	return nil
}

// stuck returns what is done when a callback does not end: the test cannot go on, and
// nothing can stop it, so it ends the process as the test's own timeout would.
func (h *Host) stuck(x *Exchange) func() {
	where := "the background of the filter"
	if x != nil {
		where = x.name() + ", begun at " + x.line
	}
	return func() {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		panic(fmt.Sprintf("sdktest: %s has been running for %v without waiting for anything of the host's\n\n%s", where, h.longest, stacks))
	}
}

// outside fails the test where a filter calls what only the test may.
func (h *Host) outside() {
	if h.busy {
		panic(fault("the filter calls the host of its test"))
	}
}

// caller returns the line of the test that called into this package.
func caller() string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		f, more := frames.Next()
		if !strings.Contains(f.Function, "/sdk/sdktest.") || strings.HasSuffix(f.File, "_test.go") {
			return fmt.Sprintf("%s:%d", f.File[strings.LastIndexByte(f.File, '/')+1:], f.Line)
		}
		if !more {
			return "?"
		}
	}
}
