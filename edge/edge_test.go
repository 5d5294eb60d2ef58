package edge

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/route"
)

// authority signs what tests need.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test root"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key, pool: x509.NewCertPool()}
	a.cert, _ = x509.ParseCertificate(der)
	a.pool.AddCert(a.cert)
	return a
}

func (a *authority) issue(t testing.TB, names ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func text(s string) exchange.Handler {
	return exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(200)
		resp.SetBytes([]byte(s))
		return resp, nil
	})
}

// table makes a snapshot's routes of "host path" pairs.
func table(t testing.TB, routes map[string]*Route) *route.Table[*Route] {
	t.Helper()
	var rules []route.Rule[*Route]
	for where, rt := range routes {
		host, path, _ := strings.Cut(where, " ")
		rules = append(rules, route.Rule[*Route]{Hosts: []string{host}, Path: path, Origin: where, Value: rt})
	}
	tab, err := route.Compile(rules)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// fixture is a server with a plain listener and one of each secure protocol.
type fixture struct {
	*Server
	ca   *authority
	cert tls.Certificate
}

func newFixture(t testing.TB, o Options) *fixture {
	t.Helper()
	f := &fixture{Server: New(o), ca: newAuthority(t)}
	f.cert = f.ca.issue(t, "a.test", "b.test", "localhost")
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		f.Shutdown(ctx)
	})
	return f
}

func (f *fixture) snapshot(t testing.TB, routes map[string]*Route) *Snapshot {
	conf := BaseTLS()
	conf.Certificates = []tls.Certificate{f.cert}
	return &Snapshot{
		Listeners: []Listener{
			{Address: "127.0.0.1:0"},
			{Address: "127.0.0.1:0", Secure: true, HTTP3: true},
		},
		Routes:      table(t, routes),
		TLS:         func(*tls.ClientHelloInfo) (Security, error) { return Security{Config: conf}, nil },
		ServerField: "weir",
	}
}

func (f *fixture) apply(t testing.TB, snap *Snapshot) {
	t.Helper()
	if err := f.Apply(snap); err != nil {
		t.Fatal(err)
	}
}

// client speaks one protocol to the fixture, whatever the host in the URL.
func (f *fixture) client(t testing.TB, proto string, certs ...tls.Certificate) *http.Client {
	addrs := f.Addrs()
	conf := &tls.Config{RootCAs: f.ca.pool, Certificates: certs}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		var d net.Dialer
		if strings.HasSuffix(address, ":80") {
			return d.DialContext(ctx, "tcp", addrs[0].String())
		}
		return d.DialContext(ctx, "tcp", addrs[1].String())
	}
	switch proto {
	case "h3":
		tr := &http3.Transport{TLSClientConfig: conf}
		t.Cleanup(func() { tr.Close() })
		port := addrs[1].(*net.TCPAddr).Port
		return &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			c := r.Clone(r.Context())
			if c.Host == "" {
				c.Host = c.URL.Host
			}
			conf.ServerName = c.URL.Hostname()
			c.URL.Host = fmt.Sprintf("127.0.0.1:%d", port)
			return tr.RoundTrip(c)
		})}
	}
	tr := &http.Transport{TLSClientConfig: conf, DialContext: dial, ForceAttemptHTTP2: proto == "h2"}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func fetch(t testing.TB, c *http.Client, url string, change ...func(*http.Request)) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(req)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatalf("GET %s: %v", url, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("GET %s: %v", url, err)
	}
	return resp, string(body)
}

var protocols = []struct{ name, scheme, version string }{
	{"h1", "http", "HTTP/1.1"}, {"h1s", "https", "HTTP/1.1"}, {"h2", "https", "HTTP/2.0"}, {"h3", "https", "HTTP/3.0"},
}

func TestServer_AnswersOverEveryProtocol(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Options{})
	f.apply(t, f.snapshot(t, map[string]*Route{"a.test /*": {Site: "a.test", Handler: text("hello")}}))
	for _, p := range protocols {
		t.Run(p.name, func(t *testing.T) {
			c := f.client(t, p.name)
			resp, body := fetch(t, c, p.scheme+"://a.test/x")
			if resp.StatusCode != 200 || body != "hello" || resp.Proto != p.version || resp.Header.Get("Server") != "weir" || resp.Header.Get("Date") == "" {
				t.Errorf("got %d %q %s %v", resp.StatusCode, body, resp.Proto, resp.Header)
			}
			if alt := resp.Header.Get("Alt-Svc"); (alt != "") != (p.name == "h1s" || p.name == "h2") {
				t.Errorf("Alt-Svc: got %q over %s", alt, p.name)
			}
			want := 404
			if p.scheme == "https" {
				want = 421
			}
			if resp, _ := fetch(t, c, p.scheme+"://a.test/", func(r *http.Request) { r.Host = "other.test" }); resp.StatusCode != want {
				t.Errorf("unknown host: got %d, want %d", resp.StatusCode, want)
			}
		})
	}
}

