// Package proxywasm holds the numbers, names, signatures and codecs of Proxy-Wasm 0.1.0, 0.2.0 and 0.2.1:
// one table for hosts and guests. It imports nothing of weir.
package proxywasm
