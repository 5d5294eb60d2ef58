// Package wasm reads the binary format of WebAssembly (core 2.0, chapter 5) as far as
// a host wants to know a module before it runs it: what it imports and exports, what
// memory and tables it asks for, and what its custom sections tell of its making.
//
// What it reads comes from strangers: every length is checked against what is there,
// and nothing is allocated by a number that a module merely claims.
package wasm
