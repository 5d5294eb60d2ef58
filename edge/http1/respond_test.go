package http1

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// pieces is a Body that returns one string per Read, then err (io.EOF if nil).
type pieces struct {
	parts []string
	n     int64
	err   error
	done  func() // called when the parts are used up
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.parts) == 0 {
		if p.done != nil {
			p.done()
		}
		if p.err != nil {
			return 0, p.err
		}
		return 0, io.EOF
	}
	n := copy(b, p.parts[0])
	if p.parts[0] = p.parts[0][n:]; p.parts[0] == "" {
		p.parts = p.parts[1:]
	}
	return n, nil
}
func (p *pieces) Close() error { return nil }
func (p *pieces) Len() int64   { return p.n }

// respond returns a handler whose response is made by f.
func respond(status int, f func(*exchange.Response)) exchange.HandlerFunc {
	return func(r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(status)
		f(resp)
		return resp, nil
	}
}

func TestRespond_Bytes(t *testing.T) {
	t.Parallel()
	const get10, get11, head11 = "GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"
	failing := errors.New("origin failed")
	for _, tt := range []struct {
		name, send string
		status     int
		make       func(*exchange.Response)
		want       string
	}{
		{"names in title case", get11, 200, func(r *exchange.Response) {
			r.Header.Append("content-type", "text/plain")
			r.Header.Append("x-a", "1")
			r.SetBytes([]byte("hi"))
		}, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-A: 1\r\nContent-Length: 2\r\n\r\nhi"},
		{"framing fields of handlers are ignored", get11, 200, func(r *exchange.Response) {
			r.Header.Append("content-length", "77")
			r.Header.Append("transfer-encoding", "gzip")
			r.Header.Append("connection", "close")
			r.Header.Append("keep-alive", "1")
			r.SetBytes([]byte("hi"))
		}, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"},
		{"no body", get11, 200, func(*exchange.Response) {}, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
		{"unknown status", get11, 299, func(*exchange.Response) {}, "HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n"},
		{"RFC9110 §15.3.5 204", get11, 204, func(r *exchange.Response) { r.SetBytes([]byte("hi")) }, "HTTP/1.1 204 No Content\r\n\r\n"},
		{"RFC9110 §15.3.6 205", get11, 205, func(r *exchange.Response) { r.SetBytes([]byte("hi")) }, "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n"},
		{"RFC9110 §15.4.5 304", get11, 304, func(*exchange.Response) {}, "HTTP/1.1 304 Not Modified\r\n\r\n"},
		{"RFC9110 §15.4.5 304 with a length", get11, 304, func(r *exchange.Response) { r.Header.Append("content-length", "12") },
			"HTTP/1.1 304 Not Modified\r\nContent-Length: 12\r\n\r\n"},
		{"RFC9110 §9.3.2 HEAD", head11, 200, func(r *exchange.Response) { r.SetBytes([]byte("hi")) }, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"},
		{"RFC9110 §9.3.2 HEAD with a length", head11, 200, func(r *exchange.Response) { r.Header.Append("content-length", "12") },
			"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n"},
		{"RFC9110 §9.3.2 HEAD with a bad length", head11, 200, func(r *exchange.Response) { r.Header.Append("content-length", "1x") },
			"HTTP/1.1 200 OK\r\n\r\n"},
		{"RFC9110 §9.3.2 HEAD of a stream", head11, 200, func(r *exchange.Response) { r.Body = &pieces{n: -1} }, "HTTP/1.1 200 OK\r\n\r\n"},
		{"RFC9112 §7.1 chunks", get11, 200, func(r *exchange.Response) { r.Body = &pieces{parts: []string{"a", strings.Repeat("b", 17)}, n: -1} },
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n11\r\nbbbbbbbbbbbbbbbbb\r\n0\r\n\r\n"},
		{"RFC9112 §7.1 empty stream", get11, 200, func(r *exchange.Response) { r.Body = &pieces{n: -1} },
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		{"RFC9112 §7.1.2 trailer", get11, 200, func(r *exchange.Response) {
			r.Body = &pieces{parts: []string{"a"}, n: -1, done: func() {
				r.Trailer.Append("x-sum", "1")
				r.Trailer.Append("content-length", "9")
			}}
		}, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n"},
		{"stream of known length", get11, 200, func(r *exchange.Response) { r.Body = &pieces{parts: []string{"ab", "c"}, n: 3} },
			"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"},
		{"RFC9112 §6.3 stream to HTTP/1.0", get10, 200, func(r *exchange.Response) { r.Body = &pieces{parts: []string{"ab", "c"}, n: -1} },
			"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc"},
		{"RFC9112 §9.3 length to HTTP/1.0", get10, 200, func(r *exchange.Response) { r.SetBytes([]byte("hi")) },
			"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"},
		{"HTTP/1.0 kept alive", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, func(r *exchange.Response) { r.SetBytes([]byte("hi")) },
			"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nhi"},
		{"HTTP/1.0 not kept alive for a stream", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, func(r *exchange.Response) { r.Body = &pieces{parts: []string{"a"}, n: -1} },
			"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\na"},
		{"a body that fails at once can be replaced", get11, 200, func(r *exchange.Response) { r.Body = &pieces{n: 5, err: failing} },
			"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 52\r\n\r\nresponse not sent: read response body: origin failed"},
		{"a short body that ends at once can be replaced", get11, 200, func(r *exchange.Response) { r.Body = &pieces{n: 5} },
			"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 75\r\n\r\nresponse not sent: read response body: response body shorter than announced"},
		{"a bad status can be replaced", get11, 101, func(*exchange.Response) {},
			"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 57\r\n\r\nresponse not sent: respond: status is not from 200 to 599"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			addr, _ := serve(t, Options{Dispatcher: edge{handle: respond(tt.status, tt.make)}})
			if got := talk(t, addr, tt.send); got != tt.want {
				t.Errorf("sent %q\ngot  %q\nwant %q", tt.send, got, tt.want)
			}
		})
	}
}

// TestRespond_CutBodyIsNeverComplete checks that a body that fails after its head
// ends in a reset, and that the error reaches the dispatcher.
func TestRespond_CutBodyIsNeverComplete(t *testing.T) {
	t.Parallel()
	failing := errors.New("origin failed")
	for _, tt := range []struct {
		name, send string
		body       *pieces
		want       error
	}{
		{"length", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", &pieces{parts: []string{"abc"}, n: 5, err: failing}, failing},
		{"short", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", &pieces{parts: []string{"abc"}, n: 5}, errShort},
		{"long", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", &pieces{parts: []string{"abc", "def"}, n: 5}, errLong},
		{"chunked", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", &pieces{parts: []string{"abc"}, n: -1, err: failing}, failing},
		{"to the end of the connection", "GET / HTTP/1.0\r\n\r\n", &pieces{parts: []string{"abc"}, n: -1, err: failing}, failing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			results := make(chan error, 2)
			addr, _ := serve(t, Options{Dispatcher: edge{respond(200, func(r *exchange.Response) { r.Body = tt.body }), results}})
			c := dial(t, addr)
			io.WriteString(c, tt.send)
			got, err := io.ReadAll(c)
			if err == nil {
				t.Errorf("the connection ended cleanly after %q", got)
			}
			if strings.HasSuffix(string(got), "0\r\n\r\n") {
				t.Errorf("got a last chunk: %q", got)
			}
			if err := <-results; !errors.Is(err, tt.want) {
				t.Errorf("Respond returned %v, want %v", err, tt.want)
			}
		})
	}
}

// TestRespond_LargeBodies sends bodies of every kind and many sizes, plain and over
// TLS, to net/http's client, and compares every byte.
func TestRespond_LargeBodies(t *testing.T) {
	t.Parallel()
	content := make([]byte, 3<<20+17)
	for i := range content {
		content[i] = byte(i * 2654435761 >> 13)
	}
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	handler := exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		var kind string
		var off, n int64
		fmt.Sscanf(r.Path, "/%1s/%d/%d", &kind, &off, &n)
		resp := r.NewResponse(200)
		part := content[off : off+n]
		switch kind {
		case "b":
			resp.SetBytes(part)
		case "f":
			resp.SetFile(exchange.File{F: f, Off: off, N: n})
		case "s":
			resp.Body = exchange.NewBody(bytes.NewReader(part), n, nil)
		case "c":
			resp.Body = exchange.NewBody(bytes.NewReader(part), -1, nil)
		}
		return resp, nil
	})
	results := make(chan error, 1000)
	plain, _ := serve(t, Options{Dispatcher: edge{handler, results}})
	secure, pool := serveTLS(t, Options{Dispatcher: edge{handler, results}})
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "localhost"}}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport}
	for _, base := range []string{"http://" + plain, "https://" + secure} {
		for _, kind := range []string{"b", "f", "s", "c"} {
			for _, size := range []int{0, 1, 1000, 16 << 10, 16<<10 + 1, 65 << 10, 300_000, 3 << 20} {
				for _, off := range []int{0, 17} {
					url := fmt.Sprintf("%s/%s/%d/%d", base, kind, off, size)
					resp, err := client.Get(url)
					if err != nil {
						t.Fatal(err)
					}
					got, err := io.ReadAll(resp.Body)
					resp.Body.Close()
					if err != nil || !bytes.Equal(got, content[off:off+size]) {
						t.Errorf("%s: %d bytes, %v; want %d bytes as in the file", url, len(got), err, size)
					}
					if err := <-results; err != nil {
						t.Errorf("%s: Respond: %v", url, err)
					}
				}
			}
		}
	}
}

// TestRespond_FileShrinks announces more of a file than there is.
func TestRespond_FileShrinks(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	results := make(chan error, 1)
	addr, _ := serve(t, Options{Dispatcher: edge{respond(200, func(r *exchange.Response) {
		r.SetFile(exchange.File{F: f, N: 200_000})
	}), results}})
	c := dial(t, addr)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if got, err := io.ReadAll(c); err == nil {
		t.Errorf("the connection ended cleanly after %d bytes", len(got))
	}
	if err := <-results; !errors.Is(err, errShort) {
		t.Errorf("Respond returned %v, want %v", err, errShort)
	}
}

func TestInform(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t, Options{Dispatcher: edge{handle: func(r *exchange.Request) (*exchange.Response, error) {
		var h exchange.Header
		h.Append("link", "</a.css>")
		if err := r.Inform(103, &h); err != nil {
			return nil, err
		}
		if err := r.Inform(101, nil); err == nil {
			return nil, errors.New("101 was accepted")
		}
		return r.NewResponse(200), nil
	}}})
	for send, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n": "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"GET / HTTP/1.0\r\n\r\n":            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
	} {
		if got := talk(t, addr, send); got != want {
			t.Errorf("sent %q\ngot  %q\nwant %q", send, got, want)
		}
	}
}

// panicking is a body that gives some bytes and then panics.
type panicking struct{ pieces }

func (p *panicking) Read(b []byte) (int, error) {
	if n, err := p.pieces.Read(b); err != io.EOF {
		return n, err
	}
	panic("body")
}

// tolerant recovers from panics of Respond, as the edge does.
type tolerant struct{ edge }

func (d tolerant) Dispatch(r *exchange.Request) {
	defer func() { _ = recover() }()
	d.edge.Dispatch(r)
}

// TestRespond_PanickingBodyEndsTheConnection checks that what a dispatcher recovers
// from does not leave half a message in front of the next response.
func TestRespond_PanickingBodyEndsTheConnection(t *testing.T) {
	t.Parallel()
	for _, parts := range [][]string{nil, {"abc"}} {
		for _, n := range []int64{-1, 50} {
			addr, _ := serve(t, Options{Dispatcher: tolerant{edge{handle: func(r *exchange.Request) (*exchange.Response, error) {
				resp := r.NewResponse(200)
				if resp.Body = (&panicking{pieces{parts: parts, n: n}}); r.Path == "/next" {
					resp.SetBytes([]byte("secret of the next"))
				}
				return resp, nil
			}}}})
			c := dial(t, addr)
			c.SetReadDeadline(time.Now().Add(10 * time.Second))
			io.WriteString(c, get+"GET /next HTTP/1.1\r\nHost: x\r\n\r\n")
			got, err := io.ReadAll(c)
			if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("parts %v, length %d: the connection ended cleanly, or not at all (%v), after %q", parts, n, err, got)
			}
			if strings.Contains(string(got), "secret") {
				t.Errorf("parts %v, length %d: half a response is followed by another: %q", parts, n, got)
			}
		}
	}
}

// drops is a body that comes in pieces of three bytes, of which some are there.
type drops struct {
	*exchange.Bytes
	there int
}

func (d *drops) Len() int64 { return -1 }

func (d *drops) Buffered() int { return max(0, min(d.there, len(d.Rest()))) }

func (d *drops) Read(p []byte) (int, error) {
	d.there -= 3
	return d.Bytes.Read(p[:min(3, len(p))])
}

// TestRespond_GathersWhatIsThere: pieces that need no waiting leave together.
func TestRespond_GathersWhatIsThere(t *testing.T) {
	t.Parallel()
	for there, want := range map[int]string{
		0: "3\r\nabc\r\n3\r\ndef\r\n3\r\nghi\r\n0\r\n\r\n",
		6: "6\r\nabcdef\r\n3\r\nghi\r\n0\r\n\r\n",
		9: "9\r\nabcdefghi\r\n0\r\n\r\n",
	} {
		addr, _ := serve(t, Options{Dispatcher: edge{handle: respond(200, func(r *exchange.Response) {
			r.Body = &drops{exchange.NewBytes([]byte("abcdefghi")), there}
		})}})
		c := dial(t, addr)
		send(t, c, get)
		receive(t, c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"+want)
	}
}
