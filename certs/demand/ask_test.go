package demand_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/certs/demand"
)

// endpoint is a server that is asked, and records the questions.
type endpoint struct {
	*httptest.Server
	mu     sync.Mutex
	asked  []url.Values
	probes int
	status func(name string) int
	auth   string
}

func newEndpoint(t testing.TB, status func(name string) int) *endpoint {
	t.Helper()
	e := &endpoint{status: status}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		e.mu.Lock()
		if strings.HasSuffix(q.Get("domain"), ".invalid") {
			e.probes++
		} else {
			e.asked = append(e.asked, q)
		}
		e.auth = r.Header.Get("Authorization")
		status := e.status
		e.mu.Unlock()
		w.WriteHeader(status(q.Get("domain")))
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *endpoint) questions() []url.Values {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]url.Values(nil), e.asked...)
}

func only(names ...string) func(string) int {
	return func(name string) int {
		if slices.Contains(names, name) {
			return 200
		}
		return 404
	}
}

func always(status int) func(string) int { return func(string) int { return status } }

// log is a buffer for a logger.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *log) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func TestAsk_QuestionAndStatus(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		reason string
		text   string
	}{
		{200, "", ""}, {204, "", ""}, {299, "", ""},
		{400, demand.ReasonDenied, "400 Bad Request"}, {403, demand.ReasonDenied, "403 Forbidden"}, {404, demand.ReasonDenied, "404 Not Found"},
		{499, demand.ReasonDenied, "499"},
		{407, demand.ReasonAsk, "407 Proxy"}, {408, demand.ReasonAsk, "408 Request"}, {429, demand.ReasonAsk, "429 Too Many"},
		{301, demand.ReasonAsk, "301 Moved Permanently to \"\": redirects are not followed"},
		{500, demand.ReasonAsk, "500 Internal"}, {503, demand.ReasonAsk, "503 Service Unavailable"}, {999, demand.ReasonAsk, "999"},
	} {
		e := newEndpoint(t, always(c.status))
		g := guard(t, demand.Options{Ask: e.URL + "/allowed?key=s3cret"})
		err := g.Allowed(t.Context(), "x.example.com", netip.MustParseAddr("::ffff:192.0.2.7"))
		if got := reason(t, err); got != c.reason {
			t.Errorf("%d: refused for %q; want %q", c.status, got, c.reason)
		}
		if err != nil {
			want := "refuse certificate for \"x.example.com\": ask " + e.URL + "/allowed about x.example.com: " + c.text
			if !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%d reads %q; want %q", c.status, err, want)
			}
		}
		want := url.Values{"key": {"s3cret"}, "domain": {"x.example.com"}, "client_ip": {"192.0.2.7"}}
		if q := e.questions(); len(q) != 1 || q[0].Encode() != want.Encode() {
			t.Errorf("%d: asked %v; want %v", c.status, q, want)
		}
	}
}

func TestAsk_UnknownClientAndPassword(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, always(503))
	g := guard(t, demand.Options{Ask: strings.Replace(e.URL, "http://", "http://weir:s3cret@", 1)})
	err := g.Allowed(t.Context(), "x.example.com", netip.Addr{})
	if err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("error %v; want one without the password", err)
	}
	if q := e.questions(); len(q) != 1 || q[0].Encode() != "domain=x.example.com" {
		t.Errorf("asked %v", q)
	}
	if !strings.HasPrefix(e.auth, "Basic ") {
		t.Errorf("Authorization %q", e.auth)
	}
}

// Scenario 7: one question for 200 first handshakes.
func TestAsk_OnceFor200(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	e := newEndpoint(t, func(name string) int {
		<-hold
		return only("x.example.com")(name)
	})
	g := guard(t, demand.Options{Ask: e.URL, AskTimeout: time.Minute})
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			if err := g.Allowed(t.Context(), "x.example.com", visitor(i)); err != nil {
				t.Error(err)
			}
		})
	}
	close(hold)
	all.Wait()
	if q := e.questions(); len(q) != 1 {
		t.Errorf("asked %d times; want once", len(q))
	}
}

// Scenario 9, over HTTP.
func TestAsk_AThousandNames(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, only("known.example.com"))
	g := guard(t, demand.Options{Ask: e.URL, AskTotal: demand.Rate{N: 50, Per: time.Hour}})
	expect(t, g, "known.example.com", "")
	var all sync.WaitGroup
	for i := range 1000 {
		all.Go(func() {
			if g.Allowed(t.Context(), fmt.Sprintf("r%d.example.com", i), visitor(i)) == nil {
				t.Error("allowed")
			}
			expect(t, g, "known.example.com", "")
		})
	}
	all.Wait()
	if n := len(e.questions()); n > 51 {
		t.Errorf("asked %d times; want at most 51", n)
	}
}

