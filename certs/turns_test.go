package certs_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/certs"
	"github.com/weirproxy/weir/certs/certstest"
	"github.com/weirproxy/weir/certs/issuer"
	"github.com/weirproxy/weir/certs/storage"
)

func TestManager_RenewReturnsWhenItIsClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, n := newSigner(t, "ca", 90*day), newNode(t, new(certstest.MemoryStore))
		ca.takes = time.Hour
		n.Apply(plan(ca, "a.example"))
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := n.Renew(context.Background(), "a.example"); err == nil {
				t.Error("renewed, it says")
			}
		})
		time.Sleep(time.Minute)
		n.close(t)
		began := time.Now()
		wg.Wait()
		if took := time.Since(began); took > time.Second {
			t.Errorf("returned %v after Close", took)
		}
	})
}

// over has a node use a store of the test's.
func over(s storage.Store) func(*certs.ManagerOptions) {
	return func(o *certs.ManagerOptions) { o.Store = s }
}

// hooked is a store in which a test gets a word in.
type hooked struct {
	*certstest.Node
	get    func(ctx context.Context) error // before each Get; an error is its
	listed func()                          // after each List, before its caller hears
}

func (h *hooked) Get(ctx context.Context, key string) ([]byte, error) {
	if h.get != nil {
		if err := h.get(ctx); err != nil {
			return nil, err
		}
	}
	return h.Node.Get(ctx, key)
}

func (h *hooked) List(ctx context.Context, prefix, after string, limit int) ([]storage.Record, error) {
	page, err := h.Node.List(ctx, prefix, after, limit)
	if h.listed != nil {
		h.listed()
	}
	return page, err
}

// What another node writes while this one reads the whole store, and has read that part
// already, must not be missed.
func TestManager_HearsOfWhatChangesWhileItReadsTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, shared := newSigner(t, "ca", 90*day), new(certstest.MemoryStore)
		a := newNode(t, shared)
		h := &hooked{Node: shared.Node()}
		b := newNode(t, shared, over(h))
		a.Apply(plan(ca, "a.example"))
		b.Apply(plan(ca, "a.example"))
		old := b.get(t, "a.example")
		synctest.Wait()
		h.listed = func() {
			h.listed = nil
			if err := a.Renew(t.Context(), "a.example"); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Minute)
		}
		h.Up() // something may have been missed
		time.Sleep(time.Hour)
		if got := b.get(t, "a.example"); got == old {
			t.Error("the other node serves the old certificate for ever")
		}
		a.close(t)
		b.close(t)
	})
}

// What one node has obtained for a visitor, the others have as well, without a question.
func TestManager_OnDemandHearsOfWhatOtherNodesHave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, d, shared := newSigner(t, "ca", 90*day), new(doorman), new(certstest.MemoryStore)
		a, b := newNode(t, shared), newNode(t, shared)
		a.Apply(demandPlan(t, ca, d))
		b.Apply(demandPlan(t, ca, d))
		time.Sleep(time.Minute)
		want := a.get(t, "a.shop.example.com")
		time.Sleep(time.Minute)
		asked := d.count()
		if got := b.get(t, "a.shop.example.com"); got != want || d.count() != asked {
			t.Errorf("serves %s after %d questions, want %s after none", got, d.count()-asked, want)
		}
		a.close(t)
		b.close(t)
	})
}

// unspun ends a test in which the store is read without end, which would hang it: the
// time of a bubble stands still while something runs.
func unspun(t *testing.T) func(context.Context) error {
	var n atomic.Int64
	return func(ctx context.Context) error {
		switch got := n.Add(1); {
		case got < 1000:
			return nil
		case got == 1000:
			t.Error("the store is read over and over")
		}
		<-ctx.Done()
		return ctx.Err()
	}
}

