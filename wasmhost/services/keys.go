package services

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/weirproxy/weir/sdk/abi/ext"
)

// Key is one that a plugin may use and never sees. Without a secret or seed it is made by
// weir, once for all nodes.
type Key struct {
	Name string
	// Secret makes signatures with HMAC-SHA256; 32 bytes or more.
	Secret []byte
	// Seed is an Ed25519 private key: its 32 bytes.
	Seed []byte
}

// The algorithms, as JSON Web Signatures name them.
const (
	hs256 = "HS256"
	eddsa = "EdDSA"
)

const (
	leastSecret = 32
	mostMessage = 1 << 20
)

// signer is a key that is used.
type signer struct {
	algorithm string
	secret    []byte             // of HS256
	private   ed25519.PrivateKey // of EdDSA
	made      *madeSecret        // of a key that weir makes; nil: it is given
}

// signer makes one of a key.
func (b *Backend) signer(space string, k Key) (*signer, error) {
	switch {
	case len(k.Secret) > 0 && len(k.Seed) > 0:
		return nil, errors.New("it has both a secret and a seed")
	case len(k.Seed) > 0 && len(k.Seed) != ed25519.SeedSize:
		return nil, fmt.Errorf("a seed of %d bytes: it has %d", len(k.Seed), ed25519.SeedSize)
	case len(k.Seed) > 0:
		return &signer{algorithm: eddsa, private: ed25519.NewKeyFromSeed(k.Seed)}, nil
	case len(k.Secret) > 0 && len(k.Secret) < leastSecret:
		return nil, fmt.Errorf("a secret of %d bytes: it has %d at least", len(k.Secret), leastSecret)
	case len(k.Secret) > 0:
		return &signer{algorithm: hs256, secret: k.Secret}, nil
	}
	return &signer{algorithm: hs256, made: &madeSecret{secrets: b.secrets, name: escape(space) + "/" + escape(k.Name)}}, nil
}

// sign returns the signature of a message.
func (k *signer) sign(ctx context.Context, message []byte) ([]byte, error) {
	if k.private != nil {
		return ed25519.Sign(k.private, message), nil
	}
	secret, err := k.hmacSecret(ctx)
	if err != nil {
		return nil, err
	}
	h := hmac.New(sha256.New, secret)
	h.Write(message)
	return h.Sum(nil), nil
}

// verify tells whether a signature is that of a message.
func (k *signer) verify(ctx context.Context, message, signature []byte) (bool, error) {
	if k.private != nil {
		public, _ := k.private.Public().(ed25519.PublicKey)
		return ed25519.Verify(public, message, signature), nil
	}
	right, err := k.sign(ctx, message)
	return err == nil && hmac.Equal(right, signature), err
}

func (k *signer) hmacSecret(ctx context.Context) ([]byte, error) {
	if k.made == nil {
		return k.secret, nil
	}
	return k.made.get(ctx)
}

// key finds the key that a guest names.
func (s *Services) key(name string) (*signer, error) {
	k := s.keys[name]
	if k == nil {
		return nil, denied("the key %.64q is not granted; add it to the plugin's grants: {keys: {%.64s: auto}}", name, name)
	}
	return k, nil
}

func checkMessage(message []byte) error {
	if len(message) > mostMessage {
		return bad("a message has %d bytes at most, this one has %d", mostMessage, len(message))
	}
	return nil
}

func sign(ctx context.Context, s *Services, f *ext.Fields) ([]byte, error) {
	name, message := f.Text(), f.Bytes()
	if err := errors.Join(ended(f), checkMessage(message)); err != nil {
		return nil, err
	}
	k, err := s.key(name)
	if err != nil {
		return nil, err
	}
	signature, err := k.sign(ctx, message)
	if err != nil {
		return nil, fmt.Errorf("sign with %q: %w", name, err)
	}
	return ext.Append(ext.Append(nil, signature), k.algorithm), nil
}

func verify(ctx context.Context, s *Services, f *ext.Fields) ([]byte, error) {
	name, message, signature := f.Text(), f.Bytes(), f.Bytes()
	if err := errors.Join(ended(f), checkMessage(message)); err != nil {
		return nil, err
	}
	k, err := s.key(name)
	if err != nil {
		return nil, err
	}
	right, err := k.verify(ctx, message, signature)
	if err != nil {
		return nil, fmt.Errorf("verify with %q: %w", name, err)
	}
	return flag(nil, right), nil
}
