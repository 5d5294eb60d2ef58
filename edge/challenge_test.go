package edge

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
)

const knownToken = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr_oA"

// TestChallenge_IsAnsweredBeforeEverythingElse: whatever the site does with its
// requests, and whether there is one at all.
func TestChallenge_IsAnsweredBeforeEverythingElse(t *testing.T) {
	t.Parallel()
	f, seen := newFixture(t, Options{}), make(observed, 1)
	elsewhere := exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(308)
		resp.Header.Set("location", "https://elsewhere.test/")
		return resp, nil
	})
	snap := f.snapshot(t, map[string]*Route{
		"a.test /*": {Site: "a.test", Handler: text("site"), Plain: elsewhere},
		"b.test /*": {Site: "b.test", Handler: text("secret"), Policy: "mtls", Require: true},
	})
	snap.Challenge = func(_ context.Context, host, token string) (string, bool) {
		return host + " " + token + ".thumbprint", token == knownToken
	}
	snap.Log = seen
	f.apply(t, snap)
	path := challengePrefix + knownToken
	for _, p := range protocols {
		t.Run(p.name, func(t *testing.T) {
			for _, host := range []string{"a.test", "b.test", "no.site.test", "192.0.2.1", "[2001:db8::1]"} {
				resp, body := fetch(t, f.client(t, p.name), p.scheme+"://a.test"+path, func(r *http.Request) { r.Host = host })
				want := strings.Trim(host, "[]") + " " + knownToken + ".thumbprint"
				if resp.StatusCode != 200 || body != want || resp.Header.Get("Cache-Control") != "no-store" || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
					t.Errorf("%s: got %d %q %v, want 200 %q", host, resp.StatusCode, body, resp.Header, want)
				}
				if rec := <-seen; rec.Route != challengeRoute || rec.Status != 200 {
					t.Errorf("%s: recorded %q %d", host, rec.Route, rec.Status)
				}
			}
			resp, body := fetch(t, f.client(t, p.name), p.scheme+"://a.test"+path, func(r *http.Request) { r.Method = "HEAD" })
			if <-seen; resp.StatusCode != 200 || body != "" || resp.ContentLength < 43 {
				t.Errorf("HEAD: got %d %q, %d bytes announced", resp.StatusCode, body, resp.ContentLength)
			}
		})
	}
}

// TestChallenge_LeavesTheRestToTheRoutes: somebody's own client of an authority
// behind weir still gets its requests, and nothing but a token is looked up.
func TestChallenge_LeavesTheRestToTheRoutes(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Options{})
	snap := f.snapshot(t, map[string]*Route{"a.test /*": {Handler: exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		return text("site: " + r.Path).Handle(r)
	})}})
	asked := make(chan string, 1)
	snap.Challenge = func(_ context.Context, _, token string) (string, bool) {
		asked <- token
		return "key", token == knownToken
	}
	f.apply(t, snap)
	c := f.client(t, "h1")
	for _, tt := range []struct{ method, path, token, want string }{
		{"GET", challengePrefix + "unknown", "unknown", "site: " + challengePrefix + "unknown"},
		{"GET", challengePrefix + strings.Repeat("x", 128), strings.Repeat("x", 128), "site"},
		{"GET", challengePrefix + strings.Repeat("x", 129), "", "site"},
		{"GET", challengePrefix, "", "site"},
		{"GET", challengePrefix + knownToken + "/", "", "site"},
		{"GET", challengePrefix + "a.b", "", "site"},
		{"GET", challengePrefix + "a/b", "", "site"},
		{"GET", challengePrefix + "a%2Fb", "", ""}, // an encoded slash, which the route does not take
		{"GET", "/x" + challengePrefix + knownToken, "", "site"},
		{"GET", "/.well-known/ACME-challenge/" + knownToken, "", "site"},
		{"POST", challengePrefix + knownToken, "", "site"},
		{"GET", challengePrefix + knownToken + "?x=1", knownToken, "key"},
		{"GET", "/.well-known/%61cme-challenge/" + knownToken, knownToken, "key"}, // the same path in another spelling
		{"GET", "/a/../.well-known//acme-challenge/./" + knownToken, knownToken, ""},
	} {
		resp, body := fetch(t, c, "http://a.test"+tt.path, func(r *http.Request) { r.Method = tt.method })
		token := ""
		select {
		case token = <-asked:
		default:
		}
		if tt.want != "" && (token != tt.token || !strings.HasPrefix(body, tt.want)) {
			t.Errorf("%s %s: asked for %q and got %d %q, want %q and %q", tt.method, tt.path, token, resp.StatusCode, body, tt.token, tt.want)
		}
		if tt.want == "" && token != "" && token != tt.token {
			t.Errorf("%s %s: asked for %q", tt.method, tt.path, token)
		}
	}
}

// TestChallenge_PanicIsOneRequestsMisfortune: so is a look-up that takes too long, as
// it is given an end.
func TestChallenge_PanicIsOneRequestsMisfortune(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Options{})
	snap := f.snapshot(t, nil)
	snap.Challenge = func(ctx context.Context, _, token string) (string, bool) {
		if until, ok := ctx.Deadline(); !ok || time.Until(until) > challengeWait {
			t.Error("a look-up without an end")
		}
		panic("at " + token)
	}
	f.apply(t, snap)
	if resp, _ := fetch(t, f.client(t, "h1"), "http://a.test"+challengePrefix+"x"); resp.StatusCode != 500 {
		t.Errorf("got %d, want 500", resp.StatusCode)
	}
}

