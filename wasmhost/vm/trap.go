package vm

import "fmt"

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
	Stack  string // the guest's, innermost first, one function a line; may be ""
	Err    error  // the cause
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
