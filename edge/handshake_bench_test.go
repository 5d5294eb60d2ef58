package edge

import (
	"crypto/tls"
	"errors"
	"fmt"
	"testing"
)

// BenchmarkHandshake is a whole connection over loopback TCP, both ends counted: a full
// handshake, one that is resumed, and what a name costs that is not served.
func BenchmarkHandshake(b *testing.B) {
	f := newFixture(b, Options{})
	snap := f.snapshot(b, map[string]*Route{"a.test /*": {Handler: text("hello")}})
	site := snap.TLS
	snap.TLS = func(h *tls.ClientHelloInfo) (Security, error) {
		if h.ServerName != "a.test" {
			return Security{}, errors.New("no site of that name")
		}
		return site(h)
	}
	f.apply(b, snap)
	f.SetTicketKeys([][32]byte{{1}, {2}, {3}, {4}})
	dial := func(name string, cache tls.ClientSessionCache, max uint16) (bool, error) {
		c, err := tls.Dial("tcp", f.Addrs()[1].String(), &tls.Config{RootCAs: f.ca.pool, ServerName: name, ClientSessionCache: cache, MaxVersion: max})
		if err != nil {
			return false, err
		}
		defer c.Close()
		return c.ConnectionState().DidResume, nil
	}
	b.Run("full", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := dial("a.test", nil, 0); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("resumed", func(b *testing.B) {
		w := newWallet()
		if _, err := f.handshake(b, "TLS 1.3", "a.test", "hello", w); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if resumed, err := dial("a.test", w.copied(), 0); err != nil || !resumed {
				b.Fatal(resumed, err)
			}
		}
	})
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		b.Run(fmt.Sprintf("unknown name/%x", version), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := dial("unknown.test", nil, version); err == nil {
					b.Fatal("served")
				}
			}
		})
	}
}
