//go:build race

package issuer_test

// slow is how many times longer the race detector may take.
const slow = 5
