package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/weirproxy/weir/edge/proxy"
)

// last is a request that ends its connection. Where it is read, framing has held.
const last = "GET /last HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"

// attempt is what a client sends over HTTP/1.1, and what of it upstreams may see, as
// "METHOD target host body". What is forwarded is also read by a strict parser and by
// net/http, which must agree.
type attempt struct {
	name, sent string
	want       []string
	// ends says that weir ends the connection; else last follows, and is forwarded.
	ends bool
	// leaves says that the client ends it, in the middle.
	leaves bool
}

// post is a request for /p with fields, and what follows.
func post(fields, rest string) string {
	return "POST /p HTTP/1.1\r\nHost: a.test\r\n" + fields + "\r\n" + rest
}

const prefixed = "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n"

// smuggled is a request to hide, as a chunk and behind one.
var smuggled = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(prefixed), prefixed)

var attempts = []attempt{
	// Lengths and codings (RFC 9112 §6.1, §6.3).
	{name: "plain", sent: post("Content-Length: 3\r\n", "abc"), want: []string{`POST /p a.test "abc"`}},
	{name: "chunked", sent: post("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Sum: 1\r\n\r\n"), want: []string{`POST /p a.test "abcde"`}},
	{name: "CL.TE", sent: post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"+prefixed), ends: true},
	{name: "TE.CL", sent: post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", smuggled), ends: true},
	{name: "TE.TE identity", sent: post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"+prefixed), ends: true},
	{name: "TE.TE twice", sent: post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), ends: true},
	{name: "TE x", sent: post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"+prefixed), ends: true},
	{name: "TE list", sent: post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), ends: true},
	{name: "TE list, chunked first", sent: post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"), ends: true},
	{name: "TE quoted", sent: post("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n"), ends: true},
	{name: "TE empty", sent: post("Transfer-Encoding:\r\nContent-Length: 3\r\n", "abc"), ends: true},
	{name: "TE tab", sent: post("Transfer-Encoding:\tchunked\r\n", "3\r\nabc\r\n0\r\n\r\n"), want: []string{`POST /p a.test "abc"`}},
	{name: "TE vertical tab", sent: post("Transfer-Encoding:\x0bchunked\r\n", "0\r\n\r\n"+prefixed), ends: true},
	{name: "TE space before colon", sent: post("Transfer-Encoding : chunked\r\nContent-Length: 3\r\n", "abc"), ends: true},
	{name: "TE folded", sent: post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"), ends: true},
	{name: "TE in another spelling", sent: post("Transfer_Encoding: chunked\r\nContent-Length: 3\r\n", "abc"), want: []string{`POST /p a.test "abc"`}},
	{name: "TE behind a CR", sent: post("X: y\rTransfer-Encoding: chunked\r\nContent-Length: 3\r\n", "abc"), ends: true},
	{name: "TE behind an LF", sent: post("X: y\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n", "abc"), ends: true},
	{name: "TE over HTTP/1.0", sent: "POST /p HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ends: true},
	{name: "CL twice, alike", sent: post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc"), ends: true},
	{name: "CL twice", sent: post("Content-Length: 3\r\nContent-Length: 5\r\n", "abcde"), ends: true},
	{name: "CL list", sent: post("Content-Length: 3, 3\r\n", "abc"), ends: true},
	{name: "CL plus", sent: post("Content-Length: +3\r\n", "abc"), ends: true},
	{name: "CL minus", sent: post("Content-Length: -3\r\n", "abc"), ends: true},
	{name: "CL hexadecimal", sent: post("Content-Length: 0x3\r\n", "abc"), ends: true},
	{name: "CL with a space", sent: post("Content-Length: 3 3\r\n", "abc"), ends: true},
	{name: "CL empty", sent: post("Content-Length:\r\n", prefixed), ends: true},
	{name: "CL beyond int64", sent: post("Content-Length: 18446744073709551619\r\n", "abc"), ends: true},
	{name: "CL with zeros", sent: post("Content-Length: 003\r\n", "abc"), want: []string{`POST /p a.test "abc"`}},
	{name: "CL in another spelling", sent: post("Content_Length: 100\r\nContent-Length: 3\r\n", "abc"), want: []string{`POST /p a.test "abc"`}},
	{name: "body of GET", sent: "GET /p HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc", want: []string{`GET /p a.test "abc"`}},
	{name: "request as a body", sent: post(fmt.Sprintf("Content-Length: %d\r\n", len(prefixed)), prefixed), want: []string{fmt.Sprintf("POST /p a.test %q", prefixed)}},
	{name: "request as a chunk", sent: post("Transfer-Encoding: chunked\r\n", smuggled), want: []string{fmt.Sprintf("POST /p a.test %q", prefixed)}},
	{name: "no body announced", sent: post("", prefixed), want: []string{`POST /p a.test ""`, `GET /smuggled a.test ""`}},

	// Chunks (RFC 9112 §7.1; security G3, G4).
	{name: "chunk size ends in LF", sent: post("Transfer-Encoding: chunked\r\n", "3\nabc\r\n0\r\n\r\n"), ends: true},
	{name: "chunk ends in LF", sent: post("Transfer-Encoding: chunked\r\n", "3\r\nabc\n0\r\n\r\n"), ends: true},
	{name: "chunk without an end", sent: post("Transfer-Encoding: chunked\r\n", "3\r\nabcd\r\n0\r\n\r\n"), ends: true},
	{name: "chunk size 0x", sent: post("Transfer-Encoding: chunked\r\n", "0x3\r\nabc\r\n0\r\n\r\n"), ends: true},
	{name: "chunk size minus", sent: post("Transfer-Encoding: chunked\r\n", "-3\r\nabc\r\n0\r\n\r\n"), ends: true},
	{name: "chunk size with a space", sent: post("Transfer-Encoding: chunked\r\n", " 3\r\nabc\r\n0\r\n\r\n"), ends: true},
	{name: "chunk size beyond int64", sent: post("Transfer-Encoding: chunked\r\n", "10000000000000003\r\nabc\r\n0\r\n\r\n"), ends: true},
	{name: "chunk size empty", sent: post("Transfer-Encoding: chunked\r\n", "\r\nabc\r\n0\r\n\r\n"), ends: true},
	{name: "chunk extension with LF", sent: post("Transfer-Encoding: chunked\r\n", "3;a\nb\r\nabc\r\n0\r\n\r\n"), ends: true},
	{name: "chunk extension with CR", sent: post("Transfer-Encoding: chunked\r\n", "3;a\rb\r\nabc\r\n0\r\n\r\n"), ends: true},
	{name: "trailer frames", sent: post("Transfer-Encoding: chunked\r\n", "0\r\nContent-Length: 50\r\n\r\n"), ends: true},
	{name: "trailer folds", sent: post("Transfer-Encoding: chunked\r\n", "0\r\nX: y\r\n z\r\n\r\n"), ends: true},
	{name: "trailer says who asks", sent: post("Transfer-Encoding: chunked\r\n", "1\r\na\r\n0\r\nX-Forwarded-For: 1.2.3.4\r\nCookie: a=b\r\n\r\n"), want: []string{`POST /p a.test "a"`}},

	// Targets and hosts (RFC 9112 §3.2; security G14, P6).
	{name: "absolute form", sent: "GET http://a.test/x?y HTTP/1.1\r\nHost: a.test\r\n\r\n", want: []string{`GET /x?y a.test ""`}},
	{name: "absolute form, no path", sent: "GET http://A.test:80?y HTTP/1.1\r\nHost: a.test\r\n\r\n", want: []string{`GET /?y a.test:80 ""`}},
	{name: "absolute form, another host", sent: "GET http://a.test/x HTTP/1.1\r\nHost: b.test\r\n\r\n", ends: true},
	{name: "absolute form, user", sent: "GET http://x@a.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n", ends: true},
	{name: "path like an authority", sent: "GET //evil.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n", want: []string{`GET /evil.test/x a.test ""`}},
	{name: "target with a space", sent: "GET /x y HTTP/1.1\r\nHost: a.test\r\n\r\n", ends: true},
	{name: "target with a tab", sent: "GET /x\tHTTP/1.1 HTTP/1.1\r\nHost: a.test\r\n\r\n", ends: true},
	{name: "target with CR", sent: "GET /x\rHost:b HTTP/1.1\r\nHost: a.test\r\n\r\n", ends: true},
	{name: "encoded line end in the path", sent: "GET /x%0d%0aX:%20y HTTP/1.1\r\nHost: a.test\r\n\r\n"},
	{name: "encoded line end in the query", sent: "GET /x?a=%0d%0aX:%20y HTTP/1.1\r\nHost: a.test\r\n\r\n", want: []string{`GET /x?a=%0d%0aX:%20y a.test ""`}},
	{name: "encoded space", sent: "GET /x%20HTTP/1.1 HTTP/1.1\r\nHost: a.test\r\n\r\n", want: []string{`GET /x%20HTTP/1.1 a.test ""`}},
	{name: "dots", sent: "GET /a/%2e%2e/b/./c HTTP/1.1\r\nHost: a.test\r\n\r\n", want: []string{`GET /b/c a.test ""`}},
	{name: "fragment", sent: "GET /x#y HTTP/1.1\r\nHost: a.test\r\n\r\n", ends: true},
	{name: "no host", sent: "GET / HTTP/1.1\r\n\r\n", ends: true},
	{name: "two hosts", sent: "GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n", ends: true},
	{name: "host with a path", sent: "GET / HTTP/1.1\r\nHost: a.test/x\r\n\r\n", ends: true},
	{name: "host list", sent: "GET / HTTP/1.1\r\nHost: a.test, b.test\r\n\r\n", ends: true},
	{name: "host in another spelling", sent: "GET / HTTP/1.1\r\nHost : b.test\r\nHost: a.test\r\n\r\n", ends: true},
	{name: "HTTP/0.9", sent: "GET /\r\n\r\n", ends: true},
	{name: "HTTP/1.2", sent: "GET / HTTP/1.2\r\nHost: a.test\r\n\r\n", ends: true},
	{name: "method with a line end", sent: "GET\r\nX / HTTP/1.1\r\nHost: a.test\r\n\r\n", ends: true},
	{name: "name with a space", sent: "GET / HTTP/1.1\r\nHost: a.test\r\nX Y: z\r\n\r\n", ends: true},
	{name: "empty name", sent: "GET / HTTP/1.1\r\nHost: a.test\r\n: z\r\n\r\n", ends: true},
	{name: "NUL", sent: "GET / HTTP/1.1\r\nHost: a.test\r\nX: a\x00b\r\n\r\n", ends: true},

	// Hop by hop (RFC 9110 §7.6.1; security P5, G10).
	{name: "Connection names Content-Length", sent: post("Connection: Content-Length\r\nContent-Length: 3\r\n", "abc"), want: []string{`POST /p a.test "abc"`}},
	{name: "Connection names Transfer-Encoding", sent: post("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"), want: []string{`POST /p a.test "abc"`}},
	{name: "Connection names Host", sent: "GET / HTTP/1.1\r\nConnection: Host\r\nHost: a.test\r\n\r\n", want: []string{`GET / a.test ""`}},
	{name: "Expect", sent: post("Expect: 100-continue\r\nContent-Length: 3\r\n", "abc"), want: []string{`POST /p a.test "abc"`}},

	// Other protocols (RFC 9110 §7.8; security G13, P3).
	{name: "upgrade to h2c", sent: "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", want: []string{`GET / a.test ""`}},
	{name: "upgrade refused, request behind it", sent: "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n" + prefixed,
		want: []string{`GET /ws a.test ""`, `GET /smuggled a.test ""`}},
	{name: "upgrade with a body", sent: "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n\r\nabc", want: []string{`GET /ws a.test "abc"`}},
	{name: "upgrade by POST", sent: post("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n", "abc"), want: []string{`POST /p a.test "abc"`}},
	{name: "CONNECT", sent: "CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n" + prefixed, ends: true},
	{name: "TRACE", sent: "TRACE /x HTTP/1.1\r\nHost: a.test\r\n\r\n"},

	// One connection, several requests.
	{name: "pipelined", sent: post("Content-Length: 3\r\n", "abc") + post("Transfer-Encoding: chunked\r\n", "3\r\ndef\r\n0\r\n\r\n") + "HEAD /h HTTP/1.1\r\nHost: a.test\r\n\r\n" + prefixed,
		want: []string{`POST /p a.test "abc"`, `POST /p a.test "def"`, `HEAD /h a.test ""`, `GET /smuggled a.test ""`}},
	{name: "refused in the middle", sent: post("Content-Length: 3\r\n", "abc") + post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n") + prefixed, want: []string{`POST /p a.test "abc"`}, ends: true},

	// Bodies that do not come to their end are not complete upstream (security P1, Q7).
	{name: "length cut", sent: post("Content-Length: 10\r\n", "abc"), leaves: true},
	{name: "chunks cut", sent: post("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n"), leaves: true},
	{name: "chunk cut", sent: post("Transfer-Encoding: chunked\r\n", "8\r\nabc"), leaves: true},
	{name: "last chunk cut", sent: post("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n"), leaves: true},
	{name: "trailer cut", sent: post("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\nX: y"), leaves: true},
}

// TestSmuggling sends what request smuggling is made of. Whatever an upstream gets, it
// can only be read in one way, and it is what weir has judged.
func TestSmuggling(t *testing.T) {
	t.Parallel()
	for _, o := range []proxy.Options{{}, {BufferRequest: 1 << 10, BufferResponse: 1 << 10}} {
		for _, a := range attempts {
			t.Run(fmt.Sprintf("%s/%d", a.name, o.BufferRequest), func(t *testing.T) {
				t.Parallel()
				a.run(t, o)
			})
		}
	}
}

func (a *attempt) run(t *testing.T, o proxy.Options) {
	f := newFixture(t, o)
	c := f.dial(t)
	sent, want := a.sent, a.want
	if !a.ends && !a.leaves {
		sent += last
		want = append(want[:len(want):len(want)], `GET /last a.test ""`)
	}
	if _, err := io.WriteString(c, sent); err != nil {
		t.Fatal(err)
	}
	if !a.leaves {
		if got := readAnswers(c); a.ends == strings.HasSuffix(got, "200 ") {
			t.Errorf("answers: got %q", got)
		}
	}
	c.Close() // weir lingers for who does not
	f.check(t, fmt.Sprintf("%q", a.sent), want)
	for _, m := range f.got {
		for _, name := range []string{"Connection", "Keep-Alive", "Upgrade", "HTTP2-Settings", "TE", "Transfer_Encoding", "Content_Length"} {
			if v := m.values(name); v != nil && !(strings.Contains(a.name, "upgrade refused") && m.target == "/ws") {
				t.Errorf("%q: forwarded %s: %q", a.sent, name, v)
			}
		}
	}
}

// readAnswers returns the statuses of all answers on c, up to its end.
func readAnswers(c io.Reader) (statuses string) {
	r := bufio.NewReader(c)
	for {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			// Behind the answer to a HEAD nothing makes sense, but more may be on its way:
			// who leaves now takes back what was asked last.
			_, _ = io.Copy(io.Discard, r)
			return statuses
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return statuses + "cut"
		}
		statuses += resp.Status[:4]
	}
}

// TestStrictReader: what judges the upstream's view must itself find fault.
func TestStrictReader(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		raw string
		ok  bool
	}{
		{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true},
		{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", true},
		{"GET / HTTP/1.1\nHost: a\n\n", false},
		{"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", false},
		{"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", false},
		{"GET / HTTP/1.1\r\n\r\n", false},
		{"GET / HTTP/1.1\r\nHost: a\r\nX:  y\r\n\r\n", false},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na", false},
		{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;x\r\na\r\n0\r\n\r\n", false},
		{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", false},
	} {
		m, err := readStrict(bufio.NewReader(strings.NewReader(c.raw)))
		if err == nil {
			err = m.agrees([]byte(c.raw))
		}
		if (err == nil) != c.ok {
			t.Errorf("%q: got %v, %v, want it read: %v", c.raw, m, err, c.ok)
		}
	}
	m := &message{method: "GET", target: "/", host: "a"}
	if m.agrees([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET")) == nil || m.agrees([]byte("GET /x HTTP/1.1\r\nHost: a\r\n\r\n")) == nil {
		t.Error("a message and bytes that differ: agreed")
	}
}
