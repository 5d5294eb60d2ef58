// Package attack holds attackers that speak to a server over real sockets, in
// bounded numbers and for a bounded time, so that tests can show what the server
// does about them while healthy clients are served beside.
//
// An attack runs until it has sent all it is meant to, until the server has ended
// every connection, or until its context ends, whichever comes first. That the
// server cuts an attacker off is what is hoped for, never an error: [Stats] tells
// it. An error means that the attack could not be made at all.
//
// Only tests import this package. Its functions are safe for concurrent use.
package attack
