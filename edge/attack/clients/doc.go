// Package clients drives programs that are not weir's against a server under
// test: curl, an HTTP/3 client over aioquic, Chromium, h2spec, WebSocket clients for
// each protocol, and whatever else a test finds with [Find] or begins with [Start].
//
// None of them is told to accept any certificate: each is given the root that it
// is to trust, as a user would do it.
//
// A program that is not installed skips the test on a developer's machine and
// fails it where WEIR_CI is set, so that nothing is skipped where it counts.
package clients
