package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/weirproxy/weir/certs/certstest"
)

// acmeNode is a weir whose certificates come from an authority on this machine.
type acmeNode struct {
	*program
	address string // of the host
	ca      *certstest.CA
}

// twoPorts are one for HTTP and one for HTTPS, free on all addresses of loopback that nodes use.
func twoPorts(t *testing.T) (plain, secure int) {
	t.Helper()
	got := [2]int{}
	for i := range got {
		port, err := freePort()
		if err != nil {
			t.Fatal(err)
		}
		if got[i], err = strconv.Atoi(port); err != nil {
			t.Fatal(err)
		}
	}
	return got[0], got[1]
}

// startNode runs weir at an address of loopback. The configuration says ${HTTP}, ${HTTPS},
// ${ADMIN}, ${CA} and ${STORE}. Whom to believe for the authority's API it learns from the
// environment, as it would from the system.
func startNode(t *testing.T, ca *certstest.CA, address string, plain, secure int, store, conf string, env ...string) *acmeNode {
	t.Helper()
	admin, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	n := &acmeNode{&program{dir: t.TempDir()}, address, ca}
	n.http, n.https = net.JoinHostPort(address, strconv.Itoa(plain)), net.JoinHostPort(address, strconv.Itoa(secure))
	n.admin = "127.0.0.1:" + admin
	n.start(t, conf, append([]string{"SSL_CERT_FILE=" + ca.RootFile, "CA=" + ca.Directory, "STORE=" + store}, env...)...)
	return n
}

// ask gets a page over one protocol, "h1", "h2" or "h3", and returns it with the serial
// number of the certificate, which has been verified.
func (n *acmeNode) ask(ctx context.Context, proto, name string) (page, serial string, err error) {
	conf := &tls.Config{RootCAs: n.ca.IssuingRoots, ServerName: name}
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, n.https)
	}
	var transport http.RoundTripper
	switch proto {
	case "h3":
		h3 := &http3.Transport{TLSClientConfig: conf, Dial: func(ctx context.Context, _ string, tc *tls.Config, qc *quic.Config) (*quic.Conn, error) {
			return quic.DialAddrEarly(ctx, n.https, tc, qc)
		}}
		defer h3.Close()
		transport = h3
	default:
		h := &http.Transport{TLSClientConfig: conf, DialContext: dial, ForceAttemptHTTP2: proto == "h2"}
		defer h.CloseIdleConnections()
		transport = h
	}
	req, err := http.NewRequestWithContext(ctx, "GET", "https://"+name+"/", nil)
	if err != nil {
		return "", "", err
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return "", "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if want := map[string]int{"h1": 1, "h2": 2, "h3": 3}[proto]; err == nil && resp.ProtoMajor != want {
		return "", "", &net.AddrError{Err: "answered over " + resp.Proto, Addr: proto}
	}
	return string(body), resp.TLS.PeerCertificates[0].SerialNumber.Text(16), err
}

// until asks over and over until the answer is right, or fails the test at the deadline.
func (n *acmeNode) until(t *testing.T, within time.Duration, proto, name string, right func(page, serial string) bool) (serial string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	for {
		page, serial, err := n.ask(ctx, proto, name)
		if err == nil && right(page, serial) {
			return serial
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("%s over %s not as wanted after %v: %v\n%s", name, proto, within, err, n.tail())
		}
	}
}

func any2(string, string) bool { return true }

const demoConf = `
listen: {http: "${HTTP}", https: "${HTTPS}"}
admin: ${ADMIN}
store: ${STORE}
acme: {ca: "${CA}", email: me@example.com}
sites:
  www.example.com:
    respond: hello
`

// Two nodes, one store, no setting beyond the authority and an address: both serve the
// authority's chain over all protocols soon after the start, for one order; when one is
// killed, the other renews.
func TestACME_TwoNodesServeAndOneRenewsAlone(t *testing.T) {
	t.Parallel()
	plain, secure := twoPorts(t)
	ca := certstest.StartCA(t, certstest.Options{HTTPPort: plain, TLSPort: secure})
	store := filepath.Join(t.TempDir(), "shared", "weir.db")
	began := time.Now()
	a := startNode(t, ca, "127.0.0.1", plain, secure, store, demoConf)
	var serial string
	for _, proto := range []string{"h1", "h2", "h3"} {
		serial = a.until(t, 5*time.Second, proto, "www.example.com", func(page, _ string) bool { return page == "hello" })
	}
	t.Logf("served over h1, h2 and h3 %v after the start", time.Since(began))
	b := startNode(t, ca, "127.0.0.2", plain, secure, store, demoConf)
	for _, proto := range []string{"h1", "h2", "h3"} {
		b.until(t, 5*time.Second, proto, "www.example.com", func(_, s string) bool { return s == serial })
	}
	if got := ca.OrdersFor("www.example.com"); got != 1 || ca.Accounts() != 1 {
		t.Errorf("%d orders and %d accounts, want 1 and 1", got, ca.Accounts())
	}
	if fi, err := os.Stat(store); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("store: %v %v, want mode 0600", fi, err)
	}
	a.kill(t)
	ca.DNS.SetA("www.example.com", "127.0.0.2")
	leaf := b.leaf(t, "www.example.com")
	ca.SetRenewalInfo(leaf, time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour))
	if _, err := (adminClient{b.admin}).do("POST", "/certificates/renew?name=www.example.com"); err != nil {
		t.Fatalf("renew: %v\n%s", err, b.tail())
	}
	b.until(t, 5*time.Second, "h2", "www.example.com", func(_, s string) bool { return s != serial })
	if ca.Replaces() != 1 {
		t.Errorf("%d orders said what they replace, want 1", ca.Replaces())
	}
}

// leaf is the certificate that is served for a name.
func (n *acmeNode) leaf(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	conn, err := tls.Dial("tcp", n.https, &tls.Config{ServerName: name, RootCAs: n.ca.IssuingRoots})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0]
}
