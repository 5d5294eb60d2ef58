package edge

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/weirproxy/weir/edge/attack/clients"
	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/nethttp"
)

// get3 sends a request over HTTP/3 at once, whether the handshake is finished or not,
// and reads the answer.
func get3(ctx context.Context, c *http3.ClientConn, method, host string, change ...func(*http.Request)) (status int, body string, err error) {
	str, err := c.OpenRequestStream(ctx)
	if err != nil {
		return 0, "", err
	}
	req, err := http.NewRequestWithContext(ctx, method, "https://"+host+"/", nil)
	if err != nil {
		return 0, "", err
	}
	for _, f := range change {
		f(req)
	}
	content := req.Body
	req.Body = nil // to be sent by who sends the header
	if err := str.SendRequestHeader(req); err != nil {
		return 0, "", err
	}
	if content != nil {
		io.Copy(str, content) // the server may have answered and not want it
	}
	str.Close()
	resp, err := str.ReadResponse()
	if err != nil {
		return 0, "", err
	}
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// earlyFixture serves a.test and, with a policy for client certificates that takes any
// client, b.test, and tells how a request came.
func earlyFixture(t testing.TB, o nethttp.Options, like *fixture) (*fixture, observed) {
	t.Helper()
	f, seen := newFixture(t, Options{Streams: o}), make(observed, 16)
	if like != nil {
		f.ca, f.cert = like.ca, like.cert
	}
	how := exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		return text(fmt.Sprintf("%s early=%v field=%s", r.Method, r.Early, strings.Join(allOf(&r.Header, "early-data"), ","))).Handle(r)
	})
	snap := f.snapshot(t, map[string]*Route{"a.test /*": {Handler: how}, "b.test /*": {Handler: how, Policy: "optional"}})
	snap.Observers = []exchange.Observer{seen}
	open := snap.TLS
	asking := BaseTLS()
	asking.Certificates, asking.ClientAuth, asking.ClientCAs = []tls.Certificate{f.cert}, tls.VerifyClientCertIfGiven, f.ca.pool
	snap.TLS = func(h *tls.ClientHelloInfo) (Security, error) {
		if h.ServerName == "b.test" {
			return Security{asking, "optional"}, nil
		}
		return open(h)
	}
	f.apply(t, snap)
	f.SetTicketKeys([][32]byte{{9}})
	return f, seen
}

func allOf(h *exchange.Header, name string) (all []string) {
	for v := range h.Values(name) {
		all = append(all, v)
	}
	return all
}

// ticket returns a wallet with a ticket of f's site.
func (f *fixture) ticket(t testing.TB, name string, seen observed) *wallet {
	t.Helper()
	w := newWallet()
	if _, err := f.handshake(t, "QUIC", name, "GET early=false field=", w); err != nil {
		t.Fatal(err)
	}
	<-seen
	return w
}