// Scenario 10: names that are known go on while the endpoint is gone.
func TestAsk_EndpointGoneAndBack(t *testing.T) {
	t.Parallel()
	var status = only("x.example.com")
	e := newEndpoint(t, func(name string) int { return status(name) })
	var l log
	g := guard(t, demand.Options{Ask: e.URL, Yes: time.Nanosecond, Log: l.logger()})
	expect(t, g, "x.example.com", "")
	e.mu.Lock()
	e.status = always(502)
	e.mu.Unlock()
	expect(t, g, "x.example.com", "")
	expect(t, g, "x.example.com", "")
	if n := len(e.questions()); n != 2 {
		t.Errorf("asked %d times; want twice", n)
	}
	e.mu.Lock()
	e.status = only("y.example.com")
	e.mu.Unlock()
	expect(t, g, "y.example.com", "")
	g.Close()
	if s := l.String(); strings.Count(s, "nobody can be asked") != 1 || strings.Count(s, "works again") != 1 || !strings.Contains(s, "502 Bad Gateway") {
		t.Errorf("log:\n%s", s)
	}

	dead := newEndpoint(t, always(200))
	dead.Close()
	err := guard(t, demand.Options{Ask: dead.URL}).Allowed(t.Context(), "x.example.com", client)
	if reason(t, err) != demand.ReasonAsk || !strings.Contains(err.Error(), "refused") {
		t.Errorf("no server: %v", err)
	}
}

func TestAsk_YesToEverythingIsSaidOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		status func(string) int
		warned int
		probes int
	}{
		{"to everything", always(200), 1, 1},
		{"to what it knows", only("a.example.com", "b.example.com"), 0, 1},
		{"to nothing", always(404), 0, 0},
	} {
		e := newEndpoint(t, c.status)
		var l log
		g := guard(t, demand.Options{Ask: e.URL, Log: l.logger()})
		for range 3 {
			for _, name := range []string{"a.example.com", "b.example.com"} {
				g.Allowed(t.Context(), name, client)
			}
		}
		waitFor(t, func() bool { e.mu.Lock(); defer e.mu.Unlock(); return e.probes == c.probes })
		waitFor(t, func() bool { return strings.Count(l.String(), "yes to everything") == c.warned })
		g.Close()
		if n := strings.Count(l.String(), "yes to everything"); n != c.warned || e.probes != c.probes {
			t.Errorf("says yes %s: %d warnings after %d probes; want %d, %d", c.name, n, e.probes, c.warned, c.probes)
		}
	}
}

// waitFor waits for what another goroutine does, a minute at most.
func waitFor(t testing.TB, what func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !what(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
	}
}

// raw serves connections by hand: what speak writes after the question.
func raw(t testing.TB, speak func(c net.Conn, end <-chan struct{})) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	end := make(chan struct{})
	var all sync.WaitGroup
	t.Cleanup(func() { close(end); l.Close(); all.Wait() })
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
					speak(c, end)
				}
			})
		}
	})
	return "http://" + l.Addr().String() + "/"
}

func flood(text string) func(net.Conn, <-chan struct{}) {
	return func(c net.Conn, end <-chan struct{}) {
		for {
			if _, err := io.WriteString(c, text); err != nil {
				return
			}
			select {
			case <-end:
				return
			default:
			}
		}
	}
}

func say(text string) func(net.Conn, <-chan struct{}) {
	return func(c net.Conn, end <-chan struct{}) { io.WriteString(c, text); <-end }
}

