package http1

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// recital is a connection to an upstream that says something after the first request,
// whatever that was, and answers the second one well. Nobody ever waits for it: at the
// end of what it says it is closed, or silent for who only looks.
type recital struct {
	net.Conn
	first    []byte
	piece    int // bytes per read
	rest     []byte
	requests int
	looking  bool
}

const secondAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond"

func (r *recital) Write(p []byte) (int, error) {
	if r.requests++; r.requests == 1 {
		r.rest = r.first
	} else {
		r.rest = append(bytes.Clone(r.rest), secondAnswer...)
	}
	return len(p), nil
}

func (r *recital) Read(p []byte) (int, error) {
	switch {
	case len(r.rest) > 0:
		n := copy(p[:min(len(p), r.piece)], r.rest)
		r.rest = r.rest[n:]
		return n, nil
	case r.looking:
		return 0, os.ErrDeadlineExceeded
	}
	return 0, io.EOF
}

func (r *recital) Close() error                       { return nil }
func (r *recital) SetDeadline(time.Time) error        { return nil }
func (r *recital) SetWriteDeadline(time.Time) error   { return nil }
func (r *recital) SetReadDeadline(at time.Time) error { r.looking = !at.IsZero(); return nil }

// FuzzClientResponse answers a call with anything. What comes out complete is what
// net/http reads as well, and the next call never gets a part of it.
func FuzzClientResponse(f *testing.F) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, s := range []string{
		ok + "Content-Length: 2\r\n\r\nhi", ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nA: b\r\n\r\n", ok + "\r\nhi", "HTTP/1.0 200 OK\r\n\r\nhi",
		"HTTP/1.1 100 Continue\r\n\r\n" + ok + "Content-Length: 2\r\n\r\nhi", "HTTP/1.1 304 N\r\n\r\n", "HTTP/1.1 101 S\r\nUpgrade: x\r\n\r\n",
		ok + "Content-Length: 2\r\n\r\nhi" + ok + "Content-Length: 2\r\n\r\nno", ok + "Content-Length: 3\r\n\r\nhi", ok + "Connection: close\r\nContent-Length: 0\r\n\r\n",
		ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n" + ok, "", "junk\r\n\r\n", "HTTP/1.1 204 N\r\nContent-Length: 5\r\n\r\nhello",
	} {
		for kind := range uint8(3) {
			f.Add([]byte(s), kind, 1000)
			f.Add([]byte(s), kind, 1)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, kind uint8, piece int) {
		if piece <= 0 {
			return
		}
		transport := NewTransport()
		defer transport.Close()
		made := 0
		c := transport.NewClient(ClientOptions{Dial: func(context.Context, *exchange.Call) (net.Conn, error) {
			if made++; made > 1 {
				return &recital{first: []byte(secondAnswer), piece: piece}, nil
			}
			return &recital{first: data, piece: piece}, nil
		}})
		call := getCall()
		call.Method = []string{"GET", "HEAD", "POST"}[kind%3]
		if kind >= 128 {
			call.Upgrade = "x"
		}
		_, body, resp, err := do(c, call)
		checkHeader(t, &resp.Header)
		checkHeader(t, &resp.Trailer)
		switch {
		case err != nil:
		case resp.Status == 101:
			resp.Tunnel.Close()
		default:
			agrees(t, data, call, resp, body)
		}
		again := getCall()
		if status, body, _, err := do(c, again); err != nil || status != 200 || body != "second" {
			t.Fatalf("%q: the next call got %d %q, %v; reused %v", data, status, body, err, again.Attempt.Reused)
		}
	})
}

// agrees compares a complete answer with what net/http makes of the same bytes.
func agrees(t *testing.T, data []byte, call *exchange.Call, resp *exchange.Response, body string) {
	t.Helper()
	r := bufio.NewReader(bytes.NewReader(data))
	for {
		theirs, err := http.ReadResponse(r, &http.Request{Method: call.Method})
		if err != nil {
			t.Fatalf("%q: got %d, net/http says %v", data, resp.Status, err)
		}
		content, err := io.ReadAll(theirs.Body)
		theirs.Body.Close()
		if theirs.StatusCode < 200 && resp.Status >= 200 {
			continue
		}
		if err != nil || theirs.StatusCode != resp.Status || string(content) != body {
			t.Fatalf("%q: got %d %q, net/http has %d %q, %v", data, resp.Status, body, theirs.StatusCode, content, err)
		}
		return
	}
}

// FuzzClientRequest sends a call with anything in it. What is sent is one request for a
// strict parser, and means what the call says.
func FuzzClientRequest(f *testing.F) {
	f.Add("GET", "a.example", "/x?y", "x-a", "1", "body", -1)
	f.Add("POST", "[::1]:80", "*", "te", "trailers", "", 0)
	f.Add("PUT", "a", "/", "content-length", "3", "abc", 3)
	f.Fuzz(func(t *testing.T, method, authority, target, name, value, content string, announced int) {
		call := &exchange.Call{Method: method, Authority: authority, Target: target, Body: exchange.NewBody(strings.NewReader(content), int64(announced), nil)}
		if announced < 0 {
			call.Body = exchange.NewBody(strings.NewReader(content), -1, nil)
		}
		if call.Header.Add(name, value) != nil {
			return
		}
		var sent sink
		transport := NewTransport()
		defer transport.Close()
		c := transport.NewClient(ClientOptions{Dial: func(context.Context, *exchange.Call) (net.Conn, error) { return &sent, nil }})
		_, _, _, err := do(c, call)
		if errOf, ok := isFault(err); !ok || errOf != exchange.Upstream {
			if bytes.HasSuffix(sent.got, []byte("0\r\n\r\n")) && announced < 0 {
				t.Fatalf("%v after a complete request %q", err, sent.got)
			}
			return
		}
		// The upstream closes without an answer, so the whole request has been sent.
		var r exchange.Request
		b := bytes.Clone(sent.got)
		r.Scheme, r.Body = "http", exchange.NoBody
		var h head
		end, bad := h.parseRequest(b, &testLimits, &r)
		if bad != nil {
			if bad.keep || bad == refHost || bad == refNoHost || bad == refAsterisk || bad == refLineLong || bad == refHeaderBig {
				return // of no consequence for where the request ends
			}
			t.Fatalf("sent %q, refused: %v", sent.got, &bad.err)
		}
		var trailer exchange.Header
		var got int64
		in := &input{src: &onePiece{b[end:], 1 << 20}}
		in.buf = make([]byte, inputSize)
		body := body{in: in, limits: &testLimits, head: new(head), trailer: &trailer, got: &got}
		body.start(&h.framing)
		read, err := io.ReadAll(&body)
		if err != nil || string(read) != content || in.r != in.w || r.Method != method || r.Target != target {
			t.Fatalf("sent %q: read %s %s %q, %v", sent.got, r.Method, r.Target, read, err)
		}
	})
}

func isFault(err error) (exchange.Fault, bool) {
	for err != nil {
		if e, ok := err.(*exchange.Error); ok {
			return e.Fault, true
		}
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return 0, false
		}
		err = u.Unwrap()
	}
	return 0, false
}

// sink keeps what is written and has nothing to say.
type sink struct {
	recital
	got []byte
}

func (s *sink) Write(p []byte) (int, error) { s.got = append(s.got, p...); return len(p), nil }