// observed passes on what observers are told, which is after the client has its
// answer.
type observed chan exchange.Record

func (o observed) Observe(r *exchange.Request) { o <- r.Record }

func TestRespond_ErrorsBecomePagesWithAnIncident(t *testing.T) {
	t.Parallel()
	f, seen := newFixture(t, Options{}), make(observed, 1)
	fail := func(err error) *Route {
		return &Route{Site: "a.test", Handler: exchange.HandlerFunc(func(*exchange.Request) (*exchange.Response, error) { return nil, err })}
	}
	snap := f.snapshot(t, map[string]*Route{
		"a.test /404":    fail(exchange.ErrNotFound),
		"a.test /client": fail(&exchange.Error{Fault: exchange.Client}),
		"a.test /up":     fail(&exchange.Error{Fault: exchange.Upstream, Err: errors.New("dial 10.0.0.1: refused")}),
		"a.test /slow":   fail(&exchange.Error{Fault: exchange.Upstream, Err: context.DeadlineExceeded}),
		"a.test /bug":    fail(errors.New("secret detail")),
		"a.test /panic":  {Handler: exchange.HandlerFunc(func(*exchange.Request) (*exchange.Response, error) { panic("secret detail") })},
		"a.test /none":   {Handler: exchange.HandlerFunc(func(*exchange.Request) (*exchange.Response, error) { return nil, nil })},
		"a.test /wait":   fail(&exchange.Error{Status: 429, Title: "Slow down", Type: "rate", Fields: []exchange.Field{{Name: "retry-after", Value: "3"}}}),
	})
	snap.Observers = []exchange.Observer{seen}
	f.apply(t, snap)
	c := f.client(t, "h1")
	for path, status := range map[string]int{"404": 404, "client": 400, "up": 502, "slow": 504, "bug": 500, "panic": 500, "none": 500, "wait": 429, "absent": 404} {
		for accept, kind := range map[string]string{"": "text/plain", "*/*": "text/plain", "text/html,*/*;q=0.8": "text/html", "application/json": "application/problem+json"} {
			resp, body := fetch(t, c, "http://a.test/"+path, func(r *http.Request) { r.Header.Set("Accept", accept) })
			id := resp.Header.Get("X-Request-Id")
			if resp.StatusCode != status || !strings.HasPrefix(resp.Header.Get("Content-Type"), kind) || len(id) != 13 || !strings.Contains(body, id) {
				t.Errorf("/%s as %q: got %d %s %q", path, accept, resp.StatusCode, resp.Header.Get("Content-Type"), body)
			}
			if strings.Contains(body, "secret") || strings.Contains(body, "10.0.0.1") {
				t.Errorf("/%s: the client learns too much: %s", path, body)
			}
			if rec := <-seen; rec.ID() != id || rec.Status != status || rec.Err == nil {
				t.Errorf("/%s: recorded %s %d %v, want %s %d and an error", path, rec.ID(), rec.Status, rec.Err, id, status)
			}
			if path == "wait" && resp.Header.Get("Retry-After") != "3" {
				t.Errorf("/wait: no Retry-After")
			}
		}
	}
}

func TestDispatch_MethodsAndOptions(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Options{})
	snap := f.snapshot(t, nil)
	tab, err := route.Compile([]route.Rule[*Route]{{Hosts: []string{"a.test"}, Path: "/p", Methods: []string{"GET"}, Value: &Route{Handler: text("x")}}})
	if err != nil {
		t.Fatal(err)
	}
	snap.Routes = tab
	f.apply(t, snap)
	c := f.client(t, "h1")
	for method, want := range map[string]int{"GET": 200, "HEAD": 200, "POST": 405, "OPTIONS": 204, "BREW": 405} {
		resp, _ := fetch(t, c, "http://a.test/p", func(r *http.Request) { r.Method = method })
		if resp.StatusCode != want || want > 200 && resp.Header.Get("Allow") != "GET, HEAD, OPTIONS" {
			t.Errorf("%s: got %d Allow %q, want %d", method, resp.StatusCode, resp.Header.Get("Allow"), want)
		}
	}
}

