package httpwasm_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/weirproxy/weir/edge"
	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/proxy"
	"github.com/weirproxy/weir/edge/route"
	"github.com/weirproxy/weir/edge/upstream"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/httpwasm"
	"github.com/weirproxy/weir/wasmhost/vm"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

// engine is all tests' own: what one of them has compiled, the others have.
var engine = sync.OnceValue(func() *vm.Engine {
	e, err := vm.NewEngine(vm.Options{})
	if err != nil {
		panic(err)
	}
	return e
})

// programs are all that tests have compiled: as slow as that is, once is enough.
var programs sync.Map

// load compiles a module, and keeps it.
func load(code []byte) (*vm.Program, error) {
	type result struct {
		prog *vm.Program
		err  error
	}
	once, _ := programs.LoadOrStore(string(code), sync.OnceValue(func() result {
		prog, err := compile(code)
		return result{prog, err}
	}))
	r := once.(func() result)()
	return r.prog, r.err
}

func compile(code []byte) (*vm.Program, error) {
	m, err := wasm.Parse(code)
	if err != nil {
		return nil, err
	}
	link, err := httpwasm.Link(m)
	if err != nil {
		return nil, err
	}
	return engine().Load(context.Background(), code, link)
}

// open returns the guests of a module.
func open(t testing.TB, code []byte, p *guest.Plugin) *httpwasm.Guests {
	t.Helper()
	prog, err := load(code)
	if err != nil {
		t.Fatal(err)
	}
	if p.Name == "" {
		p.Name = "test"
	}
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	g, err := httpwasm.Open(t.Context(), p, prog)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

// filter returns a filter that the module is.
func filter(t testing.TB, code []byte, p *guest.Plugin, config string) exchange.Filter {
	t.Helper()
	f, free, err := open(t, code, p).Filter(t.Context(), guest.Use{Config: []byte(config)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(free)
	return f
}

// site is a weir in front of a backend, with filters in between.
type site struct {
	server *edge.Server
	tls    *tls.Config
}

var protocols = []string{"HTTP/1.1", "HTTP/2.0", "HTTP/3.0"}

// serve starts a weir that proxies to backend.
func serve(t testing.TB, backend http.Handler, filters ...exchange.Filter) *site {
	t.Helper()
	origin := httptest.NewServer(backend)
	upstreams := upstream.New(upstream.Options{})
	pool, err := upstreams.Pool("app", upstream.Settings{Endpoints: []upstream.Endpoint{{URL: origin.URL}}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := proxy.New(proxy.Options{Shares: []proxy.Share{{Pool: pool}}})
	if err != nil {
		t.Fatal(err)
	}
	last := exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		if r.Method == http.MethodTrace || r.Header.Has("x-as-it-is") {
			return ask(pool, r)
		}
		return p.Handle(r)
	})
	routes, err := route.Compile([]route.Rule[*edge.Route]{{Hosts: []string{"a.test"}, Path: "/*", Origin: "test",
		Value: &edge.Route{Handler: exchange.Chain(last, filters...), Raw: true}}})
	if err != nil {
		t.Fatal(err)
	}
	serverTLS, clientTLS := selfSigned(t)
	s := &site{edge.New(edge.Options{}), clientTLS}
	err = s.server.Apply(&edge.Snapshot{
		Listeners: []edge.Listener{{Address: "127.0.0.1:0"}, {Address: "127.0.0.1:0", Secure: true, HTTP3: true}},
		Routes:    routes,
		TLS:       func(*tls.ClientHelloInfo) (edge.Security, error) { return edge.Security{Config: serverTLS}, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = s.server.Shutdown(ctx)
		upstreams.Close()
		origin.Close()
	})
	return s
}

// ask passes r on as it is. The proxy passes no TRACE on, and asks for canonical paths
// (without "%26", say), both for safety: what guests do with them can be seen behind it.
func ask(pool *upstream.Pool, r *exchange.Request) (*exchange.Response, error) {
	c := r.NewCall()
	c.Method, c.Scheme, c.Authority, c.Target, c.Body = r.Method, r.Scheme, r.Authority, r.Target, r.Body
	c.Header.CopyFrom(&r.Header)
	c.Header.DelFunc(func(name, _ string) bool {
		return name == "host" || name == "content-length" || name == "x-as-it-is"
	})
	resp := r.NewResponse(0)
	if _, err := pool.Do(c, resp); err != nil {
		return nil, err
	}
	return resp, nil
}

// client speaks one protocol, whatever it is asked, to s.
func (s *site) client(t testing.TB, proto string) *http.Client {
	address := s.server.Addrs()[1].String()
	if proto == "HTTP/3.0" {
		rt := &http3.Transport{TLSClientConfig: s.tls, Dial: func(ctx context.Context, _ string, c *tls.Config, q *quic.Config) (*quic.Conn, error) {
			return quic.DialAddrEarly(ctx, address, c, q)
		}}
		t.Cleanup(func() { rt.Close() })
		return &http.Client{Transport: rt}
	}
	rt := &http.Transport{
		TLSClientConfig: s.tls.Clone(), ForceAttemptHTTP2: proto == "HTTP/2.0", DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", address)
		},
	}
	if proto == "HTTP/1.1" {
		rt.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	}
	t.Cleanup(rt.CloseIdleConnections)
	return &http.Client{Transport: rt}
}

// answer is what a client got.
type answer struct {
	*http.Response
	body string
}

// do sends a request and reads the answer.
func do(t testing.TB, c *http.Client, method, path, body string, fields ...string) answer {
	t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, "https://a.test"+path, r)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		if fields[i] == "Host" {
			req.Host = fields[i+1]
		}
		req.Header.Add(fields[i], fields[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: read body: %v, after %q", method, path, err, got)
	}
	return answer{resp, string(got)}
}

// logged is a logger that keeps what is logged.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logged) logger(least slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: least}))
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
