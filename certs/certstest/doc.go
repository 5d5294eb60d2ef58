// Package certstest is what tests of certificates are run against: a certificate
// authority (Pebble, in the test's own process), the DNS that it asks, a store that
// several nodes share and that fails when told to, and the contract of such stores.
//
// Everything listens on loopback, on ports that the kernel chose, and ends with its
// test. Authorities share nothing, so that tests run in parallel.
//
// Beside the interface of the store this package imports nothing of weir.
package certstest
