package issuer_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/certs/certstest"
	"github.com/weirproxy/weir/certs/issuer"
)

const token = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"

// publish writes an answer as another node does.
func publish(t *testing.T, n *certstest.Node, key, name, keyAuth string) {
	t.Helper()
	value, err := json.Marshal(map[string]string{"name": name, "keyAuth": keyAuth})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Put(t.Context(), issuer.ChallengePrefix+key, value, time.Hour); err != nil {
		t.Fatal(err)
	}
}

func TestAnswers_HTTP(t *testing.T) {
	t.Parallel()
	var shared certstest.MemoryStore
	n := shared.Node()
	a := issuer.NewAnswers(n, nil)
	publish(t, n, "http/"+token, "example.com", token+".thumb")
	six := strings.Repeat("6", 43)
	publish(t, n, "http/"+six, "2001:db8::1", six+".thumb")
	odd := strings.Repeat("o", 43)
	publish(t, n, "http/"+odd, "example.com", "something else")
	for _, c := range []struct {
		host, token string
		ok          bool
	}{
		{"example.com", token, true},
		{"EXAMPLE.com:80", token, true},
		{"example.com.:5002", token, true},
		{"www.example.com", token, false},
		{"", token, false},
		{"127.0.0.1", token, false},
		{"[2001:db8::1]:80", six, true},
		{"[2001:DB8:0::1]", six, true},
		{"[2001:db8::2]", six, false},
		{"example.com", odd, false},
		{"example.com", strings.Repeat("x", 43), false},
		{"example.com", token + "x", false},
		{"example.com", token[:10], false},
		{"example.com", "../" + token, false},
		{"example.com", strings.Repeat("x", 1000), false},
	} {
		keyAuth, ok := a.HTTP(t.Context(), c.host, c.token)
		if ok != c.ok || ok && keyAuth != c.token+".thumb" {
			t.Errorf("HTTP(%q, %q) = %q, %v; want %v", c.host, c.token, keyAuth, ok, c.ok)
		}
	}
}

func TestAnswers_ALPN(t *testing.T) {
	t.Parallel()
	var shared certstest.MemoryStore
	n := shared.Node()
	a := issuer.NewAnswers(n, nil)
	publish(t, n, "alpn/example.com", "example.com", "k.t")
	publish(t, n, "alpn/1.2.0.192.in-addr.arpa", "192.0.2.1", "k.t")
	const reverse = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
	publish(t, n, "alpn/"+reverse, "2001:db8::1", "k.t")
	publish(t, n, "alpn/wrong.example.com", "example.com", "k.t")
	for name, san := range map[string]string{"Example.COM": "example.com", "1.2.0.192.in-addr.arpa": "192.0.2.1", reverse + ".": "2001:db8::1"} {
		cert, err := a.ALPN(t.Context(), name)
		if err != nil {
			t.Errorf("ALPN(%q): %v", name, err)
			continue
		}
		if err := cert.Leaf.VerifyHostname(san); err != nil {
			t.Error(err)
		}
		if again, err := a.ALPN(t.Context(), name); err != nil || again != cert {
			t.Errorf("ALPN(%q) again gives another certificate, or %v", name, err)
		}
	}
	for _, name := range []string{"www.example.com", "", "*.example.com", "exa mple.com", "wrong.example.com", strings.Repeat("x.", 200) + "com"} {
		if cert, err := a.ALPN(t.Context(), name); err == nil {
			t.Errorf("ALPN(%q) = %v, want an error", name, cert)
		}
	}
	if _, err := a.ALPN(t.Context(), "www.example.com"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ALPN of a name for which nothing was published: %v, want fs.ErrNotExist", err)
	}
	for protos, want := range map[string]bool{"acme-tls/1": true, "acme-tls/1 h2": false, "h2": false, "": false} {
		if got := issuer.IsALPN(&tls.ClientHelloInfo{SupportedProtos: strings.Fields(protos)}); got != want {
			t.Errorf("IsALPN of %q = %v", protos, got)
		}
	}
}

