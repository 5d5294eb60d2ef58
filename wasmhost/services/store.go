package services

import (
	"context"
	"errors"
	"iter"
	"time"
	"unicode"
	"unicode/utf8"
)

// Store keeps entries. Its methods are safe for concurrent use, and give up by themselves
// where there is no answer. Keys are valid UTF-8 without control characters, of 640 bytes
// at most. A wanted version is that of an entry, [ext.Any] or [ext.Absent].
type Store interface {
	// Get returns an entry, or an error that is ErrNotFound.
	Get(ctx context.Context, key string) (Entry, error)
	// Put writes a value that goes away by itself after ttl, 0 for never, and returns its
	// version, which is neither Any nor Absent. The error is ErrChanged where the key has
	// not the wanted version.
	Put(ctx context.Context, key string, value []byte, ttl time.Duration, wanted uint64) (version uint64, err error)
	// Delete removes an entry that has the wanted version; one that is not there is
	// removed. Else the error is ErrChanged.
	Delete(ctx context.Context, key string, wanted uint64) error
	// List returns entries whose keys begin with prefix and are greater than after, in
	// the order of their bytes. No more than most are wanted, and maybe not all of those.
	// An error is the last pair.
	List(ctx context.Context, prefix, after string, most int) iter.Seq2[Entry, error]
}

// Entry is one of a store.
type Entry struct {
	Key     string
	Value   []byte
	Version uint64
}

// What stores answer. They are wrapped with what they are about.
var (
	ErrNotFound = errors.New("there is no such entry")
	ErrChanged  = errors.New("the entry has another version")
)

// Limits of what guests keep.
const (
	mostKey   = 512
	mostValue = 64 << 10
	mostLife  = 100 * 365 * 24 * time.Hour
	mostList  = 1000
	// mostListed is after how many bytes of keys and values a list ends.
	mostListed = 1 << 20
)

// entry names one of the store: by its space and its key in it.
func (s *Services) entry(space, key string) (string, error) {
	prefix, err := s.space(space)
	if err != nil {
		return "", err
	}
	if key == "" {
		return "", bad("a key has 1 to %d bytes", mostKey)
	}
	return prefix + key, checkKey(key)
}

// space returns what the keys of a space begin with.
func (s *Services) space(name string) (string, error) {
	if name == "" {
		name = s.own
	}
	prefix, ok := s.spaces[name]
	if !ok {
		return "", denied("the part %.64q of the store is not granted; add it to the plugin's grants: {store: [%.64s]}", name, name)
	}
	if s.back.store == nil {
		return "", errors.New("there is no store here")
	}
	return prefix, nil
}

// checkKey takes what a key may be, or the beginning of one.
func checkKey(key string) error {
	if len(key) > mostKey {
		return bad("a key has 1 to %d bytes, this one has %d", mostKey, len(key))
	}
	if !utf8.ValidString(key) {
		return bad("the key %.64q is no UTF-8", key)
	}
	for _, r := range key {
		if unicode.IsControl(r) {
			return bad("the key %.64q has a control character", key)
		}
	}
	return nil
}