// A name that nobody asks for is not renewed, be it that its authority has changed.
func TestManager_OnDemandWaitsForVisitorsAfterTheAuthorityChanged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		one, two := newSigner(t, "one", 90*day), newSigner(t, "other", 90*day)
		h := &hooked{Node: new(certstest.MemoryStore).Node(), get: unspun(t)}
		n := newNode(t, new(certstest.MemoryStore), over(h))
		d := new(doorman)
		n.Apply(demandPlan(t, one, d))
		old := n.get(t, "a.shop.example.com")
		n.Apply(demandPlan(t, two, d))
		h.Up()
		time.Sleep(day)
		if got := two.count(); got != 0 {
			t.Errorf("%d orders for a name that nobody asked for", got)
		}
		n.get(t, "a.shop.example.com")
		time.Sleep(30 * day)
		if got := n.get(t, "a.shop.example.com"); got == old {
			t.Error("never had of the new authority, though it has visitors")
		}
		n.close(t)
	})
}

// stored is the certificate that the store has for a name.
func stored(t *testing.T, shared *certstest.MemoryStore, name string) *storage.Cert {
	t.Helper()
	c, err := storage.DecodeCert(shared.Snapshot()[storage.CertKey(name)])
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// That a certificate is damaged may come to light when it is read for a handshake.
func TestManager_ReplacesWhatAHandshakeFindsDamaged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, shared := newSigner(t, "ca", 90*day), new(certstest.MemoryStore)
		n := newNode(t, shared, func(o *certs.ManagerOptions) { o.Cache = 1 })
		names := []string{"a.example", "b.example"}
		n.Apply(plan(ca, names...))
		n.get(t, names[0])
		n.get(t, names[1])
		synctest.Wait()
		a, b := stored(t, shared, names[0]), stored(t, shared, names[1])
		a.Key, b.Key = b.Key, a.Key
		for name, c := range map[string]*storage.Cert{names[0]: a, names[1]: b} {
			if err := n.store.Put(t.Context(), storage.CertKey(name), c.Encode(), 0); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		for _, name := range names {
			_ = n.try(name)
		}
		time.Sleep(time.Minute)
		for _, name := range names {
			if err := n.try(name); err != nil {
				t.Errorf("a minute after a handshake: %v", err)
			}
		}
		n.close(t)
	})
}

// A record that is filed under another name is no certificate of that.
func TestManager_ServesNoCertificateOfAnotherName(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, shared := newSigner(t, "ca", 90*day), new(certstest.MemoryStore)
		n := newNode(t, shared)
		n.Apply(plan(ca, "a.example"))
		n.get(t, "a.example")
		synctest.Wait()
		if err := n.store.Put(t.Context(), storage.CertKey("b.example"), stored(t, shared, "a.example").Encode(), 0); err != nil {
			t.Fatal(err)
		}
		n.Apply(plan(ca, "a.example", "b.example"))
		time.Sleep(time.Minute)
		c, err := n.Certificate(t.Context(), "b.example", netip.Addr{})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Leaf.VerifyHostname("b.example"); err != nil {
			t.Error(err)
		}
		n.close(t)
	})
}

// While nodes are updated one after the other, an old one meets records of a new one.
func TestManager_LeavesAloneWhatANewerVersionWrote(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, shared := newSigner(t, "ca", 90*day), new(certstest.MemoryStore)
		n := newNode(t, shared)
		newer := []byte(`{"version":2}`)
		if err := n.store.Put(t.Context(), storage.CertKey("a.example"), newer, 0); err != nil {
			t.Fatal(err)
		}
		n.Apply(plan(ca, "a.example"))
		time.Sleep(time.Hour)
		if got := ca.count(); got != 0 {
			t.Errorf("%d orders in place of what a newer version wrote", got)
		}
		if s, _ := n.Status("a.example"); s.Failed == nil || !strings.Contains(s.Failed.Error, "newer") {
			t.Errorf("status %+v does not say why", s)
		}
		n.close(t)
	})
}

