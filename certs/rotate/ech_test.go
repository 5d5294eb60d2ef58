package rotate

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/certs/certstest"
	"github.com/weirproxy/weir/certs/storage"
)

const dayLong = 24 * time.Hour

func openECH(t testing.TB, store storage.Store, more ...func(*ECHOptions)) *ECH {
	t.Helper()
	o := ECHOptions{Store: store, PublicName: "public.example", Poll: 2 * time.Hour}
	for _, f := range more {
		f(&o)
	}
	e, err := OpenECH(o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// site is a server with Encrypted Client Hello, and what its clients trust.
type site struct {
	server *tls.Config
	roots  *x509.CertPool
}

func newSite(t testing.TB, e *ECH) *site {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(1000 * dayLong), IsCA: true, BasicConstraintsValid: true,
		DNSNames: []string{"secret.example", "public.example"},
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{roots: x509.NewCertPool()}
	s.roots.AddCert(parsed)
	s.server = &tls.Config{
		Certificates:                []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		GetEncryptedClientHelloKeys: func(*tls.ClientHelloInfo) ([]tls.EncryptedClientHelloKey, error) { return e.Keys(), nil },
	}
	return s
}

// connect returns both ends of a connection over loopback. A pipe would not do: both
// sides of a handshake may write at once.
func connect(t testing.TB) (c, s net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if c, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if s, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return c, s
}

// dial shakes hands as a client with list, and returns both sides' view.
func (site *site) dial(t testing.TB, list []byte) (client, server tls.ConnectionState, err error) {
	t.Helper()
	c, s := connect(t)
	defer c.Close()
	defer s.Close()
	done := make(chan tls.ConnectionState, 1)
	go func() {
		conn := tls.Server(s, site.server)
		_ = conn.HandshakeContext(context.Background()) // the client says how it went
		done <- conn.ConnectionState()
		conn.Close()
	}()
	conn := tls.Client(c, &tls.Config{ServerName: "secret.example", RootCAs: site.roots, EncryptedClientHelloConfigList: list, MinVersion: tls.VersionTLS13})
	err = conn.HandshakeContext(t.Context())
	client = conn.ConnectionState()
	c.Close()
	return client, <-done, err
}

// greet shakes hands with ECH, or returns why not.
func (site *site) greet(t testing.TB, list []byte) error {
	t.Helper()
	client, server, err := site.dial(t, list)
	if err == nil && (!client.ECHAccepted || !server.ECHAccepted || server.ServerName != "secret.example") {
		t.Errorf("shook hands without ECH: client %v, server %v for %q", client.ECHAccepted, server.ECHAccepted, server.ServerName)
	}
	return err
}

func TestECH_AcceptsWhatIsPublishedUntilItIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var store certstest.MemoryStore
		var published [][]byte
		a := openECH(t, store.Node(), func(o *ECHOptions) {
			o.Changed = func(list []byte) { published = append(published, list) }
		})
		defer a.Close()
		b := openECH(t, store.Node(), func(o *ECHOptions) { o.Now = func() time.Time { return time.Now().Add(20 * time.Second) } })
		defer b.Close()
		pass(2 * time.Second)
		sites := []*site{newSite(t, a), newSite(t, b)}
		first := a.ConfigList()
		if first == nil || !bytes.Equal(first, b.ConfigList()) || len(published) != 1 || !bytes.Equal(published[0], first) {
			t.Fatalf("lists %x and %x, published %x", first, b.ConfigList(), published)
		}
		for day := 0; day < 90; day += 5 {
			for i, s := range sites {
				for _, list := range [][]byte{first, a.ConfigList(), b.ConfigList()} {
					if err := s.greet(t, list); err != nil {
						t.Fatalf("day %d, node %d: %v", day, i, err)
					}
				}
			}
			pass(5 * dayLong)
		}
		pass(time.Hour)
		if len(published) != 4 {
			t.Errorf("published %d times in 90 days, want 4", len(published))
		}
		for i, s := range sites {
			rejected := new(tls.ECHRejectionError)
			if err := s.greet(t, first); !errors.As(err, &rejected) || !bytes.Equal(rejected.RetryConfigList, a.ConfigList()) {
				t.Errorf("node %d after 90 days: %v, retry %x; want %x", i, err, rejected.RetryConfigList, a.ConfigList())
			} else if err := s.greet(t, rejected.RetryConfigList); err != nil {
				t.Errorf("node %d, retry: %v", i, err)
			}
		}
		if s := a.Status(); s.Keys != 4 || !s.Shared || s.Err != nil || s.Age > dayLong || time.Until(s.Next) < 29*dayLong {
			t.Errorf("status %+v", s)
		}
	})
}

