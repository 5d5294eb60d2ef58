//go:build !race

package issuer_test

// slow is how many times longer things may take.
const slow = 1
