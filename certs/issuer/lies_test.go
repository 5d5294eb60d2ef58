package issuer_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/certs/certstest"
	"github.com/weirproxy/weir/certs/issuer"
)

// chainOf signs a certificate by itself, with what change makes of it.
func chainOf(t *testing.T, key *ecdsa.PrivateKey, change func(*x509.Certificate)) []byte {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"example.com"},
	}
	if change != nil {
		change(c)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestObtain_ChecksWhatWasIssued(t *testing.T) {
	t.Parallel()
	w := newWorld(t, certstest.Options{})
	key := newKey(t)
	own := func(change func(*x509.Certificate)) []byte { return chainOf(t, key, change) }
	for _, c := range []struct {
		name  string
		chain []byte
		want  string
	}{
		{"nothing", nil, "there is none"},
		{"garbage", []byte("<html>"), "there is none"},
		{"another key", chainOf(t, newKey(t), nil), "another key"},
		{"other names", own(func(c *x509.Certificate) { c.DNSNames = []string{"evil.example"} }), "not for what was asked"},
		{"more names", own(func(c *x509.Certificate) { c.DNSNames = append(c.DNSNames, "evil.example") }), "not for what was asked"},
		{"an address more", own(func(c *x509.Certificate) { c.IPAddresses = []net.IP{{127, 0, 0, 1}} }), "not for what was asked"},
		{"no names", own(func(c *x509.Certificate) { c.DNSNames = nil }), "not for what was asked"},
		{"ended", own(func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
		}), "clock"},
		{"a clock ahead", own(func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(2*time.Hour), time.Now().Add(90*time.Hour)
		}), "clock"},
		{"ends before it begins", own(func(c *x509.Certificate) { c.NotAfter = c.NotBefore.Add(-time.Second) }), "ends before"},
		{"an authority's", own(func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }), "an authority's own"},
		{"a broken chain", append(own(nil), chainOf(t, newKey(t), nil)...), "broken"},
		{"a key in it", append(own(nil), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")})...), "PRIVATE KEY"},
		{"too many", bytes.Repeat(own(nil), 11), "more than 10"},
		{"too long", append(own(nil), bytes.Repeat([]byte("\n"), 200<<10)...), "longer than"},
		{"far too long", append(own(nil), bytes.Repeat([]byte("\n"), 2<<20)...), "longer than 1 MiB"},
	} {
		w.ca.Edit(func(r *http.Request, a *certstest.Answer) {
			if certstest.Kind(r) == "cert" {
				a.Body = c.chain
			}
		})
		i := w.issuer(t, w.node, only(issuer.HTTP01))
		issued, err := i.Obtain(t.Context(), issuer.Order{Names: []string{"example.com"}, Key: key})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v; want an error that says %q", c.name, issued, err, c.want)
		}
	}
	// What surrounds certificates is not handed on.
	w.ca.Edit(func(r *http.Request, a *certstest.Answer) {
		if certstest.Kind(r) == "cert" {
			a.Body = append([]byte("subject=/CN=\x1b[2J\n"), a.Body...)
			a.Header.Add("Link", `<`+w.ca.Directory+`>; rel="up"`)
			a.Header.Add("Link", `<https://`+r.Host+r.URL.Path+`>; rel="up"`) // without an end
		}
	})
	before := w.ca.Asked("cert")
	issued, err := w.issuer(t, w.node, only(issuer.HTTP01)).Obtain(t.Context(), issuer.Order{Names: []string{"example.com"}, Key: key})
	if err != nil || !bytes.HasPrefix(issued.Chain, []byte("-----BEGIN CERTIFICATE-----")) {
		t.Errorf("Obtain = %v", err)
	}
	if got := w.ca.Asked("cert") - before; got != 1 {
		t.Errorf("certificates fetched: %d, want 1", got)
	}
}

