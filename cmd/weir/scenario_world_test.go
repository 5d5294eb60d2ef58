package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/weirproxy/weir/certs"
	"github.com/weirproxy/weir/certs/certstest"
	"github.com/weirproxy/weir/certs/storage"
	"github.com/weirproxy/weir/cmd/weir/config"
	"github.com/weirproxy/weir/edge/store"
	"github.com/weirproxy/weir/edge/store/storetest"
)

// This file has what the acceptance scenarios of certificates share. Which scenario is
// tested where, certs/scenario_test.go lists.

// busy is by how much a machine that does much else may be late.
const busy = 3

// stores runs f with a store of each kind, of the test's own.
func stores(t *testing.T, f func(t *testing.T, url string)) {
	for _, c := range []struct {
		name string
		url  func(t *testing.T) string
	}{
		{"sqlite", func(t *testing.T) string { return filepath.Join(t.TempDir(), "shared", "weir.db") }},
		{"redis", func(t *testing.T) string { return storetest.StartRedis(t).URL }},
		{"postgres", func(t *testing.T) string { return storetest.StartPostgres(t).URL }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f(t, c.url(t))
		})
	}
}

// openShared opens the part of a store that certificates are kept in, as nodes do.
func openShared(t testing.TB, url string) kept {
	t.Helper()
	return openPart(t, url, "weir") // as the default is
}

// openPart is openShared for one of several installations.
func openPart(t testing.TB, url, prefix string) kept {
	t.Helper()
	c := &config.Config{Store: &config.Store{URL: url, Prefix: prefix, Timeout: 5 * time.Second, Lease: 10 * time.Second}}
	if !strings.Contains(url, ":") {
		c.Store.URL = "sqlite:" + url
	}
	s, err := openStore(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return kept{s, certsPrefix}
}

// stored is the certificate that the store has for a name, whose key must be its own.
func stored(t testing.TB, s storage.Store, name string) *storage.Cert {
	t.Helper()
	value, err := s.Get(context.Background(), storage.CertKey(name))
	if err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
	c, err := storage.DecodeCert(value)
	if err == nil {
		_, err = c.TLS()
	}
	if err != nil {
		t.Fatalf("stored certificate of %s: %v", name, err)
	}
	return c
}

// stop ends a node in order, and waits for that.
func (n *acmeNode) stop(t *testing.T) {
	t.Helper()
	n.signal(t, syscall.SIGTERM)
	n.eventually(t, 20*time.Second*busy, "the node has stopped", func() bool { return strings.Contains(n.output(), `"msg":"stopped"`) })
}

// crash kills a node, and waits until it is gone.
func (n *acmeNode) crash(t *testing.T) {
	t.Helper()
	n.kill(t)
	n.eventually(t, 20*time.Second*busy, "the node is gone", func() bool {
		c, err := net.Dial("tcp", n.admin)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
}

func (n *acmeNode) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := n.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// again starts a node in the place of one that has ended.
func (n *acmeNode) again(t *testing.T, conf string, env ...string) *acmeNode {
	t.Helper()
	m := &acmeNode{&program{dir: n.dir, http: n.http, https: n.https, admin: n.admin}, n.address, n.ca}
	m.start(t, conf, append(n.environment("SSL_CERT_FILE", "CA", "STORE"), env...)...)
	return m
}

// environment are variables that the node was given.
func (n *acmeNode) environment(names ...string) (env []string) {
	for _, v := range n.cmd.Env {
		if name, _, _ := strings.Cut(v, "="); slices.Contains(names, name) {
			env = append(env, v)
		}
	}
	return env
}

// eventually waits until ok returns true.
func (n *acmeNode) eventually(t testing.TB, within time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > within {
			t.Fatalf("waited %v in vain: %s\n%s", within, what, n.tail())
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(began)
}

// shaken is a handshake that a client has made.
type shaken struct {
	name   string
	from   string         // the client's address; "": any
	ech    []byte         // configurations of Encrypted Client Hello
	wallet *walletOfOne   // of sessions; nil: none
	roots  *x509.CertPool // nil: the authority's
}

// shake makes a handshake over TCP or, if asked to, QUIC, and verifies what is served.
func (n *acmeNode) shake(ctx context.Context, over string, s shaken) (tls.ConnectionState, error) {
	conf := &tls.Config{ServerName: s.name, RootCAs: s.roots, EncryptedClientHelloConfigList: s.ech, NextProtos: []string{"http/1.1"}}
	if s.roots == nil {
		conf.RootCAs = n.ca.IssuingRoots
	}
	if s.wallet != nil {
		conf.ClientSessionCache = s.wallet
	}
	if over == "QUIC" {
		conf.NextProtos = []string{"h3"}
		c, err := quic.DialAddr(ctx, n.https, conf, nil)
		if err != nil {
			return tls.ConnectionState{}, err
		}
		defer c.CloseWithError(0, "")
		s.wallet.wait(ctx)
		return c.ConnectionState().TLS, nil
	}
	d := tls.Dialer{NetDialer: &net.Dialer{}, Config: conf}
	if s.from != "" {
		d.NetDialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(s.from)}
	}
	conn, err := d.DialContext(ctx, "tcp", n.https)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	if s.wallet != nil { // tickets come with the answer
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: "+s.name+"\r\nConnection: close\r\n\r\n")
		io.Copy(io.Discard, conn)
	}
	return conn.(*tls.Conn).ConnectionState(), nil
}

// quick is shake over TCP that may take half a minute.
func (n *acmeNode) quick(name string) (*x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	state, err := n.shake(ctx, "TCP", shaken{name: name})
	if err != nil {
		return nil, err
	}
	return state.PeerCertificates[0], nil
}

// walletOfOne gives every server the newest ticket of any.
type walletOfOne struct {
	mu      sync.Mutex
	session *tls.ClientSessionState
	came    chan struct{}
}

func newWallet() *walletOfOne { return &walletOfOne{came: make(chan struct{}, 16)} }

func (w *walletOfOne) Get(string) (*tls.ClientSessionState, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.session, w.session != nil
}

func (w *walletOfOne) Put(_ string, s *tls.ClientSessionState) {
	if s == nil {
		return
	}
	w.mu.Lock()
	w.session = s
	w.mu.Unlock()
	select {
	case w.came <- struct{}{}:
	default:
	}
}

func (w *walletOfOne) wait(ctx context.Context) {
	if w == nil {
		return
	}
	select {
	case <-w.came:
	case <-ctx.Done():
	}
}

// askServer is whom weir asks whether a name may have a certificate.
type askServer struct {
	*http.Server
	url string

	mu    sync.Mutex
	asked map[string]int
	down  bool
}

// startAsker says yes to names that end as suffix, and no to others.
func startAsker(t *testing.T, suffix string) *askServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &askServer{url: "http://" + l.Addr().String() + "/allowed", asked: map[string]int{}}
	a.Server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.URL.Query().Get("domain")
		a.mu.Lock()
		a.asked[name]++
		down := a.down
		a.mu.Unlock()
		switch {
		case down:
			w.WriteHeader(http.StatusServiceUnavailable)
		case !strings.HasSuffix(name, suffix):
			w.WriteHeader(http.StatusForbidden)
		}
	})}
	go a.Serve(l)
	t.Cleanup(func() { a.Close() })
	return a
}

