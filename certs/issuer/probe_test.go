package issuer_test

import (
	"errors"
	"io/fs"
	"testing"
	"time"

	"github.com/weirproxy/weir/certs/certstest"
	"github.com/weirproxy/weir/certs/issuer"
)

// A probe gets the answers that a challenge would get, from another node, and none any
// more when it was taken back.
func TestProbe_IsAnsweredLikeAChallenge(t *testing.T) {
	t.Parallel()
	store := new(certstest.MemoryStore).Node()
	p, err := issuer.NewProbe(t.Context(), store, issuer.HTTP01, "www.example.com")
	if err != nil {
		t.Fatal(err)
	}
	got, ok := issuer.NewAnswers(store, nil).HTTP(t.Context(), "www.example.com:80", p.Token)
	if !ok || got != p.KeyAuth {
		t.Errorf("answer %q %v, want %q", got, ok, p.KeyAuth)
	}
	if err := p.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, ok := issuer.NewAnswers(store, nil).HTTP(t.Context(), "www.example.com", p.Token); ok {
		t.Error("the probe is answered after its end")
	}
}

func TestProbe_IsRecognisedInACertificate(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"www.example.com", "192.0.2.1"} {
		store := new(certstest.MemoryStore).Node()
		p, err := issuer.NewProbe(t.Context(), store, issuer.TLSALPN01, name)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := issuer.NewAnswers(store, nil).ALPN(t.Context(), p.ServerName)
		if err != nil {
			t.Fatal(err)
		}
		if !p.Answered(cert.Leaf) {
			t.Errorf("%s: the certificate is not taken for the probe's", name)
		}
		other, err := issuer.NewProbe(t.Context(), new(certstest.MemoryStore).Node(), issuer.TLSALPN01, name)
		if err != nil || other.Answered(cert.Leaf) {
			t.Errorf("%s: the certificate is taken for another probe's (%v)", name, err)
		}
	}
}

// What an authority is about to ask for is neither overwritten nor taken back.
func TestProbe_LeavesChallengesAlone(t *testing.T) {
	t.Parallel()
	store, key := new(certstest.MemoryStore).Node(), issuer.ChallengePrefix+"alpn/www.example.com"
	p, err := issuer.NewProbe(t.Context(), store, issuer.TLSALPN01, "www.example.com")
	if err != nil {
		t.Fatal(err)
	}
	real := `{"name":"www.example.com","keyAuth":"real"}`
	if err := store.Put(t.Context(), key, []byte(real), time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := p.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := store.Get(t.Context(), key); string(got) != real {
		t.Errorf("the store has %q (%v), want the challenge's answer", got, err)
	}
	if _, err := issuer.NewProbe(t.Context(), store, issuer.TLSALPN01, "www.example.com"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error %v, want fs.ErrExist", err)
	}
}

func TestRequiresEAB_AsTheAuthoritySays(t *testing.T) {
	t.Parallel()
	for _, eab := range []map[string]string{nil, {"kid": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}} {
		ca := certstest.StartCA(t, certstest.Options{EAB: eab})
		store := new(certstest.MemoryStore).Node()
		i, err := issuer.New(issuer.Options{Directory: ca.Directory, Roots: ca.Roots, Store: store, Answers: issuer.NewAnswers(store, nil)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { i.Close() })
		if got, err := i.RequiresEAB(t.Context()); err != nil || got != (eab != nil) {
			t.Errorf("required %v (%v), want %v", got, err, eab != nil)
		}
	}
}