func TestObtain_FromAuthoritiesThatLie(t *testing.T) {
	t.Parallel()
	set := func(key string, value any) func(*testing.T, *certstest.Answer) {
		return func(t *testing.T, a *certstest.Answer) { edit(t, a, func(doc map[string]any) { doc[key] = value }) }
	}
	challenges := func(change func(map[string]any)) func(*testing.T, *certstest.Answer) {
		return func(t *testing.T, a *certstest.Answer) {
			edit(t, a, func(doc map[string]any) {
				for _, c := range doc["challenges"].([]any) {
					change(c.(map[string]any))
				}
			})
		}
	}
	var many []string
	for range 1000 {
		many = append(many, "https://127.0.0.1:1/")
	}
	for _, c := range []struct {
		name, kind string
		lie        func(*testing.T, *certstest.Answer)
		want       string
	}{
		{"directory is a page", "directory", func(_ *testing.T, a *certstest.Answer) { a.Body = []byte("<html>") }, "no ACME directory"},
		{"directory is empty", "directory", func(_ *testing.T, a *certstest.Answer) { a.Body = []byte("{}") }, "no ACME directory"},
		{"directory leads to plain HTTP", "directory", set("newOrder", "http://127.0.0.1/order"), "no https URL"},
		{"directory leads to files", "directory", set("newNonce", "file:///etc/passwd"), "no https URL"},
		{"account nowhere", "account", func(_ *testing.T, a *certstest.Answer) { a.Header.Del("Location") }, "without an address"},
		{"order is garbage", "order", func(_ *testing.T, a *certstest.Answer) { a.Body = []byte(`{"status":`) }, "JSON"},
		{"order nowhere", "order", func(_ *testing.T, a *certstest.Answer) { a.Header.Del("Location") }, "no address"},
		{"order of many authorizations", "order", set("authorizations", many), "1000 authorizations"},
		{"order leads to plain HTTP", "order", set("authorizations", []string{"http://127.0.0.1:1/"}), "not encrypted"},
		{"authorization for another", "authz", set("identifier", map[string]string{"type": "dns", "value": "evil.example"}), "was not asked for"},
		{"authorization for a wildcard", "authz", set("wildcard", true), "was not asked for"},
		{"token is a path", "authz", challenges(func(c map[string]any) { c["token"] = "../../../../../etc/passwd" }), "token that is none"},
		{"no challenge", "authz", set("challenges", []any{}), "no challenge is left"},
		{"unknown challenges", "authz", challenges(func(c map[string]any) { c["type"] = "quantum-01" }), "quantum-01"},
		{"nonsense status", "authz", set("status", "perhaps\x1b[2J"), "unrecognized"},
		{"order that turns out invalid", "finalize", set("status", "invalid"), "invalid"},
		{"order that turns out nonsense", "finalize", set("status", "sold out"), "sold out"},
		{"order that is ready still", "finalize", set("status", "ready"), "already finalized"},
		{"certificate elsewhere", "poll", set("certificate", "http://127.0.0.1:1/"), "not encrypted"},
		{"final order without a certificate", "poll", set("certificate", ""), "fetch certificate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, certstest.Options{})
			w.ca.Edit(func(r *http.Request, a *certstest.Answer) {
				if certstest.Kind(r) == c.kind && a.Status < 300 {
					c.lie(t, a)
				}
			})
			i := w.issuer(t, w.node, func(o *issuer.Options) { o.Challenges, o.Timeout = []string{issuer.HTTP01}, 20*time.Second })
			if e := fails(t, i, "example.com"); !strings.Contains(e.Error(), c.want) {
				t.Errorf("%v; want it to say %q", e, c.want)
			}
			for key, v := range w.shared.Snapshot() {
				if strings.HasPrefix(key, issuer.ChallengePrefix) {
					t.Errorf("left in the store: %s = %s", key, v)
				}
			}
		})
	}
}

// An authority cannot have a site answer what it likes.
func TestObtain_ComputesWhatIsPublished(t *testing.T) {
	t.Parallel()
	w := newWorld(t, certstest.Options{})
	w.ca.Edit(func(r *http.Request, a *certstest.Answer) {
		if certstest.Kind(r) == "authz" {
			edit(t, a, func(doc map[string]any) {
				for _, c := range doc["challenges"].([]any) {
					c.(map[string]any)["keyAuthorization"] = "<script>alert(1)</script>"
				}
			})
		}
	})
	obtain(t, w.ca, w.issuer(t, w.node, only(issuer.HTTP01)), issuer.Order{Names: []string{"example.com"}})
}

func TestObtain_EndlessAnswers(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"directory", "account", "order", "authz", "cert"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, certstest.Options{})
			w.ca.FailNext(-1, kind, certstest.Fault{Status: 200, Endless: true})
			began := time.Now()
			i := w.issuer(t, w.node, only(issuer.HTTP01))
			fails(t, i, "example.com")
			if took := time.Since(began); took > 10*time.Second*slow {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// Polling is neither as frequent nor as rare as the authority likes.
func TestObtain_RetryAfterOutOfBounds(t *testing.T) {
	t.Parallel()
	for _, field := range []string{"0", "-1", "99999999999999999999", "Thu, 01 Jan 1970 00:00:00 GMT", "soon"} {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, certstest.Options{})
			w.ca.Edit(func(r *http.Request, a *certstest.Answer) {
				if k := certstest.Kind(r); k == "authz" || k == "poll" {
					a.Header.Set("Retry-After", field)
					if field[0] == '9' { // obeyed, as far as is sensible
						a.Header.Del("Retry-After")
					}
				}
			})
			obtain(t, w.ca, w.issuer(t, w.node, only(issuer.HTTP01)), issuer.Order{Names: []string{"example.com"}})
			if got := w.ca.Asked("authz"); got > 20 {
				t.Errorf("authorizations were asked for %d times", got)
			}
		})
	}
}