// Damage below the encryption is damage as well.
func TestManager_ReplacesWhatCannotBeUnsealed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, shared := newSigner(t, "ca", 90*day), new(certstest.MemoryStore)
		inner := shared.Node()
		sealed, err := storage.Seal(inner, []byte(strings.Repeat("secret", 8)))
		if err != nil {
			t.Fatal(err)
		}
		n := newNode(t, shared, over(sealed))
		n.Apply(plan(ca, "a.example"))
		old := n.get(t, "a.example")
		value := shared.Snapshot()[storage.CertKey("a.example")]
		value[len(value)-1]++
		if err := inner.Put(t.Context(), storage.CertKey("a.example"), value, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got := n.get(t, "a.example"); got == old {
			t.Errorf("not replaced: %+v\n%s", slices.Collect(n.Statuses()), n.log)
		}
		n.close(t)
	})
}

// The answer about renewal is written into the record: that must be the store's, and not
// an older one that a copy on this machine has.
func TestManager_RenewalInformationBringsNoOldCertificateBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, shared := newSigner(t, "ca", 90*day), new(certstest.MemoryStore)
		ca.renewal = func(*x509.Certificate) issuer.Renewal {
			now := time.Now()
			return issuer.Renewal{Supported: true, Start: now.Add(50 * day), End: now.Add(51 * day), Selected: now.Add(50 * day), CheckAgain: now.Add(6 * time.Hour)}
		}
		a := newNode(t, shared)
		down := new(atomic.Bool)
		h := &hooked{Node: shared.Node(), get: func(context.Context) error {
			if down.Load() {
				return certstest.ErrDown
			}
			return nil
		}}
		mirror, err := storage.Mirror(h, filepath.Join(t.TempDir(), "copy"), storage.MirrorOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer mirror.Close()
		b := newNode(t, shared, over(mirror))
		a.Apply(plan(ca, "a.example"))
		b.Apply(plan(ca, "a.example"))
		b.get(t, "a.example")
		synctest.Wait()
		down.Store(true)
		if err := a.Renew(t.Context(), "a.example"); err != nil {
			t.Fatal(err)
		}
		want := stored(t, shared, "a.example").Serial
		time.Sleep(7 * time.Hour)
		if got := stored(t, shared, "a.example").Serial; got != want {
			t.Errorf("the store has certificate %s again, want %s", got, want)
		}
		down.Store(false)
		a.close(t)
		b.close(t)
	})
}

// A certificate that is written late must not take the place of one that another node
// has obtained meanwhile.
func TestManager_WritesNothingLateOverSomethingNewer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, shared := newSigner(t, "ca", 90*day), new(certstest.MemoryStore)
		a, b := newNode(t, shared), newNode(t, shared)
		ca.takes = 10 * time.Second
		a.Apply(plan(ca, "a.example"))
		time.Sleep(5 * time.Second)
		a.store.Full()
		time.Sleep(6 * time.Second) // a has a certificate, and cannot write it
		shared.Expire("issue/a.example", true)
		ca.set(func() { ca.takes = 30 * time.Second })
		b.Apply(plan(ca, "a.example"))
		time.Sleep(10 * time.Second)
		a.store.Up() // and waits for the lock that b has
		time.Sleep(time.Minute)
		want := fmt.Sprintf("%x", int64(2)<<16+2)
		if got := stored(t, shared, "a.example").Serial; got != want {
			t.Errorf("the store has certificate %s, want the newer one %s", got, want)
		}
		if got := a.get(t, "a.example"); got != want {
			t.Errorf("the node that was late serves %s, want %s", got, want)
		}
		a.close(t)
		b.close(t)
	})
}

func TestManager_AlarmsEndWithTheirName(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, n := newSigner(t, "ca", 90*day), newNode(t, new(certstest.MemoryStore))
		n.Apply(plan(ca, "a.example"))
		n.get(t, "a.example")
		ca.set(func() { ca.refuse = func(issuer.Order) error { return errors.New("no") } })
		time.Sleep(89 * day)
		if got := n.Stats().Alarms; !slices.Contains(got, "expiry a.example") {
			t.Fatalf("alarms %q", got)
		}
		n.Apply(plan(ca, "b.example"))
		time.Sleep(time.Hour)
		if got := n.Stats().Alarms; slices.Contains(got, "expiry a.example") {
			t.Errorf("alarms %q for a name that has no site any more", got)
		}
		n.close(t)
	})
}

