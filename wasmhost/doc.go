// Package wasmhost opens modules, finds out what they speak, and makes filters and
// handlers of them.
package wasmhost
