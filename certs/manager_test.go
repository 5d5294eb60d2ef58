package certs_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/certs"
	"github.com/weirproxy/weir/certs/certstest"
	"github.com/weirproxy/weir/certs/issuer"
	"github.com/weirproxy/weir/certs/storage"
)

// signer is an authority without a network: it signs what it is asked for after a
// while, or refuses.
type signer struct {
	id    string
	life  time.Duration // of certificates
	back  time.Duration // how far they are dated back
	takes time.Duration // how long an order takes
	ahead time.Duration // of its clock

	mu      sync.Mutex
	serial  int64
	orders  []issuer.Order
	revoked []string
	refuse  func(issuer.Order) error
	renewal func(*x509.Certificate) issuer.Renewal
	root    *maker
}

func newSigner(t *testing.T, id string, life time.Duration) *signer {
	return &signer{id: id, life: life, takes: time.Second, root: issue(t, nil, id, func(c *x509.Certificate) {
		isCA(c)
		c.NotAfter = time.Now().AddDate(100, 0, 0)
	})}
}

func (s *signer) ID() string { return s.id }

func (s *signer) Obtain(ctx context.Context, o issuer.Order) (*issuer.Issued, error) {
	s.mu.Lock()
	s.orders = append(s.orders, o)
	s.serial++
	serial, refuse, takes := s.serial, s.refuse, s.takes
	s.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if refuse != nil {
		if err := refuse(o); err != nil {
			return nil, err
		}
	}
	now := time.Now()
	t := &x509.Certificate{SerialNumber: big.NewInt(serial<<16 + int64(len(s.id))), NotBefore: now.Add(-s.back), NotAfter: now.Add(s.life)}
	for _, n := range o.Names {
		if ip := net.ParseIP(n); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, s.root.cert, o.Key.Public(), s.root.key)
	if err != nil {
		return nil, err
	}
	return &issuer.Issued{Chain: append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), s.root.certPEM()...)}, nil
}

func (s *signer) RenewalInfo(_ context.Context, leaf *x509.Certificate) (issuer.Renewal, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.renewal == nil {
		return issuer.Renewal{}, nil
	}
	return s.renewal(leaf), nil
}

func (s *signer) Revoke(_ context.Context, leaf *x509.Certificate, _ crypto.Signer, _ int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revoked = append(s.revoked, leaf.SerialNumber.Text(16))
	return nil
}

func (s *signer) Skew() (time.Duration, time.Time, bool) { return s.ahead, time.Now(), true }

func (s *signer) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.orders)
}

func (s *signer) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// node is a manager in a test.
type node struct {
	*certs.Manager
	store *certstest.Node
	log   *lines
}

// lines is a log that tests read.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *lines) has(s string) bool { return strings.Contains(l.String(), s) }

func newNode(t *testing.T, shared *certstest.MemoryStore, change ...func(*certs.ManagerOptions)) *node {
	t.Helper()
	n := &node{store: shared.Node(), log: new(lines)}
	o := certs.ManagerOptions{Store: n.store, Log: slog.New(slog.NewTextHandler(n.log, nil))}
	for _, f := range change {
		f(&o)
	}
	n.Manager = certs.NewManager(o)
	t.Cleanup(func() { n.close(t) })
	return n
}

