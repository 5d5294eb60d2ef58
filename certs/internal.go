package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// InternalOptions are the settings of the internal authority. The zero value is
// usable.
type InternalOptions struct {
	Name         string        // what a new root is called, at most 64 bytes; "" means "weir internal root"
	Log          *slog.Logger  // hears of renewals that do not work; nil is silent
	Leaf         time.Duration // life of a certificate; 0 means 24 h
	Intermediate time.Duration // life of its issuer, at least three times Leaf; 0 means 7 days
	// Backdate is how far the clocks of clients may be behind; 0 means 5 minutes,
	// which is the most, negative none. Leaf must be ten times as long.
	Backdate time.Duration
	Names    int // how many certificates are kept; 0 means 1024
}

// Internal is a small certificate authority for localhost and private names. Its
// root lives ten years in a directory and can vouch for such names only. Its
// methods are safe for concurrent use.
type Internal struct {
	log    *slog.Logger
	vault  vault
	lives  lives
	roots  *x509.CertPool
	root   *x509.Certificate
	most   int
	stop   chan struct{}
	closed sync.Once
	done   sync.WaitGroup

	signing sync.Mutex // guards signer
	signer  *authority // the intermediate

	mu     sync.RWMutex // guards leaves
	leaves map[string]*leaf
}

// leaf is one certificate and its successors.
type leaf struct {
	names  []subject
	issue  sync.Mutex // held while a certificate is made, so that it is made once
	issued atomic.Pointer[issued]
	used   atomic.Int64 // when it was last asked for, in seconds
}

type issued struct {
	cert    *tls.Certificate
	made    time.Time
	renewAt time.Time // from here on the background makes a new one
	lateAt  time.Time // from here on who asks has to wait for it
}

// OpenInternal opens the authority in dir, and makes it if the directory is new
// or empty. Files that are damaged, or that others may read, are an error. Close
// ends the renewal.
func OpenInternal(dir string, o InternalOptions) (*Internal, error) {
	if err := o.complete(); err != nil {
		return nil, fmt.Errorf("open internal authority: %w", err)
	}
	c := &Internal{
		log: o.Log, vault: vault{dir, o.Name}, most: o.Names, stop: make(chan struct{}), roots: x509.NewCertPool(),
		lives: lives{o.Intermediate, o.Leaf, o.Backdate}, leaves: make(map[string]*leaf),
	}
	root, signer, err := c.vault.open(c.lives)
	if err != nil {
		return nil, fmt.Errorf("open internal authority: %w", err)
	}
	c.root, c.signer = root.cert, signer
	c.roots.AddCert(c.root)
	c.done.Go(c.renew)
	return c, nil
}

const defaultRootName = "weir internal root"

func (o *InternalOptions) complete() error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Name == "" {
		o.Name = defaultRootName
	}
	if o.Leaf == 0 {
		o.Leaf = 24 * time.Hour
	}
	if o.Intermediate == 0 {
		o.Intermediate = 7 * 24 * time.Hour
	}
	if o.Backdate == 0 {
		o.Backdate = longestBackdate
	}
	o.Backdate = max(o.Backdate, 0)
	if o.Names <= 0 {
		o.Names = 1024
	}
	switch {
	case len(o.Name) > longestName:
		return fmt.Errorf("name %q: at most %d bytes", o.Name, longestName)
	case o.Backdate > longestBackdate:
		return fmt.Errorf("backdate %v: at most %v", o.Backdate, longestBackdate)
	case o.Leaf < 10*o.Backdate || o.Leaf < time.Second:
		return fmt.Errorf("lifetime %v: at least ten times the backdate of %v, and a second", o.Leaf, o.Backdate)
	case o.Intermediate < 3*o.Leaf:
		return fmt.Errorf("intermediate lifetime %v: at least three times that of certificates, %v", o.Intermediate, o.Leaf)
	}
	return nil
}

// Close ends the renewal. Issue goes on working.
func (c *Internal) Close() {
	c.closed.Do(func() { close(c.stop) })
	c.done.Wait()
}

// Root returns the root's certificate.
func (c *Internal) Root() *x509.Certificate { return c.root }

// RootPath returns the file of the root's certificate in PEM form: for Trust, and
// for curl --cacert.
func (c *Internal) RootPath() string { return filepath.Join(c.vault.dir, rootFile) }

// GetCertificate issues for the name that the client asks for, or for the address
// it reached if it sends none, in the form of tls.Config. Names that are not
// internal are an error; whether weir has a site of that name is for the caller
// to know.
func (c *Internal) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if hello.ServerName != "" || hello.Conn == nil {
		return c.Issue(hello.ServerName)
	}
	host, _, err := net.SplitHostPort(hello.Conn.LocalAddr().String())
	if err != nil {
		return nil, errors.New("issue certificate: the client names no host")
	}
	return c.Issue(host)
}

// Issue returns a certificate for the names, made now or kept from before, with
// its chain up to the root. All must be internal; at most 100. OpenSSL and curl
// refuse a wildcard of two labels (*.localhost, *.lan): for a site of such a name
// issue for the name that was asked for.
func (c *Internal) Issue(names ...string) (*tls.Certificate, error) {
	var l *leaf
	if len(names) == 1 {
		c.mu.RLock()
		l = c.leaves[names[0]]
		c.mu.RUnlock()
	}
	if l == nil {
		subjects, key, err := subjectsOf(names)
		if err != nil {
			return nil, fmt.Errorf("issue certificate: %w", err)
		}
		l = c.leaf(key, subjects)
	}
	now := time.Now()
	l.used.Store(now.Unix())
	if i := l.issued.Load(); i != nil && now.Before(i.lateAt) {
		return i.cert, nil
	}
	return c.fill(l, func(i *issued) bool { return i != nil && time.Now().Before(i.lateAt) })
}

