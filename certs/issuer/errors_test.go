package issuer_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mholt/acmez/v3/acme"
	"github.com/miekg/dns"

	"github.com/weirproxy/weir/certs/certstest"
	"github.com/weirproxy/weir/certs/issuer"
)

// fails orders a certificate, which must not come, and returns why.
func fails(t *testing.T, i *issuer.Issuer, names ...string) *issuer.Error {
	t.Helper()
	issued, err := i.Obtain(t.Context(), issuer.Order{Names: names, Key: newKey(t)})
	if err == nil {
		t.Fatalf("Obtain(%q) gave %d bytes, want an error", names, len(issued.Chain))
	}
	e, ok := errors.AsType[*issuer.Error](err)
	if !ok {
		t.Fatalf("Obtain(%q) = %v, want an *Error", names, err)
	}
	t.Logf("%v", e)
	if len(e.Error()) > 2000 || strings.ContainsAny(e.Error(), "\n\r\x1b") {
		t.Errorf("text of %d bytes, or with control characters: %q", len(e.Error()), e.Error())
	}
	return e
}

// says checks that an error has what a person needs.
func says(t *testing.T, e *issuer.Error, kind, challenge string, text ...string) {
	t.Helper()
	if e.Type != kind || e.Challenge != challenge {
		t.Errorf("error of type %q by challenge %q, want %q by %q", e.Type, e.Challenge, kind, challenge)
	}
	for _, s := range append(text, e.CA) {
		if !strings.Contains(e.Error(), s) {
			t.Errorf("%q does not say %q", e.Error(), s)
		}
	}
}

func TestError_ChallengeFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, certstest.Options{Blocked: []string{"blocked.test"}})
	closed := certstest.StartCA(t, certstest.Options{HTTPPort: 1, TLSPort: 1})
	elsewhere := certstest.StartCA(t, certstest.Options{})
	port := listen(t, func(l net.Listener) {
		s := http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "<html>parked\x1b[2J</html>")
		})}
		s.Serve(l)
		s.Close()
	})
	elsewhere.Serve(port, port)
	w.ca.DNS.SetRcode("gone.example.com", dns.RcodeNameError)
	for _, c := range []struct {
		name, kind, host string
		ca               *certstest.CA
		wantType         string
		want             []string
	}{
		{"ClosedPort", issuer.HTTP01, "example.com", closed, "connection", []string{"example.com", "connection refused", "port 80", "dns-01"}},
		{"ClosedTLSPort", issuer.TLSALPN01, "example.com", closed, "unauthorized", []string{"example.com", "port 443"}},
		{"ClosedPortOfAddress", issuer.HTTP01, "127.0.0.1", closed, "connection", []string{"127.0.0.1", "port 80"}},
		{"AnotherServer", issuer.HTTP01, "example.com", elsewhere, "unauthorized", []string{"did not match", "another server answers", "port 80"}},
		{"AnotherTLSServer", issuer.TLSALPN01, "example.com", elsewhere, "unauthorized", []string{"port 443"}},
		{"NoRecord", issuer.DNS01, "example.com", w.ca, "unauthorized", []string{"_acme-challenge.example.com"}},
		{"NoName", issuer.HTTP01, "gone.example.com", w.ca, "connection", []string{"gone.example.com", "cannot resolve"}},
		{"NoNameByALPN", issuer.TLSALPN01, "gone.example.com", w.ca, "malformed", []string{"cannot resolve"}},
		{"AgainstPolicy", issuer.HTTP01, "www.blocked.test", w.ca, "rejectedIdentifier", []string{"www.blocked.test", "tls: internal"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			i := w.issuer(t, w.node, func(o *issuer.Options) {
				o.Directory, o.Roots, o.Challenges, o.DNS = c.ca.Directory, c.ca.Roots, []string{c.kind}, lateSolver{}
			})
			e := fails(t, i, c.host)
			if c.wantType == "rejectedIdentifier" {
				c.kind = ""
			}
			says(t, e, c.wantType, c.kind, c.want...)
			if e.Name != c.host {
				t.Errorf("Name = %q", e.Name)
			}
		})
	}
}

