package issuer

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"

	"github.com/weirproxy/weir/certs/storage"
)

// Options are the settings of an Issuer. Directory, Store, and what the challenges need
// must be there.
type Options struct {
	Name      string         // for people; "" means the ID
	Directory string         // https URL, or http of this machine
	Email     string         // of the account; "" for none
	EAB       *EAB           // what the account is bound to; nil: nothing, or what EABEndpoint says
	Roots     *x509.CertPool // vouch for the API; nil means the system's
	Profile   string         // asked for where an order does not name one; "" leaves it to the authority
	// EABEndpoint is where an account's binding is had for an e-mail address alone, see
	// [FetchZeroSSLEAB]. "" means ZeroSSL's for ZeroSSL's directory, else none.
	EABEndpoint string
	// Challenges are the kinds to use, best first: "http-01", "tls-alpn-01", "dns-01".
	// Empty means "dns-01" if there is DNS, else the other two.
	Challenges []string
	DNS        acmez.Solver // publishes for dns-01
	Answers    *Answers     // publishes for the others
	Store      storage.Store
	Log        *slog.Logger  // nil is silent
	UserAgent  string        // "" means "weir"
	Timeout    time.Duration // of one order; 0 means 90 s, with DNS 10 minutes, since records spread slowly
}

// EAB binds an account to one that its owner has with the authority (RFC 8555 §7.3.4).
type EAB struct {
	KeyID string
	HMAC  string // base64url
}

// Kinds of challenges.
const (
	HTTP01    = acme.ChallengeTypeHTTP01
	TLSALPN01 = acme.ChallengeTypeTLSALPN01
	DNS01     = acme.ChallengeTypeDNS01
)

// Issuer is one authority. Its methods are safe for concurrent use. Close it when it is
// not needed any more.
type Issuer struct {
	o       Options
	id      string
	plain   bool // speaks HTTP, on this machine
	log     *slog.Logger
	solvers []solver // best first
	http    *http.Client
	wire    *wire
	asking  turn           // to fetch the directory
	joining turn           // to make the account
	late    sync.WaitGroup // what is still taken back for those who left

	mu      sync.Mutex // guards what follows
	api     *api
	account *acme.Account
	closed  bool
}

// solver publishes for one kind of challenge.
type solver struct {
	kind string
	acmez.Solver
}

// New returns an issuer. It asks nobody yet.
func New(o Options) (*Issuer, error) {
	i := &Issuer{o: o, log: o.Log, asking: make(turn, 1), joining: make(turn, 1)}
	if i.log == nil {
		i.log = slog.New(slog.DiscardHandler)
	}
	if err := i.complete(); err != nil {
		return nil, fmt.Errorf("set up authority %q: %w", i.o.Name, err)
	}
	i.wire = newWire(i.o.Roots, i.plain)
	i.http = i.wire.client()
	return i, nil
}

func (i *Issuer) complete() error {
	u, err := url.Parse(i.o.Directory)
	if err != nil || !private(u, true) || u.User != nil || u.Fragment != "" {
		return errors.New("its directory is no https URL, or has a user or a fragment in it") // there may be a password
	}
	i.id, i.plain = idOf(u), u.Scheme == "http"
	if i.o.Name == "" {
		i.o.Name = i.id
	}
	if i.o.Store == nil {
		return errors.New("there is no store for its account")
	}
	if i.o.UserAgent == "" {
		i.o.UserAgent = "weir"
	}
	if i.o.EABEndpoint == "" && u.Hostname() == "acme.zerossl.com" {
		i.o.EABEndpoint = zeroSSLEndpoint
	}
	if i.o.EAB != nil {
		if i.o.EAB, err = i.o.EAB.clean(); err != nil {
			return err
		}
	}
	return i.chooseSolvers()
}

func (i *Issuer) chooseSolvers() error {
	kinds := i.o.Challenges
	switch {
	case len(kinds) > 0:
	case i.o.DNS != nil:
		kinds = []string{DNS01}
	default:
		kinds = []string{HTTP01, TLSALPN01}
	}
	for n, kind := range kinds {
		var s acmez.Solver
		switch {
		case slices.Contains(kinds[:n], kind):
			continue
		case kind == DNS01 && i.o.DNS != nil:
			s = i.o.DNS
		case kind == HTTP01 && i.o.Answers != nil, kind == TLSALPN01 && i.o.Answers != nil:
			s = publisher{i.o.Answers, kind}
		case kind == HTTP01, kind == TLSALPN01:
			return fmt.Errorf("there is nobody to answer challenge %s", kind)
		case kind == DNS01:
			return errors.New("challenge dns-01 needs a DNS provider")
		default:
			return fmt.Errorf("challenge %q is not known: there are http-01, tls-alpn-01 and dns-01", kind)
		}
		i.solvers = append(i.solvers, solver{kind, s})
	}
	if i.o.Timeout == 0 {
		i.o.Timeout = 90 * time.Second
		if slices.Contains(kinds, DNS01) {
			i.o.Timeout = 10 * time.Minute
		}
	}
	return nil
}

// private tells whether nobody else can read or change what goes to u: it is encrypted,
// or, where plain is allowed, does not leave this machine.
func private(u *url.URL, plain bool) bool {
	host := strings.ToLower(u.Hostname())
	switch {
	case host == "":
		return false
	case u.Scheme == "https":
		return true
	}
	addr, err := netip.ParseAddr(host)
	local := err == nil && addr.IsLoopback() || host == "localhost" || strings.HasSuffix(host, ".localhost")
	return u.Scheme == "http" && plain && local
}

// idOf makes of a directory's URL what can be part of a key.
func idOf(u *url.URL) string {
	s := strings.ToLower(u.Host) + strings.TrimRight(u.EscapedPath(), "/")
	if u.RawQuery != "" {
		s += "-" + u.RawQuery
	}
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '-', r == '_':
			return r
		}
		return '-'
	}, s)
}

// ID is the same on all nodes and after every restart, and differs between authorities:
// "acme-v02.api.letsencrypt.org-directory".
func (i *Issuer) ID() string { return i.id }

// Name is what people call the authority, as errors and the log do.
func (i *Issuer) Name() string { return i.o.Name }

// turn lets one at a time do something that the others then need not do.
type turn chan struct{}

func (t turn) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turn) give() { <-t }

// Close waits until nothing is left of orders that were broken off, half a minute for a
// slow DNS provider, and closes idle connections. Orders that are under way go on.
func (i *Issuer) Close() error {
	i.mu.Lock()
	i.closed = true
	i.mu.Unlock()
	i.late.Wait()
	i.http.CloseIdleConnections()
	return nil
}
