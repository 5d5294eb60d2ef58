//go:build !wasip1

package weir

import "crypto/rand"

// ownRandom has the bytes from the system.
func ownRandom(n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := rand.Read(b)
	return b, err
}
