package issuer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/certs/certstest"
)

func newIssuer(t *testing.T, ca *certstest.CA, change func(*Options)) *Issuer {
	t.Helper()
	var shared certstest.MemoryStore
	n := shared.Node()
	o := Options{Directory: ca.Directory, Roots: ca.Roots, Store: n, Answers: NewAnswers(n, nil)}
	if change != nil {
		change(&o)
	}
	i, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close() })
	return i
}

func order(t *testing.T, i *Issuer, o Order) error {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	o.Key = key
	_, err = i.Obtain(t.Context(), o)
	return err
}

// age lets an hour pass for what is known of the authority.
func age(i *Issuer) {
	a := *i.known()
	a.until = time.Now().Add(-time.Second)
	i.know(&a)
}

func TestDirectory_IsLookedAtAgain(t *testing.T) {
	t.Parallel()
	ca := certstest.StartCA(t, certstest.Options{AlwaysValid: true})
	i := newIssuer(t, ca, nil)
	if err := order(t, i, Order{Names: []string{"a.example.com"}}); err != nil {
		t.Fatal(err)
	}
	client := i.known().Client

	// As it was: what is open with the authority stays open.
	age(i)
	if err := order(t, i, Order{Names: []string{"b.example.com"}}); err != nil || i.known().Client != client {
		t.Errorf("order after an hour = %v, by the same client %v", err, i.known().Client == client)
	}
	// Another one counts at once.
	ca.Edit(func(r *http.Request, a *certstest.Answer) {
		if Kind := certstest.Kind(r); Kind == "directory" {
			a.Body = []byte(strings.Replace(string(a.Body), `"meta": {`, `"meta": {"website": "https://new.example/", `, 1))
		}
	})
	age(i)
	if err := order(t, i, Order{Names: []string{"c.example.com"}}); err != nil || i.known().Client == client {
		t.Errorf("order under another directory = %v, by the same client %v", err, i.known().Client == client)
	}
	// One that cannot be had is made up for by the last one, for a while.
	ca.FailNext(-1, "directory", certstest.Fault{Status: 500})
	age(i)
	if err := order(t, i, Order{Names: []string{"d.example.com"}}); err != nil {
		t.Errorf("order while there is no directory = %v", err)
	}
	if left := time.Until(i.known().until); left < 0 || left > time.Minute {
		t.Errorf("it is looked at again in %v, want within a minute", left)
	}
}

func TestProfiles(t *testing.T) {
	t.Parallel()
	ca := certstest.StartCA(t, certstest.Options{AlwaysValid: true, Profiles: map[string]time.Duration{"classic": time.Hour, "tlsserver": time.Hour}})
	err := order(t, newIssuer(t, ca, nil), Order{Names: []string{"example.com"}, Profile: "short"})
	if err == nil || !strings.Contains(err.Error(), "classic, tlsserver") || !strings.Contains(err.Error(), "acme: profile:") {
		t.Errorf("order under an unknown profile = %v, want what there is", err)
	}
	if got := ca.Asked("order"); got != 0 {
		t.Errorf("orders under an unknown profile: %d", got)
	}
	ca.Edit(func(r *http.Request, a *certstest.Answer) {
		if certstest.Kind(r) == "directory" {
			a.Body = []byte(strings.Replace(string(a.Body), `"profiles"`, `"nothing"`, 1))
		}
	})
	// A site's profile is not every authority's; the authority's own has to be there.
	if err := order(t, newIssuer(t, ca, nil), Order{Names: []string{"example.com"}, Profile: "tlsserver"}); err != nil {
		t.Errorf("order from an authority without profiles = %v", err)
	}
	err = order(t, newIssuer(t, ca, func(o *Options) { o.Profile = "tlsserver" }), Order{Names: []string{"example.com"}})
	if err == nil || !strings.Contains(err.Error(), "the authority has none") {
		t.Errorf("order under the authority's profile, which is not there = %v", err)
	}
}

// A directory may move; what is signed goes to one place alone.
func TestRedirects(t *testing.T) {
	t.Parallel()
	ca := certstest.StartCA(t, certstest.Options{AlwaysValid: true})
	var moved atomic.Int64
	ca.Edit(func(r *http.Request, a *certstest.Answer) {
		if certstest.Kind(r) == "order" {
			a.Status, a.Body = http.StatusTemporaryRedirect, nil
			a.Header.Set("Location", "https://"+r.Host+"/elsewhere")
		}
		if r.URL.Path == "/elsewhere" {
			moved.Add(1)
		}
	})
	at := httptest.NewTLSServer(http.RedirectHandler(ca.Directory, http.StatusFound))
	defer at.Close()
	roots := ca.Roots.Clone()
	roots.AddCert(at.Certificate())
	err := order(t, newIssuer(t, ca, func(o *Options) { o.Directory, o.Roots = at.URL, roots }), Order{Names: []string{"example.com"}})
	if err == nil || !strings.Contains(err.Error(), "307") || ca.Asked("directory") != 1 || moved.Load() != 0 {
		t.Errorf("order = %v; directories %d, want 1; what was signed was sent elsewhere %d times", err, ca.Asked("directory"), moved.Load())
	}
	loop := httptest.NewUnstartedServer(nil)
	loop.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, fmt.Sprintf("/%d", moved.Add(1)), http.StatusFound)
	})
	loop.StartTLS()
	defer loop.Close()
	roots.AddCert(loop.Certificate())
	if err := order(t, newIssuer(t, ca, func(o *Options) { o.Directory, o.Roots = loop.URL, roots }), Order{Names: []string{"example.com"}}); err == nil || moved.Load() > 10 {
		t.Errorf("order from who leads in circles = %v, after %d steps", err, moved.Load())
	}
	plain := httptest.NewTLSServer(http.RedirectHandler("http://127.0.0.1:1/dir", http.StatusFound))
	defer plain.Close()
	roots.AddCert(plain.Certificate())
	err = order(t, newIssuer(t, ca, func(o *Options) { o.Directory, o.Roots = plain.URL, roots }), Order{Names: []string{"example.com"}})
	if err == nil || !strings.Contains(err.Error(), "not encrypted") {
		t.Errorf("order from who leads to plain HTTP = %v", err)
	}
}

func TestAnswers_RemembersSoManyAtMost(t *testing.T) {
	t.Parallel()
	var shared certstest.MemoryStore
	a := NewAnswers(shared.Node(), nil)
	soon := time.Now().Add(time.Hour)
	for n := range 3 * maxKnown {
		a.remember(fmt.Sprint("missed ", n), sighting{until: soon})
		a.remember(fmt.Sprint("found ", n), sighting{there: true, until: soon})
		if len(a.found) > maxKnown {
			t.Fatalf("%d answers are remembered, want %d at most", len(a.found), maxKnown)
		}
	}
}