func (n *node) close(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := n.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

func plan(from certs.Issuer, names ...string) *certs.Plan {
	p := &certs.Plan{Names: map[string]*certs.Policy{}}
	for _, name := range names {
		p.Names[name] = &certs.Policy{Issuers: []certs.Issuer{from}}
	}
	return p
}

// get returns the serial number of what a handshake would get.
func (n *node) get(t *testing.T, name string) string {
	t.Helper()
	c, err := n.Certificate(context.Background(), name, netip.MustParseAddr("192.0.2.1"))
	if err != nil {
		t.Fatalf("handshake for %s: %v\n%s", name, err, n.log)
	}
	return c.Leaf.SerialNumber.Text(16)
}

const day = 24 * time.Hour

func TestManager_ObtainsAndRenewsInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, n := newSigner(t, "ca", 90*day), newNode(t, new(certstest.MemoryStore))
		n.Apply(plan(ca, "a.example", "*.b.example", "192.0.2.7"))
		first := n.get(t, "a.example")
		n.get(t, "x.b.example")
		n.get(t, "192.0.2.7")
		if got := ca.count(); got != 3 {
			t.Errorf("%d orders, want 3", got)
		}
		time.Sleep(50 * day)
		if got := n.get(t, "a.example"); got != first || ca.count() != 3 {
			t.Errorf("renewed after 50 of 90 days: %d orders", ca.count())
		}
		time.Sleep(11 * day)
		synctest.Wait()
		if got := n.get(t, "a.example"); got == first || ca.count() != 6 {
			t.Errorf("not renewed after 61 of 90 days: %d orders, want 6\n%s", ca.count(), n.log)
		}
		if o := ca.orders[len(ca.orders)-1]; o.Replaces == nil {
			t.Error("the renewal does not say what it replaces")
		}
		n.close(t)
	})
}

func TestManager_CoversNamesByWildcards(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, n := newSigner(t, "ca", 90*day), newNode(t, new(certstest.MemoryStore))
		n.Apply(plan(ca, "a.example.org", "*.example.org", "b.example.org", "example.org"))
		if n.get(t, "a.example.org") != n.get(t, "b.example.org") || ca.count() != 2 {
			t.Errorf("%d orders, want 2: the wildcard's and the apex'", ca.count())
		}
		p := plan(ca, "a.example.org", "*.example.org")
		p.OwnAlways = true
		n.Apply(p)
		synctest.Wait()
		time.Sleep(2 * time.Second)
		if n.get(t, "a.example.org") == n.get(t, "b.example.org") {
			t.Error("with OwnAlways a name has the wildcard's certificate")
		}
		n.close(t)
	})
}

func TestManager_NodesOrderOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, shared := newSigner(t, "ca", 90*day), new(certstest.MemoryStore)
		a, b := newNode(t, shared), newNode(t, shared)
		for _, n := range []*node{a, b} {
			n.Apply(plan(ca, "a.example", "b.example"))
		}
		for range 5 { // over four renewals
			if a.get(t, "a.example") != b.get(t, "a.example") || a.get(t, "b.example") != b.get(t, "b.example") {
				t.Error("nodes serve different certificates")
			}
			time.Sleep(63 * day)
			synctest.Wait()
		}
		if got := ca.count(); got != 12 {
			t.Errorf("%d orders, want 2 names x 6", got)
		}
		a.close(t)
		b.close(t)
	})
}

// Finding 6: a holder that was frozen past its lease must not overwrite what another
// node has obtained meanwhile.
func TestManager_FrozenHolderTakesOverWhatOthersObtained(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, shared := newSigner(t, "ca", 90*day), new(certstest.MemoryStore)
		a := newNode(t, shared)
		ca.takes = time.Minute // the time in which a is frozen
		a.Apply(plan(ca, "a.example"))
		time.Sleep(10 * time.Second)
		shared.Expire("issue/a.example", false)
		ca.set(func() { ca.takes = time.Second })
		b := newNode(t, shared)
		b.Apply(plan(ca, "a.example"))
		want := b.get(t, "a.example")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := a.get(t, "a.example"); got != want {
			t.Errorf("the node that was frozen serves %s, the other %s", got, want)
		}
		if got := ca.count(); got != 2 {
			t.Errorf("%d orders, want 2: the lease cannot prevent the second", got)
		}
		a.close(t)
		b.close(t)
	})
}

// Finding 4: with the store down at start, a name must not stay dead for ever.
func TestManager_StoreDownAtStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, shared := newSigner(t, "ca", 90*day), new(certstest.MemoryStore)
		n := newNode(t, shared)
		n.store.Down()
		n.Apply(plan(ca, "a.example"))
		time.Sleep(3 * time.Second)
		if ca.count() != 0 {
			t.Error("ordered what cannot be kept")
		}
		n.store.Up()
		time.Sleep(4 * time.Second)
		n.get(t, "a.example")
		n.close(t)
	})
}