// Where both kinds fail, each fails once, and the error has both.
func TestError_BothChallengesFailOnce(t *testing.T) {
	t.Parallel()
	w := &world{shared: &certstest.MemoryStore{}, ca: certstest.StartCA(t, certstest.Options{HTTPPort: 1, TLSPort: 1})}
	w.node = newNode(t, w.shared)
	e := fails(t, w.issuer(t, w.node, nil), "example.com")
	for _, kind := range []string{issuer.HTTP01, issuer.TLSALPN01} {
		if got := w.ca.Validations(kind); got != 1 {
			t.Errorf("validations by %s = %d, want 1", kind, got)
		}
	}
	says(t, e, "connection", issuer.HTTP01, "connection refused", "port 80", "; tls-alpn-01: Failed to connect")
	if left := w.shared.Keys(issuer.ChallengePrefix); len(left) > 0 {
		t.Errorf("answers left in the store: %q", left)
	}
}

// No order is spent on a kind of challenge that the authority does not offer, as ZeroSSL
// does not offer tls-alpn-01.
func TestError_NoOtherChallengeIsOffered(t *testing.T) {
	t.Parallel()
	w := &world{shared: &certstest.MemoryStore{}, ca: certstest.StartCA(t, certstest.Options{HTTPPort: 1, TLSPort: 1})}
	w.node = newNode(t, w.shared)
	w.ca.Edit(func(r *http.Request, a *certstest.Answer) {
		if certstest.Kind(r) == "authz" {
			edit(t, a, func(doc map[string]any) {
				if list, ok := doc["challenges"].([]any); ok {
					doc["challenges"] = slices.DeleteFunc(list, func(c any) bool { return c.(map[string]any)["type"] == issuer.TLSALPN01 })
				}
			})
		}
	})
	says(t, fails(t, w.issuer(t, w.node, nil), "example.com"), "connection", issuer.HTTP01, "port 80")
	if got := len(w.ca.Orders()); got != 1 {
		t.Errorf("orders = %d, want 1", got)
	}
}

// lateSolver publishes nothing.
type lateSolver struct{}

func (lateSolver) Present(context.Context, acme.Challenge) error { return nil }
func (lateSolver) CleanUp(context.Context, acme.Challenge) error { return nil }

// Problem documents as Let's Encrypt and ZeroSSL document them, or have been seen to
// give them, for new orders.
func TestError_OrderRefused(t *testing.T) {
	t.Parallel()
	retry := time.Now().Add(50 * time.Hour).UTC()
	w := newWorld(t, certstest.Options{})
	for _, c := range []struct {
		status              int
		kind, after, detail string
		want                []string
		retryIn             time.Duration
	}{
		{429, "rateLimited", "3600", "too many certificates (50) already issued for \"example.com\" in the last 168h0m0s", []string{"50", "not to be asked again before", "wildcard"}, time.Hour},
		{429, "rateLimited", "", "too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s, retry after " + retry.Format("2006-01-02 15:04:05 UTC") + ": see https://letsencrypt.org/docs/rate-limits/", []string{retry.Format("2006-01-02")}, 50 * time.Hour},
		{429, "rateLimited", "3600", "too many new orders (300) from this account in the last 3h0m0s", []string{"300"}, time.Hour},
		{503, "rateLimited", "120", "Service busy; retry later.", []string{"busy"}, 2 * time.Minute},
		{400, "rejectedIdentifier", "", "Cannot issue for \"example.local\": Domain name does not end with a valid public suffix (TLD)", []string{"public suffix", "tls: internal"}, 0},
		{403, "caa", "", "CAA record for example.com prevents issuance", []string{"CAA records of example.com"}, 0},
		{400, "badCSR", "", "Error finalizing order :: CSR contains RSA key of unsupported length", []string{"key"}, 0},
		{403, "userActionRequired", "", "Terms of service have changed", []string{"terms"}, 0},
		{403, "unauthorized", "", "Account is not valid, has status \"deactivated\"", []string{"deactivated"}, 0},
		{500, "serverInternal", "", "The server experienced an internal error", []string{"trouble of its own"}, 0},
		{400, "invalidProfile", "", "profile \"x\" not recognized", []string{"acme: profile:"}, 0},
		{503, "", "30", "<html><body><h1>503 Service Unavailable</h1>" + strings.Repeat("x", 100_000), []string{"503"}, 30 * time.Second},
	} {
		w.ca.FailNext(-1, "order", certstest.Fault{Status: c.status, RetryAfter: c.after, Type: c.kind, Detail: c.detail})
		e := fails(t, w.issuer(t, w.node, nil), "example.com")
		says(t, e, c.kind, "", c.want...)
		if e.Status != c.status {
			t.Errorf("status = %d, want %d", e.Status, c.status)
		}
		if in := time.Until(e.RetryAt); c.retryIn == 0 != e.RetryAt.IsZero() || c.retryIn != 0 && (in-c.retryIn).Abs() > time.Minute {
			t.Errorf("RetryAt = %v, want in %v", e.RetryAt, c.retryIn)
		}
		if want := c.status == 503 || strings.Contains(c.detail, "new orders"); e.All != want {
			t.Errorf("%q holds for all names: %t, want %t", c.detail, e.All, want)
		}
	}
}