// TestSecurity_P7: a connection that was secured for one policy cannot reach a site
// of another, by Host header or :authority, over any protocol.
func TestSecurity_P7_PolicyIsCheckedPerRequest(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Options{})
	snap := f.snapshot(t, map[string]*Route{
		"a.test /*": {Handler: text("public")},
		"b.test /*": {Handler: text("secret"), Policy: "mtls", Require: true},
	})
	open, closed := BaseTLS(), BaseTLS()
	open.Certificates, closed.Certificates = []tls.Certificate{f.cert}, []tls.Certificate{f.cert}
	closed.ClientAuth, closed.ClientCAs = tls.RequireAndVerifyClientCert, f.ca.pool
	snap.TLS = func(h *tls.ClientHelloInfo) (Security, error) {
		if strings.EqualFold(h.ServerName, "b.test") {
			return Security{closed, "mtls"}, nil
		}
		return Security{open, ""}, nil
	}
	f.apply(t, snap)
	mine := f.ca.issue(t, "client")
	other := newAuthority(t).issue(t, "stranger")
	for _, p := range protocols[1:] {
		t.Run(p.name, func(t *testing.T) {
			if resp, body := fetch(t, f.client(t, p.name, mine), "https://b.test/"); resp.StatusCode != 200 || body != "secret" {
				t.Errorf("with a certificate: got %d %q", resp.StatusCode, body)
			}
			for name, certs := range map[string][]tls.Certificate{"none": nil, "a stranger's": {other}} {
				if resp, err := f.client(t, p.name, certs...).Get("https://b.test/"); err == nil {
					t.Errorf("with %s certificate: got %d, want no connection", name, resp.StatusCode)
				}
			}
			for _, host := range []string{"b.test", "B.test", "b.test.", "b.test:443"} {
				c := f.client(t, p.name)
				if resp, _ := fetch(t, c, "https://a.test/", func(r *http.Request) { r.Host = host }); resp.StatusCode != 421 {
					t.Errorf("SNI a.test, host %s: got %d, want 421", host, resp.StatusCode)
				}
			}
			c := f.client(t, p.name, mine)
			if resp, _ := fetch(t, c, "https://b.test/", func(r *http.Request) { r.Host = "a.test" }); resp.StatusCode != 421 {
				t.Errorf("SNI b.test, host a.test: got %d, want 421", resp.StatusCode)
			}
		})
	}
	if resp, _ := fetch(t, f.client(t, "h1"), "http://b.test/"); resp.StatusCode != 421 && resp.StatusCode != 403 {
		t.Errorf("plain HTTP: got %d", resp.StatusCode)
	}
}

// Requests in flight end on the snapshot they began with, which is then closed,
// once; connections stay.
func TestApply_RetiresWhenTheLastExchangeEnds(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Options{})
	inside, leave := make(chan bool), make(chan bool)
	var closed atomic.Int32
	first := f.snapshot(t, map[string]*Route{"a.test /*": {Handler: exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		inside <- true
		<-leave
		return text("old").Handle(r)
	})}})
	first.Closers = []func(){func() { closed.Add(1) }}
	f.apply(t, first)
	got := make(chan string)
	c := f.client(t, "h1")
	go func() {
		_, body := fetch(t, c, "http://a.test/")
		got <- body
	}()
	<-inside
	f.apply(t, f.snapshot(t, map[string]*Route{"a.test /*": {Handler: text("new")}}))
	if n := closed.Load(); n != 0 {
		t.Fatalf("closed %d times with an exchange in flight", n)
	}
	leave <- true
	if body := <-got; body != "old" {
		t.Errorf("got %q from the exchange in flight, want old", body)
	}
	if _, body := fetch(t, c, "http://a.test/"); body != "new" {
		t.Errorf("got %q after the swap, want new", body)
	}
	if n := closed.Load(); n != 1 {
		t.Errorf("closed %d times, want once", n)
	}
}

func TestApply_SocketInUseChangesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Options{})
	f.apply(t, f.snapshot(t, map[string]*Route{"a.test /*": {Handler: text("old")}}))
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	bad := f.snapshot(t, map[string]*Route{"a.test /*": {Handler: text("new")}})
	bad.Listeners = append(bad.Listeners, Listener{Address: taken.Addr().String()})
	if err := f.Apply(bad); err == nil {
		t.Fatal("Apply with a taken port succeeded")
	}
	bad.Discard()
	if _, body := fetch(t, f.client(t, "h1"), "http://a.test/"); body != "old" {
		t.Errorf("got %q, want old", body)
	}
}