// Finding 3: a store that hangs, and a reload, must not stall handshakes.
func TestManager_HandshakesNeverWaitForAStoreThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, n := newSigner(t, "ca", 90*day), newNode(t, new(certstest.MemoryStore))
		n.Apply(plan(ca, "a.example", "b.example"))
		n.get(t, "a.example")
		n.store.Hang()
		began := time.Now()
		n.Apply(plan(ca, "a.example", "c.example"))
		for range 100 {
			n.get(t, "a.example")
			time.Sleep(100 * time.Millisecond)
		}
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("100 handshakes took %v beyond their pauses, want no time at all", took-10*time.Second)
		}
		n.store.Up()
		n.close(t)
	})
}

// Finding 5: a renewal that fails half-way must leave the old certificate whole.
func TestManager_DiskFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, shared := newSigner(t, "ca", 90*day), new(certstest.MemoryStore)
		n := newNode(t, shared)
		n.store.Full()
		n.Apply(plan(ca, "a.example"))
		time.Sleep(time.Minute)
		if ca.count() != 0 {
			t.Errorf("%d orders while the disk is full, want none", ca.count())
		}
		n.store.Up()
		time.Sleep(5 * time.Second)
		old := n.get(t, "a.example")
		stored := string(shared.Snapshot()[storage.CertKey("a.example")])

		// The write of the certificate alone fails, after the order.
		ca.set(func() { ca.refuse = func(issuer.Order) error { n.store.Full(); return nil } })
		time.Sleep(61 * day)
		synctest.Wait()
		fresh := n.get(t, "a.example")
		if fresh == old {
			t.Fatalf("what was obtained is not served\n%s", n.log)
		}
		if got := string(shared.Snapshot()[storage.CertKey("a.example")]); got != stored {
			t.Error("the stored certificate has changed")
		}
		c, err := storage.DecodeCert([]byte(stored))
		if err == nil {
			_, err = c.TLS()
		}
		if err != nil {
			t.Errorf("the old record: %v", err)
		}
		orders := ca.count()
		n.store.Up()
		time.Sleep(5 * time.Second)
		if c, err = storage.DecodeCert(shared.Snapshot()[storage.CertKey("a.example")]); err != nil || c.Serial != fresh || ca.count() != orders {
			t.Errorf("after the disk has room: stored %v, %v with %d more orders, want %s with none", c, err, ca.count()-orders, fresh)
		}
		n.close(t)
	})
}

// A kill at every single write, and then a start without the authority.
func TestManager_KilledAtEveryWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for i := 1; i < 12; i++ {
			ca, shared := newSigner(t, "ca", 90*day), new(certstest.MemoryStore)
			first := newNode(t, shared)
			first.Apply(plan(ca, "a.example"))
			first.get(t, "a.example")
			s, _ := first.Status("a.example")
			time.Sleep(time.Until(s.RenewAt) - time.Second)
			first.store.FailWrite(i)
			time.Sleep(time.Minute)
			first.close(t)
			shared.Expire("issue/a.example", true)
			ca.set(func() { ca.refuse = func(issuer.Order) error { return errors.New("away") } })
			second := newNode(t, shared)
			second.Apply(plan(ca, "a.example"))
			second.get(t, "a.example")
			for _, key := range shared.Keys(storage.CertPrefix) {
				c, err := storage.DecodeCert(shared.Snapshot()[key])
				if err == nil {
					_, err = c.TLS()
				}
				if err != nil {
					t.Errorf("killed at write %d: %s: %v", i, key, err)
				}
			}
			second.close(t)
		}
	})
}

