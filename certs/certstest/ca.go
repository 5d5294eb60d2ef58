package certstest

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
)

// Options are the settings of an authority. The zero value is usable.
type Options struct {
	// HTTPPort and TLSPort are where validators connect to. 0: to a port of the
	// authority's own, whence [CA.Serve] leads them on.
	HTTPPort, TLSPort int
	// Profiles and the lives of their certificates, whole seconds; empty: one named
	// "default" of 90 days. Of several, one that is not asked for by name is chosen
	// at random.
	Profiles    map[string]time.Duration
	NonceReject int               // percent of good nonces that are refused; to 60 orders still get through
	Strict      bool              // refuse what the standard only discourages
	EAB         map[string]string // key ID to HMAC key in base64url: accounts must be bound to one of these
	AlwaysValid bool              // validate nothing: for many certificates
	Blocked     []string          // names and what is below them are refused as against policy
	RetryAfter  int               // seconds that clients are told to wait before they ask again for an order; 0: nothing is said
	DNS         *DNS              // which DNS to ask; nil: one of its own
	Log         io.Writer         // what Pebble has to say; nil: nobody hears
}

// CA is an authority that works until the test's end. Its methods are safe for
// concurrent use.
type CA struct {
	Directory    string         // URL where clients begin
	Roots        *x509.CertPool // vouch for the API's own certificate
	RootFile     string         // the same, a PEM file
	IssuingRoots *x509.CertPool // vouch for what is issued
	IssuingFile  string         // the same, a PEM file
	Management   string         // URL of what Pebble lets tests do, without a slash at its end
	DNS          *DNS           // where names lead; change it at will

	t       testing.TB
	o       Options // with the ports that validators connect to
	api     *gate
	ports   [2]*forwarder
	faults  faults
	history history

	mu       sync.RWMutex // guards what follows
	handler  http.Handler
	managing http.Handler
}

// environment guards the variables by which alone Pebble is told some of its
// settings. It reads them when it is made.
var environment sync.Mutex

// StartCA starts an authority.
func StartCA(t testing.TB, o Options) *CA {
	t.Helper()
	c := &CA{t: t, DNS: o.DNS, IssuingRoots: x509.NewCertPool()}
	if c.DNS == nil {
		c.DNS = StartDNS(t)
	}
	for i, port := range []*int{&o.HTTPPort, &o.TLSPort} {
		if *port == 0 {
			c.ports[i] = newForwarder(t)
			*port = c.ports[i].port
		}
	}
	c.o = o
	root := c.renew()
	c.IssuingFile = writePEM(t, "issuing-root.pem", root.Raw)

	own := newAPIRoot(t)
	c.Roots, c.RootFile = own.pool, writePEM(t, "api-root.pem", own.der)
	conf := &tls.Config{Certificates: []tls.Certificate{own.leaf}}
	c.api = newGate(t, conf, c.faults.around(c.history.around(c.serve(&c.handler))))
	c.Directory = "https://" + c.api.addr + wfe.DirectoryPath
	c.Management = "https://" + newGate(t, conf, c.serve(&c.managing)).addr
	return c
}

// Forget puts a new authority in the place of this one, at the same addresses: accounts,
// orders and certificates are gone. Its root is added to IssuingRoots, while nobody may be
// verifying.
func (c *CA) Forget() { c.t.Helper(); c.renew() }

func (c *CA) serve(h *http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.RLock()
		now := *h
		c.mu.RUnlock()
		now.ServeHTTP(w, r)
	})
}

// renew makes the authority, and returns its root.
func (c *CA) renew() *x509.Certificate {
	c.t.Helper()
	api, managing, root := c.pebble()
	c.IssuingRoots.AddCert(root)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.handler, c.managing = api, managing
	return root
}

// pebble makes the authority behind the API.
func (c *CA) pebble() (api, managing http.Handler, root *x509.Certificate) {
	c.t.Helper()
	o := c.o
	if o.Log == nil {
		o.Log = io.Discard
	}
	log := log.New(o.Log, "", log.Lmicroseconds)
	profiles := map[string]ca.Profile{}
	for name, life := range o.Profiles {
		profiles[name] = ca.Profile{Description: name, ValidityPeriod: uint64(life / time.Second)}
	}
	if len(profiles) == 0 {
		profiles["default"] = ca.Profile{Description: "default"}
	}
	store := db.NewMemoryStore()
	for id, key := range o.EAB {
		if err := store.AddExternalAccountKeyByID(id, key); err != nil {
			c.t.Fatal(err)
		}
	}
	for _, name := range o.Blocked {
		if err := store.AddBlockedDomain(name); err != nil {
			c.t.Fatal(err)
		}
	}
	authority := ca.New(log, store, "", "ecdsa", 0, 1, profiles)

	environment.Lock()
	defer environment.Unlock()
	for name, value := range map[string]string{
		"PEBBLE_VA_NOSLEEP": "1", // else each validation sleeps for seconds
		// Else it is chance whether a challenge is needed. Even so it is one time in a
		// hundred that the same account asks for the same name again.
		"PEBBLE_AUTHZREUSE":      "0",
		"PEBBLE_WFE_NONCEREJECT": strconv.Itoa(o.NonceReject),
		"PEBBLE_VA_ALWAYS_VALID": boolDigit(o.AlwaysValid),
	} {
		defer setenv(c.t, name, value)()
	}
	validator := va.New(log, o.HTTPPort, o.TLSPort, o.Strict, c.DNS.Resolver, store)
	front := wfe.New(log, store, validator, authority, []string{"pebble.letsencrypt.org"}, o.Strict, len(o.EAB) > 0, o.RetryAfter, o.RetryAfter)
	return settled(store, oneByOne(front.Handler())), front.ManagementHandler(), authority.GetRootCert(0).Cert
}

// oneByOne has Pebble answer one request at a time. Several block each other for good, once
// in a thousand times, and all others with them: one holds the lock on an authorization and
// waits for its order's, another has that and waits for the first, and those that wait to
// write let no more readers in.
func oneByOne(next http.Handler) http.Handler {
	var turn sync.Mutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		turn.Lock()
		defer turn.Unlock()
		next.ServeHTTP(w, r)
	})
}

// settled has a new order see that what it replaces was replaced already. Pebble reads
// that without the lock under which it was written: harmless, but for the race detector.
func settled(store *db.MemoryStore, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if Kind(r) == "order" {
			body, err := io.ReadAll(r.Body) // in memory: see faults
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			replay(r, body)
			_, serial, _ := strings.Cut(readOrder(body).Replaces, ".")
			if raw, err := base64.RawURLEncoding.DecodeString(serial); err == nil && len(raw) > 0 {
				if old, err := store.GetOrderByIssuedSerial(hex.EncodeToString(new(big.Int).SetBytes(raw).Bytes())); err == nil {
					old.RLock()
					_ = old.IsReplaced
					old.RUnlock()
				}
			}
		}
		next.ServeHTTP(w, r)
	})
}

// setenv sets a variable and returns what puts it back.
func setenv(t testing.TB, name, value string) (undo func()) {
	t.Helper()
	old, was := os.LookupEnv(name)
	if err := os.Setenv(name, value); err != nil {
		t.Fatal(err)
	}
	return func() {
		if was {
			os.Setenv(name, old)
		} else {
			os.Unsetenv(name)
		}
	}
}

func boolDigit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

func writePEM(t testing.TB, name string, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
