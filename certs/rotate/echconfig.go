package rotate

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// echConfig is what an ECHConfig says (RFC 9849 §4), of those that weir makes: for
// DHKEM(X25519, HKDF-SHA256) and without extensions.
type echConfig struct {
	id         uint8
	public     []byte // X25519, 32 bytes
	longest    uint8  // name that inner hellos are padded to
	publicName string // that the outer hello asks for
}

const (
	echVersion   = 0xfe0d
	echX25519    = 0x0020
	longestInner = 64 // of most names; longer ones stick out by multiples of 32
)

// echSuites are HKDF-SHA256 with AES-128-GCM, and with ChaCha20-Poly1305.
var echSuites = []byte{0, 1, 0, 1, 0, 1, 0, 3}

func (c echConfig) encode() []byte {
	body := []byte{c.id}
	body = binary.BigEndian.AppendUint16(body, echX25519)
	body = appendVector16(body, c.public)
	body = appendVector16(body, echSuites)
	body = append(body, c.longest, uint8(len(c.publicName)))
	body = append(body, c.publicName...)
	body = append(body, 0, 0) // no extensions
	return appendVector16(binary.BigEndian.AppendUint16(nil, echVersion), body)
}

// decodeECHConfig reads what encode makes, and nothing else.
func decodeECHConfig(b []byte) (echConfig, error) {
	const (
		head  = 4 + 1 + 2 // version and length, id, KEM
		fixed = head + 2 + 32 + 2 + 8 + 2
	)
	if len(b) < fixed {
		return echConfig{}, fmt.Errorf("ECH configuration of %d bytes", len(b))
	}
	c := echConfig{id: b[4], public: b[head+2 : head+2+32], longest: b[fixed-2]}
	if n := int(b[fixed-1]); len(b) >= fixed+n {
		c.publicName = string(b[fixed : fixed+n])
	}
	if !bytes.Equal(c.encode(), b) {
		return echConfig{}, errors.New("ECH configuration of an unknown form")
	}
	return c, nil
}

func appendVector16(b, v []byte) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(v))), v...)
}

// newECHKey makes a key pair and its configuration, with an id that is not taken.
func newECHKey(publicName string, taken func(id uint8) bool) (key, error) {
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return key{}, err
	}
	var id [1]byte
	for rand.Read(id[:]); taken(id[0]); { // there are 256, and of keys a few
		rand.Read(id[:])
	}
	c := echConfig{id: id[0], public: private.PublicKey().Bytes(), longest: longestInner, publicName: publicName}
	return key{Secret: private.Bytes(), Public: c.encode()}, nil
}

func goodECHKey(k key) error {
	c, err := decodeECHConfig(k.Public)
	if err != nil {
		return err
	}
	private, err := ecdh.X25519().NewPrivateKey(k.Secret)
	if err != nil {
		return err
	}
	if !bytes.Equal(private.PublicKey().Bytes(), c.public) {
		return errors.New("the private key is not that of the configuration")
	}
	return checkPublicName(c.publicName)
}

// checkPublicName wants a host name of letters, digits and hyphens that nobody takes for
// an address (RFC 9849 §4): clients pass over configurations with another one.
func checkPublicName(name string) error {
	bad := fmt.Errorf("public name %.300q is not a host name", name)
	if len(name) > 253 || !strings.Contains(name, ".") {
		return bad
	}
	labels := strings.Split(name, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' || strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return bad
		}
	}
	if last := labels[len(labels)-1]; last[0] >= '0' && last[0] <= '9' {
		return bad
	}
	return nil
}
