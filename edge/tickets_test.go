package edge

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// transports are the ways to a handshake that can be resumed.
var transports = []string{"TLS 1.2", "TLS 1.3", "QUIC"}

// wallet is a client's session cache that gives every server the newest ticket of any.
type wallet struct {
	mu      sync.Mutex
	session *tls.ClientSessionState
	came    chan struct{} // one for each ticket; nil where none is to come
}

func newWallet() *wallet { return &wallet{came: make(chan struct{}, 16)} }

func (w *wallet) Get(string) (*tls.ClientSessionState, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.session, w.session != nil
}

func (w *wallet) Put(_ string, s *tls.ClientSessionState) {
	if s == nil { // crypto/tls drops a session that was not taken
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

// copied is a wallet that holds what w holds now, and will hold nothing newer.
func (w *wallet) copied() *wallet {
	c := newWallet()
	c.session, _ = w.Get("")
	return c
}

// handshake makes one with f, and returns what came of it when its ticket has come, if
// one is to. What is answered must contain want.
func (f *fixture) handshake(t testing.TB, transport, name, want string, w *wallet, certs ...tls.Certificate) (tls.ConnectionState, error) {
	t.Helper()
	conf := &tls.Config{RootCAs: f.ca.pool, ServerName: name, ClientSessionCache: w, Certificates: certs}
	if transport == "QUIC" {
		return f.handshakeQUIC(t, conf, want, w)
	}
	conf.MinVersion = map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13}[transport]
	conf.MaxVersion = conf.MinVersion
	c, err := tls.Dial("tcp", f.Addrs()[1].String(), conf)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", name)
	all, err := io.ReadAll(c)
	if err == nil && !strings.HasSuffix(string(all), want) {
		err = fmt.Errorf("got %q, want %q", all, want)
	}
	return c.ConnectionState(), err
}

func (f *fixture) handshakeQUIC(t testing.TB, conf *tls.Config, want string, w *wallet) (state tls.ConnectionState, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conf.NextProtos = []string{"h3"}
	qc, err := quic.DialAddr(ctx, f.Addrs()[1].String(), conf, nil)
	if err != nil {
		return state, err
	}
	defer qc.CloseWithError(0, "")
	return qc.ConnectionState().TLS, exchange3(ctx, qc, conf.ServerName, want, w)
}

// exchange3 asks over a connection of HTTP/3, and waits for a ticket.
func exchange3(ctx context.Context, qc *quic.Conn, host, want string, w *wallet) error {
	status, body, err := get3(ctx, new(http3.Transport).NewClientConn(qc), "GET", host)
	if err != nil {
		return err
	}
	if status != 200 || body != want {
		return fmt.Errorf("got %d %q, want %q", status, body, want)
	}
	if w == nil || w.came == nil {
		return nil
	}
	select {
	case <-w.came:
	case <-ctx.Done():
		return fmt.Errorf("no ticket came: %w", ctx.Err())
	}
	return nil
}

// TestTickets_AreSharedByServers: what one server gave out is resumed by another that
// has the same keys, also when they have been rotated, until the key is gone; over TCP
// and QUIC, and without a new listener or connection (scenario 5).
func TestTickets_AreSharedByServers(t *testing.T) {
	t.Parallel()
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			a, b := newFixture(t, Options{}), newFixture(t, Options{})
			b.ca, b.cert = a.ca, a.cert
			for _, f := range []*fixture{a, b} {
				f.apply(t, f.snapshot(t, map[string]*Route{"a.test /*": {Handler: text("hello")}}))
			}
			resumes := func(f *fixture, w *wallet) bool {
				t.Helper()
				state, err := f.handshake(t, transport, "a.test", "hello", w)
				if err != nil {
					t.Fatal(err)
				}
				return state.DidResume
			}
			w := newWallet()
			if resumes(a, w) {
				t.Fatal("the first handshake resumed something")
			}
			if !resumes(a, w) {
				t.Error("without keys of ours, a server does not know its own tickets")
			}
			if resumes(b, w.copied()) {
				t.Error("another server knew the ticket before it had the keys")
			}
			k1, k2, k3 := [32]byte{1}, [32]byte{2}, [32]byte{3}
			both := func(keys ...[32]byte) { a.SetTicketKeys(keys); b.SetTicketKeys(keys) }
			both(k1)
			w = newWallet()
			resumes(a, w)
			old := w.copied()
			if !resumes(b, w) {
				t.Error("B does not resume A's session")
			}
			both(k2, k1)
			if !resumes(b, old.copied()) {
				t.Error("rotated once: B does not resume A's session of before")
			}
			w = newWallet()
			resumes(a, w) // under k2
			both(k3, k2)
			if resumes(b, old.copied()) {
				t.Error("the key is gone, and its ticket is still taken")
			}
			if !resumes(b, w.copied()) {
				t.Error("rotated twice: B does not resume the session of k2")
			}
			a.SetTicketKeys(nil) // nothing
			if !resumes(a, w.copied()) {
				t.Error("no keys have taken the keys away")
			}
		})
	}
}