func TestManager_BacksOffAndSaysWhy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, shared := newSigner(t, "ca", 90*day), new(certstest.MemoryStore)
		ca.refuse = func(issuer.Order) error {
			return &issuer.Error{CA: "ca", Name: "a.example", Challenge: "http-01", Detail: "connection refused", Hint: "open port 80"}
		}
		n := newNode(t, shared)
		n.Apply(plan(ca, "a.example"))
		time.Sleep(time.Hour)
		if got := ca.count(); got != 5 {
			t.Errorf("%d orders in the first hour, want 5", got)
		}
		s, ok := n.Status("a.example")
		if !ok || s.Failed == nil || s.Failed.Saw != "connection refused" || s.Failed.Hint != "open port 80" || s.Failed.Next.Before(time.Now()) {
			t.Errorf("status = %+v, want what the authority saw, a hint and the next attempt", s)
		}
		if _, err := n.Certificate(context.Background(), "a.example", netip.Addr{}); err == nil || !strings.Contains(err.Error(), "next attempt") {
			t.Errorf("handshake: %v, want an error that says when it goes on", err)
		}
		if len(shared.Keys("failure/")) != 1 {
			t.Error("the failure is not in the store")
		}
		if ok, missing := n.Ready(); ok || missing["a.example"] == "" {
			t.Errorf("ready %v, missing %v", ok, missing)
		}
		ca.set(func() { ca.refuse = nil })
		if err := n.Renew(context.Background(), "a.example"); err != nil {
			t.Fatalf("renew: %v", err)
		}
		n.get(t, "a.example")
		if s, _ := n.Status("a.example"); s.Failed != nil || len(shared.Keys("failure/")) != 0 {
			t.Errorf("after a success: %+v, %v; want no failure", s, shared.Keys("failure/"))
		}
		n.close(t)
	})
}

// At start the network may not be there yet.
func TestManager_AsksAgainSoonWhereNobodyAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := newSigner(t, "a", 90*day), newSigner(t, "b", 90*day)
		for _, ca := range []*signer{a, b} {
			ca.refuse = func(o issuer.Order) error {
				return &issuer.Error{CA: ca.id, Name: o.Names[0], Err: errors.New("no such host")}
			}
		}
		n := newNode(t, new(certstest.MemoryStore))
		n.Apply(&certs.Plan{Names: map[string]*certs.Policy{"a.example": {Issuers: []certs.Issuer{a, b}}}})
		time.Sleep(5 * time.Second)
		a.set(func() { a.refuse = nil })
		time.Sleep(5 * time.Second)
		n.get(t, "a.example")
		n.close(t)
	})
}

// A name that fails is tried once by all nodes together, not once by each.
func TestManager_NodesFailTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, shared := newSigner(t, "ca", 90*day), new(certstest.MemoryStore)
		ca.refuse = func(o issuer.Order) error { return errors.New("no proof") }
		nodes := map[string]*node{}
		for _, name := range []string{"a", "b", "c"} {
			nodes[name] = newNode(t, shared, func(o *certs.ManagerOptions) { o.Node = name })
			nodes[name].Apply(plan(ca, "a.example"))
		}
		time.Sleep(time.Hour)
		if got := ca.count(); got != 5 {
			t.Errorf("%d orders by three nodes in the first hour, want 5", got)
		}
		if s, _ := nodes["b"].Status("a.example"); s.Failed == nil || !strings.Contains(s.Failed.Error, "no proof") {
			t.Errorf("a node that only heard of it says %+v, want the reason", s.Failed)
		}
		ca.set(func() { ca.refuse = nil })
		nodes["b"].Apply(plan(newSigner(t, "other", 90*day), "a.example"))
		time.Sleep(3 * time.Second)
		want := nodes["b"].get(t, "a.example")
		time.Sleep(3 * time.Second)
		if got := nodes["a"].get(t, "a.example"); got != want {
			t.Error("what a node with other issuers obtained is not served by the others")
		}
		if keys := shared.Keys("failure/"); len(keys) != 0 {
			t.Errorf("%v are left", keys)
		}
		for _, n := range nodes {
			n.close(t)
		}
	})
}

func TestManager_LeavesAnIssuerAloneThatAsksForIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		busy, other := newSigner(t, "busy", 90*day), newSigner(t, "other", 90*day)
		busy.refuse = func(o issuer.Order) error {
			return &issuer.Error{CA: "busy", Name: o.Names[0], Status: 429, RetryAt: time.Now().Add(time.Hour)}
		}
		n := newNode(t, new(certstest.MemoryStore))
		n.Apply(plan(busy, "a.example"))
		time.Sleep(59 * time.Minute)
		if got := busy.count(); got != 1 {
			t.Errorf("%d orders before Retry-After is over, want 1", got)
		}
		time.Sleep(5 * time.Minute)
		if got := busy.count(); got != 2 {
			t.Errorf("%d orders after it, want 2", got)
		}
		n.Apply(&certs.Plan{Names: map[string]*certs.Policy{"a.example": {Issuers: []certs.Issuer{busy, other}}}})
		n.get(t, "a.example")
		if s, _ := n.Status("a.example"); s.Issuer != "other" || busy.count() != 2 {
			t.Errorf("issuer %s after %d orders, want the other one without asking the busy one", s.Issuer, busy.count())
		}
		n.close(t)
	})
}

