package rotate

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/weirproxy/weir/certs/storage"
)

const quicKey = "secret/quic"

type quicRecord struct {
	Version int    `json:"version"`
	Secret  []byte `json:"secret"`
}

// QUICKeys returns what all nodes must agree on for QUIC: the key of stateless resets
// (RFC 9000 §10.3), so that any node can end a connection that another one had, and the
// key of address validation tokens (§8.1), so that any node accepts another's. Both come
// from one secret, which is made when there is none and then stays for good. A damaged
// one is replaced, and log, which may be nil, hears of it.
//
// While the store cannot be reached this is an error: start with random keys then, and
// ask again.
func QUICKeys(ctx context.Context, store storage.Store, log *slog.Logger) (reset, token [32]byte, err error) {
	secret, err := quicSecret(ctx, store, orSilent(log))
	if err != nil {
		return reset, token, fmt.Errorf("get QUIC keys: %w", err)
	}
	for label, key := range map[string]*[32]byte{"weir quic 1 stateless reset": &reset, "weir quic 1 token": &token} {
		b, err := hkdf.Key(sha256.New, secret, nil, label, len(key))
		if err != nil {
			return reset, token, fmt.Errorf("get QUIC keys: %w", err)
		}
		copy(key[:], b)
	}
	return reset, token, nil
}

func quicSecret(ctx context.Context, store storage.Store, log *slog.Logger) (secret []byte, err error) {
	secret, err = readQUIC(ctx, store)
	if err == nil || !absent(err) && !errors.Is(err, storage.ErrDamaged) {
		return secret, err
	}
	lock, err := store.Lock(ctx, quicKey)
	if err != nil {
		return nil, err
	}
	defer func() {
		after, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
		defer cancel()
		_ = lock.Unlock(after) // the secret is there, and the lock runs out by itself
	}()
	secret, err = readQUIC(storage.Fresh(ctx), store)
	switch {
	case err == nil:
		return secret, nil
	case errors.Is(err, storage.ErrDamaged):
		log.Error("shared keys damaged, and made anew", "keys", "QUIC", "err", err)
	case !absent(err):
		return nil, err
	}
	secret = make([]byte, 32)
	rand.Read(secret)
	b, err := json.Marshal(quicRecord{Version: 1, Secret: secret})
	if err != nil {
		return nil, err
	}
	return secret, lock.Put(ctx, quicKey, b, 0)
}

func readQUIC(ctx context.Context, store storage.Store) ([]byte, error) {
	b, err := store.Get(ctx, quicKey)
	if err != nil {
		return nil, err
	}
	return decodeQUIC(b)
}

func decodeQUIC(b []byte) ([]byte, error) {
	if storage.IsSealed(b) {
		return nil, storage.ErrSealed
	}
	if err := storage.CheckVersion(b, 1); err != nil {
		return nil, err
	}
	var r quicRecord
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("%w: %w", storage.ErrDamaged, err)
	}
	if len(r.Secret) != 32 {
		return nil, fmt.Errorf("%w: secret of %d bytes, want 32", storage.ErrDamaged, len(r.Secret))
	}
	return r.Secret, nil
}