// TestALPNChallenge_IsClosedAfterTheHandshake: a connection that was made to validate
// a name by TLS-ALPN-01 says no more (RFC 8737 §3), and none is made over QUIC.
func TestALPNChallenge_IsClosedAfterTheHandshake(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Options{})
	snap := f.snapshot(t, map[string]*Route{"a.test /*": {Handler: text("reached")}})
	site := snap.TLS
	challenge := BaseTLS()
	challenge.NextProtos = []string{"acme-tls/1"}
	challenge.Certificates = []tls.Certificate{f.ca.issue(t, "a.test")}
	snap.TLS = func(h *tls.ClientHelloInfo) (Security, error) {
		if slices.Contains(h.SupportedProtos, "acme-tls/1") {
			return Security{Config: challenge}, nil
		}
		return site(h)
	}
	f.apply(t, snap)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		conf := &tls.Config{RootCAs: f.ca.pool, ServerName: "a.test", NextProtos: []string{"acme-tls/1"}, MaxVersion: version}
		c, err := tls.Dial("tcp", f.Addrs()[1].String(), conf)
		if err != nil {
			t.Fatalf("%x: %v", version, err)
		}
		defer c.Close()
		if got := c.ConnectionState().NegotiatedProtocol; got != "acme-tls/1" {
			t.Errorf("%x: protocol %q", version, got)
		}
		c.SetDeadline(time.Now().Add(10 * time.Second))
		if b, err := io.ReadAll(c); err != nil || len(b) > 0 { // io.EOF, which ReadAll takes for the end, is a close_notify
			t.Errorf("%x: got %q, %v; want an end in order", version, b, err)
		}
	}
	c, err := tls.Dial("tcp", f.Addrs()[1].String(), &tls.Config{RootCAs: f.ca.pool, ServerName: "a.test", NextProtos: []string{"acme-tls/1", "http/1.1"}})
	if err == nil {
		fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
		c.SetDeadline(time.Now().Add(10 * time.Second))
		if b, _ := io.ReadAll(c); strings.Contains(string(b), "reached") {
			t.Errorf("a request beside the challenge was answered: %q", b)
		}
		c.Close()
	}
	h3 := f.client(t, "h3")
	if resp, body := fetch(t, h3, "https://a.test/"); resp.StatusCode != 200 || body != "reached" {
		t.Errorf("others over QUIC: got %d %q", resp.StatusCode, body)
	}
	for _, protos := range [][]string{{"acme-tls/1"}, {"h3", "acme-tls/1"}} {
		if err := dialQUIC(t, f, &tls.Config{RootCAs: f.ca.pool, ServerName: "a.test", NextProtos: protos}); err == nil {
			t.Errorf("a challenge over QUIC, offering %q, was answered", protos)
		}
	}
}

var tokenPath = regexp.MustCompile(`\A/\.well-known/acme-challenge/([A-Za-z0-9_-]{1,128})\z`)

// FuzzChallenged: what is looked up is a token, and the whole of what follows the
// prefix, in any path that a client can bring about.
func FuzzChallenged(f *testing.F) {
	for _, s := range []string{"/", challengePrefix, challengePrefix + knownToken, challengePrefix + "a.b", challengePrefix + "%61", challengePrefix + "a/../b", "/.well-known//acme-challenge/x", challengePrefix + strings.Repeat("x", 129), challengePrefix + "ä", "*"} {
		f.Add("GET", s)
	}
	f.Add("POST", challengePrefix+knownToken)
	f.Fuzz(func(t *testing.T, method, target string) {
		var r exchange.Request
		if r.SetTarget(target) != nil {
			r.Path = target
		}
		want := ""
		if m := tokenPath.FindStringSubmatch(r.Path); m != nil && (method == "GET" || method == "HEAD") {
			want = m[1]
		}
		if got := challenged(method, r.Path); got != want {
			t.Errorf("%s %q: got %q, want %q", method, r.Path, got, want)
		}
	})
}

// A site's requests must not pay for what authorities ask a few times a year.
func TestChallenge_CostsOthersNothing(t *testing.T) {
	s := New(Options{})
	defer s.Shutdown(context.Background())
	snap := &Snapshot{Routes: table(t, map[string]*Route{"example.com /*": {Handler: text("x")}})}
	if err := s.Apply(snap); err != nil {
		t.Fatal(err)
	}
	ask := exchangetest.Ask{Method: "GET", Target: "/.well-known/security.txt"}
	r := ask.New()
	allocations := func() float64 {
		return testing.AllocsPerRun(100, func() {
			ask.Renew(r)
			s.Dispatch(r)
		})
	}
	without := allocations()
	snap.Challenge = func(context.Context, string, string) (string, bool) { return "", true }
	if with := allocations(); with > without {
		t.Errorf("got %v allocations, want %v as without", with, without)
	}
}

func BenchmarkDispatch(b *testing.B) {
	for _, name := range []string{"plain", "with challenges"} {
		b.Run(name, func(b *testing.B) {
			s := New(Options{})
			defer s.Shutdown(context.Background())
			snap := &Snapshot{Routes: table(b, map[string]*Route{"example.com /*": {Handler: text("x")}})}
			if name != "plain" {
				snap.Challenge = func(context.Context, string, string) (string, bool) { return "", true }
			}
			if err := s.Apply(snap); err != nil {
				b.Fatal(err)
			}
			ask := exchangetest.Ask{Method: "GET", Target: "/index.html"}
			r := ask.New()
			b.ReportAllocs()
			for b.Loop() {
				ask.Renew(r)
				s.Dispatch(r)
			}
		})
	}
}

// dialQUIC tells why no connection can be made, or closes it.
func dialQUIC(t testing.TB, f *fixture, conf *tls.Config) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, err := quic.DialAddr(ctx, f.Addrs()[1].String(), conf, nil)
	if err == nil {
		c.CloseWithError(0, "")
	}
	return err
}