// What Let's Encrypt says of challenges that failed, as its community quotes it.
func TestError_ChallengeRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, certstest.Options{})
	for n, c := range []struct {
		challenge, kind, detail string
		want                    []string
	}{
		{issuer.HTTP01, "connection", "203.0.113.9: Fetching http://example.com/.well-known/acme-challenge/x: Timeout during connect (likely firewall problem)", []string{"203.0.113.9", "Timeout", "firewall", "AAAA"}},
		{issuer.HTTP01, "dns", "DNS problem: NXDOMAIN looking up A for example.com - check that a DNS record exists for this domain", []string{"NXDOMAIN", "make an A or AAAA record"}},
		{issuer.HTTP01, "dns", "DNS problem: SERVFAIL looking up CAA for example.com - the domain's nameservers may be malfunctioning", []string{"DNSSEC"}},
		{issuer.HTTP01, "dns", "no valid A records found for example.com; no valid AAAA records found for example.com", []string{"no public address"}},
		{issuer.HTTP01, "unauthorized", "203.0.113.9: Invalid response from http://example.com/.well-known/acme-challenge/x: 404", []string{"another server answers", "port 80"}},
		{issuer.HTTP01, "caa", "While processing CAA for example.com: CAA record for example.com prevents issuance", []string{"CAA records of"}},
		{issuer.TLSALPN01, "tls", "203.0.113.9: remote error: tls: no application protocol", []string{"port 443", "before weir"}},
		{issuer.TLSALPN01, "unauthorized", "203.0.113.9: Cannot negotiate ALPN protocol \"acme-tls/1\" for tls-alpn-01 challenge", []string{"before weir"}},
		{issuer.DNS01, "dns", "DNS problem: NXDOMAIN looking up TXT for _acme-challenge.example.com", []string{"propagation"}},
		{issuer.DNS01, "unauthorized", "Incorrect TXT record \"x\" found at _acme-challenge.example.com", []string{"record _acme-challenge.n9.example.com", "CNAME"}},
	} {
		w.ca.Edit(func(r *http.Request, a *certstest.Answer) {
			if certstest.Kind(r) == "authz" {
				edit(t, a, func(authz map[string]any) {
					if authz["status"] == "valid" || authz["status"] == "invalid" {
						authz["status"] = "invalid"
						authz["challenges"] = []any{map[string]any{"type": c.challenge, "status": "invalid",
							"error": map[string]any{"type": "urn:ietf:params:acme:error:" + c.kind, "detail": c.detail, "status": 400}}}
					}
				})
			}
		})
		i := w.issuer(t, w.node, func(o *issuer.Options) { o.Challenges, o.DNS = []string{c.challenge}, txt{w.ca.DNS} })
		name := fmt.Sprintf("n%d.example.com", n) // Pebble may find that it has seen one before
		says(t, fails(t, i, name), c.kind, c.challenge, append(c.want, name)...)
	}
}

func edit(t *testing.T, a *certstest.Answer, change func(map[string]any)) {
	doc := map[string]any{}
	if err := json.Unmarshal(a.Body, &doc); err != nil {
		return // an error
	}
	change(doc)
	body, err := json.Marshal(doc)
	if err != nil {
		t.Error(err)
	}
	a.Body = body
}

