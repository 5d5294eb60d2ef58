// Package vm drives the engine that runs guests: programs are compiled once, instances
// are made of them, called under budgets, and thrown away when they fail.
//
//	Engine    process life: the compilation cache
//	Program   one content, compiled once however many plugins use it
//	Instance  one memory; entered by one caller at a time
//	Image     what an instance was at one moment; others are made of it, and made it again
//	Pool      instances of which each serves one request at a time
//	Gate      a lock with a line, for instances that serve many
//
// What guests are bounded by is Limits. What ended one is a *Trap, and an instance that
// trapped is never entered again: Call says so, and whoever owns it closes it and makes
// a new one.
//
// Whatever a guest has done is paid for in fuel: its own instructions, by what package
// meter puts in, host functions by Charge, and those of WASI as well. A guest that waits
// or sleeps does so until Until at most, and Interrupt wakes it.
//
// Host functions are stack-style [api.GoModuleFunc] and find the instance that calls
// them with InstanceOf. They must take arguments as uint32(stack[i]): the upper halves
// of slots hold anything.
package vm
