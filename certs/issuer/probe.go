package issuer

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/weirproxy/weir/certs/storage"
)

// probeLife is how long a probe stays in the store, should nobody take it back.
const probeLife = time.Minute

// Probe is an answer to a challenge that no authority has set. Who gets it where a
// validator would ask has reached a node of weir with the same store.
type Probe struct {
	Token      string // of the path, for HTTP01
	KeyAuth    string // what is to be the body, for HTTP01
	ServerName string // by which to ask, for TLSALPN01

	store storage.Store
	key   string
}

// NewProbe publishes a probe of a kind, HTTP01 or TLSALPN01, for a host name or an
// address. For TLSALPN01 the error is [fs.ErrExist] while the name is being validated:
// what an authority waits for is not touched. [Probe.End] takes the probe back.
func NewProbe(ctx context.Context, store storage.Store, kind, name string) (*Probe, error) {
	token := "weir-doctor-" + rand.Text()
	p := &Probe{Token: token, KeyAuth: token + "." + rand.Text(), ServerName: alpnName(name), store: store}
	p.key = httpKey(token)
	if kind == TLSALPN01 {
		p.key = alpnKey(p.ServerName)
		switch _, err := store.Get(ctx, p.key); {
		case err == nil:
			return nil, fmt.Errorf("publish probe for %s: its validation is under way: %w", name, fs.ErrExist)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("publish probe for %s: %w", name, err)
		}
	}
	value, err := json.Marshal(answer{Name: name, KeyAuth: p.KeyAuth})
	if err == nil {
		err = store.Put(ctx, p.key, value, probeLife)
	}
	if err != nil {
		return nil, fmt.Errorf("publish probe for %s: %w", name, err)
	}
	return p, nil
}

// End takes the probe back, unless an answer to a challenge has taken its place.
func (p *Probe) End(ctx context.Context) error {
	value, err := p.store.Get(ctx, p.key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var there answer
	if err != nil || json.Unmarshal(value, &there) == nil && there.KeyAuth != p.KeyAuth {
		return err
	}
	return p.store.Delete(ctx, p.key)
}

// Answered tells whether a certificate that was presented with acme-tls/1 is the answer
// to this probe (RFC 8737 §3).
func (p *Probe) Answered(leaf *x509.Certificate) bool {
	sum := sha256.Sum256([]byte(p.KeyAuth))
	want, err := asn1.Marshal(sum[:])
	if err != nil {
		return false
	}
	for _, e := range leaf.Extensions {
		if e.Id.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 31}) {
			return bytes.Equal(e.Value, want)
		}
	}
	return false
}

// RequiresEAB tells whether the authority takes only accounts that are bound to one that
// their owner has with it (RFC 8555 §7.1.1).
func (i *Issuer) RequiresEAB(ctx context.Context) (bool, error) {
	ctx, refused := withRefusal(ctx)
	a, err := i.reach(ctx)
	if err != nil {
		return false, i.explain(err, refused, "")
	}
	return a.dir.Meta != nil && a.dir.Meta.ExternalAccountRequired, nil
}