func subjectsOf(names []string) ([]subject, string, error) {
	if len(names) == 0 || len(names) > 100 {
		return nil, "", fmt.Errorf("%d names; 1 to 100 are possible", len(names))
	}
	var all []subject
	for _, name := range names {
		s, err := parseSubject(name)
		if err != nil {
			return nil, "", err
		}
		if !s.internal() {
			return nil, "", fmt.Errorf("name %q is not internal: it ends in none of %s", name, strings.Join(internalSuffixes(), ", "))
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b subject) int { return strings.Compare(a.String(), b.String()) })
	all = slices.Compact(all)
	var key []string
	for _, s := range all {
		key = append(key, s.String())
	}
	return all, strings.Join(key, ","), nil
}

// leaf returns the entry for key. When there are too many, the one that was asked
// for longest ago makes room: a flood of names costs time, never memory.
func (c *Internal) leaf(key string, names []subject) *leaf {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.leaves[key]; l != nil {
		return l
	}
	if len(c.leaves) >= c.most {
		var oldest string
		at := int64(1<<63 - 1)
		for k, l := range c.leaves {
			if used := l.used.Load(); used < at {
				oldest, at = k, used
			}
		}
		delete(c.leaves, oldest)
	}
	l := &leaf{names: names}
	l.used.Store(time.Now().Unix())
	c.leaves[key] = l
	return l
}

// fill makes a certificate for l, unless it has one that is good.
func (c *Internal) fill(l *leaf, good func(*issued) bool) (*tls.Certificate, error) {
	l.issue.Lock()
	defer l.issue.Unlock()
	if i := l.issued.Load(); good(i) {
		return i.cert, nil
	}
	i, err := c.make(l.names)
	if err != nil {
		return nil, err
	}
	l.issued.Store(i)
	return i.cert, nil
}

func (c *Internal) make(names []subject) (*issued, error) {
	signer, err := c.intermediate()
	if err != nil {
		return nil, err
	}
	now := time.Now().Round(0)
	a, err := newLeaf(signer, names, now, c.lives)
	if err != nil {
		return nil, err
	}
	// The root on disk may permit less than this program would: better an error
	// here than a certificate that every client refuses.
	between := x509.NewCertPool()
	between.AddCert(signer.cert)
	if _, err := a.cert.Verify(x509.VerifyOptions{Roots: c.roots, Intermediates: between, CurrentTime: now}); err != nil {
		return nil, fmt.Errorf("issue certificate: the root in %s does not permit it: %w", c.vault.dir, err)
	}
	return &issued{
		cert:    &tls.Certificate{Certificate: [][]byte{a.cert.Raw, signer.cert.Raw}, PrivateKey: a.key, Leaf: a.cert},
		made:    now,
		renewAt: a.renewAt,
		lateAt:  a.cert.NotAfter.Add(-a.cert.NotAfter.Sub(now) / 20),
	}, nil
}

// intermediate returns the signer. When a new one is due and cannot be had, the
// old one goes on as long as it can.
func (c *Internal) intermediate() (*authority, error) {
	c.signing.Lock()
	defer c.signing.Unlock()
	now := time.Now()
	if now.Before(c.signer.renewAt) {
		return c.signer, nil
	}
	fresh, err := c.vault.intermediate(c.lives)
	switch {
	case err == nil:
		c.signer = fresh
	case outOfDate(c.signer.cert) != nil:
		return nil, fmt.Errorf("renew intermediate: %w", err)
	default:
		c.log.Error("intermediate certificate not renewed", "err", err, "until", c.signer.cert.NotAfter)
		c.signer.renewAt = now.Round(0).Add(c.every())
	}
	return c.signer, nil
}

// every is how often the background looks for work: often enough for the third of
// a life that is left, so that a machine that slept catches up soon.
func (c *Internal) every() time.Duration { return min(c.lives.leaf/24, 10*time.Minute) }

func (c *Internal) renew() {
	tick := time.NewTicker(c.every())
	defer tick.Stop()
	for {
		select {
		case <-c.stop:
			return
		case <-tick.C:
			c.renewDue(time.Now())
		}
	}
}

func (c *Internal) renewDue(now time.Time) {
	if _, err := c.intermediate(); err != nil {
		c.log.Error("internal authority", "err", err)
		return
	}
	for key, l := range c.due(now) {
		i := l.issued.Load()
		// A name that nobody asked for since is forgotten, not renewed for ever.
		if l.used.Load() <= i.made.Unix() {
			c.mu.Lock()
			delete(c.leaves, key)
			c.mu.Unlock()
			continue
		}
		if _, err := c.fill(l, func(now *issued) bool { return now != i }); err != nil {
			c.log.Error("certificate not renewed", "name", key, "err", err, "until", i.cert.Leaf.NotAfter)
		}
	}
}

func (c *Internal) due(now time.Time) map[string]*leaf {
	c.mu.RLock()
	defer c.mu.RUnlock()
	due := make(map[string]*leaf)
	for key, l := range c.leaves {
		if i := l.issued.Load(); i != nil && !now.Before(i.renewAt) {
			due[key] = l
		}
	}
	return due
}
