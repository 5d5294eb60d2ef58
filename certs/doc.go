// Package certs gives TLS its certificates: from files, which it watches, and
// from a small certificate authority of its own for localhost and private names.
//
// Each source hands out a *tls.Certificate without locking for longer than a map
// look-up, since it is asked in every handshake, and keeps what it hands out
// fresh by one goroutine of its own, ended by Close. A source never trades a good
// certificate for a bad one: it keeps the old and reports.
//
// Where a setting protects something, a mistake in it is an error and never a
// default (security P8).
//
// This package imports nothing of weir.
package certs
