// Package issuer obtains certificates from authorities that speak ACME (RFC 8555): an
// [Issuer] is one authority as one account uses it. It keeps its account in the store,
// so that all nodes share it, and says in words for people what an authority objects to.
//
// [Answers] is what validators are told, by whichever node they come to. Nothing here
// listens: who has the sockets asks.
//
// An authority is trusted to sign, and with nothing else: its answers are bounded in
// size and time, identifiers and tokens are checked before anything is published, and
// a chain is looked at before it is given out.
//
// Of weir this package imports the seam to the store alone.
package issuer
