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
//   - Functions that may recurse add an estimate of their frame to the global's upper
//     half, and take it off when they return.
package meter

// What a rewritten module has besides its own: it imports the function Module.Yield of
// type () -> (), and exports a mutable i64 global Fuel. The guest calls Yield where the
// fuel left is below zero; the host then adds fuel, or does not return.
const (
	Module = "weir"
	Yield  = "yield"
	Fuel   = "weir:fuel"
)

// StackLimit is how many bytes of stack, by estimate, a guest should not have when it
// yields. It is the host's to enforce: a recursing guest that runs on for a quantum of
// fuel takes at most stackPerFuel bytes more for each unit.
const StackLimit = 32 << 20

const stackPerFuel = 32

// Left returns how much fuel a value of the global Fuel says is left. Fuel is added by
// adding to the value.
func Left(word uint64) int64 { return int64(int32(word)) }

// Stack returns how many bytes of stack a value of the global Fuel says are in use.
func Stack(word uint64) int64 { return (int64(word) - Left(word)) >> 32 }