func TestManager_OnDemandServesWhatHasRunOutIfThereIsNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, d, n := newSigner(t, "ca", day), new(doorman), newNode(t, new(certstest.MemoryStore))
		n.Apply(demandPlan(t, ca, d))
		old := n.get(t, "a.shop.example.com")
		ca.set(func() { ca.refuse = func(issuer.Order) error { return errors.New("no") } })
		time.Sleep(2 * day)
		for range 2 { // the order fails, and then its pause goes on
			if got := n.get(t, "a.shop.example.com"); got != old {
				t.Errorf("got %s, want the one that has run out, %s", got, old)
			}
		}
		n.close(t)
	})
}

// A disk that was full leaves old certificates in the copy of a store that is away.
func TestManager_NothingExpiredTakesThePlaceOfWhatIsGood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, shared := newSigner(t, "ca", 3*day), new(certstest.MemoryStore)
		n := newNode(t, shared)
		n.Apply(plan(ca, "a.example"))
		n.get(t, "a.example")
		synctest.Wait()
		old := stored(t, shared, "a.example")
		time.Sleep(3 * day)
		want := n.get(t, "a.example")
		ca.set(func() { ca.refuse = func(issuer.Order) error { return errors.New("no") } })
		if err := n.store.Put(t.Context(), storage.CertKey("a.example"), old.Encode(), 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got := n.get(t, "a.example"); got != want {
			t.Errorf("serves %s, which has run out, and has %s", got, want)
		}
		n.close(t)
	})
}

// Who has waited for a lock must not order of an authority that is not wanted any more.
func TestManager_OrdersByThePlanOfNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		one, two := newSigner(t, "one", 90*day), newSigner(t, "two", 90*day)
		shared := new(certstest.MemoryStore)
		n := newNode(t, shared)
		lock, err := shared.Node().Lock(t.Context(), "issue/a.example")
		if err != nil {
			t.Fatal(err)
		}
		n.Apply(plan(one, "a.example"))
		time.Sleep(time.Minute)
		n.Apply(plan(two, "a.example"))
		time.Sleep(time.Minute)
		if err := lock.Unlock(t.Context()); err != nil {
			t.Fatal(err)
		}
		n.get(t, "a.example")
		time.Sleep(time.Minute)
		if one.count() != 0 || two.count() != 1 {
			t.Errorf("%d orders of the authority that was, %d of the one that is; want 0 and 1", one.count(), two.count())
		}
		n.close(t)
	})
}

// A reload may bring sites whose names the store has had for long.
func TestManager_LearnsNamesOfSitesThatAReloadBrings(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, d, shared := newSigner(t, "ca", 90*day), new(doorman), new(certstest.MemoryStore)
		a, b := newNode(t, shared), newNode(t, shared)
		a.Apply(demandPlan(t, ca, d))
		a.get(t, "a.shop.example.com")
		narrow := demandPlan(t, ca, d)
		narrow.Demand = func(string) *certs.Policy { return nil }
		b.Apply(narrow)
		time.Sleep(time.Minute)
		b.Apply(demandPlan(t, ca, d))
		asked := d.count()
		time.Sleep(time.Minute)
		b.get(t, "a.shop.example.com")
		if got := d.count() - asked; got != 0 {
			t.Errorf("asked %d times about a name that has a certificate", got)
		}
		a.close(t)
		b.close(t)
	})
}

// Clocks are set: what is due is looked for again and again, not at its moment alone.
func TestManager_GoesOnAfterTheClockWasSetBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, n := newSigner(t, "ca", 90*day), newNode(t, new(certstest.MemoryStore))
		ca.refuse = func(issuer.Order) error {
			return &issuer.Error{CA: "ca", RetryAt: time.Now().Add(time.Hour), Err: errors.New("not today")}
		}
		n.Apply(plan(ca, "a.example"))
		time.Sleep(time.Second)
		synctest.Wait()
		ca.set(func() { ca.refuse = nil })
		n.SetBack("a.example", 365*day)
		time.Sleep(11 * time.Minute)
		n.get(t, "a.example")
		n.close(t)
	})
}