func TestError_AuthorityOutOfReach(t *testing.T) {
	t.Parallel()
	ca := certstest.StartCA(t, certstest.Options{})
	w := &world{shared: &certstest.MemoryStore{}, ca: ca}
	w.node = newNode(t, w.shared)

	says(t, fails(t, w.issuer(t, w.node, func(o *issuer.Options) { o.Roots = nil }), "example.com"), "", "", "acme: roots:")
	says(t, fails(t, w.issuer(t, w.node, func(o *issuer.Options) { o.Directory = "https://nowhere.invalid/dir" }), "example.com"), "", "", "cannot be resolved")
	ca.Fail(func(*http.Request) *certstest.Fault { return &certstest.Fault{Hang: true} })
	began := time.Now()
	says(t, fails(t, w.issuer(t, w.node, func(o *issuer.Options) { o.Timeout = 300 * time.Millisecond }), "example.com"), "", "", "in time")
	if took := time.Since(began); took > 5*time.Second*slow {
		t.Errorf("an authority that hangs holds up an order for %v, want its timeout", took)
	}
	ca.Down()
	says(t, fails(t, w.issuer(t, w.node, nil), "example.com"), "", "", "cannot be reached")
	ca.Fail(nil)
	ca.Up()
	ca.FailNext(-1, "directory", certstest.Fault{Status: 503, RetryAfter: "77", Detail: "maintenance"})
	e := fails(t, w.issuer(t, w.node, nil), "example.com")
	says(t, e, "", "", "maintenance")
	if in := time.Until(e.RetryAt); in < 70*time.Second || in > 77*time.Second {
		t.Errorf("RetryAt = in %v, want 77 s", in)
	}
}

// One authority that hangs holds up no other one.
func TestObtain_BesideAnAuthorityThatHangs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, certstest.Options{})
	hung := certstest.StartCA(t, certstest.Options{})
	came := make(chan struct{}, 100)
	hung.Fail(func(*http.Request) *certstest.Fault { came <- struct{}{}; return &certstest.Fault{Hang: true} })
	i := w.issuer(t, w.node, func(o *issuer.Options) { o.Directory, o.Roots = hung.Directory, hung.Roots })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := i.Obtain(ctx, issuer.Order{Names: []string{"example.com"}, Key: newKey(t)})
		done <- err
	}()
	<-came
	obtain(t, w.ca, w.issuer(t, w.node, nil), issuer.Order{Names: []string{"example.com"}})
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the order that hung = %v", err)
	}
}

func TestEAB(t *testing.T) {
	t.Parallel()
	key := base64.RawURLEncoding.EncodeToString([]byte("a secret of more than 32 bytes, as it has to be"))
	w := newWorld(t, certstest.Options{EAB: map[string]string{"kid-1": key, "kid-2": key}})
	says(t, fails(t, w.issuer(t, w.node, nil), "example.com"), "externalAccountRequired", "", "acme: {eab:")

	wrong := "d3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmc"
	e := fails(t, w.issuer(t, newNode(t, &certstest.MemoryStore{}), func(o *issuer.Options) { o.EAB = &issuer.EAB{KeyID: "kid-1", HMAC: wrong} }), "example.com")
	if strings.Contains(fmt.Sprintf("%v %+v", e, e.Err), wrong) {
		t.Error("the error has the secret in it")
	}
	says(t, e, "unauthorized", "", "acme: eab:")
	padded := base64.StdEncoding.EncodeToString([]byte("a secret of more than 32 bytes, as it has to be"))
	obtain(t, w.ca, w.issuer(t, w.node, func(o *issuer.Options) { o.EAB = &issuer.EAB{KeyID: "kid-1", HMAC: padded} }), issuer.Order{Names: []string{"example.com"}})

	_, err := issuer.New(issuer.Options{Directory: w.ca.Directory, Store: w.store, Answers: w.answers, EAB: &issuer.EAB{KeyID: "k", HMAC: "se cret"}})
	if err == nil || strings.Contains(err.Error(), "cret\"") || !strings.Contains(err.Error(), "base64url") {
		t.Errorf("New with a damaged key = %v", err)
	}
}

