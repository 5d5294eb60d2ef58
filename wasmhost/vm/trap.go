package vm

import (
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/tetratelabs/wazero/sys"

	"github.com/weirproxy/weir/wasmhost/meter"
)

// Reason says what ended a guest.
type Reason uint8

// The reasons.
const (
	Crashed   Reason = iota + 1 // unreachable, out of bounds, division by zero, …
	Exited                      // it called proc_exit
	OutOfFuel                   // Limits.CPU, Request or Start
	OutOfTime                   // Limits.Wall
	Stack                       // it called too deeply
	Broken                      // it broke a rule of its ABI
	Ended                       // the host wants it to end: Interrupt
)

// String returns the word that logs and metrics use.
func (r Reason) String() string {
	return [...]string{"", "crash", "exit", "cpu", "time", "stack", "abi", "ended"}[r]
}

// Trap is the error of a guest that failed. Its instance is dead.
type Trap struct {
	Func   string // the export that was called
	Reason Reason
	Code   uint32 // of Exited
	// Stack is the guest's, innermost first, one function a line, and behind it what the
	// call had printed to stderr, shortened; may be "".
	Stack string
	Err   error // the cause, in a few words
}

// Error says which function failed, and why; not the stack.
func (t *Trap) Error() string {
	if t.Err == nil {
		return fmt.Sprintf("guest failed in %s: %s", t.Func, t.Reason)
	}
	return fmt.Sprintf("guest failed in %s: %s", t.Func, t.Err)
}

// Unwrap returns the cause.
func (t *Trap) Unwrap() error { return t.Err }

// failed makes the trap of err, which the engine returned, and remembers it. Of calls
// within calls the outermost names the trap, and all have their part in the stack.
func (i *Instance) failed(name string, err error) *Trap {
	t, stack := i.trapOf(name, err)
	t.Func = name
	if t.Stack != "" && stack != "" {
		t.Stack += "\n"
	}
	t.Stack += stack
	if i.trap = t; i.depth == 0 && len(i.printed.first) > 0 {
		t.Stack = strings.TrimLeft(t.Stack+"\nprinted:\n"+i.printed.String(), "\n")
	}
	return t
}

// trapOf tells what kind of error err is, and which stack it carries.
func (i *Instance) trapOf(name string, err error) (t *Trap, stack string) {
	text, trace, _ := strings.Cut(err.Error(), "\nwasm stack trace:\n")
	trace, _, _ = strings.Cut(trace, "\n\nGo runtime stack trace:")
	stack = frames(trace)
	if t, ok := errors.AsType[*Trap](err); ok {
		return t, stack
	}
	if exit, ok := errors.AsType[*sys.ExitError](err); ok {
		code := exit.ExitCode()
		return &Trap{Reason: Exited, Code: code, Err: fmt.Errorf("exit code %d", code)}, stack
	}
	if bug, ok := errors.AsType[runtime.Error](err); ok {
		i.program.engine.o.Log.Error("host function panicked", "func", name, "hash", i.program.Hash, "err", err.Error())
		return &Trap{Reason: Crashed, Err: fmt.Errorf("host function panicked: %s", bug.Error())}, stack
	}
	if at := strings.LastIndex(text, "wasm error: "); at >= 0 {
		text = text[at+len("wasm error: "):]
	}
	text = strings.TrimSuffix(text, " (recovered by wazero)")
	switch {
	case text == "stack overflow":
		return &Trap{Reason: Stack, Err: errStack}, stack
	case i.starved:
		// Guests crash in ways of their own when there is no more; this tells why.
		return &Trap{Reason: Crashed, Err: fmt.Errorf("%s, after it was refused more than %d KiB of memory (limits.memory)", text, i.Limits.Memory>>10)}, stack
	}
	return &Trap{Reason: Crashed, Err: errors.New(text)}, stack
}

// frames takes the functions' names from the engine's trace, where signatures follow them.
func frames(trace string) string {
	const most = 50
	var names []string
	metered := false
	for line := range strings.Lines(trace) {
		line = strings.TrimSpace(line)
		// Names may have parentheses of their own, signatures of wasm have none inside.
		if at := strings.LastIndexByte(line, '('); at > 0 && strings.Contains(line[at:], ")") {
			if r := strings.LastIndex(line[:at], "("); r > 0 && strings.HasSuffix(line[:at], ") ") {
				at = r // several results: name(params) (results)
			}
			line = line[:at]
		}
		// The engine puts the module before the function, and guests have no name.
		line = strings.TrimPrefix(line, ".")
		// What counts fuel is nobody's code: the host function, and whoever calls it, who
		// has no name.
		yields := line == meter.Module+"."+meter.Yield
		if ours := yields || metered && strings.HasPrefix(line, "$"); line != "" && !ours && len(names) < most {
			names = append(names, line)
		}
		metered = yields
	}
	return strings.Join(names, "\n")
}