// The queue goes by the clock, as people do, and so must pauses: where the one moves and
// the other does not, the name would be looked at over and over.
func TestManager_PausesGoByTheClockOnTheWall(t *testing.T) {
	t.Parallel()
	ca, n := newSigner(t, "ca", 90*day), newNode(t, new(certstest.MemoryStore)) // bubbles have one clock only
	ca.takes = 0
	ca.renewal = func(*x509.Certificate) issuer.Renewal {
		return issuer.Renewal{Supported: true, CheckAgain: time.Now().Add(time.Hour)}
	}
	n.Apply(plan(ca, "a.example"))
	n.get(t, "a.example")
	ca.set(func() {
		ca.refuse = func(issuer.Order) error {
			return &issuer.Error{CA: "ca", RetryAt: time.Now().Add(time.Hour), Err: errors.New("no")}
		}
	})
	if err := n.Renew(t.Context(), "a.example"); err == nil {
		t.Fatal("renewed, it says")
	}
	for _, at := range n.Moments("a.example") {
		if at != at.Round(0) {
			t.Errorf("%v is measured, not told by the clock", at)
		}
	}
}

// failingFor refuses orders for one name.
func failingFor(name string) func(issuer.Order) error {
	return func(o issuer.Order) error {
		if o.Names[0] == name {
			return errors.New("no such zone")
		}
		return nil
	}
}

func TestManager_NamesUnderAWildcardThatFailsHaveTheirOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dns, web := newSigner(t, "dns", 90*day), newSigner(t, "by web", 90*day)
		n := newNode(t, new(certstest.MemoryStore))
		dns.refuse = failingFor("*.example.org")
		p := plan(dns, "*.example.org", "same.example.org")
		p.Names["a.example.org"] = &certs.Policy{Issuers: []certs.Issuer{web}}
		n.Apply(p)
		time.Sleep(10 * time.Second)
		n.get(t, "a.example.org")
		if err := n.try("same.example.org"); err == nil || dns.count() != 1 {
			t.Errorf("%d orders where the first one failed, want 1; error %v", dns.count(), err)
		}
		dns.set(func() { dns.refuse = nil })
		time.Sleep(10 * time.Minute)
		if got, want := n.get(t, "a.example.org"), n.get(t, "b.example.org"); got != want {
			t.Errorf("serves %s where the wildcard's is there, %s", got, want)
		}
		time.Sleep(70 * day)
		n.get(t, "b.example.org")
		if dns.count() != 3 || web.count() != 1 {
			t.Errorf("%d orders of the wildcard and %d of the name, want 3 and 1", dns.count(), web.count())
		}
		n.close(t)
	})
}

func TestManager_ServesOwnCertificatesUntilTheWildcardIsThere(t *testing.T) {
	t.Parallel()
	for _, restarted := range []bool{false, true} {
		t.Run(fmt.Sprintf("restarted=%v", restarted), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ca, shared := newSigner(t, "ca", 90*day), new(certstest.MemoryStore)
				n := newNode(t, shared)
				n.Apply(plan(ca, "a.example.org"))
				own := n.get(t, "a.example.org")
				if restarted {
					n.close(t)
					n = newNode(t, shared)
				}
				ca.set(func() { ca.takes = time.Minute })
				n.Apply(plan(ca, "a.example.org", "*.example.org"))
				if got := n.get(t, "a.example.org"); got != own {
					t.Errorf("serves %s, want the certificate that it had, %s", got, own)
				}
				time.Sleep(2 * time.Minute)
				if got := n.get(t, "a.example.org"); got == own || got != n.get(t, "b.example.org") {
					t.Errorf("serves %s, want the wildcard's", got)
				}
				if got := ca.count(); got != 2 {
					t.Errorf("%d orders, want 2", got)
				}
				n.close(t)
			})
		})
	}
}

