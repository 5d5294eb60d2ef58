package upstream

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// realPool is a pool whose clients are real.
func realPool(t testing.TB, s Settings) (*Upstreams, *Pool) {
	t.Helper()
	u := New(Options{})
	t.Cleanup(u.Close)
	p, err := u.Pool("app", s)
	if err != nil {
		t.Fatal(err)
	}
	return u, p
}

// get makes a call and returns the answer's body.
func get(p *Pool, c *exchange.Call) (string, Result, error) {
	var resp exchange.Response
	r, err := p.Do(c, &resp)
	if err != nil {
		return "", r, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return fmt.Sprint(resp.Status, " ", string(b)), r, err
}

func hello(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%s %s %s", r.Proto, r.Host, r.URL.Path)
}

func TestSockets_Protocols(t *testing.T) {
	t.Parallel()
	protocols := func(h1, h2, h2c bool) *http.Protocols {
		var p http.Protocols
		p.SetHTTP1(h1)
		p.SetHTTP2(h2)
		p.SetUnencryptedHTTP2(h2c)
		return &p
	}
	for _, c := range []struct {
		scheme    string
		tls       bool
		protocols *http.Protocols
		want      string
	}{
		{"http", false, protocols(true, false, false), "200 HTTP/1.1 example.com /"},
		{"https", true, protocols(true, true, false), "200 HTTP/1.1 example.com /"},
		{"h2c", false, protocols(false, false, true), "200 HTTP/2.0 example.com /"},
		{"h2", true, protocols(true, true, false), "200 HTTP/2.0 example.com /"},
	} {
		t.Run(c.scheme, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewUnstartedServer(http.HandlerFunc(hello))
			server.Config.Protocols = c.protocols
			server.EnableHTTP2 = c.protocols.HTTP2()
			if c.tls {
				server.StartTLS()
			} else {
				server.Start()
			}
			defer server.Close()
			s := Settings{Endpoints: []Endpoint{{URL: c.scheme + "://" + server.Listener.Addr().String()}}}
			if c.tls {
				s.TLS.CA = []string{certFile(t, server.Certificate())}
			}
			u, p := realPool(t, s)
			for range 3 {
				got, r, err := get(p, newCall())
				if got != c.want || err != nil || r.Endpoint != server.Listener.Addr().String() {
					t.Fatalf("got %q, %+v, %v; want %q", got, r, err, c.want)
				}
			}
			if e := u.Status()[0].Endpoints[0]; e.Made != 1 || e.Open != 1 || e.Idle != 1 || e.Calls != 3 || e.InFlight != 0 || e.Latency <= 0 {
				t.Errorf("status %+v, want one connection, unused, after three calls", e)
			}
			u.Close()
		})
	}
}

func certFile(t *testing.T, cert *x509.Certificate) string {
	t.Helper()
	return pemFile(t, "CERTIFICATE", cert.Raw)
}

func pemFile(t *testing.T, kind string, der []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "x.pem")
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestSockets_Unix(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "weir") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(hello))
	server.Listener.Close()
	server.Listener = l
	server.Start()
	defer server.Close()
	u, p := realPool(t, Settings{Endpoints: []Endpoint{{URL: "unix:" + l.Addr().String()}}})
	c := newCall()
	c.Authority = ""
	got, r, err := get(p, c)
	if got != "200 HTTP/1.1 localhost /" || err != nil || r.Endpoint != l.Addr().String() {
		t.Errorf("got %q, %+v, %v", got, r, err)
	}
	u.Close()
}

// rawUpstream accepts connections and hands each to serve, until the test ends.
func rawUpstream(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer c.Close()
				serve(c)
			})
		}
	})
	t.Cleanup(running.Wait)
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

const answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