func TestManager_RenewsWhenTheAuthorityWantsAndOnlyOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, n := newSigner(t, "ca", 90*day), newNode(t, new(certstest.MemoryStore))
		begin := time.Now()
		bad := true
		ca.renewal = func(leaf *x509.Certificate) issuer.Renewal {
			r := issuer.Renewal{Supported: true, CheckAgain: time.Now().Add(6 * time.Hour)}
			r.Start, r.End, r.Selected = leaf.NotAfter.Add(-30*day), leaf.NotAfter.Add(-29*day), leaf.NotAfter.Add(-29*day-time.Hour)
			if bad && time.Since(begin) > day { // every certificate is wanted back
				r.Start, r.End = begin, begin.Add(time.Hour)
				r.Selected, r.Explanation = begin.Add(time.Minute), "revoked"
			}
			return r
		}
		n.Apply(plan(ca, "a.example"))
		first := n.get(t, "a.example")
		time.Sleep(day + 7*time.Hour)
		synctest.Wait()
		if n.get(t, "a.example") == first {
			t.Fatal("not renewed although the authority wants it")
		}
		time.Sleep(10 * time.Hour)
		if got := ca.count(); got != 2 {
			t.Errorf("%d orders, as every new certificate is wanted back at once: a storm", got)
		}
		bad = false
		n.close(t)
	})
}

// Finding 9: certificates that are dated back by more than they live must not be
// renewed all the time.
func TestManager_DatedBackCertificatesAreNoStorm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, n := newSigner(t, "ca", 9*time.Second), newNode(t, new(certstest.MemoryStore))
		ca.back, ca.takes = time.Minute, 10*time.Millisecond
		n.Apply(plan(ca, "a.example"))
		for range 60 {
			n.get(t, "a.example")
			time.Sleep(time.Second)
		}
		if got := ca.count(); got > 13 {
			t.Errorf("%d orders in a minute for 9 s each, want 11 or so", got)
		}
		n.close(t)
	})
}

func TestManager_AlarmsBeforeACertificateRunsOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, n := newSigner(t, "ca", 90*day), newNode(t, new(certstest.MemoryStore))
		n.Apply(plan(ca, "a.example"))
		n.get(t, "a.example")
		ca.set(func() { ca.refuse = func(issuer.Order) error { return errors.New("away") } })
		time.Sleep(75 * day)
		if !n.log.has("a certificate runs out") {
			t.Errorf("no alarm with 15 of 90 days left\n%s", n.log)
		}
		time.Sleep(30 * day)
		n.get(t, "a.example") // it has run out, and is better than nothing
		ca.set(func() { ca.refuse = nil })
		time.Sleep(7 * time.Hour)
		if s, _ := n.Status("a.example"); !s.NotAfter.After(time.Now()) {
			t.Errorf("not renewed within the longest pause: %+v", s)
		}
		if a := n.Stats().Alarms; len(a) != 0 {
			t.Errorf("alarms %v after all is well", a)
		}
		ca.set(func() { ca.ahead = time.Hour })
		if err := n.Renew(context.Background(), "a.example"); err != nil {
			t.Error(err)
		}
		if !n.log.has("clock differs") {
			t.Error("no alarm for a clock that is an hour off")
		}
		n.close(t)
	})
}