func TestRenewalInfo_FromAuthoritiesThatLie(t *testing.T) {
	t.Parallel()
	w := newWorld(t, certstest.Options{})
	i := w.issuer(t, w.node, nil)
	leaf := obtain(t, w.ca, i, issuer.Order{Names: []string{"example.com"}})
	for _, answer := range []string{
		"", "[]", "null", "<html>", `{"suggestedWindow":{}}`, `{"suggestedWindow":{"start":"2026-01-02T00:00:00Z"}}`,
		`{"suggestedWindow":{"start":"2026-01-02T00:00:00Z","end":"2026-01-01T00:00:00Z"}}`,
		`{"suggestedWindow":{"start":"2026-01-02T00:00:00Z","end":"2026-01-02T00:00:00Z"}}`,
		`{"suggestedWindow":{"start":"yesterday","end":"tomorrow"}}`,
	} {
		if answer == "" {
			continue // Pebble takes it for none
		}
		w.ca.SetRenewalAnswer(leaf, answer)
		if r, err := i.RenewalInfo(t.Context(), leaf); err == nil {
			t.Errorf("renewal info of %s = %+v, want an error", answer, r)
		}
	}
	w.ca.SetRenewalAnswer(leaf, `{"suggestedWindow":{"start":"0001-01-02T00:00:00Z","end":"9999-01-01T00:00:00Z"},"explanationURL":"javascript:alert(1)"}`)
	r, err := i.RenewalInfo(t.Context(), leaf)
	if err != nil || r.Selected.Before(r.Start) || r.Selected.After(r.End) || r.Explanation != "" {
		t.Errorf("renewal info of a very long window = %+v, %v", r, err)
	}
	w.ca.Edit(func(r *http.Request, a *certstest.Answer) {
		if certstest.Kind(r) == "directory" {
			edit(t, a, func(doc map[string]any) { delete(doc, "renewalInfo") })
		}
	})
	r, err = w.issuer(t, w.node, nil).RenewalInfo(t.Context(), leaf)
	if err != nil || r.Supported {
		t.Errorf("renewal info of an authority that has none = %+v, %v", r, err)
	}
}

func TestAccount_Damaged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, certstest.Options{})
	i := w.issuer(t, w.node, nil)
	obtain(t, w.ca, i, issuer.Order{Names: []string{"example.com"}})
	key := w.shared.Keys(issuer.AccountPrefix)[0]
	var good map[string]any
	if err := json.Unmarshal(w.shared.Snapshot()[key], &good); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"", "{}", `{"key":"x"}`, string(w.shared.Snapshot()[key][:100])} {
		if err := w.store.Put(t.Context(), key, []byte(value), 0); err != nil {
			t.Fatal(err)
		}
		e := storeFails(t, w.issuer(t, newNode(t, w.shared), nil))
		if !strings.Contains(e.Error(), key) || strings.Contains(e.Error(), "PRIVATE") {
			t.Errorf("%v; want it to name the key, and no secret", e)
		}
	}
	if got := w.ca.Accounts(); got != 1 {
		t.Errorf("accounts = %d: a damaged one was replaced", got)
	}
}

// Nodes that are killed in the middle of it leave one account behind, not many.
func TestAccount_KilledWhileItIsMade(t *testing.T) {
	t.Parallel()
	for write := range 3 { // the lock, the key, the account
		w := newWorld(t, certstest.Options{})
		dying := newNode(t, w.shared)
		dying.store.FailWrite(write + 1)
		if err := storeFails(t, w.issuer(t, dying, nil)); !errors.Is(err, certstest.ErrKilled) {
			t.Errorf("killed at write %d: %v", write+1, err)
		}
		i := w.issuer(t, w.node, nil)
		w.shared.Expire(issuer.AccountPrefix+i.ID(), false)
		obtain(t, w.ca, i, issuer.Order{Names: []string{"example.com"}})
		if got := w.ca.Accounts(); got != 1 {
			t.Errorf("killed at write %d: accounts = %d, want 1", write+1, got)
		}
	}
}

// storeFails orders a certificate, which fails for the store and not for the authority.
func storeFails(t *testing.T, i *issuer.Issuer) error {
	t.Helper()
	_, err := i.Obtain(t.Context(), issuer.Order{Names: []string{"example.com"}, Key: newKey(t)})
	if _, ok := errors.AsType[*issuer.Error](err); err == nil || ok {
		t.Fatalf("Obtain = %v, want an error that does not blame the authority", err)
	}
	t.Logf("%v", err)
	return err
}
