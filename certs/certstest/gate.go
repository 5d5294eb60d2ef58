package certstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// gate is an HTTPS server on one port that can be shut and opened again.
type gate struct {
	t       testing.TB
	addr    string
	conf    *tls.Config
	handler http.Handler

	mu       sync.Mutex
	server   *http.Server // nil: shut
	listener net.Listener
}

func newGate(t testing.TB, conf *tls.Config, h http.Handler) *gate {
	t.Helper()
	g := &gate{t: t, addr: "127.0.0.1:0", conf: conf, handler: h}
	g.open()
	t.Cleanup(g.shut)
	return g
}

func (g *gate) open() {
	g.t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.server != nil {
		return
	}
	l, err := net.Listen("tcp", g.addr)
	// Somebody's connection may have been given the port meanwhile, and will end.
	for end := time.Now().Add(10 * time.Second); err != nil && time.Now().Before(end); l, err = net.Listen("tcp", g.addr) {
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		g.t.Fatalf("open the authority's port again: %v", err)
	}
	g.addr = l.Addr().String()
	s := &http.Server{Handler: g.handler, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Minute}
	g.server = s
	g.listener = l
	go s.Serve(tls.NewListener(l, g.conf)) //nolint:errcheck // ends by shut
}

// shut closes the port and every connection: who calls is refused.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.server != nil {
		g.listener.Close() // the server may not have begun, and so not know it
		g.server.Close()
		g.server = nil
	}
}

// Down makes the authority unreachable: connections are closed and refused.
func (c *CA) Down() { c.api.shut() }

// Up makes it reachable again, at the same address.
func (c *CA) Up() { c.t.Helper(); c.api.open() }

// apiRoot vouches for the API's certificate.
type apiRoot struct {
	pool *x509.CertPool
	der  []byte
	leaf tls.Certificate
}

func newAPIRoot(t testing.TB) apiRoot {
	t.Helper()
	rootKey, root := signed(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "certstest API root"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}, nil, nil)
	leafKey, leaf := signed(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "certstest API"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		KeyUsage:    x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, root, rootKey)
	pool := x509.NewCertPool()
	pool.AddCert(root)
	return apiRoot{pool, root.Raw, tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: leafKey, Leaf: leaf}}
}

// signed makes a key and a certificate for it that is good for a day; nil parent:
// one that signs itself.
func signed(t testing.TB, tmpl, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl.SerialNumber = big.NewInt(time.Now().UnixNano())
	tmpl.NotBefore, tmpl.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	if parent == nil {
		parent, parentKey = tmpl, key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert
}
