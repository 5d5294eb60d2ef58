package edge

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
)

// TestSecurity_G13: a request that asks to be upgraded to HTTP/2 is answered as the
// HTTP/1.1 it is, and what follows is read as HTTP/1.1, whether or not the listener
// takes HTTP/2 by prior knowledge: there is no second protocol to smuggle by.
func TestSecurity_G13_NoUpgradeToHTTP2(t *testing.T) {
	t.Parallel()
	for _, h2c := range []bool{false, true} {
		f := newFixture(t, Options{})
		snap := f.snapshot(t, map[string]*Route{"a.test /*": {Handler: text("x")}})
		snap.Listeners[0].H2C = h2c
		f.apply(t, snap)
		c, err := net.Dial("tcp", f.Addrs()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(10 * time.Second))
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"+h2Preface)
		r := bufio.NewReader(c)
		resp, err := http.ReadResponse(r, nil)
		if err != nil || resp.StatusCode != 200 || resp.Proto != "HTTP/1.1" {
			t.Fatalf("h2c %v: upgrade got %v, %v, want 200 over HTTP/1.1", h2c, resp, err)
		}
		io.Copy(io.Discard, resp.Body)
		resp, err = http.ReadResponse(r, nil)
		if err != nil || resp.StatusCode < 400 || resp.Proto != "HTTP/1.1" {
			t.Errorf("h2c %v: the preface in second place got %v, %v, want it refused over HTTP/1.1", h2c, resp, err)
		}
	}
}

// TestSecurity_P3: CONNECT is no request that a route could answer, over any protocol.
func TestSecurity_P3_ConnectIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Options{})
	f.apply(t, f.snapshot(t, map[string]*Route{"default /*": {Handler: text("reached")}}))
	conf := &tls.Config{RootCAs: f.ca.pool, ServerName: "a.test"}
	for _, secure := range []bool{false, true} {
		c, err := net.Dial("tcp", f.Addrs()[0].String())
		if secure {
			c, err = tls.Dial("tcp", f.Addrs()[1].String(), conf)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(10 * time.Second))
		io.WriteString(c, "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
		all, _ := io.ReadAll(c) // to the end: the connection is not used again
		if got := string(all); !strings.HasPrefix(got, "HTTP/1.1 501 ") && !strings.HasPrefix(got, "HTTP/1.1 405 ") || strings.Contains(got, "reached") || strings.Count(got, "HTTP/1.1 ") != 1 {
			t.Errorf("TLS %v: CONNECT got %q, want one refusal and the end", secure, got)
		}
	}
	over2 := &http.Transport{TLSClientConfig: conf.Clone(), ForceAttemptHTTP2: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, f.Addrs()[1].String())
	}}
	defer over2.CloseIdleConnections()
	over3 := &http3.Transport{TLSClientConfig: conf.Clone()}
	defer over3.Close()
	for name, rt := range map[string]http.RoundTripper{"h2": over2, "h3": over3} {
		body, w := io.Pipe()
		defer w.Close()
		req, err := http.NewRequest("CONNECT", "https://"+f.Addrs()[1].String(), body)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "a.test:443"
		resp, err := rt.RoundTrip(req)
		if err != nil {
			continue // reset is as good
		}
		if resp.StatusCode < 400 {
			t.Errorf("%s: CONNECT got %s, want it refused", name, resp.Status)
		}
		resp.Body.Close()
	}
}

// lender is a client's session cache that gives every server the tickets of any.
type lender struct{ session *tls.ClientSessionState }

func (l *lender) Get(string) (*tls.ClientSessionState, bool) { return l.session, l.session != nil }

func (l *lender) Put(_ string, s *tls.ClientSessionState) {
	if s != nil {
		l.session = s
	}
}

// TestSecurity_P14: a session that was made for one site opens no other that asks
// for more: not one that wants certificates with the ticket of one that does not, and
// not one with the ticket of another that trusts other authorities. (cmd/weir gives
// out no tickets at all where certificates are asked for.)
func TestSecurity_P14_TicketsDoNotCrossPolicies(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Options{})
	snap := f.snapshot(t, map[string]*Route{
		"a.test /*": {Handler: text("public")},
		"b.test /*": {Handler: text("secret"), Policy: "mtls", Require: true},
		"c.test /*": {Handler: text("secret of others"), Policy: "others", Require: true},
	})
	f.cert = f.ca.issue(t, "a.test", "b.test", "c.test")
	secure := func(policy string, clients *authority) Security {
		conf := BaseTLS()
		conf.Certificates = []tls.Certificate{f.cert}
		if clients != nil {
			conf.ClientAuth, conf.ClientCAs = tls.RequireAndVerifyClientCert, clients.pool
		}
		return Security{conf, policy}
	}
	sites := map[string]Security{"a.test": secure("", nil), "b.test": secure("mtls", f.ca), "c.test": secure("others", newAuthority(t))}
	snap.TLS = func(h *tls.ClientHelloInfo) (Security, error) { return sites[h.ServerName], nil }
	f.apply(t, snap)
	mine := f.ca.issue(t, "client")
	ask := func(l *lender, name string, version uint16, certs ...tls.Certificate) (string, bool, error) {
		conf := &tls.Config{RootCAs: f.ca.pool, ServerName: name, ClientSessionCache: l, Certificates: certs, MinVersion: version, MaxVersion: version}
		c, err := tls.Dial("tcp", f.Addrs()[1].String(), conf)
		if err != nil {
			return "", false, err
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(10 * time.Second))
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", name)
		all, err := io.ReadAll(c)
		return string(all), c.ConnectionState().DidResume, err
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		l := new(lender)
		if got, _, err := ask(l, "a.test", version); err != nil || !strings.HasSuffix(got, "public") || l.session == nil {
			t.Fatalf("%x: a.test gave %q, %v and ticket %v", version, got, err, l.session)
		}
		if _, resumed, err := ask(l, "a.test", version); err != nil || !resumed {
			t.Fatalf("%x: a.test resumed %v, %v: the test would show nothing", version, resumed, err)
		}
		if got, _, err := ask(l, "b.test", version); err == nil || strings.Contains(got, "secret") {
			t.Errorf("%x: a.test's ticket at b.test, without a certificate: %q, %v", version, got, err)
		}
		l = new(lender)
		if got, _, err := ask(l, "b.test", version, mine); err != nil || !strings.HasSuffix(got, "secret") {
			t.Fatalf("%x: b.test with a certificate gave %q, %v", version, got, err)
		}
		if got, _, err := ask(l, "c.test", version, mine); err == nil || strings.Contains(got, "secret") {
			t.Errorf("%x: b.test's ticket at c.test, which trusts another authority: %q, %v", version, got, err)
		}
	}
}
