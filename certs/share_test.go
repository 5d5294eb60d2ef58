package certs_test

import (
	"context"
	"crypto/x509"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"

	"github.com/weirproxy/weir/certs"
	"github.com/weirproxy/weir/certs/certstest"
)

// opened is the internal authority of a node with that store.
func opened(t *testing.T, store *certstest.Node, dir string) *certs.Internal {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	if err := certs.ShareRoot(context.Background(), store, dir, "", log); err != nil {
		t.Fatal(err)
	}
	c, err := certs.OpenInternal(dir, certs.InternalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestShareRoot_NodesSignWithOneRoot(t *testing.T) {
	t.Parallel()
	shared := new(certstest.MemoryStore)
	var wg sync.WaitGroup
	nodes := make([]*certs.Internal, 4)
	for i := range nodes {
		dir := filepath.Join(t.TempDir(), "ca")
		wg.Go(func() { nodes[i] = opened(t, shared.Node(), dir) })
	}
	wg.Wait()
	roots := x509.NewCertPool()
	roots.AddCert(nodes[0].Root())
	for i, n := range nodes {
		if n == nil {
			t.Fatal("a node has no authority")
		}
		c, err := n.Issue("a.internal")
		if err != nil {
			t.Fatal(err)
		}
		between := x509.NewCertPool()
		signer, err := x509.ParseCertificate(c.Certificate[1])
		if err != nil {
			t.Fatal(err)
		}
		between.AddCert(signer)
		if _, err := c.Leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between}); err != nil {
			t.Errorf("node %d: %v, want a certificate that who trusts node 0 takes", i, err)
		}
	}
}

func TestShareRoot_KeepsTheRootThatIsThere(t *testing.T) {
	t.Parallel()
	shared, first, second := new(certstest.MemoryStore), filepath.Join(t.TempDir(), "ca"), filepath.Join(t.TempDir(), "ca")
	old, err := certs.OpenInternal(first, certs.InternalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	old.Close()
	other, err := certs.OpenInternal(second, certs.InternalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	other.Close()
	if got := opened(t, shared.Node(), first); !got.Root().Equal(old.Root()) {
		t.Error("the first node has another root than before it shared")
	}
	if got := opened(t, shared.Node(), second); !got.Root().Equal(old.Root()) {
		t.Error("the second node goes on with its own root")
	}
	if kept, _ := filepath.Glob(filepath.Join(second, "*.replaced")); len(kept) != 3 {
		t.Errorf("put aside: %v, want root, its key and the intermediate", kept)
	}
	node := shared.Node()
	node.Down()
	if err := certs.ShareRoot(context.Background(), node, first, "", slog.New(slog.DiscardHandler)); err == nil {
		t.Error("no error while the store is down")
	}
	if c, err := certs.OpenInternal(first, certs.InternalOptions{}); err != nil || !c.Root().Equal(old.Root()) {
		t.Errorf("while the store is down: %v, want the root of before", err)
	} else {
		c.Close()
	}
}
