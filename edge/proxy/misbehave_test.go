package proxy_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/weirproxy/weir/edge/proxy"
	"github.com/weirproxy/weir/edge/upstream"
)

// misdeed is something that an upstream does in place of an answer, and whether the
// client may take it for one.
type misdeed struct {
	name string
	do   func(c net.Conn)
	// body is what a complete answer may have; "" if there must be none. Where it says
	// "5xx" only an error will do.
	body   string
	method string // GET
	send   int    // bytes of the request's body
}

const (
	okLine  = "HTTP/1.1 200 OK\r\n"
	chunks  = okLine + "Transfer-Encoding: chunked\r\n\r\n"
	poison  = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
	failure = "5xx"
)

// says sends text and closes the connection in order; cuts resets it instead; keeps
// leaves it as it is.
func says(text string) func(net.Conn) {
	return func(c net.Conn) { io.WriteString(c, text); c.Close() }
}

func keeps(text string) func(net.Conn) {
	return func(c net.Conn) { io.WriteString(c, text) }
}

func cuts(text string) func(net.Conn) {
	return func(c net.Conn) {
		io.WriteString(c, text)
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
}

// flood begins with text and repeats more until weir has had enough.
func flood(text, more string) func(net.Conn) {
	more = strings.Repeat(more, 1+4096/len(more))
	return func(c net.Conn) {
		_, err := io.WriteString(c, text)
		for err == nil {
			_, err = io.WriteString(c, more)
		}
	}
}

// misdeeds are what an upstream can do wrong (RFC 9112 §6, §8; security P1, Q7, Q8).
var misdeeds = []misdeed{
	// Before and in the head.
	{name: "closes at once", do: says(""), body: failure},
	{name: "resets at once", do: cuts(""), body: failure},
	{name: "half a status line", do: says("HTTP/1.1 20"), body: failure},
	{name: "half a head", do: says(okLine + "Content-Le"), body: failure},
	{name: "half a head, reset", do: cuts(okLine + "Content-Length: 2\r\n"), body: failure},
	{name: "head without its end", do: says(okLine + "Content-Length: 2\r\n"), body: failure},
	{name: "HTTP/0.9", do: says("<html>hello</html>\r\n\r\n"), body: failure},
	{name: "TLS alert", do: says("\x15\x03\x01\x00\x02\x02\x46"), body: failure},
	{name: "HTTP/2", do: says("\x00\x00\x00\x04\x00\x00\x00\x00\x00"), body: failure},
	{name: "SSH", do: says("SSH-2.0-x\r\n\r\n"), body: failure},
	{name: "ICY", do: says("ICY 200 OK\r\nContent-Length: 2\r\n\r\nhi"), body: failure},
	{name: "HTTP/1.2", do: says("HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nhi"), body: failure},
	{name: "HTTP/2.0", do: says("HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nhi"), body: failure},
	{name: "status 000", do: says("HTTP/1.1 000 No\r\nContent-Length: 2\r\n\r\nhi"), body: failure},
	{name: "status 600", do: says("HTTP/1.1 600 No\r\nContent-Length: 2\r\n\r\nhi"), body: failure},
	{name: "status 999", do: says("HTTP/1.1 999 No\r\nContent-Length: 2\r\n\r\nhi"), body: failure},
	{name: "status of letters", do: says("HTTP/1.1 2OO OK\r\nContent-Length: 2\r\n\r\nhi"), body: failure},
	{name: "status -20", do: says("HTTP/1.1 -20 OK\r\nContent-Length: 2\r\n\r\nhi"), body: failure},
	{name: "no status", do: says("HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi"), body: failure},
	{name: "101 unasked", do: keeps("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n" + poison), body: failure},
	{name: "100 and the end", do: says("HTTP/1.1 100 Continue\r\n\r\n"), body: failure},
	{name: "1xx without end", do: flood("", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")}, // of which clients have enough sooner
	{name: "1xx with a length", do: keeps("HTTP/1.1 103 Early Hints\r\nContent-Length: 2\r\n\r\nhi" + poison), body: failure},
	{name: "field without end", do: flood(okLine+"X: ", "x"), body: failure},
	{name: "fields without end", do: flood(okLine, "X: x\r\n"), body: failure},
	{name: "reason without end", do: flood("HTTP/1.1 200 ", "x"), body: failure},
	{name: "empty lines without end", do: flood("", "\r\n"), body: failure},
	{name: "huge field", do: says(okLine + "X: " + strings.Repeat("x", 1<<20) + "\r\nContent-Length: 2\r\n\r\nhi"), body: failure},
	{name: "CR in a value", do: keeps(okLine + "X: a\rContent-Length: 0\r\nContent-Length: 2\r\n\r\nhi"), body: failure},
	{name: "NUL in a value", do: keeps(okLine + "X: a\x00\r\nContent-Length: 2\r\n\r\nhi"), body: failure},
	{name: "folded field", do: keeps(okLine + "X: a\r\n b\r\nContent-Length: 2\r\n\r\nhi"), body: failure},

	// Contradicting lengths and codings.
	{name: "length and coding", do: keeps(okLine + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"), body: failure},
	{name: "coding and length", do: keeps(okLine + "Transfer-Encoding: chunked\r\nContent-Length: 12\r\n\r\n2\r\nhi\r\n0\r\n\r\n"), body: failure},
	{name: "two lengths", do: keeps(okLine + "Content-Length: 2\r\nContent-Length: 4\r\n\r\nhiho"), body: failure},
	{name: "two lengths, alike", do: keeps(okLine + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi"), body: failure},
	{name: "list of lengths", do: keeps(okLine + "Content-Length: 2, 4\r\n\r\nhiho"), body: failure},
	{name: "negative length", do: keeps(okLine + "Content-Length: -2\r\n\r\nhi"), body: failure},
	{name: "signed length", do: keeps(okLine + "Content-Length: +2\r\n\r\nhi"), body: failure},
	{name: "length in hex", do: keeps(okLine + "Content-Length: 0x2\r\n\r\nhi"), body: failure},
	{name: "length of no digits", do: keeps(okLine + "Content-Length: two\r\n\r\nhi"), body: failure},
	{name: "empty length", do: keeps(okLine + "Content-Length: \r\n\r\nhi"), body: failure},
	{name: "length beyond 64 bits", do: keeps(okLine + "Content-Length: 18446744073709551618\r\n\r\nhi"), body: failure},
	{name: "coding unknown", do: keeps(okLine + "Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"), body: failure},
	{name: "coding identity", do: says(okLine + "Transfer-Encoding: identity\r\n\r\nhi"), body: failure},
	{name: "chunked twice", do: keeps(okLine + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"), body: failure},
	{name: "coding over HTTP/1.0", do: says("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"), body: failure},

	// In the body. What is too long counts as the next answer, which nobody has asked for.
	{name: "no body", do: says(okLine + "Content-Length: 2\r\n\r\n")},
	{name: "short body", do: says(okLine + "Content-Length: 3\r\n\r\nhi")},
	{name: "short body, reset", do: cuts(okLine + "Content-Length: 3\r\n\r\nhi")},
	{name: "long short body", do: says(okLine + "Content-Length: 300000\r\n\r\n" + strings.Repeat("x", 200000))},
	{name: "long short body, reset", do: cuts(okLine + "Content-Length: 300000\r\n\r\n" + strings.Repeat("x", 200000))},
	{name: "body too long", do: keeps(okLine + "Content-Length: 2\r\n\r\nhiho"), body: "hi"},
	{name: "close-delimited, reset", do: cuts(okLine + "\r\nhi")},
	{name: "close-delimited, long, reset", do: cuts(okLine + "\r\n" + strings.Repeat("x", 200000))},
	{name: "close-delimited HTTP/1.0, reset", do: cuts("HTTP/1.0 200 OK\r\n\r\nhi")},
	{name: "no chunk", do: says(chunks)},
	{name: "in a chunk's size", do: says(chunks + "2")},
	{name: "in a chunk", do: says(chunks + "5\r\nhi")},
	{name: "in a chunk, reset", do: cuts(chunks + "5\r\nhi")},
	{name: "behind a chunk", do: says(chunks + "2\r\nhi\r\n")},
	{name: "behind a chunk, reset", do: cuts(chunks + "2\r\nhi\r\n")},
	{name: "in the last chunk", do: says(chunks + "2\r\nhi\r\n0\r\n")},
	{name: "in the trailer", do: says(chunks + "2\r\nhi\r\n0\r\nX-Sum: 1")},
	{name: "behind a trailer field", do: says(chunks + "2\r\nhi\r\n0\r\nX-Sum: 1\r\n")},
	{name: "chunk size of no digits", do: keeps(chunks + "xyz\r\nhi\r\n0\r\n\r\n")},
	{name: "chunk size negative", do: keeps(chunks + "-2\r\nhi\r\n0\r\n\r\n")},
	{name: "chunk size in 0x", do: keeps(chunks + "0x2\r\nhi\r\n0\r\n\r\n")},
	{name: "chunk size beyond 64 bits", do: keeps(chunks + "10000000000000002\r\nhi\r\n0\r\n\r\n")},
	{name: "chunk size and space", do: keeps(chunks + "2 \r\nhi\r\n0\r\n\r\n")},
	{name: "chunk longer than its size", do: keeps(chunks + "2\r\nhiho\r\n0\r\n\r\n")},
	{name: "chunk lines end by LF", do: keeps(chunks + "2\nhi\n0\n\n")},
	{name: "chunk extension without end", do: flood(chunks+"2;", "x")},
	{name: "chunk size without end", do: flood(chunks, "0")},
	{name: "trailer without end", do: flood(chunks+"2\r\nhi\r\n0\r\n", "X: x\r\n")},
	{name: "length in the trailer", do: keeps(chunks + "2\r\nhi\r\n0\r\nContent-Length: 7\r\n\r\n")},
	{name: "coding in the trailer", do: keeps(chunks + "2\r\nhi\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n")},
	{name: "junk in the trailer", do: keeps(chunks + "2\r\nhi\r\n0\r\nX y\r\n\r\n")},

	// More answers than requests.
	{name: "two replies", do: keeps(okLine + "Content-Length: 2\r\n\r\nhi" + poison), body: "hi"},
	{name: "two replies in chunks", do: keeps(chunks + "2\r\nhi\r\n0\r\n\r\n" + poison), body: "hi"},
	{name: "two replies to HEAD", method: "HEAD", do: keeps(okLine + "Content-Length: 2\r\n\r\n" + poison), body: "none"},
	{name: "body of HEAD", method: "HEAD", do: keeps(okLine + "Content-Length: 2\r\n\r\nhi"), body: "none"},
	{name: "chunks of HEAD", method: "HEAD", do: keeps(chunks + "2\r\nhi\r\n0\r\n\r\n"), body: "none"},
	{name: "body of 204", do: keeps("HTTP/1.1 204 No Content\r\n\r\n" + poison), body: "none"},
	{name: "length of 204", do: keeps("HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\npoison"), body: "none"},
	{name: "body of 304", do: keeps("HTTP/1.1 304 Not Modified\r\n\r\n" + poison), body: "none"},
	{name: "100 behind the answer", do: keeps(okLine + "Content-Length: 2\r\n\r\nhiHTTP/1.1 100 Continue\r\n\r\n"), body: "hi"},
	{name: "408 behind the answer", do: says(okLine + "Content-Length: 2\r\n\r\nhiHTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), body: "hi"},
	{name: "byte behind the answer", do: keeps(okLine + "Content-Length: 2\r\n\r\nhi\n"), body: "hi"},

	// Requests with a body.
	{name: "answer before the body", method: "POST", send: 4 << 20, do: keeps(okLine + "Content-Length: 2\r\n\r\nhi"), body: "hi"},
	{name: "answer before the body, end", method: "POST", send: 4 << 20, do: says(okLine + "Connection: close\r\nContent-Length: 2\r\n\r\nhi"), body: "hi"},
	{name: "half an answer before the body", method: "POST", send: 4 << 20, do: says(okLine + "Content-Length: 3\r\n\r\nhi")},
	{name: "two answers before the body", method: "POST", send: 4 << 20, do: keeps(okLine + "Content-Length: 2\r\n\r\nhi" + poison), body: "hi"},
	{name: "resets before the body", method: "POST", send: 4 << 20, do: cuts(""), body: failure},
	{name: "closes before the body", method: "POST", send: 4 << 20, do: says(""), body: failure},
	{name: "100 and the end before the body", method: "POST", send: 4 << 20, do: says("HTTP/1.1 100 Continue\r\n\r\n"), body: failure},
}

// villain is an upstream that does the misdeed that a path names by its number, and
// answers /mark/TEXT with TEXT.
func villain(t *testing.T) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serveVillain(c)
		}
	}()
	return "http://" + l.Addr().String()
}

func serveVillain(c net.Conn) {
	defer c.Close()
	for r := bufio.NewReader(c); ; {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		if text, ok := strings.CutPrefix(req.URL.Path, "/mark/"); ok {
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
			continue
		}
		n, err := strconv.Atoi(strings.TrimPrefix(req.URL.Path, "/"))
		if err != nil {
			return
		}
		if m := &misdeeds[n]; m.send == 0 {
			m.do(c)
			continue
		}
		go misdeeds[n].do(c) // which may wait until its answer has been read
		io.Copy(io.Discard, req.Body)
	}
}

// asker is a client of one protocol, with a connection of its own.
type asker struct {
	proto string
	http.RoundTripper
	url   string
	dials atomic.Int32
}

func (f *fixture) newAsker(t *testing.T, proto string) *asker {
	a := &asker{proto: proto, url: "https://a.test"}
	dial := func(secure int) func(context.Context, string, string) (net.Conn, error) {
		return func(ctx context.Context, _, _ string) (net.Conn, error) {
			a.dials.Add(1)
			return new(net.Dialer).DialContext(ctx, "tcp", f.server.Addrs()[secure].String())
		}
	}
	switch proto {
	case "h3":
		// http3.Transport gives up a connection for every stream that is reset.
		conf := f.client.Clone()
		conf.NextProtos = []string{"h3"}
		conn, err := quic.DialAddr(t.Context(), f.server.Addrs()[1].String(), conf, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.CloseWithError(0x100, "") })
		a.dials.Add(1)
		a.RoundTripper = (&http3.Transport{DisableCompression: true}).NewClientConn(conn)
	default:
		tr := &http.Transport{DialContext: dial(0), DisableCompression: true, TLSClientConfig: f.client.Clone(), ForceAttemptHTTP2: proto == "h2"}
		if proto == "h1" {
			a.url = "http://a.test"
		} else {
			tr.DialContext = dial(1)
		}
		t.Cleanup(tr.CloseIdleConnections)
		a.RoundTripper = tr
	}
	return a
}

// outcome is what a client has of an exchange: a status and a body, or where it was
// cut.
type outcome struct {
	status int // 0: no answer
	body   string
	err    error // it was cut
}

func (o outcome) String() string {
	return fmt.Sprintf("status %d, %d bytes %.40q, error %v", o.status, len(o.body), o.body, o.err)
}

func (a *asker) ask(t *testing.T, method, path string, send int) (o outcome) {
	ctx, cancel := context.WithTimeout(t.Context(), waitAtMost)
	defer cancel()
	var body io.Reader
	if send > 0 {
		body = io.LimitReader(zeros{}, int64(send))
	}
	req, err := http.NewRequestWithContext(ctx, method, a.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if req.ContentLength = int64(send); send > 0 {
		req.GetBody = nil // the client must not try again by itself
	}
	resp, err := a.RoundTrip(req)
	if err != nil {
		return outcome{err: err}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return outcome{resp.StatusCode, string(text), err}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// passes tells whether o is what may come of m.
func (m *misdeed) passes(o outcome) bool {
	switch {
	case errors.Is(o.err, context.DeadlineExceeded):
		return false
	case m.body == failure:
		return o.status >= 500 && o.err == nil
	case m.body == "":
		return o.err != nil || o.status >= 500
	case m.body == "none":
		return o.err == nil && o.body == "" && (o.status < 300 || o.status == 304)
	}
	return o.err == nil && o.status == 200 && o.body == m.body
}

// TestUpstreamMisbehaves: whatever an upstream does, a client gets an error, or an
// answer that is visibly cut; never one that looks complete and is not, and never
// what belongs to somebody else, who is asked for after each misdeed.
func TestUpstreamMisbehaves(t *testing.T) {
	t.Parallel()
	for _, held := range []int64{0, 1 << 10} {
		for _, proto := range []string{"h1", "h1s", "h2", "h3"} {
			t.Run(fmt.Sprintf("%s/held %d", proto, held), func(t *testing.T) {
				t.Parallel()
				f := &fixture{upstreams: upstream.New(upstream.Options{})}
				f.serveVia(t, proxy.Options{BufferRequest: held, BufferResponse: held}, villain(t))
				first, other := f.newAsker(t, proto), f.newAsker(t, "h1")
				marks := 0
				mark := func(about string, a *asker) {
					marks++
					want := fmt.Sprintf("mine-%d", marks)
					if o := a.ask(t, "GET", "/mark/"+want, 0); o.status != 200 || o.body != want || o.err != nil {
						t.Errorf("after %s, another client got %v, want %q", about, o, want)
					}
				}
				mark("nothing", other)
				for i := range misdeeds {
					m := &misdeeds[i]
					if o := first.ask(t, orGet(m.method), fmt.Sprintf("/%d", i), m.send); !m.passes(o) {
						t.Errorf("%s: got %v, want %q or a cut", m.name, o, m.body)
					}
					mark(m.name, other)
					mark(m.name, first)
				}
				// What an upstream does to one stream is nothing to the others.
				if n := first.dials.Load(); proto >= "h2" && n != 1 {
					t.Errorf("%d connections were used, want 1", n)
				}
			})
		}
	}
}

func orGet(method string) string {
	if method == "" {
		return "GET"
	}
	return method
}

// TestUpstreamMisbehaves_HTTP10: to a client whose answers end with the connection, a
// cut shows by a reset alone (RFC 9112 §8).
func TestUpstreamMisbehaves_HTTP10(t *testing.T) {
	t.Parallel()
	f := &fixture{upstreams: upstream.New(upstream.Options{})}
	f.serveVia(t, proxy.Options{}, villain(t))
	for i := range misdeeds {
		m := &misdeeds[i]
		if m.send > 0 || m.method != "" {
			continue
		}
		c := f.dial(t)
		fmt.Fprintf(c, "GET /%d HTTP/1.0\r\nHost: a.test\r\n\r\n", i)
		var o outcome
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if o.err = err; err == nil {
			text, err := io.ReadAll(resp.Body)
			o = outcome{resp.StatusCode, string(text), err}
		}
		if !m.passes(o) {
			t.Errorf("%s: got %v, want %q or a cut", m.name, o, m.body)
		}
	}
}

// TestUnsolicitedAnswers: what an upstream says on a connection that nobody has asked
// on is nobody's answer.
func TestUnsolicitedAnswers(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(net.Conn){
		"open":   func(net.Conn) {},
		"closed": func(c net.Conn) { c.Close() },
		"reset":  func(c net.Conn) { c.(*net.TCPConn).SetLinger(0); c.Close() },
	} {
		for _, text := range []string{poison, "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n", "\r\n", "x", ""} {
			t.Run(fmt.Sprintf("%s/%.12q", name, text), func(t *testing.T) {
				t.Parallel()
				f := newFixture(t, proxy.Options{})
				idle := make(chan net.Conn, 1)
				f.answer = func(c net.Conn, m *message) bool {
					fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(m.target), m.target)
					select {
					case idle <- c:
					default:
					}
					return true
				}
				a := f.newAsker(t, "h1")
				for i := range 8 {
					want := fmt.Sprintf("/mark/%d", i)
					method := []string{"GET", "POST"}[i%2] // which must not be tried again
					if o := a.ask(t, method, want, 0); o.status != 200 || o.body != want || o.err != nil {
						t.Errorf("request %d got %v, want %q", i, o, want)
					}
					c := <-idle
					io.WriteString(c, text) // over loopback it has arrived when this returns
					end(c)
				}
			})
		}
	}
}

// TestUnsolicitedAnswersThatRace come while the next request goes out, as from servers
// that tell of a timeout when they close what lay idle (408). HTTP/1.1 has nothing to
// tell such an answer by; but as it ends the connection, nobody gets one that was for
// another client. (One that does not end it, from an upstream that makes up answers at
// just that moment, nobody can tell from the right one; HTTP/2 and HTTP/3 can.)
func TestUnsolicitedAnswersThatRace(t *testing.T) {
	t.Parallel()
	const rounds = 600
	const late = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 4\r\n\r\nlate"
	f := newFixture(t, proxy.Options{})
	f.answer = func(c net.Conn, m *message) bool {
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(m.target), m.target)
		n, _ := strconv.Atoi(m.target[len("/mark/"):])
		for start := time.Now(); time.Since(start) < time.Duration(n%300)*time.Microsecond; {
			// The client asks again meanwhile, now and then just when late comes.
		}
		io.WriteString(c, late)
		return n%2 == 0 // half of these servers go on, and answer what they read
	}
	askers := []*asker{f.newAsker(t, "h1"), f.newAsker(t, "h1")}
	made, failed := 0, 0
	for i := range rounds {
		want := fmt.Sprintf("/mark/%d", i)
		switch o := askers[i%2].ask(t, "GET", want, 0); {
		case o.status == 200 && o.body == want && o.err == nil:
		case o.status == 408 && o.body == "late" && o.err == nil:
			made++
		case o.status >= 500:
			failed++
		default:
			t.Errorf("request %d got %v, want %q", i, o, want)
		}
	}
	t.Logf("of %d requests %d were told that they are late, and %d failed", rounds, made, failed)
}
