// Package argon2 hashes passwords with Argon2id (RFC 9106), for tests of filters: those
// need the standard library alone, as everything does that authors are given. weir itself
// uses another implementation, which is faster; a test compares the two.
package argon2