func (a *askServer) about(name string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked[name]
}

func (a *askServer) total() (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, k := range a.asked {
		n += k
	}
	return n
}

// maker signs certificates quickly, as somebody does whose certificates were imported.
type maker struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
	leaf *ecdsa.PrivateKey // of all
	pem  []byte            // of that
	n    int64
}

func newMaker(t testing.TB) *maker {
	t.Helper()
	m := &maker{pool: x509.NewCertPool()}
	var err error
	if m.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err == nil {
		m.leaf, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "maker"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, m.key.Public(), m.key)
	if err == nil {
		m.cert, err = x509.ParseCertificate(der)
	}
	if err != nil {
		t.Fatal(err)
	}
	m.pool.AddCert(m.cert)
	private, err := x509.MarshalPKCS8PrivateKey(m.leaf)
	if err != nil {
		t.Fatal(err)
	}
	m.pem = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	return m
}

// make returns a certificate that is good for 90 days.
func (m *maker) make(t testing.TB, name string) *storage.Cert {
	t.Helper()
	m.n++
	now := time.Now().UTC().Truncate(time.Second)
	leaf := &x509.Certificate{SerialNumber: big.NewInt(m.n<<8 + 1), DNSNames: []string{name}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(90 * 24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, leaf, m.cert, m.leaf.Public(), m.key)
	if err != nil {
		t.Fatal(err)
	}
	return &storage.Cert{
		Names: []string{name}, Chain: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), Key: m.pem,
		Issuer: certs.Imported, Obtained: now, NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter, Serial: leaf.SerialNumber.Text(16),
	}
}

// put writes certificates for names into a store, many at a time.
func (m *maker) put(t testing.TB, s kept, names ...string) {
	t.Helper()
	for some := range slices.Chunk(names, store.MaxOps) {
		var b store.Batch
		for _, name := range some {
			b.Ops = append(b.Ops, store.Op{Key: s.prefix + storage.CertKey(name), Value: m.make(t, name).Encode(), TTL: 200 * 24 * time.Hour})
		}
		if _, err := s.Commit(context.Background(), b); err != nil {
			t.Fatal(err)
		}
	}
}

// noRenewalInfo leaves it to the age of a certificate when it is renewed: windows of
// Pebble's are four days wide, also for certificates of seconds.
func noRenewalInfo(r *http.Request) *certstest.Fault {
	if certstest.Kind(r) == "ari" {
		return &certstest.Fault{Status: http.StatusNotFound}
	}
	return nil
}

// percentile returns the time that p of a hundred do not exceed.
func percentile(all []time.Duration, p int) time.Duration {
	all = slices.Clone(all)
	slices.Sort(all)
	return all[min(len(all)-1, len(all)*p/100)].Round(time.Microsecond)
}

// needsRoot skips a test that has to mount something.
func needsRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		if os.Getenv("WEIR_CI") != "" {
			t.Fatal("only root may mount a file system, and CI is root")
		}
		t.Skip("only root may mount a file system")
	}
}
