package store

import (
	"errors"
	"fmt"
	"io/fs"
)

// What operations answer. All are wrapped with what they are about; use errors.Is.
var (
	// ErrNotFound is also fs.ErrNotExist.
	ErrNotFound = fmt.Errorf("no such key: %w", fs.ErrNotExist)
	// ErrConflict: a key is not in the state that its Condition asks for. Nothing was written.
	ErrConflict = errors.New("the key has changed")
	// ErrFenced: the lease is not held any more. Nothing was written.
	ErrFenced = errors.New("the lease is not held any more")
	// ErrHeld: somebody else holds the lease.
	ErrHeld = errors.New("the lease is held by somebody else")
	// ErrInvalid: the key, value, batch or duration is not one that can be stored.
	ErrInvalid = errors.New("not acceptable")
	// ErrUnavailable: no answer. A write may have happened or not.
	ErrUnavailable = errors.New("the store does not answer")
	// ErrDamaged: what is stored cannot be understood.
	ErrDamaged = errors.New("the store is damaged")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("the store is closed")
)

// answered tells whether err is an answer, as opposed to a failure.
func answered(err error) bool {
	return err == nil || errors.Is(err, ErrNotFound) || errors.Is(err, ErrConflict) ||
		errors.Is(err, ErrFenced) || errors.Is(err, ErrHeld)
}
