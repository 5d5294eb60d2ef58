package store

import (
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"
)

// ValidKey returns an error that is [ErrInvalid] unless key can be stored: 1 to MaxKey
// bytes of valid UTF-8 without control characters.
func ValidKey(key string) error {
	if key == "" {
		return fmt.Errorf("key is empty: %w", ErrInvalid)
	}
	return validPrefix(key)
}

// validPrefix is ValidKey that accepts "".
func validPrefix(s string) error {
	if len(s) > MaxKey {
		return fmt.Errorf("key of %d bytes: %w: at most %d", len(s), ErrInvalid, MaxKey)
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("key %q: %w: not UTF-8", s, ErrInvalid)
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return fmt.Errorf("key %q: %w: contains a control character", s, ErrInvalid)
		}
	}
	return nil
}

func validTTL(ttl time.Duration) error {
	if ttl < 0 || ttl > longestTTL {
		return fmt.Errorf("life of %v: %w: 0 to 100 years", ttl, ErrInvalid)
	}
	return nil
}

func validBatch(b Batch) error {
	if len(b.Ops) == 0 || len(b.Ops) > MaxOps {
		return fmt.Errorf("batch of %d changes: %w: 1 to %d", len(b.Ops), ErrInvalid, MaxOps)
	}
	if b.Held != nil {
		if err := ValidKey(b.Held.Name); err != nil {
			return fmt.Errorf("lease: %w", err)
		}
	}
	size := 0
	seen := make(map[string]bool, len(b.Ops))
	for _, op := range b.Ops {
		if err := ValidKey(op.Key); err != nil {
			return err
		}
		if seen[op.Key] {
			return fmt.Errorf("key %q twice in a batch: %w", op.Key, ErrInvalid)
		}
		seen[op.Key] = true
		if len(op.Value) > MaxValue {
			return fmt.Errorf("value of %d bytes for %q: %w: at most %d", len(op.Value), op.Key, ErrInvalid, MaxValue)
		}
		if err := validTTL(op.TTL); err != nil {
			return fmt.Errorf("key %q: %w", op.Key, err)
		}
		if op.If.Absent && (op.If.Version != 0 || op.Delete) {
			return fmt.Errorf("key %q: %w: absent, and with a version or to be deleted", op.Key, ErrInvalid)
		}
		size += len(op.Key) + len(op.Value)
	}
	if size > MaxBatch {
		return fmt.Errorf("batch of %d bytes: %w: at most %d", size, ErrInvalid, MaxBatch)
	}
	return nil
}
