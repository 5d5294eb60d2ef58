package issuer_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"

	"github.com/weirproxy/weir/certs/certstest"
	"github.com/weirproxy/weir/certs/issuer"
)

// node is one of several that share a store: its answers, and the ports at which it
// tells them.
type node struct {
	store    *certstest.Node
	answers  *issuer.Answers
	httpPort int
	tlsPort  int
}

// newNode starts a node. Both ports are open on 127.0.0.1 and ::1.
func newNode(t *testing.T, shared *certstest.MemoryStore) *node {
	t.Helper()
	n := &node{store: shared.Node()}
	n.answers = issuer.NewAnswers(n.store, nil)
	n.httpPort = listen(t, n.serveHTTP)
	n.tlsPort = listen(t, n.serveTLS)
	return n
}

func (n *node) serveHTTP(l net.Listener) {
	s := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.URL.Path, "/.well-known/acme-challenge/")
		keyAuth, ok := n.answers.HTTP(r.Context(), r.Host, token)
		if !ok {
			http.NotFound(w, r)
			return
		}
		io.WriteString(w, keyAuth)
	})}
	s.Serve(l)
	s.Close()
}

func (n *node) serveTLS(l net.Listener) {
	conf := &tls.Config{NextProtos: []string{acmez.ACMETLS1Protocol}, GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		return n.answers.ALPN(hello.Context(), hello.ServerName)
	}}
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			tls.Server(conn, conf).Handshake()
		}()
	}
}

// listen opens one port in both families.
func listen(t *testing.T, serve func(net.Listener)) (port int) {
	t.Helper()
	var listeners []net.Listener
	var err error
	for range 20 {
		var v4, v6 net.Listener
		if v4, err = net.Listen("tcp4", "127.0.0.1:0"); err != nil {
			break
		}
		port = v4.Addr().(*net.TCPAddr).Port
		if v6, err = net.Listen("tcp6", net.JoinHostPort("::1", strconv.Itoa(port))); err == nil {
			listeners = []net.Listener{v4, v6}
			break
		}
		v4.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	for _, l := range listeners {
		work.Go(func() { serve(l) })
	}
	t.Cleanup(func() {
		for _, l := range listeners {
			l.Close()
		}
		work.Wait()
	})
	return port
}

// world is an authority, and one node to which its validators come.
type world struct {
	*node
	ca     *certstest.CA
	shared *certstest.MemoryStore
}

func newWorld(t *testing.T, o certstest.Options) *world {
	t.Helper()
	w := &world{shared: &certstest.MemoryStore{}}
	w.node = newNode(t, w.shared)
	w.ca = certstest.StartCA(t, o)
	w.ca.Serve(w.httpPort, w.tlsPort)
	return w
}

// issuer returns an issuer of a node.
func (w *world) issuer(t *testing.T, n *node, change func(*issuer.Options)) *issuer.Issuer {
	t.Helper()
	o := issuer.Options{
		Name: "test", Directory: w.ca.Directory, Email: "me@example.com", Roots: w.ca.Roots,
		Answers: n.answers, Store: n.store, UserAgent: "weir/test", Timeout: time.Minute,
	}
	if change != nil {
		change(&o)
	}
	i, err := issuer.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close() })
	return i
}

func only(kinds ...string) func(*issuer.Options) {
	return func(o *issuer.Options) { o.Challenges = kinds }
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// obtain orders a certificate, which must come within 5 s and be good.
func obtain(t *testing.T, ca *certstest.CA, i *issuer.Issuer, o issuer.Order) *x509.Certificate {
	t.Helper()
	if o.Key == nil {
		o.Key = newKey(t)
	}
	began := time.Now()
	issued, err := i.Obtain(t.Context(), o)
	if err != nil {
		t.Fatalf("Obtain(%q): %v", o.Names, err)
	}
	took := time.Since(began)
	t.Logf("%q took %v", o.Names, took)
	if took > 5*time.Second*slow {
		t.Errorf("it took %v", took)
	}
	leaf := verify(t, ca, issued.Chain, o.Names)
	if issued.URL == "" {
		t.Error("it has no URL")
	}
	return leaf
}

func verify(t *testing.T, ca *certstest.CA, chain []byte, names []string) *x509.Certificate {
	t.Helper()
	var leaf *x509.Certificate
	between := x509.NewCertPool()
	for block, rest := pem.Decode(chain); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if leaf == nil {
			leaf = c
		} else {
			between.AddCert(c)
		}
	}
	for _, name := range names {
		name = strings.Replace(name, "*", "some", 1)
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: ca.IssuingRoots, Intermediates: between, DNSName: name}); err != nil {
			t.Errorf("verify %s: %v", name, err)
		}
	}
	if leaf.Subject.CommonName != "" {
		t.Errorf("common name %q", leaf.Subject.CommonName)
	}
	return leaf
}

