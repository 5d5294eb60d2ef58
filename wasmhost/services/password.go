package services

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"github.com/weirproxy/weir/sdk/abi/ext"
)

// How passwords are hashed: OWASP's parameters for Argon2id.
const (
	hashMemory = 19 << 10 // KiB
	hashPasses = 2
	hashLanes  = 1
	saltBytes  = 16
	sumBytes   = 32
)

const (
	argon2idBegins = "$argon2id$"
	mostPassword   = 1024
	mostCost       = 15 // of bcrypt: some two seconds
	commonCost     = 12 // a quarter of one
	bcryptLength   = 60
)

func passwordHash(ctx context.Context, s *Services, f *ext.Fields) ([]byte, error) {
	password := f.Bytes()
	if err := ended(f); err != nil {
		return nil, err
	}
	if err := checkPassword(password); err != nil {
		return nil, err
	}
	back, err := s.back.passwords.take(ctx, &s.passes)
	if err != nil {
		return nil, fmt.Errorf("hash a password: %w", err)
	}
	defer back()
	return ext.Append(nil, hashOf(password)), nil
}

func hashOf(password []byte) string {
	a := argon2id{memory: hashMemory, passes: hashPasses, lanes: hashLanes, salt: make([]byte, saltBytes), sum: make([]byte, sumBytes)}
	_, _ = rand.Read(a.salt) // which never fails
	a.sum = a.of(password)
	return a.String()
}

// HashPassword returns the hash of a password as guests get it: a PHC string of Argon2id.
// It takes some 20 ms, and 19 MiB.
func HashPassword(password []byte) (string, error) {
	if err := checkPassword(password); err != nil {
		return "", err
	}
	return hashOf(password), nil
}

// of hashes a password with the parameters, salt and length of a.
func (a argon2id) of(password []byte) []byte {
	return argon2.IDKey(password, a.salt, a.passes, a.memory, a.lanes, uint32(len(a.sum)))
}

func checkPassword(password []byte) error {
	if len(password) > mostPassword {
		return bad("a password has %d bytes at most", mostPassword)
	}
	return nil
}

func passwordVerify(ctx context.Context, s *Services, f *ext.Fields) ([]byte, error) {
	hash, password := f.Text(), f.Bytes()
	if err := ended(f); err != nil {
		return nil, err
	}
	if err := checkPassword(password); err != nil {
		return nil, err
	}
	verify, large, err := readHash(hash)
	if err != nil {
		return nil, err
	}
	if large {
		back, err := s.back.large.take(ctx, &s.large)
		if err != nil {
			return nil, fmt.Errorf("verify a password by a large hash: %w", err)
		}
		defer back()
		defer runtime.GC() // or the next come before the collector sees what this one leaves
	}
	back, err := s.back.passwords.take(ctx, &s.passes)
	if err != nil {
		return nil, fmt.Errorf("verify a password: %w", err)
	}
	defer back()
	right, anew, err := verify(password)
	if err != nil {
		return nil, err
	}
	return flag(flag(nil, right), right && anew), nil
}

// verifier tells whether a password is the one that was hashed, and whether it should be
// hashed anew.
type verifier func(password []byte) (right, anew bool, err error)

// readHash takes a PHC string of Argon2id, or what bcrypt makes, and tells whether it
// takes more memory or time than is common.
func readHash(hash string) (v verifier, large bool, err error) {
	rest, isArgon2id := strings.CutPrefix(hash, argon2idBegins)
	switch {
	case len(hash) > mostHash:
		return nil, false, bad("a hash has %d bytes at most", mostHash)
	case isArgon2id:
		a, err := parseArgon2id(rest)
		if err != nil {
			return nil, false, err
		}
		return func(password []byte) (right, anew bool, err error) {
			return subtle.ConstantTimeCompare(a.of(password), a.sum) == 1, a.weak(), nil
		}, a.large(), nil
	case len(hash) == bcryptLength && (strings.HasPrefix(hash, "$2a$") || strings.HasPrefix(hash, "$2b$") || strings.HasPrefix(hash, "$2y$")):
		cost, err := bcrypt.Cost([]byte(hash))
		if err != nil || cost > mostCost {
			return nil, false, bad("the hash is no bcrypt hash of a cost up to %d", mostCost)
		}
		return func(password []byte) (right, anew bool, err error) {
			err = bcrypt.CompareHashAndPassword([]byte(hash), password)
			if err != nil && !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
				return false, false, bad("the hash is no bcrypt hash")
			}
			return err == nil, true, nil
		}, cost > commonCost, nil
	}
	return nil, false, bad("the hash is neither one of argon2id ($argon2id$…) nor of bcrypt ($2b$…)")
}