// A flood of unknown tokens does not reach the store, nor hide what is published.
func TestAnswers_Flood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var shared certstest.MemoryStore
		n, other := shared.Node(), shared.Node()
		a := issuer.NewAnswers(n, nil)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go a.Run(ctx)
		synctest.Wait()
		flood := func() {
			for i := range 10_000 {
				unknown := strings.Repeat("u", 30) + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676%26))
				if _, ok := a.HTTP(ctx, "example.com", unknown); ok {
					t.Fatal("an unknown token has an answer")
				}
			}
		}
		flood()
		if got := shared.Calls("get"); got > 50 {
			t.Errorf("%d looks into the store, want 50 at most", got)
		}
		publish(t, other, "http/"+token, "example.com", token+".t")
		publish(t, other, "alpn/example.com", "example.com", token+".t")
		synctest.Wait()
		for range 3 { // validators
			if _, ok := a.HTTP(ctx, "example.com", token); !ok {
				t.Error("the flood hides what another node published")
			}
		}
		if _, err := a.ALPN(ctx, "example.com"); err != nil {
			t.Errorf("the flood hides what another node published: %v", err)
		}
		if got := shared.Calls("get"); got > 52 {
			t.Errorf("%d looks into the store, want one each for what was published", got)
		}
		time.Sleep(time.Second) // of the bubble: looks are had again
		flood()
		if got := shared.Calls("get"); got < 60 || got > 102 {
			t.Errorf("%d looks into the store a second later, want 50 more", got)
		}
	})
}

// Asking for a name all the time does not keep its answer from being seen.
func TestAnswers_NamesAreNotMissedForLong(t *testing.T) {
	t.Parallel()
	var shared certstest.MemoryStore
	n := shared.Node()
	a := issuer.NewAnswers(n, nil)
	if _, err := a.ALPN(t.Context(), "example.com"); err == nil {
		t.Fatal("there is an answer")
	}
	publish(t, n, "alpn/example.com", "example.com", "k.t")
	if _, err := a.ALPN(t.Context(), "example.com"); err != nil {
		t.Errorf("ALPN right after it was published: %v", err)
	}
}

func TestAnswers_StoreHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var shared certstest.MemoryStore
		n := shared.Node()
		n.Patience = time.Hour
		n.Hang()
		a := issuer.NewAnswers(n, nil)
		began := time.Now()
		if _, ok := a.HTTP(t.Context(), "example.com", token); ok {
			t.Error("there is an answer")
		}
		if _, err := a.ALPN(t.Context(), "example.com"); err == nil {
			t.Error("there is a certificate")
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("a store that hangs holds up who asks for %v", took)
		}
	})
}

func BenchmarkAnswers_UnknownToken(b *testing.B) {
	var shared certstest.MemoryStore
	a := issuer.NewAnswers(shared.Node(), nil)
	for b.Loop() {
		a.HTTP(b.Context(), "example.com", token)
	}
}

// A name has another answer at every attempt: a node that told the one before must not
// go on with it, also where the word of the change is late.
func TestAnswers_TellTheNewestOfAName(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var shared certstest.MemoryStore
		n := shared.Node()
		a := issuer.NewAnswers(n, nil)
		publish(t, n, "alpn/example.com", "example.com", "first.t")
		old, err := a.ALPN(t.Context(), "example.com")
		if err != nil {
			t.Fatal(err)
		}
		publish(t, n, "alpn/example.com", "example.com", "second.t")
		time.Sleep(3 * time.Second)
		fresh, err := a.ALPN(t.Context(), "example.com")
		if err != nil {
			t.Fatal(err)
		}
		if string(old.Certificate[0]) == string(fresh.Certificate[0]) {
			t.Error("the answer of the attempt before is told")
		}
	})
}