// txt publishes for dns-01.
type txt struct{ dns *certstest.DNS }

func (s txt) Present(_ context.Context, c acme.Challenge) error {
	s.dns.AddTXT(c.DNS01TXTRecordName(), c.DNS01KeyAuthorization())
	return nil
}

func (s txt) CleanUp(_ context.Context, c acme.Challenge) error {
	s.dns.RemoveTXT(c.DNS01TXTRecordName(), c.DNS01KeyAuthorization())
	return nil
}

func TestObtain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, certstest.Options{Strict: true})
	viaDNS := func(o *issuer.Options) { o.DNS = txt{w.ca.DNS} }
	for _, c := range []struct {
		name   string
		change func(*issuer.Options)
		kind   string
		names  []string
	}{
		{"ByHTTP", only(issuer.HTTP01), issuer.HTTP01, []string{"http.example.com"}},
		{"ByALPN", only(issuer.TLSALPN01), issuer.TLSALPN01, []string{"alpn.example.com"}},
		{"ByDNS", viaDNS, issuer.DNS01, []string{"dns.example.com"}},
		{"WildcardAndApex", viaDNS, issuer.DNS01, []string{"*.example.com", "example.com"}},
		{"ManyNames", only(issuer.HTTP01), issuer.HTTP01, []string{"a.example.com", "b.example.com", "c.example.com", "127.0.0.1"}},
		{"IPv4ByHTTP", only(issuer.HTTP01), issuer.HTTP01, []string{"127.0.0.1"}},
		{"IPv4ByALPN", only(issuer.TLSALPN01), issuer.TLSALPN01, []string{"127.0.0.1"}},
		{"IPv6ByHTTP", only(issuer.HTTP01), issuer.HTTP01, []string{"::1"}},
		{"IPv6ByALPN", only(issuer.TLSALPN01), issuer.TLSALPN01, []string{"::1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := w.ca.Validations(c.kind)
			i := w.issuer(t, w.node, func(o *issuer.Options) {
				c.change(o)
				o.Email = c.name + "@example.com" // Pebble may find that an account has proved a name already
			})
			obtain(t, w.ca, i, issuer.Order{Names: c.names})
			if got := w.ca.Validations(c.kind) - before; got != len(c.names) {
				t.Errorf("validations by %s = %d, want %d", c.kind, got, len(c.names))
			}
		})
	}
	if left := w.shared.Keys(issuer.ChallengePrefix); len(left) > 0 {
		t.Errorf("answers left in the store: %q", left)
	}
	if left := w.ca.DNS.TXT("_acme-challenge.example.com"); len(left) > 0 {
		t.Errorf("records left in DNS: %q", left)
	}
}

func TestObtain_FallsOverToTheOtherChallenge(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, broken, works string }{
		{"ALPN", issuer.HTTP01, issuer.TLSALPN01},
		{"HTTP", issuer.TLSALPN01, issuer.HTTP01},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, certstest.Options{})
			elsewhere := listen(t, func(l net.Listener) { // another server, that knows nothing
				s := http.Server{Handler: http.NotFoundHandler(), ErrorLog: log.New(io.Discard, "", 0)}
				s.Serve(l)
				s.Close()
			})
			if c.broken == issuer.HTTP01 {
				w.ca.Serve(elsewhere, 0)
			} else {
				w.ca.Serve(0, elsewhere)
			}
			obtain(t, w.ca, w.issuer(t, w.node, only(c.broken, c.works)), issuer.Order{Names: []string{"example.com"}})
			for _, kind := range []string{c.broken, c.works} {
				if got := w.ca.Validations(kind); got != 1 {
					t.Errorf("validations by %s = %d, want 1", kind, got)
				}
			}
		})
	}
}

func TestObtain_NoncesRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, certstest.Options{NonceReject: 30})
	i := w.issuer(t, w.node, nil)
	var work sync.WaitGroup
	for n := range 10 {
		work.Go(func() {
			if _, err := i.Obtain(t.Context(), issuer.Order{Names: []string{strconv.Itoa(n) + ".example.com"}, Key: newKey(t)}); err != nil {
				t.Errorf("order %d: %v", n, err)
			}
		})
	}
	work.Wait()
}

