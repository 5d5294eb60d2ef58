// Package storetest has what tests of stores need: the suite that every engine runs,
// servers that are started for a test, and a proxy that breaks connections. It is
// imported by tests alone.
//
// A server that is not installed skips the test, or fails it where WEIR_CI is set.
package storetest
