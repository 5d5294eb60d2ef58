package proxy_test

import (
	"bufio"
	"bytes"
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
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge"
	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/proxy"
	"github.com/weirproxy/weir/edge/route"
	"github.com/weirproxy/weir/edge/upstream"
)

// recorder is an upstream that reads strictly, keeps what it got, and answers 200 with
// "ok" unless answer says otherwise.
type recorder struct {
	net.Listener
	answer func(c net.Conn, m *message) (more bool)
	conns  sync.WaitGroup

	mu   sync.Mutex // guards what follows
	got  []*message
	errs []error
	cut  int // requests that did not come to their end
}

func newRecorder(t testing.TB) *recorder {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &recorder{Listener: l}
	u.conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			u.conns.Go(func() { u.serve(c) })
		}
	})
	return u
}

// serve reads requests from one connection, and keeps the bytes of each, so that it
// can be read in another way.
func (u *recorder) serve(c net.Conn) {
	defer c.Close()
	var raw bytes.Buffer
	r := bufio.NewReader(io.TeeReader(c, &raw))
	for {
		m, err := readStrict(r)
		used := raw.Len() - r.Buffered()
		if err == nil {
			err = m.agrees(raw.Bytes()[:used])
		}
		u.note(m, err, raw.Bytes())
		if err != nil {
			return
		}
		raw.Next(used)
		if u.answer != nil {
			if !u.answer(c, m) {
				return
			}
			continue
		}
		body := "ok"
		if m.method == "HEAD" {
			body = ""
		}
		if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"+body); err != nil {
			return
		}
	}
}

func (u *recorder) note(m *message, err error, raw []byte) {
	u.mu.Lock()
	defer u.mu.Unlock()
	var gone *net.OpError
	switch {
	case err == nil:
		u.got = append(u.got, m)
	case err == io.EOF:
	case err == io.ErrUnexpectedEOF, errors.As(err, &gone):
		u.cut++
	default:
		u.errs = append(u.errs, fmt.Errorf("%w: %w: %q", errNotRead, err, raw))
	}
}

// fixture is a weir in front of a recorder, as people have it: server, route, proxy,
// pool, client.
type fixture struct {
	*recorder
	server    *edge.Server
	upstreams *upstream.Upstreams
	client    *tls.Config
}

func newFixture(t testing.TB, o proxy.Options, filters ...exchange.Filter) *fixture {
	t.Helper()
	f := &fixture{recorder: newRecorder(t), upstreams: upstream.New(upstream.Options{})}
	f.serveVia(t, o, "http://"+f.recorder.Addr().String(), filters...)
	return f
}

// newFixtureOf is a weir in front of an upstream that somebody else runs.
func newFixtureOf(t testing.TB, url string) *fixture {
	t.Helper()
	f := &fixture{upstreams: upstream.New(upstream.Options{})}
	f.serveVia(t, proxy.Options{}, url)
	return f
}

// serveVia starts the server in front of an upstream.
func (f *fixture) serveVia(t testing.TB, o proxy.Options, url string, filters ...exchange.Filter) {
	t.Helper()
	pool, err := f.upstreams.Pool("app", upstream.Settings{Endpoints: []upstream.Endpoint{{URL: url}}})
	if err != nil {
		t.Fatal(err)
	}
	o.Shares = []proxy.Share{{Pool: pool}}
	p, err := proxy.New(o)
	if err != nil {
		t.Fatal(err)
	}
	routes, err := route.Compile([]route.Rule[*edge.Route]{{Hosts: []string{"a.test"}, Path: "/*", Origin: "test", Value: &edge.Route{Handler: exchange.Chain(p, filters...), Raw: true}}})
	if err != nil {
		t.Fatal(err)
	}
	serverTLS, clientTLS := selfSigned(t)
	f.client = clientTLS
	f.server = edge.New(edge.Options{})
	err = f.server.Apply(&edge.Snapshot{
		Listeners: []edge.Listener{{Address: "127.0.0.1:0", H2C: true}, {Address: "127.0.0.1:0", Secure: true, HTTP3: true}},
		Routes:    routes,
		TLS:       func(*tls.ClientHelloInfo) (edge.Security, error) { return edge.Security{Config: serverTLS}, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.end)
}

// end stops everything, so that whatever was sent upstream has been read.
func (f *fixture) end() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = f.server.Shutdown(ctx)
	f.upstreams.Close()
	if f.recorder != nil {
		f.recorder.Close()
		f.conns.Wait()
	}
}

// check compares what the upstream got, whole requests and nothing else, with want.
func (f *fixture) check(t *testing.T, about string, want []string) {
	t.Helper()
	f.end()
	for _, err := range f.errs {
		t.Errorf("%s: %v", about, err)
	}
	var got []string
	for _, m := range f.got {
		got = append(got, m.String())
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s:\nforwarded %q\nwant      %q", about, got, want)
	}
}

// waitAtMost passes only where a test fails.
const waitAtMost = 30 * time.Second

func deadline() time.Time { return time.Now().Add(waitAtMost) }

// dial connects to the plain listener.
func (f *fixture) dial(t testing.TB) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", f.server.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(deadline()); err != nil {
		t.Fatal(err)
	}
	return c
}

func selfSigned(t testing.TB) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{"a.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	server = edge.BaseTLS()
	server.Certificates = []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}}
	return server, &tls.Config{RootCAs: pool, ServerName: "a.test"}
}
