// Package httpwasm holds the numbers, names, signatures and codecs of the http-wasm handler ABI:
// one table for hosts and guests. It imports nothing of weir.
package httpwasm
