// Package certs gives TLS its certificates: of public authorities, by a [Manager]; from
// files, which it watches; and from a small certificate authority of its own for
// localhost and private names.
//
// Each source hands out a *tls.Certificate without locking for longer than a map
// look-up, since it is asked in every handshake, and keeps what it hands out
// fresh by goroutines of its own, ended by Close. A source never trades a good
// certificate for a bad one: it keeps the old and reports.
//
// What a Manager obtains is in a store that nodes share (package storage), ordered of
// authorities by package issuer, on demand only where package demand agrees.
//
// Where a setting protects something, a mistake in it is an error and never a
// default (security P8).
//
// Of weir this package imports only the rooms below it.
package certs
