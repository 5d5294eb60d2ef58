package wasm

// Feature is something that modules may use and the engine does not have.
type Feature uint8

// The features.
const (
	Component Feature = iota + 1
	GarbageCollection
	TypedReferences
	Memory64
	MultiMemory
	Threads
	Exceptions
	TailCalls
	RelaxedSIMD
	ExtendedConstants
)

// Unsupported is the error of a module that uses a feature which the engine lacks.
type Unsupported struct{ Feature Feature }

// Error says what was found, and how to build without it.
func (u *Unsupported) Error() string { return features[u.Feature] }

// Uses returns the error of a module that uses f.
func Uses(f Feature) error { return &Unsupported{f} }

var features = [...]string{
	Component:         "it is a component (WASI preview 2); build a core module: in Rust --target wasm32-wasip1, in TinyGo -target=wasip1, in C wasi-sdk without wasm-component-ld",
	GarbageCollection: "it uses garbage-collected types (wasm-gc), as Kotlin, Dart, Java and OCaml compilers emit; build with a toolchain that brings its own collector",
	TypedReferences:   "it uses typed function references; build without them",
	Memory64:          "it uses 64-bit memories (memory64); build for wasm32",
	MultiMemory:       "it has several memories; build with one",
	Threads:           "it uses threads (shared memory or atomics); build without -pthread, -matomics or +atomics",
	Exceptions:        "it uses exceptions; build with -fno-exceptions or without -fwasm-exceptions, in Rust with panic=abort",
	TailCalls:         "it uses tail calls; build without -mtail-call or +tail-call",
	RelaxedSIMD:       "it uses relaxed SIMD; build without -mrelaxed-simd or +relaxed-simd",
	ExtendedConstants: "it uses extended constant expressions; build without -mextended-const or +extended-const",
}
