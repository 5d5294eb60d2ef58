// Package xconnect makes net/http's HTTP/2 server take extended CONNECT (RFC 8441),
// which WebSockets need. net/http asks the environment for it, GODEBUG=http2xconnect=1,
// once, while it is initialised, and offers no other way.
//
// The language initialises packages in the order of their import paths, as far as
// what they import is ready (specification, "Program initialization"). This package
// imports less than net/http does and stands before it, so its turn comes first. A
// test of package nethttp holds that servers announce the setting: should a toolchain
// order packages in another way, or ask for another word, it fails.
package xconnect

import (
	"os"
	"strings"
)

const variable, setting = "GODEBUG", "http2xconnect="

// before is what the operator has set.
var before, wasSet = announce()

func announce() (value string, set bool) {
	value, set = os.LookupEnv(variable)
	switch {
	case strings.Contains(value, setting): // somebody decides for himself
	case value == "":
		os.Setenv(variable, setting+"1")
	default:
		os.Setenv(variable, value+","+setting+"1")
	}
	return value, set
}

// Restore gives the environment back as it was, so that it says to this process's
// children, and to who reads it, what the operator said. It may be called as soon as
// net/http is initialised, by any package that imports it.
func Restore() error {
	if !wasSet {
		return os.Unsetenv(variable)
	}
	return os.Setenv(variable, before)
}