// TestTickets_SurviveASnapshot: a new configuration has new site configurations, and
// the same keys.
func TestTickets_SurviveASnapshot(t *testing.T) {
	t.Parallel()
	for _, transport := range transports {
		for _, keys := range [][][32]byte{nil, {{1}}} {
			f := newFixture(t, Options{})
			f.SetTicketKeys(keys)
			w := newWallet()
			for i := range 3 {
				f.apply(t, f.snapshot(t, map[string]*Route{"a.test /*": {Handler: text("hello")}}))
				state, err := f.handshake(t, transport, "a.test", "hello", w)
				if err != nil {
					t.Fatal(err)
				}
				if state.DidResume != (i > 0) {
					t.Errorf("%s, %d keys, snapshot %d: resumed %v", transport, len(keys), i, state.DidResume)
				}
			}
		}
	}
}

// TestTickets_ConcurrentRotation is for the race detector.
func TestTickets_ConcurrentRotation(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Options{})
	f.apply(t, f.snapshot(t, map[string]*Route{"a.test /*": {Handler: text("hello")}}))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 500 {
			f.SetTicketKeys([][32]byte{{byte(i), 1}, {byte(i - 1), 1}})
		}
	}()
	var wg sync.WaitGroup
	for _, transport := range transports {
		wg.Go(func() {
			for w := newWallet(); ; {
				if _, err := f.handshake(t, transport, "a.test", "hello", w); err != nil {
					t.Error(err)
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	wg.Wait()
}

// TestSecurity_P14_NorWithSharedKeys: keys that servers share change nothing about
// which sites a session opens, over any transport (scenario 25). It is asked on a
// server that did not give out the ticket.
func TestSecurity_P14_NorWithSharedKeys(t *testing.T) {
	t.Parallel()
	a, b := newFixture(t, Options{}), newFixture(t, Options{})
	b.ca = a.ca
	a.cert = a.ca.issue(t, "a.test", "b.test", "c.test", "d.test")
	b.cert = a.cert
	strangers := newAuthority(t)
	for _, f := range []*fixture{a, b} {
		snap := f.snapshot(t, map[string]*Route{
			"a.test /*": {Handler: text("public")},
			"b.test /*": {Handler: text("secret"), Policy: "mtls", Require: true},
			"c.test /*": {Handler: text("secret of others"), Policy: "others", Require: true},
			"d.test /*": {Handler: text("secret"), Policy: "mtls", Require: true},
		})
		site := func(policy string, clients *authority, tickets bool) Security {
			conf := BaseTLS()
			conf.Certificates = []tls.Certificate{f.cert}
			conf.SessionTicketsDisabled = !tickets
			if clients != nil {
				conf.ClientAuth, conf.ClientCAs = tls.RequireAndVerifyClientCert, clients.pool
			}
			return Security{conf, policy}
		}
		sites := map[string]Security{
			"a.test": site("", nil, true), "b.test": site("mtls", f.ca, true),
			"c.test": site("others", strangers, true), "d.test": site("mtls", f.ca, false),
		}
		snap.TLS = func(h *tls.ClientHelloInfo) (Security, error) { return sites[h.ServerName], nil }
		f.apply(t, snap)
		f.SetTicketKeys([][32]byte{{7}})
	}
	mine := a.ca.issue(t, "client")
	for _, transport := range transports {
		open := newWallet()
		if _, err := a.handshake(t, transport, "a.test", "public", open); err != nil {
			t.Fatalf("%s: %v", transport, err)
		}
		if state, err := b.handshake(t, transport, "a.test", "public", open.copied()); err != nil || !state.DidResume {
			t.Fatalf("%s: resumed %v, %v: the test would show nothing", transport, state.DidResume, err)
		}
		if _, err := b.handshake(t, transport, "b.test", "secret", open.copied()); err == nil {
			t.Errorf("%s: the ticket of an open site opened one with a policy", transport)
		}
		closed := newWallet()
		if _, err := a.handshake(t, transport, "b.test", "secret", closed, mine); err != nil {
			t.Fatalf("%s: %v", transport, err)
		}
		if _, err := b.handshake(t, transport, "c.test", "secret of others", closed.copied(), mine); err == nil {
			t.Errorf("%s: a ticket opened a site that trusts other authorities", transport)
		}
		without := closed.copied()
		without.came = nil
		if state, err := b.handshake(t, transport, "d.test", "secret", without, mine); err != nil || state.DidResume {
			t.Errorf("%s: a site without tickets took one: %v, %v", transport, state.DidResume, err)
		}
		if _, err := b.handshake(t, transport, "d.test", "secret", closed.copied()); err == nil {
			t.Errorf("%s: a site without tickets was opened by one", transport)
		}
	}
}
