package edge

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// failing is a body that gives some bytes and then an error.
type failing struct {
	text   string
	length int64
	err    error
}

func (f *failing) Read(p []byte) (int, error) {
	if f.text == "" {
		return 0, f.err
	}
	n := copy(p, f.text)
	f.text = f.text[n:]
	return n, nil
}
func (f *failing) Close() error { return nil }
func (f *failing) Len() int64   { return f.length }

// dial connects to the plain listener, for some seconds at most.
func (f *fixture) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", f.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}

func respondBody(b func() exchange.Body) *Route {
	return &Route{Handler: exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(http.StatusOK)
		resp.Header.Append("etag", `"x"`)
		resp.Body = b()
		return resp, nil
	})}
}

// TestRespond_BodyThatFailsAtOnceIs500 checks that an error before the first byte
// becomes a page, and takes no earlier response of the connection with it.
func TestRespond_BodyThatFailsAtOnceIs500(t *testing.T) {
	t.Parallel()
	f, seen := newFixture(t, Options{}), make(observed, 3)
	snap := f.snapshot(t, map[string]*Route{
		"a.test /ok":   {Handler: text("fine")},
		"a.test /fail": respondBody(func() exchange.Body { return &failing{length: 5, err: errors.New("disk on fire")} }),
	})
	snap.Observers = []exchange.Observer{seen}
	f.apply(t, snap)
	c := f.dial(t)
	io.WriteString(c, "GET /ok HTTP/1.1\r\nHost: a.test\r\n\r\nGET /fail HTTP/1.1\r\nHost: a.test\r\n\r\nGET /ok HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
	in := bufio.NewReader(c)
	for i, want := range []int{200, 500, 200} {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("response %d: %v, want %d", i, err, want)
		}
		io.Copy(io.Discard, resp.Body)
		rec := <-seen
		if resp.StatusCode != want || rec.Status != want || (rec.Err != nil) != (want == 500) {
			t.Errorf("response %d: got %d, recorded %d %v, want %d", i, resp.StatusCode, rec.Status, rec.Err, want)
		}
		if want == 500 && resp.Header.Get("Etag") != "" {
			t.Errorf("response %d: the error's page has the fields of what failed: %v", i, resp.Header)
		}
	}
}

// TestRespond_PanicsOutsideHandlers checks that neither an error page's maker nor an
// observer can end the process, and that every observer is told all the same.
func TestRespond_PanicsOutsideHandlers(t *testing.T) {
	t.Parallel()
	for _, p := range protocols {
		f, seen := newFixture(t, Options{}), make(observed, 1)
		snap := f.snapshot(t, map[string]*Route{"a.test /": {Handler: text("x")}})
		snap.Errors = []ErrorPage{{From: 400, To: 599, Page: func(*exchange.Request, int) (*exchange.Response, error) { panic("page") }}}
		snap.Observers = []exchange.Observer{broken{}, seen}
		f.apply(t, snap)
		resp, body := fetch(t, f.client(t, p.name), p.scheme+"://a.test/absent")
		if resp.StatusCode != 404 || !strings.Contains(body, "incident") {
			t.Errorf("%s: got %d %q, want weir's own 404", p.name, resp.StatusCode, body)
		}
		if rec := <-seen; rec.Status != 404 {
			t.Errorf("%s: recorded %d, want 404", p.name, rec.Status)
		}
	}
}

type broken struct{}

func (broken) Observe(*exchange.Request) { panic("observer") }

// TestServer_CutBodyBesideH2CIsSeen checks that HTTP/1 on a listener that takes
// HTTP/2 as well resets and lingers like any other.
func TestServer_CutBodyBesideH2CIsSeen(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Options{})
	snap := f.snapshot(t, map[string]*Route{
		"a.test /cut": respondBody(func() exchange.Body { return &failing{text: "half", length: -1, err: errors.New("cut")} }),
	})
	snap.Listeners[0].H2C = true
	f.apply(t, snap)
	c := f.dial(t)
	io.WriteString(c, "GET /cut HTTP/1.0\r\nHost: a.test\r\n\r\n")
	if b, err := io.ReadAll(c); err == nil {
		t.Errorf("a body that was cut ended cleanly: %q", b)
	}
}