// A node that has started nothing is asked by the validators.
func TestObtain_AnyNodeAnswers(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{issuer.HTTP01, issuer.TLSALPN01} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, certstest.Options{}) // its node answers
			one, two := newNode(t, w.shared), newNode(t, w.shared)
			var work sync.WaitGroup
			for n, at := range []*node{one, two} {
				i := w.issuer(t, at, only(kind))
				work.Go(func() {
					for _, name := range []string{"a", "b", "c"} {
						name = name + strconv.Itoa(n) + ".example.com"
						if _, err := i.Obtain(t.Context(), issuer.Order{Names: []string{name}, Key: newKey(t)}); err != nil {
							t.Errorf("%s: %v", name, err)
						}
					}
				})
			}
			work.Wait()
			if got := w.ca.Accounts(); got != 1 {
				t.Errorf("accounts = %d, want 1 for two nodes that began at once", got)
			}
			if got := w.ca.Validations(kind); got != 6 {
				t.Errorf("validations = %d, want 6", got)
			}
		})
	}
}

func TestObtain_AddressesGetShortLives(t *testing.T) {
	t.Parallel()
	w := newWorld(t, certstest.Options{Profiles: map[string]time.Duration{"classic": 90 * 24 * time.Hour, "shortlived": 160 * time.Hour}})
	i := w.issuer(t, w.node, nil)
	ip := obtain(t, w.ca, i, issuer.Order{Names: []string{"127.0.0.1"}})
	if life := ip.NotAfter.Sub(ip.NotBefore); life > 161*time.Hour {
		t.Errorf("an address's certificate lives %v", life)
	}
	named := obtain(t, w.ca, i, issuer.Order{Names: []string{"example.com"}, Profile: "classic"})
	if life := named.NotAfter.Sub(named.NotBefore); life < 1000*time.Hour {
		t.Errorf("a name's certificate under profile classic lives %v", life)
	}
	fixed := w.issuer(t, w.node, func(o *issuer.Options) { o.Profile = "shortlived" })
	obtain(t, w.ca, fixed, issuer.Order{Names: []string{"fixed.example.com"}})
	for n, want := range []string{"shortlived", "classic", "shortlived"} {
		if got := w.ca.Orders()[n].Profile; got != want {
			t.Errorf("order %d asks for profile %q, want %q", n, got, want)
		}
	}
}

func TestRenewal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, certstest.Options{})
	i := w.issuer(t, w.node, nil)
	key := newKey(t)
	leaf := obtain(t, w.ca, i, issuer.Order{Names: []string{"example.com"}, Key: key})

	r, err := i.RenewalInfo(t.Context(), leaf)
	if err != nil || !r.Supported || !r.Start.After(time.Now()) || r.Selected.Before(r.Start) || r.Selected.After(r.End) {
		t.Errorf("renewal info = %+v, %v", r, err)
	}
	if again := time.Until(r.CheckAgain); again < 5*time.Hour || again > 7*time.Hour {
		t.Errorf("it is to be asked again in %v, want Pebble's six hours", again)
	}
	w.ca.RenewalRetryAfter("2")
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	w.ca.SetRenewalInfo(leaf, start, start.Add(time.Minute))
	r, err = i.RenewalInfo(t.Context(), leaf)
	if err != nil || !r.Start.Equal(start) || r.Selected.After(time.Now()) || r.Explanation != "https://ca.example/why" {
		t.Errorf("renewal info = %+v, %v; want the window that was set", r, err)
	}
	if again := time.Until(r.CheckAgain); again > 3*time.Second {
		t.Errorf("it is to be asked again in %v, want two seconds", again)
	}
	next := obtain(t, w.ca, i, issuer.Order{Names: []string{"example.com"}, Replaces: leaf})
	if w.ca.Replaces() != 1 {
		t.Error("the renewal did not say what it replaces")
	}
	// Replaced twice: the authority refuses, and the name needs its certificate still.
	obtain(t, w.ca, i, issuer.Order{Names: []string{"example.com"}, Replaces: leaf})
	if w.ca.Replaces() != 1 {
		t.Error("a certificate was replaced twice")
	}

	if err := i.Revoke(t.Context(), next, nil, 4); err != nil || !w.ca.Revoked(next) {
		t.Errorf("Revoke by the account = %v", err)
	}
	r, err = i.RenewalInfo(t.Context(), next)
	if err != nil || r.Selected.After(time.Now()) {
		t.Errorf("renewal info of what was revoked = %+v, %v; want now, from a window of a second", r, err)
	}
}

func TestRevoke_ByTheKeyAndTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, certstest.Options{})
	i := w.issuer(t, w.node, nil)
	key := newKey(t)
	leaf := obtain(t, w.ca, i, issuer.Order{Names: []string{"example.com"}, Key: key})
	for range 2 {
		if err := i.Revoke(t.Context(), leaf, key, 1); err != nil || !w.ca.Revoked(leaf) {
			t.Errorf("Revoke by the key = %v", err)
		}
	}
}

