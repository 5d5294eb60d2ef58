// Package meter rewrites modules so that what they do can be counted and ended: a guest
// counts the instructions it executes, and calls its host when what it was given has
// run out. It also counts the stack that recursion takes, and bounds tables.
//
// The engine's own way to end a guest makes loops 4 to 16 times slower, and lets
// loop-free call trees run on; and while a guest runs, Go's collector cannot stop the
// world. What is injected here costs a few percent, and no run without it is longer
// than the module's own code.
//
// How it counts. A run of instructions without a branch or label in it is a segment.
// One segment pays for others that it dominates while they are small; so what is
// counted is a little more than what is executed, never much less.
//
//   - A function of one paying segment takes its cost from the global at its entry, and
//     asks there whether anything is left. A small leaf is not counted: its callers pay.
//   - Any other function counts in a local, which the engine keeps in a register. It
//     settles with the global at its end, and at a loop's head once enough has come
//     together: a store to load round trip through memory at each turn of a loop would
//     nearly double the time of tight ones.
//   - Functions that may recurse add an estimate of their frame to a second global, and
//     put back what was there when they return. So the second tells how much stack is in
//     use; a trap leaves it as it was then.
//
// It follows that what runs without end settles again and again: it loops, or it returns
// from calls, or it goes deeper and deeper.
package meter

import "strconv"

// What a rewritten module has besides its own: it imports the function Module.Yield of
// type () -> (), and exports two mutable globals, and its own ones by Global. A guest calls Yield where its fuel is
// below zero; the host then adds to it, or does not return.
const (
	Module = "weir"
	Yield  = "yield"
	Fuel   = "weir:fuel"  // i64: about as many nanoseconds as may pass until the next Yield
	InUse  = "weir:stack" // i32: bytes of stack in use, by estimate
)

// own is how the names of what is exported begin; modules have none of them.
const own = "weir:"

// Global returns the name by which a rewritten module exports its own global n, if that
// is a mutable number.
func Global(n int) string { return own + strconv.Itoa(n) }

// StackLimit is how many bytes of stack, by estimate, a guest may have. A guest with more
// calls Yield with Stack above it, and cannot go on.
const StackLimit = 32 << 20

// Left returns how much fuel a value of the global Fuel says is left. Fuel is added by
// adding to the value.
func Left(word uint64) int64 { return int64(int32(word)) }

// Stack returns how many bytes of stack a value of the global Fuel says are in use, or
// zero where they are not too many.
func Stack(word uint64) int64 { return (int64(word) - Left(word)) >> 32 }