func TestECH_ServesThoseWithAndThoseWithout(t *testing.T) {
	t.Parallel()
	told := make(chan []byte, 1)
	e := openECH(t, new(certstest.MemoryStore).Node(), func(o *ECHOptions) { o.Changed = func(list []byte) { told <- list } })
	defer e.Close()
	list := <-told
	site := newSite(t, e)
	for _, list := range [][]byte{list, nil} {
		client, server, err := site.dial(t, list)
		if err != nil || client.ECHAccepted != (list != nil) || server.ServerName != "secret.example" {
			t.Errorf("list %x: accepted %v, name %q, %v", list, client.ECHAccepted, server.ServerName, err)
		}
	}
}

// Both suites are real: a client that knows only ChaCha20 is served as well.
func TestECH_OffersBothSuites(t *testing.T) {
	t.Parallel()
	k, err := newECHKey("public.example", func(uint8) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	e := &ECH{}
	e.state.Store(&echState{keys: []tls.EncryptedClientHelloKey{{Config: k.Public, PrivateKey: k.Secret}}})
	site := newSite(t, e)
	swapped := bytes.Replace(k.Public, echSuites, []byte{0, 1, 0, 3, 0, 1, 0, 1}, 1)
	if bytes.Equal(swapped, k.Public) {
		t.Fatal("nothing swapped")
	}
	// A client takes the first suite; the server must have the same bytes.
	e.state.Store(&echState{keys: []tls.EncryptedClientHelloKey{{Config: swapped, PrivateKey: k.Secret}}})
	if err := site.greet(t, appendVector16(nil, swapped)); err != nil {
		t.Error(err)
	}
}

func TestECH_IsNotOfferedBeforeItIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := new(certstest.MemoryStore).Node()
		node.Down()
		e := openECH(t, node)
		defer e.Close()
		pass(time.Hour)
		if keys := e.Keys(); keys == nil || len(keys) != 0 || e.ConfigList() != nil {
			t.Errorf("%d keys (nil %v), list %x", len(keys), keys == nil, e.ConfigList())
		}
		if s := e.Status(); s.Shared || s.Age != 0 || !errors.Is(s.Err, certstest.ErrDown) {
			t.Errorf("status %+v", s)
		}
		if got, want := e.HTTPSRecord("a.example", []string{"h2"}, 443).String(), "a.example. 300 IN HTTPS 1 . alpn=h2"; got != want {
			t.Errorf("record %q, want %q", got, want)
		}
		// A client that was told of a key earlier gets through, and knows that there is none.
		s, other := newSite(t, e), openECH(t, new(certstest.MemoryStore).Node())
		defer other.Close()
		pass(time.Second)
		rejected := new(tls.ECHRejectionError)
		if err := s.greet(t, other.ConfigList()); !errors.As(err, &rejected) || rejected.RetryConfigList != nil {
			t.Errorf("without keys: %v", err)
		}
		node.Up()
		pass(time.Second)
		if len(e.Keys()) != 2 || e.ConfigList() == nil {
			t.Errorf("%d keys", len(e.Keys()))
		}
	})
}

func TestECH_ReplacesKeysWhenThePublicNameChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var store certstest.MemoryStore
		a := openECH(t, store.Node())
		pass(31 * dayLong)
		old := a.ConfigList()
		a.Close()
		b := openECH(t, store.Node(), func(o *ECHOptions) { o.PublicName = "Other.example" })
		defer b.Close()
		pass(9 * time.Hour) // the lead, for looks every two hours
		site := newSite(t, b)
		if !bytes.Contains(b.ConfigList(), []byte("other.example")) {
			t.Errorf("list %q", b.ConfigList())
		}
		for _, list := range [][]byte{old, b.ConfigList()} {
			if err := site.greet(t, list); err != nil {
				t.Error(err)
			}
		}
		pass(30 * dayLong)
		if len(b.Keys()) > 5 || !bytes.Contains(b.ConfigList(), []byte("other.example")) {
			t.Errorf("%d keys, list %q", len(b.Keys()), b.ConfigList())
		}
	})
}