func TestSockets_ProxyHeaderBeginsEveryConnection(t *testing.T) {
	t.Parallel()
	for version, want := range map[int]string{
		1: "PROXY TCP4 192.0.2.1 198.51.100.7 1111 443\r\nGET / HTTP/1.1\r\n",
		2: proxySignature + "\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x07\x04\x57\x01\xbbGET / HTTP/1.1\r\n",
	} {
		var mu sync.Mutex
		var got []string
		at := rawUpstream(t, func(c net.Conn) {
			r := bufio.NewReader(c)
			for n := 0; ; n++ {
				var head bytes.Buffer
				for !bytes.HasSuffix(head.Bytes(), []byte("\r\n\r\n")) || head.Len() == 4 {
					b, err := r.ReadByte()
					if err != nil {
						return
					}
					head.WriteByte(b)
					if head.Len() == 12 && head.String() == proxySignature {
						continue
					}
				}
				mu.Lock()
				got = append(got, head.String())
				mu.Unlock()
				_, _ = io.WriteString(c, answer)
			}
		})
		u, p := realPool(t, Settings{Endpoints: hosts(at), Proxy: version})
		for range 2 {
			c := newCall()
			c.Client, c.Server = netip.MustParseAddrPort("192.0.2.1:1111"), netip.MustParseAddrPort("198.51.100.7:443")
			if body, _, err := get(p, c); body != "200 ok" || err != nil {
				t.Fatalf("got %q, %v", body, err)
			}
		}
		u.Close()
		mu.Lock()
		for _, g := range got {
			if !strings.HasPrefix(g, want) {
				t.Errorf("version %d: upstream read %q, want %q first", version, g, want)
			}
		}
		if len(got) != 2 {
			t.Errorf("version %d: %d connections, want one for each call", version, len(got))
		}
		mu.Unlock()
	}
}

// TestSecurity_P15_UpstreamsAreVerified meets endpoints that are not who they should
// be. None of them learns anything of the request.
func TestSecurity_P15_UpstreamsAreVerified(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		hello(w, r)
	}))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	ca := certFile(t, server.Certificate())
	other := pemFile(t, "CERTIFICATE", selfSigned(t).Certificate[0])
	for _, scheme := range []string{"https", "h2"} {
		for _, c := range []struct {
			name string
			tls  TLS
			good bool
		}{
			{"by the system's", TLS{}, false},
			{"by another", TLS{CA: []string{other}}, false},
			{"another name", TLS{CA: []string{ca}, ServerName: "weir.test"}, false},
			{"its address", TLS{CA: []string{ca}}, true},
			{"its name", TLS{CA: []string{other, ca}, ServerName: "example.com"}, true},
			{"not at all, if asked for", TLS{Insecure: true}, true},
		} {
			before := asked.Load()
			u, p := realPool(t, Settings{Endpoints: []Endpoint{{URL: scheme + "://" + server.Listener.Addr().String()}}, TLS: c.tls})
			_, r, err := get(p, newCall())
			if good := err == nil; good != c.good || (asked.Load() != before) != c.good || !good && statusOf(err) != 502 || r.Attempts != 1 {
				t.Errorf("%s, verified %s: got %+v, %v; want well %v", scheme, c.name, r, err, c.good)
			}
			u.Close()
		}
	}
}