// fakeZeroSSL hands out bindings for e-mail addresses, as documented at
// https://zerossl.com/documentation/acme/generate-eab-credentials/.
func fakeZeroSSL(t *testing.T, key string) *httptest.Server {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch email := r.FormValue("email"); {
		case r.Method != http.MethodPost:
			w.WriteHeader(http.StatusMethodNotAllowed)
		case !strings.Contains(email, "@"):
			io.WriteString(w, `{"success":false,"error":{"code":2900,"type":"invalid_email"}}`)
		default:
			fmt.Fprintf(w, `{"success":true,"eab_kid":"kid-2","eab_hmac_key":%q}`, key)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func TestEAB_ByEmailAlone(t *testing.T) {
	t.Parallel()
	key := base64.RawURLEncoding.EncodeToString([]byte("a secret of more than 32 bytes, as it has to be"))
	w := newWorld(t, certstest.Options{EAB: map[string]string{"kid-2": key}})
	zero := fakeZeroSSL(t, key)
	for email, want := range map[string]string{"": "e-mail address is needed", "nobody": "invalid_email"} {
		_, err := issuer.FetchZeroSSLEAB(t.Context(), zero.Client(), zero.URL, email)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("binding for %q: %v, want %q", email, err, want)
		}
	}
	pool := w.ca.Roots.Clone()
	pool.AddCert(zero.Certificate())
	obtain(t, w.ca, w.issuer(t, w.node, func(o *issuer.Options) { o.EABEndpoint, o.Roots = zero.URL, pool }), issuer.Order{Names: []string{"example.com"}})
}

func TestNew_RefusesMistakes(t *testing.T) {
	t.Parallel()
	var shared certstest.MemoryStore
	store := shared.Node()
	answers := issuer.NewAnswers(store, nil)
	const dir = "https://ca.example/directory"
	for name, o := range map[string]issuer.Options{
		"no URL":              {Store: store, Answers: answers},
		"not encrypted":       {Directory: "http://ca.example/directory", Store: store, Answers: answers},
		"password in the URL": {Directory: "https://u:p@ca.example/directory", Store: store, Answers: answers},
		"no store":            {Directory: dir, Answers: answers},
		"nobody to answer":    {Directory: dir, Store: store},
		"no DNS":              {Directory: dir, Store: store, Challenges: []string{"dns-01"}},
		"unknown challenge":   {Directory: dir, Store: store, Answers: answers, Challenges: []string{"http-02"}},
		"half a binding":      {Directory: dir, Store: store, Answers: answers, EAB: &issuer.EAB{KeyID: "x"}},
	} {
		if _, err := issuer.New(o); err == nil {
			t.Errorf("New with %s is no error", name)
		} else if strings.Contains(err.Error(), "u:p@") {
			t.Errorf("New with %s: %v has the password", name, err)
		}
	}
	i, err := issuer.New(issuer.Options{Directory: "https://acme-v02.api.letsencrypt.org/directory", Store: store, Answers: answers})
	if err != nil || i.ID() != "acme-v02.api.letsencrypt.org-directory" {
		t.Errorf("ID = %q, %v", i.ID(), err)
	}
	for name, o := range map[string]issuer.Order{
		"no key":       {Names: []string{"example.com"}},
		"no name":      {Key: newKey(t)},
		"twice":        {Key: newKey(t), Names: []string{"example.com", "example.com"}},
		"same address": {Key: newKey(t), Names: []string{"::1", "0:0::1"}},
		"no host name": {Key: newKey(t), Names: []string{"exa mple.com"}},
		"a dot":        {Key: newKey(t), Names: []string{"example.com."}},
		"upper case":   {Key: newKey(t), Names: []string{"Example.com"}},
		"two stars":    {Key: newKey(t), Names: []string{"*.*.example.com"}},
		"a zone":       {Key: newKey(t), Names: []string{"fe80::1%eth0"}},
		"too many":     {Key: newKey(t), Names: strings.Split(strings.Repeat("x.test ", 101), " ")},
	} {
		if _, err := i.Obtain(t.Context(), o); err == nil {
			t.Errorf("order with %s is no error", name)
		}
	}
}