// dialEarly connects through a relay that keeps the server's answers back, so that
// whatever is sent is sent early.
func dialEarly(t testing.TB, f *fixture, name string, w *wallet) (*quic.Conn, *relay) {
	t.Helper()
	r := newRelay(t, f)
	r.holding()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	c, err := quic.DialAddrEarly(ctx, r.addr(), &tls.Config{RootCAs: f.ca.pool, ServerName: name, ClientSessionCache: w, NextProtos: []string{"h3"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseWithError(0, "") })
	return c, r
}

// TestEarly_OnlyWhatChangesNothingPasses (scenario 6).
func TestEarly_OnlyWhatChangesNothingPasses(t *testing.T) {
	t.Parallel()
	content := func(s string, announced bool) func(*http.Request) {
		return func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(s))
			if announced {
				r.Header.Set("Content-Length", strconv.Itoa(len(s)))
			}
		}
	}
	f, seen := earlyFixture(t, nethttp.Options{Allow0RTT: true}, nil)
	for _, tt := range []struct {
		name, method string
		change       []func(*http.Request)
		status       int
		body         string
	}{
		{"GET", "GET", nil, 200, "GET early=true field=1"},
		{"HEAD", "HEAD", nil, 200, ""},
		{"OPTIONS", "OPTIONS", nil, 200, "OPTIONS early=true field=1"},
		{"a field of the client's", "GET", []func(*http.Request){func(r *http.Request) { r.Header["Early-Data"] = []string{"0", "x"} }}, 200, "GET early=true field=1"},
		{"POST", "POST", nil, 425, ""},
		{"POST with a body", "POST", []func(*http.Request){content("x=1", true)}, 425, ""},
		{"PUT", "PUT", []func(*http.Request){content("x", false)}, 425, ""},
		{"DELETE", "DELETE", nil, 425, ""},
		{"method of no one", "BREW", nil, 425, ""},
		{"GET with a body", "GET", []func(*http.Request){content("x", true)}, 425, ""},
		{"GET with a body of unknown length", "GET", []func(*http.Request){content("x", false)}, 425, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := f.ticket(t, "a.test", seen)
			c, r := dialEarly(t, f, "a.test", w)
			client := new(http3.Transport).NewClientConn(c)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			type answer struct {
				status int
				body   string
				err    error
			}
			got := make(chan answer, 1)
			go func() {
				status, body, err := get3(ctx, client, tt.method, "a.test", tt.change...)
				got <- answer{status, body, err}
			}()
			select {
			case rec := <-seen: // answered before the client could finish its handshake
				if rec.Status != tt.status {
					t.Errorf("recorded %d, want %d", rec.Status, tt.status)
				}
			case <-ctx.Done():
				t.Fatal("not answered before the handshake was finished")
			}
			r.release()
			a := <-got
			if a.err != nil || a.status != tt.status || tt.status == 200 && a.body != tt.body {
				t.Errorf("got %d %q %v, want %d %q", a.status, a.body, a.err, tt.status, tt.body)
			}
			if !c.ConnectionState().Used0RTT {
				t.Error("the server did not take early data: the test shows nothing")
			}
			// The client asks again when it is known to be there.
			<-c.HandshakeComplete()
			status, body, err := get3(ctx, client, "POST", "a.test", content("x=1", true))
			if err != nil || status != 200 || body != "POST early=false field=" {
				t.Fatalf("afterwards: got %d %q %v", status, body, err)
			}
			<-seen
		})
	}
}

// TestEarly_IsNotTaken: where it was not asked for, where the site has a policy for
// client certificates, and where the session was made under other limits. The client
// asks again, and is not early.
func TestEarly_IsNotTaken(t *testing.T) {
	t.Parallel()
	maker, seen := earlyFixture(t, nethttp.Options{Allow0RTT: true}, nil)
	off, offSeen := earlyFixture(t, nethttp.Options{}, maker)
	other, otherSeen := earlyFixture(t, nethttp.Options{Allow0RTT: true, HeaderBytes: 16 << 10}, maker)
	same, sameSeen := earlyFixture(t, nethttp.Options{Allow0RTT: true}, maker)
	for _, tt := range []struct {
		name, site string
		at         *fixture
		seen       observed
		taken      bool
	}{
		{"at another server with the same keys", "a.test", same, sameSeen, true},
		{"where it is not allowed", "a.test", off, offSeen, false},
		{"under other limits", "a.test", other, otherSeen, false},
		{"of an open site, where certificates are asked for", "b.test", maker, seen, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := maker.ticket(t, "a.test", seen)
			c, r := dialEarly(t, tt.at, tt.site, w)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			str, err := c.OpenStream() // something that goes out early
			if err == nil {
				str.Write([]byte{0x01, 0x00})
			}
			r.release()
			next, err := c.NextConnection(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if used := c.ConnectionState().Used0RTT; used != tt.taken {
				t.Errorf("early data taken: %v, want %v", used, tt.taken)
			}
			if !c.ConnectionState().TLS.DidResume && tt.site == "a.test" {
				t.Error("not even the session was resumed")
			}
			if tt.taken {
				return
			}
			status, body, err := get3(ctx, new(http3.Transport).NewClientConn(next), "GET", tt.site)
			if err != nil || status != 200 || body != "GET early=false field=" {
				t.Fatalf("got %d %q %v", status, body, err)
			}
			<-tt.seen
			select {
			case rec := <-tt.seen:
				t.Errorf("there was another exchange, with %d", rec.Status)
			default:
			}
		})
	}
	// No session is made that a client would send early data by.
	session, _ := off.ticket(t, "a.test", offSeen).Get("")
	if _, state, err := session.ResumptionState(); err != nil || state.EarlyData {
		t.Errorf("where it is not allowed, the session promises it, %v", err)
	}
	w := newWallet()
	w.came = nil
	if _, err := maker.handshake(t, "QUIC", "b.test", "GET early=false field=", w); err != nil {
		t.Fatal(err)
	}
	if state, err := maker.handshake(t, "QUIC", "b.test", "GET early=false field=", w); err != nil || state.DidResume {
		t.Errorf("a session with a policy was resumed: %v, %v", state.DidResume, err)
	}
}

