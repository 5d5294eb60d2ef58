//go:build race

package cgi

// raced says that the race detector watches, which makes the compiler take a minute for
// what it does in two seconds: programs in Go are interpreted then.
const raced = true