func TestAsk_HostileAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		speak  func(net.Conn, <-chan struct{})
		reason string
		text   string
	}{
		{"silence", say(""), demand.ReasonAsk, "no answer in time"},
		{"half a head", say("HTTP/1.1 200 OK\r\nA: b"), demand.ReasonAsk, "no answer in time"},
		{"no HTTP", say("SSH-2.0-OpenSSH_9.9\r\n\r\n"), demand.ReasonAsk, "malformed"},
		{"no status", say("HTTP/1.1 yes\r\n\r\n"), demand.ReasonAsk, "malformed"},
		{"status of four digits", say("HTTP/1.1 2000 OK\r\n\r\n"), demand.ReasonAsk, "malformed"},
		{"closes", func(net.Conn, <-chan struct{}) {}, demand.ReasonAsk, "EOF"},
		{"endless head", func(c net.Conn, end <-chan struct{}) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			flood("A: "+strings.Repeat("b", 1000)+"\r\n")(c, end)
		}, demand.ReasonAsk, "exceeded"},
		{"endless line", func(c net.Conn, end <-chan struct{}) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nA: ")
			flood(strings.Repeat("b", 1000))(c, end)
		}, demand.ReasonAsk, "exceeded"},
		{"endless interim answers", flood("HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"), demand.ReasonAsk, ""},
		{"switches protocols", say("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"), demand.ReasonAsk, "101"},
		{"redirect", say("HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"), demand.ReasonAsk, `302 Found to "http://169.254.169.254/": redirects are not followed`},
		{"redirect with junk", say("HTTP/1.1 307 \x1b[2J\r\nLocation: \x1b[2J" + strings.Repeat("x", 9999) + "\r\n\r\n"), demand.ReasonAsk, ""},
		{"yes with an endless body", func(c net.Conn, end <-chan struct{}) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
			flood(strings.Repeat("b", 1000))(c, end)
		}, "", ""},
		{"yes with a body that never comes", say("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"), "", ""},
		{"no with a body that never comes", say("HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\n"), demand.ReasonDenied, "404"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			timeout := time.Minute
			if strings.Contains(c.text, "in time") {
				timeout = 50 * time.Millisecond
			}
			g := guard(t, demand.Options{Ask: raw(t, c.speak), AskTimeout: timeout})
			err := g.Allowed(t.Context(), "x.example.com", client)
			if got := reason(t, err); got != c.reason {
				t.Errorf("refused for %q (%v); want %q", got, err, c.reason)
			}
			if err != nil && (!strings.Contains(err.Error(), c.text) || len(err.Error()) > 500 || strings.ContainsAny(err.Error(), "\x1b\r\n\x00")) {
				t.Errorf("reads %q; want %q", err, c.text)
			}
		})
	}
}

func TestAsk_CertificatesAreVerified(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	t.Cleanup(s.Close)
	err := guard(t, demand.Options{Ask: s.URL}).Allowed(t.Context(), "x.example.com", client)
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok || reason(t, err) != demand.ReasonAsk {
		t.Errorf("a server that nobody vouches for: %v", err)
	}
}

// Both have to say yes, and the one that costs nothing is asked first.
func TestAsk_AfterDecide(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, only("a.example.com", "b.example.com"))
	o := oracles("a.example.com", "c.example.com")
	g := guard(t, demand.Options{Ask: e.URL, Decide: o.decide})
	expect(t, g, "a.example.com", "")
	expect(t, g, "b.example.com", demand.ReasonDenied)
	expect(t, g, "c.example.com", demand.ReasonDenied)
	if n := len(e.questions()); n != 2 {
		t.Errorf("asked %d times; want twice", n)
	}
}

func TestAsk_CallerThatLeaves(t *testing.T) {
	t.Parallel()
	g := guard(t, demand.Options{Ask: raw(t, say("")), AskTimeout: time.Minute})
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the client left"))
	err := g.Allowed(ctx, "x.example.com", client)
	if reason(t, err) != demand.ReasonCanceled || !strings.Contains(err.Error(), "the client left") {
		t.Errorf("left: %v", err)
	}
}

func TestGuard_Hammer(t *testing.T) {
	t.Parallel()
	var flaps sync.Mutex
	n := 0
	e := newEndpoint(t, func(name string) int {
		flaps.Lock()
		defer flaps.Unlock()
		if n++; n%7 < 3 {
			return 503
		}
		return only("n1.example.com", "n2.example.com")(name)
	})
	much := demand.Rate{N: 1_000_000, Per: time.Second}
	g := guard(t, demand.Options{
		Ask: e.URL, Allow: []string{"*.example.org"}, Yes: time.Microsecond, No: time.Microsecond,
		AskPerClient: much, AskTotal: much, PerClient: much, PerDomain: much, Total: much,
	})
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for i := range 300 {
				name := fmt.Sprintf("n%d.example.com", (i+w)%40)
				if err := g.Allowed(t.Context(), name, visitor(i)); err == nil {
					if name != "n1.example.com" && name != "n2.example.com" {
						t.Errorf("%s is allowed", name)
					}
				} else {
					reason(t, err)
				}
				expect(t, g, "a.example.org", "")
				if done, err := g.Begin(name, visitor(i)); err == nil {
					done()
					done()
				}
				g.Stats()
			}
		})
	}
	all.Wait()
	g.Close()
	if s := g.Stats(); s.InFlight != 0 || s.Asking != 0 || s.Asks != s.Yes+s.No+s.Failures {
		t.Errorf("stats %+v", s)
	}
}