// TestEarly_ReplaysAreMarked: who has recorded a client's first flight can repeat it at
// another server, as often as they like; what changes something is not done, and what
// is done says what it is.
func TestEarly_ReplaysAreMarked(t *testing.T) {
	t.Parallel()
	for method, status := range map[string]int{"GET": 200, "POST": 425} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			a, seen := earlyFixture(t, nethttp.Options{Allow0RTT: true}, nil)
			b, replayed := earlyFixture(t, nethttp.Options{Allow0RTT: true}, a)
			c, r := dialEarly(t, a, "a.test", a.ticket(t, "a.test", seen))
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			go get3(ctx, new(http3.Transport).NewClientConn(c), method, "a.test")
			<-seen
			flight := r.heard()
			attacker, err := net.Dial("udp", b.Addrs()[1].String())
			if err != nil {
				t.Fatal(err)
			}
			defer attacker.Close()
			for _, d := range flight {
				attacker.Write(d)
			}
			select {
			case rec := <-replayed:
				if rec.Status != status {
					t.Errorf("got %d, want %d", rec.Status, status)
				}
			case <-ctx.Done():
				t.Error("the replay has not arrived: the test shows nothing")
			}
		})
	}
}

// TestEarly_NotToSitesWithAPolicy: also where TLS had let it pass.
func TestEarly_NotToSitesWithAPolicy(t *testing.T) {
	t.Parallel()
	rt := &Route{Policy: "mtls", Require: true}
	r := &exchange.Request{Early: true, Conn: &exchange.Conn{TLS: &exchange.TLS{Policy: "mtls"}}}
	if err := rt.admit(r); StatusOf(err) != 425 {
		t.Errorf("got %v, want 425", err)
	}
	r.Conn.TLS.Policy = ""
	if err := rt.admit(r); StatusOf(err) != 421 {
		t.Errorf("over a connection of another policy: got %v, want 421", err)
	}
}

// TestEarly_ByAnotherStack: sessions are resumed at another server, and early data is
// taken or not, for a client that shares no code with the server.
func TestEarly_ByAnotherStack(t *testing.T) {
	t.Parallel()
	a, aSeen := earlyFixture(t, nethttp.Options{Allow0RTT: true}, nil)
	b, bSeen := earlyFixture(t, nethttp.Options{Allow0RTT: true}, a)
	off, offSeen := earlyFixture(t, nethttp.Options{}, a)
	root := a.rootFile(t)
	for _, tt := range []struct {
		name, method string
		at           *fixture
		seen         observed
		early        bool
		status       int
		body         string
	}{
		{"GET", "GET", b, bSeen, true, 200, "GET early=true field=1"},
		{"POST", "POST", b, bSeen, true, 425, ""},
		{"GET where it is not allowed", "GET", off, offSeen, false, 200, "GET early=false field="},
		{"POST where it is not allowed", "POST", off, offSeen, false, 200, "POST early=false field="},
	} {
		got := clients.H3(t, root, "https://a.test/", "-X", tt.method, "--connect", a.Addrs()[1].String(), "--resume", tt.at.Addrs()[1].String())
		if len(got) != 2 || got[0].Body != tt.method+" early=false field=" {
			t.Fatalf("%s: got %+v", tt.name, got)
		}
		again := got[1]
		if !again.Resumed || again.Early != tt.early || again.Status != tt.status || tt.body != "" && again.Body != tt.body {
			t.Errorf("%s: got %+v, want early %v, %d %q", tt.name, again, tt.early, tt.status, tt.body)
		}
		<-aSeen
		<-tt.seen
	}
}