func TestListener_GoesAndComesWithSnapshots(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Options{Drain: time.Second})
	routes := map[string]*Route{"a.test /*": {Handler: text("x")}}
	snap := f.snapshot(t, routes)
	f.apply(t, snap)
	addr := f.Addrs()[1].String()
	h3 := f.client(t, "h3")
	fetch(t, h3, "https://a.test/")
	less := f.snapshot(t, routes)
	less.Listeners[1].HTTP3 = false
	f.apply(t, less)
	if got := f.Addrs()[1].String(); got != addr {
		t.Errorf("listener moved from %s to %s", addr, got)
	}
	if resp, _ := fetch(t, f.client(t, "h2"), "https://a.test/"); resp.Header.Get("Alt-Svc") != "" {
		t.Errorf("Alt-Svc still there: %q", resp.Header.Get("Alt-Svc"))
	}
	none := f.snapshot(t, routes)
	none.Listeners = none.Listeners[:1]
	f.apply(t, none)
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Error("a listener that is gone still accepts")
	}
}

func TestServer_HTTPOnTheHTTPSPortIsTold(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Options{})
	f.apply(t, f.snapshot(t, nil))
	c, err := net.Dial("tcp", f.Addrs()[1].String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
	b, _ := io.ReadAll(c)
	if !strings.HasPrefix(string(b), "HTTP/1.1 400 ") || !strings.Contains(string(b), "https://") {
		t.Errorf("got %q", b)
	}
}

// TestSecurity_P12: the handshake's deadline counts from accept.
func TestSecurity_P12_HandshakeHasADeadline(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Options{Handshake: 100 * time.Millisecond})
	f.apply(t, f.snapshot(t, nil))
	c, err := net.Dial("tcp", f.Addrs()[1].String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte{0x16, 0x03, 0x01})
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.Copy(io.Discard, c); errors.Is(err, context.DeadlineExceeded) || err != nil && strings.Contains(err.Error(), "timeout") {
		t.Errorf("the server waited for the client: %v", err)
	}
}

func TestServer_H2CByPriorKnowledgeOnlyWhereAsked(t *testing.T) {
	t.Parallel()
	for _, h2c := range []bool{true, false} {
		f := newFixture(t, Options{})
		snap := f.snapshot(t, map[string]*Route{"a.test /*": {Handler: text("x")}})
		snap.Listeners[0].H2C = h2c
		f.apply(t, snap)
		var p http.Protocols
		p.SetUnencryptedHTTP2(true)
		tr := &http.Transport{Protocols: &p, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", f.Addrs()[0].String())
		}}
		defer tr.CloseIdleConnections()
		resp, err := (&http.Client{Transport: tr}).Get("http://a.test/")
		if h2c != (err == nil && resp.ProtoMajor == 2) {
			t.Errorf("h2c %v: got %v %v", h2c, resp, err)
		}
		// HTTP/1.1 goes on beside it, and an upgrade is not taken (security G13).
		resp, body := fetch(t, f.client(t, "h1"), "http://a.test/", func(r *http.Request) {
			r.Header.Set("Connection", "Upgrade, HTTP2-Settings")
			r.Header.Set("Upgrade", "h2c")
			r.Header.Set("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA")
		})
		if resp.StatusCode != 200 || resp.ProtoMajor != 1 || body != "x" {
			t.Errorf("upgrade: got %d %s %q", resp.StatusCode, resp.Proto, body)
		}
	}
}

func TestServer_ProxyHeaderIsRequiredFromProxies(t *testing.T) {
	t.Parallel()
	f, seen := newFixture(t, Options{}), make(chan string, 1)
	snap := f.snapshot(t, map[string]*Route{"a.test /*": {Handler: exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		seen <- r.Conn.Client.String()
		return text("x").Handle(r)
	})}})
	snap.Listeners[0].Proxies = loopback
	f.apply(t, snap)
	for header, want := range map[string]string{
		"PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n": "192.0.2.7:4711",
		"": "",
	} {
		c, err := net.Dial("tcp", f.Addrs()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, header+"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
		b, _ := io.ReadAll(c)
		c.Close()
		if want == "" {
			if len(b) > 0 {
				t.Errorf("without a header: got %q, want nothing", b)
			}
			continue
		}
		if got := <-seen; got != want {
			t.Errorf("client: got %s, want %s", got, want)
		}
	}
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