// TestServer_RefusalBesideH2CArrives: without lingering, bytes that are still on
// their way make the kernel reset the connection, and the answer is lost.
func TestServer_RefusalBesideH2CArrives(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Options{})
	snap := f.snapshot(t, map[string]*Route{"a.test /": {Handler: text("x")}})
	snap.Listeners[0].H2C = true
	f.apply(t, snap)
	c := f.dial(t)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.test\r\nContent-Length: x\r\n\r\n")
	got, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 400 ") {
		t.Errorf("got %q, %v; want a 400 and a clean end", got, err)
	}
	for range 2 { // the first one would cause a reset, the second one see it
		if _, err := c.Write(make([]byte, 1<<10)); err != nil {
			t.Errorf("write behind the refused request: %v", err)
		}
	}
}

// TestNumbers_OneTellsNothingOfAnother: numbers are shown to clients, as incident
// ids. Whoever could undo their making would learn how many requests are served.
func TestNumbers_OneTellsNothingOfAnother(t *testing.T) {
	t.Parallel()
	f, seen := newFixture(t, Options{}), make(observed, 1)
	snap := f.snapshot(t, map[string]*Route{"a.test /": {Handler: text("x")}})
	snap.Observers = []exchange.Observer{seen}
	f.apply(t, snap)
	c, had := f.client(t, "h1"), map[uint64]bool{}
	var last uint64
	for i := range 20 {
		fetch(t, c, "http://a.test/")
		rec := <-seen
		if step := unmix(rec.Number) - unmix(last); i > 0 && step == 0x9e3779b97f4a7c15 {
			t.Fatalf("number %d, %x, follows from the one before, %x", i, rec.Number, last)
		}
		if last = rec.Number; had[last] {
			t.Fatalf("number %x was given twice", last)
		}
		had[last] = true
	}
}

// unmix undoes the finaliser of splitmix64.
func unmix(z uint64) uint64 {
	z = (z ^ z>>31 ^ z>>62) * 0x319642b2d24d8ec3
	z = (z ^ z>>27 ^ z>>54) * 0x96de1b173f119089
	return z ^ z>>30 ^ z>>60
}

// TestShutdown_DoesNotWaitForHandlersThatIgnoreIt: when the context of Shutdown has
// ended, what goes on is cut, whatever it is doing, and also where its listener has
// gone in a reload before.
func TestShutdown_DoesNotWaitForHandlersThatIgnoreIt(t *testing.T) {
	t.Parallel()
	for _, p := range protocols {
		for _, reloaded := range []bool{false, true} {
			t.Run(fmt.Sprint(p.name, " reloaded=", reloaded), func(t *testing.T) {
				t.Parallel()
				f, inside, release := newFixture(t, Options{}), make(chan struct{}), make(chan struct{})
				routes := map[string]*Route{"a.test /": {Handler: exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
					close(inside)
					<-release
					return text("late").Handle(r)
				})}}
				f.apply(t, f.snapshot(t, routes))
				c, asked := f.client(t, p.name), make(chan struct{})
				c.Timeout = 2 * time.Second // the HTTP/3 client asks again, of a socket that is closed
				go func() {
					defer close(asked)
					if resp, err := c.Get(p.scheme + "://a.test/"); err == nil {
						resp.Body.Close()
					}
				}()
				<-inside
				if reloaded {
					snap := f.snapshot(t, routes)
					snap.Listeners = nil
					f.apply(t, snap)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				defer cancel()
				done := make(chan struct{})
				go func() { f.Shutdown(ctx); close(done) }()
				select {
				case <-done:
				case <-time.After(5 * time.Second):
					t.Error("Shutdown waits for the handler")
				}
				close(release)
				<-done
				<-asked
			})
		}
	}
}
