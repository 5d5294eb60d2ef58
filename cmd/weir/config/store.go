package config

import (
	"strings"
	"time"
)

// Store is what the nodes of one installation share: certificates, and what they lock
// while they work on them.
type Store struct {
	Pos Pos
	// URL is "sqlite:PATH" with the path resolved, or begins with redis://, rediss://,
	// postgres:// or postgresql://. Empty: a file of the program's choice in the data
	// directory.
	URL string
	// Password goes with the user in URL; empty: as URL says. It is set for servers only,
	// and never where URL has one.
	Password string
	// Prefix parts several installations in one server. Letters, digits, _, - and dots.
	Prefix string
	// Timeout bounds one operation.
	Timeout time.Duration
	// Lease is how long the lock of a node lasts that says nothing any more.
	Lease time.Duration
	// Keys encrypt what certificates keep: the first what is written, all what is
	// read. Empty: it is not encrypted.
	Keys []StoreKey
	// LocalCopy keeps a copy of certificates in the data directory, for the time when a
	// server cannot be reached; false for a file.
	LocalCopy bool
}

// StoreKey is a key of 32 to 64 bytes. It is never printed.
type StoreKey struct {
	Pos   Pos
	Bytes []byte
}

// Engine is "sqlite", "redis" or "postgres".
func (s *Store) Engine() string {
	switch scheme, _, _ := strings.Cut(s.URL, ":"); scheme {
	case "redis", "rediss":
		return "redis"
	case "postgres", "postgresql":
		return "postgres"
	}
	return "sqlite"
}

// Path is the file of a store that is one, as far as it was written.
func (s *Store) Path() string {
	path, _ := strings.CutPrefix(s.URL, "sqlite:")
	if path == s.URL {
		return ""
	}
	return path
}
