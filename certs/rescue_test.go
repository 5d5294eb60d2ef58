package certs_test

import (
	"context"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/certs"
	"github.com/weirproxy/weir/certs/certstest"
	"github.com/weirproxy/weir/certs/storage"
)

// lose removes the certificates of names behind the back of all nodes.
func lose(t *testing.T, shared *certstest.MemoryStore, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := shared.Node().Delete(context.Background(), storage.CertKey(name)); err != nil {
			t.Fatal(err)
		}
	}
}

// A store that was emptied gets back what nodes serve: nothing is ordered again.
func TestManager_WritesBackWhatTheStoreHasLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, shared := newSigner(t, "ca", 90*day), new(certstest.MemoryStore)
		a, b := newNode(t, shared), newNode(t, shared)
		for _, n := range []*node{a, b} {
			n.Apply(plan(ca, "a.example", "b.example"))
			n.get(t, "a.example")
			n.get(t, "b.example")
		}
		was := a.get(t, "a.example")
		before := stored(t, shared, "a.example")
		lose(t, shared, "a.example", "b.example")
		time.Sleep(time.Minute)
		after := stored(t, shared, "a.example")
		if ca.count() != 2 || after.Serial != was || string(after.Chain) != string(before.Chain) || !after.Obtained.Equal(before.Obtained) || after.Issuer != "ca" {
			t.Errorf("%d orders, want 2; certificate %s is in the store, want %s as it was", ca.count(), after.Serial, was)
		}
		if !a.log.has("the store has lost certificates") && !b.log.has("the store has lost certificates") {
			t.Error("nothing is said of the loss")
		}
		time.Sleep(70 * day) // and it is renewed as if nothing had been
		if got := a.get(t, "a.example"); got == was || ca.count() != 4 {
			t.Errorf("%d orders after 70 days, want 4", ca.count())
		}
		a.close(t)
		b.close(t)
	})
}

// After a restart the copy on this machine has what memory has not.
func TestManager_WritesBackFromItsCopyWhatTheStoreHasLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, shared, dir := newSigner(t, "ca", 90*day), new(certstest.MemoryStore), filepath.Join(t.TempDir(), "copy")
		begin := func(names ...string) (*node, func()) {
			mirror, err := storage.Mirror(shared.Node(), dir, storage.MirrorOptions{})
			if err != nil {
				t.Fatal(err)
			}
			n := newNode(t, shared, func(o *certs.ManagerOptions) { o.Store = mirror })
			n.Apply(plan(ca, names...))
			for _, name := range names {
				n.get(t, name)
			}
			return n, func() { n.close(t); mirror.Close() }
		}
		n, end := begin("a.example", "b.example")
		was := n.get(t, "a.example")
		end()
		lose(t, shared, "a.example", "b.example")
		n, end = begin("a.example", "b.example")
		time.Sleep(time.Minute)
		if got := n.get(t, "a.example"); got != was || ca.count() != 2 || stored(t, shared, "a.example").Serial != was {
			t.Errorf("%d orders, want 2; %s is served, want %s", ca.count(), got, was)
		}
		end()
		lose(t, shared, "a.example")
		time.Sleep(100 * day) // what has run out is no use
		n, end = begin("a.example")
		if got := n.get(t, "a.example"); got == was || ca.count() != 3 {
			t.Errorf("%d orders, want 3", ca.count())
		}
		end()
	})
}

// deaf is a store that tells nobody of changes, as one that was emptied does not.
type deaf struct{ *certstest.Node }

func (deaf) Watch(ctx context.Context, _ string, changed func(string)) {
	changed("")
	<-ctx.Done()
}

// Of a store that was emptied nobody is told.
func TestManager_FindsOutThatTheStoreWasEmptied(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, shared := newSigner(t, "ca", 90*day), new(certstest.MemoryStore)
		n := newNode(t, shared, func(o *certs.ManagerOptions) { o.Store = deaf{shared.Node()} })
		n.Apply(plan(ca, "a.example"))
		was := n.get(t, "a.example")
		lose(t, shared, "a.example")
		time.Sleep(61 * time.Minute)
		if len(shared.Keys(storage.CertPrefix)) != 1 || stored(t, shared, "a.example").Serial != was || ca.count() != 1 {
			t.Errorf("an hour later the store has %v, after %d orders; want %s after 1", shared.Keys(storage.CertPrefix), ca.count(), was)
		}
		n.close(t)
	})
}
