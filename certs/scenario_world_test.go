package certs_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mholt/acmez/v3"

	"github.com/weirproxy/weir/certs"
	"github.com/weirproxy/weir/certs/certstest"
	"github.com/weirproxy/weir/certs/dns01"
	"github.com/weirproxy/weir/certs/issuer"
)

// site is a manager with what it needs of the world: real authorities, and ports at
// which challenges are answered and certificates served.
type site struct {
	*certs.Manager
	t             *testing.T
	ca            *certstest.CA
	store         *certstest.Node
	answers       *issuer.Answers
	log           *lines
	plain, secure int // ports
}

// slow is how much longer things may take on a machine that does much else.
var slow = func() time.Duration {
	if os.Getenv("WEIR_CI") != "" {
		return 4
	}
	return 2
}()

// newSite starts a manager over shared, whose challenges ca will come for.
func newSite(t *testing.T, ca *certstest.CA, shared *certstest.MemoryStore, change ...func(*certs.ManagerOptions)) *site {
	t.Helper()
	s := &site{t: t, ca: ca, store: shared.Node(), log: new(lines)}
	logger := slog.New(slog.NewTextHandler(s.log, nil))
	s.answers = issuer.NewAnswers(s.store, logger)
	o := certs.ManagerOptions{Store: s.store, Log: logger, Retry: []time.Duration{time.Second}, StoreRetry: time.Second}
	for _, f := range change {
		f(&o)
	}
	s.Manager = certs.NewManager(o)
	s.plain, s.secure = s.listen(s.serveHTTP), s.listen(s.serveTLS)
	ca.Serve(s.plain, s.secure)
	t.Cleanup(func() {
		s.end()
		if t.Failed() {
			t.Logf("the manager said:\n%s", s.log)
		}
	})
	return s
}

// end closes the manager.
func (s *site) end() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		s.t.Errorf("close: %v", err)
	}
}

// get returns the serial number of what a handshake would get, good or not.
func (s *site) get(t *testing.T, name string) string {
	t.Helper()
	c, err := s.Certificate(context.Background(), name, netip.MustParseAddr("127.0.0.1"))
	if err != nil {
		t.Fatalf("handshake for %s: %v", name, err)
	}
	return c.Leaf.SerialNumber.Text(16)
}

// issuer returns an issuer for the site's authority.
func (s *site) issuer(change ...func(*issuer.Options)) *issuer.Issuer {
	s.t.Helper()
	return s.issuerOf(s.ca, change...)
}

func (s *site) issuerOf(ca *certstest.CA, change ...func(*issuer.Options)) *issuer.Issuer {
	s.t.Helper()
	o := issuer.Options{
		Directory: ca.Directory, Email: "me@example.com", Roots: ca.Roots,
		Answers: s.answers, Store: s.store, Timeout: time.Minute,
	}
	for _, f := range change {
		f(&o)
	}
	i, err := issuer.New(o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = i.Close() })
	return i
}

// viaDNS proves names by records.
func (s *site) viaDNS(o *issuer.Options) {
	solver, err := dns01.NewSolver(dns01.Options{Provider: s.ca.DNS.Provider(), Resolvers: []string{s.ca.DNS.Resolver}})
	if err != nil {
		s.t.Fatal(err)
	}
	o.DNS, o.Challenges = solver, []string{issuer.DNS01}
}

func by(kind string) func(*issuer.Options) {
	return func(o *issuer.Options) { o.Challenges = []string{kind} }
}

// listen opens one port of both families.
func (s *site) listen(serve func(net.Listener)) (port int) {
	s.t.Helper()
	var all []net.Listener
	var err error
	for range 20 {
		var v4, v6 net.Listener
		if v4, err = net.Listen("tcp4", "127.0.0.1:0"); err != nil {
			break
		}
		port = v4.Addr().(*net.TCPAddr).Port
		if v6, err = net.Listen("tcp6", net.JoinHostPort("::1", strconv.Itoa(port))); err == nil {
			all = []net.Listener{v4, v6}
			break
		}
		v4.Close()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	var work sync.WaitGroup
	for _, l := range all {
		work.Go(func() { serve(l) })
	}
	s.t.Cleanup(func() {
		for _, l := range all {
			l.Close()
		}
		work.Wait()
	})
	return port
}

func (s *site) serveHTTP(l net.Listener) {
	h := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.URL.Path, "/.well-known/acme-challenge/")
		keyAuth, ok := s.answers.HTTP(r.Context(), r.Host, token)
		if !ok {
			http.NotFound(w, r)
			return
		}
		io.WriteString(w, keyAuth)
	})}
	h.Serve(l)
	h.Close()
}

// serveTLS answers challenges and serves certificates, as the program does.
func (s *site) serveTLS(l net.Listener) {
	proving := &tls.Config{NextProtos: []string{acmez.ACMETLS1Protocol}, GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		return s.answers.ALPN(hello.Context(), hello.ServerName)
	}}
	serving := &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		name := hello.ServerName
		if name == "" {
			name = hello.Conn.LocalAddr().(*net.TCPAddr).IP.String()
		}
		from := hello.Conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
		return s.Certificate(hello.Context(), name, from)
	}}
	either := &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if issuer.IsALPN(hello) {
			return proving, nil
		}
		return serving, nil
	}}
	var work sync.WaitGroup
	defer work.Wait()
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		work.Go(func() {
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(30 * time.Second))
			if tls.Server(conn, either).Handshake() == nil {
				io.Copy(io.Discard, conn)
			}
		})
	}
}

// shake makes a handshake as a client that trusts the authority alone would, and
// returns the certificate.
func (s *site) shake(name string) (*x509.Certificate, error) {
	host := "127.0.0.1"
	if ip, err := netip.ParseAddr(name); err == nil {
		host = ip.String()
	}
	d := tls.Dialer{
		NetDialer: &net.Dialer{Timeout: 20 * time.Second},
		Config:    &tls.Config{ServerName: name, RootCAs: s.ca.IssuingRoots},
	}
	conn, err := d.Dial("tcp", net.JoinHostPort(host, strconv.Itoa(s.secure)))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0], nil
}

// served is the certificate that clients get, which must be good.
func (s *site) served(name string) *x509.Certificate {
	s.t.Helper()
	leaf, err := s.shake(name)
	if err != nil {
		s.t.Fatalf("handshake for %s: %v", name, err)
	}
	return leaf
}

// until waits until ok returns true, and returns how long that took.
func (s *site) until(within time.Duration, what string, ok func() bool) time.Duration {
	s.t.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > within {
			s.t.Fatalf("waited %v in vain: %s", within, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(began)
}

// untilNew waits until clients get another certificate than old.
func (s *site) untilNew(within time.Duration, name string, old *x509.Certificate) time.Duration {
	s.t.Helper()
	return s.until(within, "another certificate for "+name, func() bool {
		leaf, err := s.shake(name)
		return err == nil && leaf.SerialNumber.Cmp(old.SerialNumber) != 0
	})
}
