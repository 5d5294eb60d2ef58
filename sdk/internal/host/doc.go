// Package host is Proxy-Wasm's host functions as Go guests call them: compiled for
// wasip1 they are imports, elsewhere they go to the [Host] that [Enter] has put in place,
// which is how tests run filters without WebAssembly.
//
// A guest is entered by one caller at a time, and so is this package.
package host
