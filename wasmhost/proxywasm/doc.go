// Package proxywasm runs guests that speak Proxy-Wasm.
package proxywasm