// Two nodes of different configurations are wrong, and are to do little harm.
func TestECH_NodesThatDisagreeOnTheNameMakeKeysSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var store certstest.MemoryStore
		changes := 0
		a := openECH(t, store.Node(), func(o *ECHOptions) { o.Changed = func([]byte) { changes++ } })
		defer a.Close()
		b := openECH(t, store.Node(), func(o *ECHOptions) { o.PublicName = "other.example" })
		defer b.Close()
		pass(30 * dayLong)
		if changes > 20 {
			t.Errorf("%d lists in a month", changes)
		}
	})
}

func TestECH_IDsAreUnique(t *testing.T) {
	t.Parallel()
	var r ring
	for range 256 {
		k, err := newECHKey("public.example", r.hasConfig)
		if err != nil {
			t.Fatal(err)
		}
		r.Keys = append(r.Keys, k)
	}
	ids := map[byte]bool{}
	for _, k := range r.Keys {
		ids[k.Public[4]] = true
	}
	if len(ids) != 256 {
		t.Errorf("%d ids of 256 keys", len(ids))
	}
}

func TestECH_RefusesPublicNamesThatClientsPassOver(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{
		"public.example": true, "a-b.c1.example": true, "PUBLIC.example": true, "xn--bcher-kva.example": true,
		"": false, "localhost": false, "192.0.2.1": false, "a.0x7f": false, "a..b": false, ".a.b": false, "a.b.": false, "-a.b": false, "a-.b": false,
		"a_b.c": false, "*.a.b": false, "bücher.example": false, strings.Repeat("a", 64) + ".b": false, strings.Repeat("a.", 127) + "b": false,
	} {
		e, err := OpenECH(ECHOptions{Store: new(certstest.MemoryStore).Node(), PublicName: name})
		if (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
		if err == nil {
			e.Close()
		}
	}
}

func TestECH_ReplacesARecordWhoseKeysDoNotBelongTogether(t *testing.T) {
	t.Parallel()
	one, err := newECHKey("public.example", func(uint8) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	two, err := newECHKey("public.example", func(uint8) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	if err := goodECHKey(one); err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]key{
		"another's key": {Secret: one.Secret, Public: two.Public}, "no key": {Public: one.Public}, "no configuration": {Secret: one.Secret},
		"cut": {Secret: one.Secret, Public: one.Public[:len(one.Public)-1]}, "more": {Secret: one.Secret, Public: append(slices.Clone(one.Public), 0)},
	} {
		if err := goodECHKey(k); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		var store certstest.MemoryStore
		var log lines
		bad := ring{Keys: []key{{ID: "x", Created: time.Now(), Signs: time.Now(), Secret: one.Secret, Public: two.Public}}}
		b, err := bad.encode()
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Node().Put(t.Context(), "secret/ech", b, 0); err != nil {
			t.Fatal(err)
		}
		e := openECH(t, store.Node(), func(o *ECHOptions) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		defer e.Close()
		pass(time.Second)
		if len(e.Keys()) != 2 || log.count("level=ERROR") != 1 {
			t.Errorf("%d keys, %d alarms", len(e.Keys()), log.count("level=ERROR"))
		}
	})
}

func FuzzDecodeECHConfig(f *testing.F) {
	k, err := newECHKey("public.example", func(uint8) bool { return false })
	if err != nil {
		f.Fatal(err)
	}
	f.Add(k.Public)
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeECHConfig(b)
		if err == nil && !bytes.Equal(c.encode(), b) {
			t.Errorf("%x is read as %+v", b, c)
		}
	})
}

func BenchmarkECH_Keys(b *testing.B) {
	told := make(chan []byte, 1)
	e, err := OpenECH(ECHOptions{Store: new(certstest.MemoryStore).Node(), PublicName: "public.example", Changed: func(list []byte) { told <- list }})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	<-told
	b.ReportAllocs()
	for b.Loop() {
		if len(e.Keys()) == 0 {
			b.Fatal("no keys")
		}
	}
}
