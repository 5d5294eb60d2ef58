package storage

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// Errors of values that are there, and cannot be used. What returns them names the key.
var (
	ErrSealed   = errors.New("it is encrypted: give store.encryption_key")
	ErrOtherKey = errors.New("it was sealed with another key than those of store.encryption_key")
	ErrDamaged  = errors.New("it is damaged")
	ErrNewer    = errors.New("it was written by a newer weir")
)

// A sealed value is magic, a version, the id of the key, a nonce of 12 bytes, and the
// value encrypted. All but the last two, and the store's key, are authenticated with it.
// No value of weir's begins with a zero byte, so none is taken for a sealed one.
const (
	sealMagic   = "\x00weir sealed"
	sealVersion = 1
	sealID      = 8
	sealHead    = len(sealMagic) + 1 + sealID
	sealLeast   = sealHead + 12 + 16
	leastSecret = 32
)

// Seal returns inner with all values encrypted (AES-256-GCM): the first secret seals,
// and all of them open, so that a new one can be put in front of an old one. Secrets are
// random bytes, 32 or more, as [ReadKey] reads them.
//
// A value is bound to its key: put under another one it does not open. That an older
// value of the same key was put back is not noticed, and keys are not hidden. Values that
// were written before there was a secret are read as they are, and sealed with their next
// write; so who can write to the store can still plant a value.
//
// Get fails with [ErrOtherKey], [ErrDamaged] or [ErrNewer]. List gives a value that does
// not open as it is, so that one bad value does not hide the others: [DecodeCert] and
// the like refuse it, and Get says why.
//
// Seal goes outside of [Mirror], so that the copy is encrypted as well:
// Seal(Mirror(store)).
func Seal(inner Store, secrets ...[]byte) (Store, error) {
	if len(secrets) == 0 {
		return nil, errors.New("seal store: no key is given")
	}
	s := &sealed{Store: inner}
	for i, secret := range secrets {
		k, err := newSealer(secret)
		if err != nil {
			return nil, fmt.Errorf("seal store: key %d: %w", i+1, err)
		}
		s.keys = append(s.keys, k)
	}
	return s, nil
}

// Plain returns inner for those who have no secret: values are written as they are, and
// Get refuses a sealed one with [ErrSealed].
func Plain(inner Store) Store { return &sealed{Store: inner} }

type sealed struct {
	Store
	keys []sealer // the first one seals; none: nothing is sealed
}

func (s *sealed) Get(ctx context.Context, key string) ([]byte, error) {
	value, err := s.Store.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	return s.open(key, value)
}

func (s *sealed) List(ctx context.Context, prefix, after string, limit int) ([]Record, error) {
	records, err := s.Store.List(ctx, prefix, after, limit)
	for i, r := range records {
		if plain, err := s.open(r.Key, r.Value); err == nil {
			records[i].Value = plain
		}
	}
	return records, err
}

func (s *sealed) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	value, err := s.seal(key, value)
	if err != nil {
		return err
	}
	return s.Store.Put(ctx, key, value, ttl)
}

func (s *sealed) Lock(ctx context.Context, name string) (Lock, error) {
	return s.lock(s.Store.Lock(ctx, name))
}

func (s *sealed) TryLock(ctx context.Context, name string) (Lock, error) {
	return s.lock(s.Store.TryLock(ctx, name))
}

func (s *sealed) lock(l Lock, err error) (Lock, error) {
	if err != nil {
		return nil, err
	}
	return sealedLock{l, s}, nil
}

type sealedLock struct {
	Lock
	store *sealed
}

func (l sealedLock) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	value, err := l.store.seal(key, value)
	if err != nil {
		return err
	}
	return l.Lock.Put(ctx, key, value, ttl)
}

func (s *sealed) seal(key string, value []byte) ([]byte, error) {
	if IsSealed(value) { // from List, and would be sealed twice
		return nil, fmt.Errorf("write %s: the value is sealed already", key)
	}
	if len(s.keys) == 0 {
		return value, nil
	}
	return s.keys[0].seal(key, value), nil
}

func (s *sealed) open(key string, value []byte) ([]byte, error) {
	if !IsSealed(value) {
		return value, nil
	}
	plain, err := s.unseal(key, value)
	if err != nil {
		return nil, fmt.Errorf("value of %s: %w", key, err)
	}
	return plain, nil
}

func (s *sealed) unseal(key string, value []byte) ([]byte, error) {
	switch version := value[len(sealMagic):]; {
	case len(s.keys) == 0:
		return nil, ErrSealed
	case len(version) > 0 && version[0] > sealVersion:
		return nil, ErrNewer
	case len(value) < sealLeast || version[0] != sealVersion:
		return nil, ErrDamaged
	}
	for _, k := range s.keys {
		if bytes.Equal(k.id, value[sealHead-sealID:sealHead]) {
			return k.open(key, value)
		}
	}
	return nil, ErrOtherKey
}

// IsSealed tells whether value is one that [Seal] has written.
func IsSealed(value []byte) bool { return bytes.HasPrefix(value, []byte(sealMagic)) }

// sealer is what one secret does.
type sealer struct {
	id   []byte
	aead cipher.AEAD // takes care of nonces itself
}

func newSealer(secret []byte) (sealer, error) {
	if len(secret) < leastSecret {
		return sealer{}, fmt.Errorf("%d bytes are too short: at least %d random ones", len(secret), leastSecret)
	}
	key, err := hkdf.Key(sha256.New, secret, nil, "weir store 1 seal", 32)
	if err != nil {
		return sealer{}, err
	}
	id, err := hkdf.Key(sha256.New, secret, nil, "weir store 1 id", sealID)
	if err != nil {
		return sealer{}, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return sealer{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return sealer{id, aead}, err
}

func (s sealer) seal(key string, value []byte) []byte {
	out := make([]byte, 0, sealLeast+len(value))
	out = append(out, sealMagic...)
	out = append(out, sealVersion)
	out = append(out, s.id...)
	return s.aead.Seal(out, nil, value, sealedWith(out, key))
}

func (s sealer) open(key string, value []byte) ([]byte, error) {
	plain, err := s.aead.Open(nil, nil, value[sealHead:], sealedWith(value[:sealHead], key))
	if err != nil {
		return nil, fmt.Errorf("%w, or belongs to another key of the store", ErrDamaged)
	}
	return plain, nil
}

func sealedWith(head []byte, key string) []byte {
	return append(bytes.Clone(head), key...)
}

// notThere tells a value that does not exist from all else that may go wrong.
func notThere(err error) bool { return errors.Is(err, fs.ErrNotExist) }