// TestSecurity_P15_NothingIsReadBeforeTheHandshake has an upstream, or somebody
// before it, that answers in plain text.
func TestSecurity_P15_NothingIsReadBeforeTheHandshake(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"https", "h2"} {
		var mu sync.Mutex
		var got []byte
		at := rawUpstream(t, func(c net.Conn) {
			_, _ = io.WriteString(c, answer)
			b := make([]byte, 4096)
			for {
				n, err := c.Read(b)
				mu.Lock()
				got = append(got, b[:n]...)
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
		u, p := realPool(t, Settings{Endpoints: []Endpoint{{URL: scheme + "://" + at}}, TLS: TLS{Insecure: true}})
		c := newCall()
		c.Header.Append("cookie", "secret=1")
		if body, _, err := get(p, c); statusOf(err) != 502 || body != "" {
			t.Errorf("%s: got %q, %v; want 502", scheme, body, err)
		}
		u.Close()
		mu.Lock()
		if bytes.Contains(got, []byte("secret")) || bytes.Contains(got, []byte("HTTP/")) || len(got) > 0 && got[0] != 0x16 && got[0] != 0x15 {
			t.Errorf("%s: the upstream read %q in plain text", scheme, got)
		}
		mu.Unlock()
	}
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(crand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestSockets_ClientCertificate(t *testing.T) {
	t.Parallel()
	cert := selfSigned(t)
	server := httptest.NewUnstartedServer(http.HandlerFunc(hello))
	pool := x509.NewCertPool()
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(leaf)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	server.StartTLS()
	defer server.Close()
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	s := Settings{
		Endpoints: []Endpoint{{URL: "https://" + server.Listener.Addr().String()}},
		TLS:       TLS{CA: []string{certFile(t, server.Certificate())}},
	}
	u, without := realPool(t, s)
	if _, _, err := get(without, newCall()); statusOf(err) != 502 {
		t.Errorf("without a certificate: %v, want 502", err)
	}
	s.TLS.Cert, s.TLS.Key = certFile(t, leaf), pemFile(t, "PRIVATE KEY", key)
	with, err := u.Pool("app", s)
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := get(with, newCall()); err != nil || !strings.HasPrefix(got, "200 ") {
		t.Errorf("with it: %q, %v", got, err)
	}
	// The same settings make a new pool once a file has changed, and not before.
	if again, err := u.Pool("app", s); err != nil || again != with {
		t.Errorf("files unchanged: another pool, or %v", err)
	}
	if err := os.WriteFile(s.TLS.CA[0], append([]byte("renewed\n"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})...), 0o600); err != nil {
		t.Fatal(err)
	}
	if again, err := u.Pool("app", s); err != nil || again == with {
		t.Errorf("files changed: the same pool, or %v", err)
	}
	u.Close()
}

// TestSecurity_G15_OverSockets has an upstream that closes every connection when its
// second request comes: what is kept alive is always stale.
func TestSecurity_G15_OverSockets(t *testing.T) {
	t.Parallel()
	var requests, closed atomic.Int32
	at := rawUpstream(t, func(c net.Conn) {
		r := bufio.NewReader(c)
		if _, err := http.ReadRequest(r); err != nil {
			return
		}
		requests.Add(1)
		_, _ = io.WriteString(c, answer)
		if _, err := http.ReadRequest(r); err == nil {
			requests.Add(1)
			closed.Add(1)
		}
	})
	u, p := realPool(t, Settings{Endpoints: hosts(at)})
	// Many idle connections.
	var warm sync.WaitGroup
	var held [20]exchange.Response
	for i := range held {
		warm.Go(func() {
			if _, err := p.Do(newCall(), &held[i]); err != nil {
				t.Error(err)
			}
		})
	}
	warm.Wait()
	for i := range held {
		_, _ = io.ReadAll(held[i].Body)
		held[i].Body.Close()
	}
	before := requests.Load()
	body, r, err := get(p, newCall())
	if n := requests.Load() - before; n > 2 || body != "200 ok" || r.Attempts != 2 || err != nil {
		t.Errorf("the upstream got a GET %d times; %q, %+v, %v; want twice at most, and its answer", n, body, r, err)
	}
	before = requests.Load()
	c := newCall()
	c.Method, c.Body = "POST", exchange.NewBytes([]byte("x"))
	_, r, err = get(p, c)
	if n := requests.Load() - before; n > 1 || r.Attempts != 1 || statusOf(err) != 502 {
		t.Errorf("the upstream got a POST %d times; %+v, %v; want once, and 502", n, r, err)
	}
	if st := u.Status()[0].Endpoints[0]; st.Stale != 2 || st.Cut != 0 {
		t.Errorf("status %+v, want 2 stale connections and no failure", st)
	}
	u.Close()
}

// TestSockets_BodiesGoWhereSomebodyListens sends bodies that can be read once only:
// an endpoint that refuses connections must not have read them.
func TestSockets_BodiesGoWhereSomebodyListens(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	defer server.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // nobody listens there
	for _, c := range []struct {
		scheme string
		length int64
	}{{"http", 5}, {"http", -1}, {"h2c", 5}, {"h2c", -1}} {
		u, p := realPool(t, Settings{
			Endpoints: []Endpoint{{URL: c.scheme + "://" + l.Addr().String()}, {URL: c.scheme + "://" + server.Listener.Addr().String()}},
			Policy:    "first",
		})
		call := newCall()
		call.Method, call.Body = "POST", exchange.NewBody(strings.NewReader("hello"), c.length, nil)
		if got, r, err := get(p, call); got != "200 hello" || r.Attempts != 2 || err != nil {
			t.Errorf("%s, length %d: got %q, %+v, %v; want an echo from the second", c.scheme, c.length, got, r, err)
		}
		u.Close()
	}
}

// TestSockets_BodiesAreWholeEveryTime sends a body in memory for a third time: the
// first endpoint cannot be reached, the second reads all of it and closes.
func TestSockets_BodiesAreWholeEveryTime(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // nobody listens there
	heard := make(chan string, 2)
	hear := func(answer string) string {
		return rawUpstream(t, func(c net.Conn) {
			got := make([]byte, 0, 4<<10)
			for !strings.HasSuffix(string(got), "hello") {
				n, err := c.Read(got[len(got):cap(got)])
				if got = got[:len(got)+n]; err != nil || strings.HasSuffix(string(got), "Content-Length: 0\r\n\r\n") {
					break
				}
			}
			heard <- string(got)
			_, _ = io.WriteString(c, answer)
		})
	}
	second, third := hear(""), hear("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	u, p := realPool(t, Settings{Endpoints: hosts(l.Addr().String() + " " + second + " " + third), Policy: "first"})
	defer u.Close()
	c := newCall()
	c.Method, c.Body = "PUT", exchange.NewBytes([]byte("hello"))
	if status, r, err := ask(p, c); status != 200 || r.Attempts != 3 || err != nil {
		t.Fatalf("got %d, %+v, %v; want 200 at the third attempt", status, r, err)
	}
	for _, who := range []string{"second", "third"} {
		if got := <-heard; !strings.HasSuffix(got, "\r\n\r\nhello") {
			t.Errorf("the %s endpoint got %q, want the whole body", who, got)
		}
	}
}

// TestSockets_KilledEndpoint stops one of two endpoints under load: no call fails,
// and it is asked again when it is back.
func TestSockets_KilledEndpoint(t *testing.T) {
	t.Parallel()
	stays := httptest.NewServer(http.HandlerFunc(hello))
	defer stays.Close()
	dies := httptest.NewServer(http.HandlerFunc(hello))
	at := dies.Listener.Addr().String()
	u, p := realPool(t, Settings{
		Endpoints: hosts(stays.Listener.Addr().String() + " " + at), Policy: "round-robin",
		Eject: Eject{For: 50 * time.Millisecond},
	})
	load := func(n int) (dead int) {
		for range n {
			body, r, err := get(p, newCall())
			if err != nil || !strings.HasPrefix(body, "200 ") {
				t.Fatalf("got %q, %+v, %v", body, r, err)
			}
			if r.Endpoint == at {
				dead++
			}
		}
		return dead
	}
	if n := load(20); n != 10 {
		t.Errorf("%d calls to the second endpoint, want half", n)
	}
	dies.CloseClientConnections()
	dies.Close()
	if n := load(50); n != 0 {
		t.Errorf("%d calls answered by an endpoint that is gone", n)
	}
	st := u.Status()[0].Endpoints[1]
	if st.Ejections == 0 || st.Connect < 5 || !strings.Contains(st.Why, "last: connect") {
		t.Errorf("status %+v, want it ejected, and why without a status", st)
	}
	l, err := net.Listen("tcp", at)
	for tick, end := time.Tick(20*time.Millisecond), time.Now().Add(10*time.Second); err != nil; <-tick {
		if time.Now().After(end) { // another test's connection may have it for a moment
			t.Fatal(err)
		}
		l, err = net.Listen("tcp", at)
	}
	back := httptest.NewUnstartedServer(http.HandlerFunc(hello))
	back.Listener.Close()
	back.Listener = l
	back.Start()
	defer back.Close()
	for deadline := time.Now().Add(10 * time.Second); load(2) == 0; {
		if time.Now().After(deadline) {
			t.Fatal("it was not asked again")
		}
	}
	u.Close()
}