// Ten thousand names must not ask a store that is ill every two seconds.
func TestManager_AsksAStoreThatFailsLessAndLess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, shared := newSigner(t, "ca", 90*day), new(certstest.MemoryStore)
		n := newNode(t, shared)
		n.Apply(plan(ca, "a.example"))
		old := n.get(t, "a.example")
		n.store.Full()
		time.Sleep(61 * day) // it is long due
		before := shared.Calls("lock")
		time.Sleep(time.Hour)
		if got := shared.Calls("lock") - before; got > 100 {
			t.Errorf("asked for the lock %d times in an hour", got)
		}
		n.store.Up()
		time.Sleep(5 * time.Second)
		if n.get(t, "a.example") == old {
			t.Error("not renewed when the store was well again")
		}
		n.close(t)
	})
}

// One slow answer is no reason for an alarm that never ends.
func TestManager_AlarmOfTheStoreEndsWithIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, shared := newSigner(t, "ca", 90*day), new(certstest.MemoryStore)
		ca.renewal = func(*x509.Certificate) issuer.Renewal {
			now := time.Now()
			return issuer.Renewal{Supported: true, Start: now.Add(50 * day), End: now.Add(51 * day), Selected: now.Add(50 * day), CheckAgain: now.Add(6 * time.Hour)}
		}
		n := newNode(t, shared)
		n.Apply(plan(ca, "a.example"))
		n.get(t, "a.example")
		time.Sleep(6*time.Hour - time.Minute)
		n.store.FailWrite(1)
		time.Sleep(2 * time.Minute)
		if got := n.Stats().Alarms; !slices.Contains(got, "store") {
			t.Fatalf("alarms %q", got)
		}
		n.store.FailWrite(0)
		time.Sleep(time.Hour)
		if got := n.Stats().Alarms; len(got) > 0 {
			t.Errorf("alarms %q", got)
		}
		n.close(t)
	})
}

// An authority that has had enough of an account is not asked for each of its names.
func TestManager_LeavesAnAuthorityAloneForAllNames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, n := newSigner(t, "ca", 90*day), newNode(t, new(certstest.MemoryStore))
		until := time.Now().Add(3 * time.Hour)
		ca.refuse = func(o issuer.Order) error {
			if time.Now().After(until) {
				return nil
			}
			return &issuer.Error{CA: "ca", Name: o.Names[0], Type: "rateLimited", RetryAt: until, All: true, Err: errors.New("too many new orders")}
		}
		var names []string
		for i := range 100 {
			names = append(names, fmt.Sprintf("n%d.example", i))
		}
		n.Apply(plan(ca, names...))
		time.Sleep(2 * time.Hour)
		if got := ca.count(); got > 16 {
			t.Errorf("%d orders, want those that were under way at once", got)
		}
		time.Sleep(time.Hour + 10*time.Minute)
		if ok, missing := n.Ready(); !ok {
			t.Errorf("%d names without a certificate after the pause", len(missing))
		}
		n.close(t)
	})
}

// What was revoked is replaced, also by a node that did not hear of it.
func TestManager_RevokedIsReplacedAfterARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, shared := newSigner(t, "ca", 90*day), new(certstest.MemoryStore)
		n := newNode(t, shared)
		n.Apply(plan(ca, "a.example"))
		old := n.get(t, "a.example")
		ca.set(func() { ca.refuse = func(issuer.Order) error { return errors.New("not now") } })
		if err := n.Revoke(t.Context(), "a.example", 1); err == nil {
			t.Error("there is another one, it says")
		}
		n.close(t)
		ca.set(func() { ca.refuse = nil })
		n = newNode(t, shared)
		n.Apply(plan(ca, "a.example"))
		time.Sleep(2 * time.Minute)
		if got := n.get(t, "a.example"); got == old {
			t.Error("the revoked certificate is served on")
		}
		n.close(t)
	})
}
