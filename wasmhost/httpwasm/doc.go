// Package httpwasm runs guests that speak the http-wasm handler ABI.
package httpwasm