func TestObtain_RenewsFromAnAuthorityThatForgot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, certstest.Options{})
	i := w.issuer(t, w.node, nil)
	leaf := obtain(t, w.ca, i, issuer.Order{Names: []string{"example.com"}})
	was, key, err := i.Account(t.Context())
	if err != nil || was == "" {
		t.Fatalf("Account = %q, %v", was, err)
	}
	w.ca.Forget()
	other := w.issuer(t, newNode(t, w.shared), nil)
	obtain(t, w.ca, i, issuer.Order{Names: []string{"example.com"}, Replaces: leaf})
	obtain(t, w.ca, other, issuer.Order{Names: []string{"other.example.com"}})
	if got := w.ca.Accounts(); got != 2 {
		t.Errorf("accounts made = %d, want one, and another one anew", got)
	}
	is, sameKey, err := i.Account(t.Context())
	if err != nil || is == was || sameKey != key {
		t.Errorf("Account = %q, %q, %v; want another one than %q with the same key", is, sameKey, err, was)
	}
}

func TestDirectoryAndSkew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, certstest.Options{})
	i := w.issuer(t, w.node, nil)
	if _, _, known := i.Skew(); known {
		t.Error("the clock of an authority that was not asked is known")
	}
	w.ca.ShiftClock(time.Hour)
	profiles, terms, caa, err := i.Directory(t.Context())
	if err != nil || profiles["default"] == "" || terms == "" || len(caa) != 1 {
		t.Errorf("Directory = %v, %q, %q, %v", profiles, terms, caa, err)
	}
	ahead, at, known := i.Skew()
	if off := (ahead - time.Hour).Abs(); !known || off > 2*time.Second || time.Since(at) > time.Minute {
		t.Errorf("Skew = %v, %v, %v; want an hour", ahead, at, known)
	}
	if got, want := i.ID(), "127.0.0.1-"; !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "-dir") {
		t.Errorf("ID = %q", got)
	}
}

func TestExternalPebble(t *testing.T) {
	t.Parallel()
	var shared certstest.MemoryStore
	n := newNode(t, &shared)
	dns := certstest.StartDNS(t)
	p := certstest.StartProcess(t, n.httpPort, n.tlsPort, dns.Resolver)
	for _, c := range []struct {
		kind, name string
	}{{issuer.HTTP01, "http.example.com"}, {issuer.TLSALPN01, "alpn.example.com"}, {issuer.DNS01, "*.example.com"}, {issuer.HTTP01, "127.0.0.1"}} {
		i, err := issuer.New(issuer.Options{
			Directory: p.Directory, Email: "me@example.com", Roots: p.Roots, Challenges: []string{c.kind}, DNS: txt{dns},
			Answers: n.answers, Store: n.store,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer i.Close()
		issued, err := i.Obtain(t.Context(), issuer.Order{Names: []string{c.name}, Key: newKey(t)})
		if err != nil {
			t.Errorf("%s by %s: %v", c.name, c.kind, err)
			continue
		}
		verify(t, &certstest.CA{IssuingRoots: p.IssuingRoots}, issued.Chain, []string{c.name})
	}
}

// What is logged, at any level, has no secret in it.
func TestLog_HasNoSecrets(t *testing.T) {
	t.Parallel()
	hmac := base64.RawURLEncoding.EncodeToString([]byte("a secret of more than 32 bytes, as it has to be"))
	w := newWorld(t, certstest.Options{EAB: map[string]string{"kid-1": hmac}})
	var out bytes.Buffer
	i := w.issuer(t, w.node, func(o *issuer.Options) {
		o.EAB = &issuer.EAB{KeyID: "kid-1", HMAC: hmac}
		o.Log = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug - 100}))
	})
	leaf := obtain(t, w.ca, i, issuer.Order{Names: []string{"example.com"}})
	w.ca.Forget()
	obtain(t, w.ca, i, issuer.Order{Names: []string{"example.com"}, Replaces: leaf})
	var account struct{ Key string }
	if err := json.Unmarshal(w.shared.Snapshot()[w.shared.Keys(issuer.AccountPrefix)[0]], &account); err != nil || account.Key == "" {
		t.Fatal(err)
	}
	if out.Len() == 0 {
		t.Error("nothing is logged")
	}
	for _, secret := range []string{hmac, account.Key, strings.Split(account.Key, "\n")[1], "PRIVATE"} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("the log has a secret in it: %s", out.String())
		}
	}
}
