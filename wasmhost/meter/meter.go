// Package meter rewrites modules so that what they do can be counted and ended: a guest
// counts the instructions it executes, and calls its host when what it was given has
// run out. It also bounds tables.
//
// The engine's own way to end a guest makes loops 4 to 16 times slower, and lets
// loop-free call trees run on; and while a guest runs, Go's collector cannot stop the
// world. What is injected here costs 0 to 30 %, half of that on average, and no run
// without it is longer than the module's own code.
//
// How it counts. A run of instructions without a branch or label in it is a segment. It
// pays for those that it dominates while they are small, and a caller pays for the entry
// of the functions that it calls: small ones, leaves above all, count nothing themselves.
// So what is counted is a little more than what is executed, never much less. A segment
// pays in one of two ways:
//
//   - From a global, where it also asks whether anything is left: functions that have few
//     segments to pay for, and loops that call at each turn.
//   - With a local, which the engine keeps in a register: functions that have many, or a
//     loop that may turn without a call. They settle with the global at their end, and at
//     a loop's head once enough has come together: a store to load round trip through
//     memory at each turn of a loop would nearly double the time of tight ones.
//
// It follows that what runs without end asks again and again: it loops, or it returns
// from calls, or it goes deeper and deeper, of which the host's stack for it is the end.
package meter

import "strconv"

// What a rewritten module has besides its own: it imports the function Module.Yield of
// type () -> (), and exports a mutable global, Fuel, and its own ones by Global. A guest
// calls Yield where its fuel is below zero; the host then adds to it, or does not return.
const (
	Module = "weir"
	Yield  = "yield"
	Fuel   = "weir:fuel" // i64: about as many nanoseconds as may pass until the next Yield
)

// own is how the names of what is exported begin; modules have none of them.
const own = "weir:"

// Global returns the name by which a rewritten module exports its own global n, if that
// is a mutable number.
func Global(n int) string { return own + strconv.Itoa(n) }

// Left returns how much fuel a value of the global Fuel says is left. Fuel is added by
// adding to the value.
func Left(word uint64) int64 { return int64(word) }