func TestManager_BoundsItsMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, shared := newSigner(t, "ca", 90*day), new(certstest.MemoryStore)
		var names []string
		for i := range 60 {
			names = append(names, fmt.Sprintf("n%d.example", i))
		}
		n := newNode(t, shared, func(o *certs.ManagerOptions) { o.Cache = 10 })
		n.Apply(plan(ca, names...))
		time.Sleep(time.Minute)
		for _, name := range names {
			n.get(t, name)
		}
		inMemory, had := 0, 0
		for s := range n.Statuses() {
			if s.InMemory {
				inMemory++
			}
			if s.Serial != "" {
				had++
			}
		}
		if inMemory > 10 || had != 60 {
			t.Errorf("%d certificates in memory of %d, want 10 at most of 60", inMemory, had)
		}
		n.store.Hang()
		began := time.Now()
		_, err := n.Certificate(context.Background(), "nobody.example", netip.Addr{})
		if err == nil || time.Since(began) > 0 {
			t.Errorf("an unknown name: %v after %v, want an error at once", err, time.Since(began))
		}
		n.store.Up()
		n.close(t)
	})
}

func TestManager_CloseGivesLocksBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, shared := newSigner(t, "ca", 90*day), new(certstest.MemoryStore)
		ca.takes = time.Hour
		a := newNode(t, shared)
		a.Apply(plan(ca, "a.example"))
		time.Sleep(time.Second)
		if !shared.Held("issue/a.example") {
			t.Fatal("no order under way")
		}
		began := time.Now()
		a.close(t)
		ca.set(func() { ca.takes = time.Second })
		b := newNode(t, shared)
		b.Apply(plan(ca, "a.example"))
		b.get(t, "a.example")
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("the other node has a certificate after %v, want less than 2 s", took)
		}
		b.close(t)
	})
}

func TestManager_ChangesItsIssuer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		staging, production := newSigner(t, "staging", 90*day), newSigner(t, "production", 90*day)
		n := newNode(t, new(certstest.MemoryStore))
		n.Apply(plan(staging, "a.example"))
		n.get(t, "a.example")
		n.Apply(plan(production, "a.example"))
		n.get(t, "a.example") // the old one, without waiting
		time.Sleep(2 * time.Second)
		if s, _ := n.Status("a.example"); s.Issuer != "production" || production.orders[0].Replaces != nil {
			t.Errorf("issuer %s, want production, and nothing said to it of what another authority issued", s.Issuer)
		}
		old, _ := n.Status("a.example")
		if err := n.Revoke(context.Background(), "a.example", 4); err != nil {
			t.Fatal(err)
		}
		if s, _ := n.Status("a.example"); s.Serial == old.Serial || len(production.revoked) != 1 || production.revoked[0] != old.Serial {
			t.Errorf("revoked %v, now %s; want %s revoked and another one", production.revoked, s.Serial, old.Serial)
		}
		n.Apply(&certs.Plan{})
		synctest.Wait() // what is under way for the name ends
		if _, err := n.Certificate(context.Background(), "a.example", netip.Addr{}); err == nil {
			t.Error("a name that no plan has any more is served")
		}
		n.close(t)
	})
}

func TestManager_ReplacesWhatIsDamaged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, shared := newSigner(t, "ca", 90*day), new(certstest.MemoryStore)
		if err := shared.Node().Put(context.Background(), storage.CertKey("a.example"), []byte("{"), 0); err != nil {
			t.Fatal(err)
		}
		n := newNode(t, shared)
		n.Apply(plan(ca, "a.example"))
		n.get(t, "a.example")
		if !n.log.has("damaged") {
			t.Error("nothing is said of the damage")
		}
		n.close(t)
	})
}

func BenchmarkManagerCertificate(b *testing.B) {
	shared := new(certstest.MemoryStore)
	n := certs.NewManager(certs.ManagerOptions{Store: shared.Node()})
	defer n.Close(context.Background())
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	_ = key
	ca := &signer{id: "ca", life: 90 * day, root: issue(b, nil, "ca", isCA)}
	p := &certs.Plan{Names: map[string]*certs.Policy{}}
	for i := range 100 {
		p.Names[fmt.Sprintf("n%d.example", i)] = &certs.Policy{Issuers: []certs.Issuer{ca}}
	}
	n.Apply(p)
	ctx := context.Background()
	var c *tls.Certificate
	if c, err = n.Certificate(ctx, "n7.example", netip.Addr{}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		c, _ = n.Certificate(ctx, "n7.example", netip.Addr{})
	}
	_ = c
}
