package proxywasm

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/weirproxy/weir/edge"
	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/route"
	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/wasmhost/guest"
)

// site is a server with a filter, for clients of all protocols.
type site struct {
	server *edge.Server
	tls    *tls.Config
}

// protocols are those that tests over the wire speak.
var protocols = []string{"HTTP/1.1", "HTTP/2.0", "HTTP/3.0"}

func serveOver(t *testing.T, b *bench, h exchange.HandlerFunc) *site {
	t.Helper()
	routes, err := route.Compile([]route.Rule[*edge.Route]{{Hosts: []string{"a.test"}, Path: "/*", Origin: "test",
		Value: &edge.Route{Handler: exchange.Chain(h, b.Filter)}}})
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{"a.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	own := edge.BaseTLS()
	own.Certificates = []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key, Leaf: c}}
	s := &site{edge.New(edge.Options{}), &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "a.test"}}
	s.tls.RootCAs.AddCert(c)
	err = s.server.Apply(&edge.Snapshot{
		Listeners: []edge.Listener{{Address: "127.0.0.1:0"}, {Address: "127.0.0.1:0", Secure: true, HTTP3: true}},
		Routes:    routes,
		TLS:       func(*tls.ClientHelloInfo) (edge.Security, error) { return edge.Security{Config: own}, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.server.Shutdown(ctx); err != nil {
			t.Errorf("shut down: %v", err)
		}
	})
	return s
}

func (s *site) client(t testing.TB, proto string) *http.Client {
	address := s.server.Addrs()[1].String()
	if proto == "HTTP/3.0" {
		rt := &http3.Transport{TLSClientConfig: s.tls, Dial: func(ctx context.Context, _ string, c *tls.Config, q *quic.Config) (*quic.Conn, error) {
			return quic.DialAddrEarly(ctx, address, c, q)
		}}
		t.Cleanup(func() { rt.Close() })
		return &http.Client{Transport: rt}
	}
	rt := &http.Transport{
		TLSClientConfig: s.tls.Clone(), ForceAttemptHTTP2: proto == "HTTP/2.0", DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", address)
		},
	}
	if proto == "HTTP/1.1" {
		rt.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	}
	t.Cleanup(rt.CloseIdleConnections)
	return &http.Client{Transport: rt}
}

// over runs a test by each protocol.
func over(t *testing.T, b brain, h exchange.HandlerFunc, f func(t *testing.T, on *bench, c *http.Client)) {
	for _, proto := range protocols {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			on := thinking(t, b, func(p *guest.Plugin) { p.Limits.Request = time.Minute })
			c := serveOver(t, on, h).client(t, proto)
			c.Timeout = 30 * time.Second
			f(t, on, c)
		})
	}
}

func ask(t *testing.T, c *http.Client, method string, body io.Reader, n int64) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "https://a.test/", body)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = n
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func TestWire_UploadsOfAnySizeAreReadByTheGuest(t *testing.T) {
	t.Parallel()
	const n = 8 << 20
	over(t, func(m *mind, cb string, a [3]uint32) uint32 {
		switch cb {
		case onRequestHeaders:
			m.ask(ext.Body, 0, ext.DropMore)
			return pause
		case "proxy_on_request_body":
			p := &m.i.effective.stream.properties
			if *p == nil {
				*p = map[string][]byte{}
			}
			(*p)["seen"] = append((*p)["seen"], byte(a[1]>>16), byte(a[1]>>8), byte(a[1]))
			if a[2] == 1 {
				sum := 0
				for k, s := 0, (*p)["seen"]; k < len(s); k += 3 {
					sum += int(s[k])<<16 | int(s[k+1])<<8 | int(s[k+2])
				}
				m.ask(ext.ReplyStart, 200, "")
				m.ask(ext.ReplyWrite, fmt.Sprint(sum))
				m.ask(ext.ReplyEnd, "")
				return pause
			}
			m.ask(ext.Body, 0, ext.DropMore)
			return pause
		}
		return 0
	}, hello, func(t *testing.T, _ *bench, c *http.Client) {
		for _, known := range []int64{n, -1} {
			resp := ask(t, c, "POST", &endless{n}, known)
			if b, err := io.ReadAll(resp.Body); string(b) != fmt.Sprint(n) || err != nil {
				t.Errorf("got %d %q, %v", resp.StatusCode, b, err)
			}
		}
	})
}

func TestWire_PeekedAtGoesOnAsItWas(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789", 40_000)
	over(t, func(m *mind, cb string, a [3]uint32) uint32 {
		switch cb {
		case onRequestHeaders, onResponseHeaders:
			d := 0
			if cb == onResponseHeaders {
				d = 1
			}
			m.ask(ext.Body, d, ext.ShowMore)
			return pause
		case "proxy_on_request_body":
			m.ask(ext.Body, 0, ext.PassRest)
		case "proxy_on_response_body":
			return uint32(ext.ContinueUnseen)
		}
		return 1
	}, func(r *exchange.Request) (*exchange.Response, error) {
		length := r.Body.Len()
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		resp := r.NewResponse(200)
		resp.Header.Append("x-length", fmt.Sprint(length))
		resp.Body = exchange.NewBody(strings.NewReader(string(b)), int64(len(b)), nil)
		return resp, nil
	}, func(t *testing.T, _ *bench, c *http.Client) {
		resp := ask(t, c, "POST", strings.NewReader(long), int64(len(long)))
		b, err := io.ReadAll(resp.Body)
		if string(b) != long || err != nil || resp.Header.Get("x-length") != fmt.Sprint(len(long)) || resp.ContentLength != int64(len(long)) {
			t.Errorf("got %d bytes of %d, the handler saw %s, %v", len(b), resp.ContentLength, resp.Header.Get("x-length"), err)
		}
	})
}

// A word goes up, its answer comes down, and so on: neither waits for the other's end.
func TestWire_RequestAndReplyMayTakeTurns(t *testing.T) {
	t.Parallel()
	over(t, func(m *mind, cb string, a [3]uint32) uint32 {
		switch cb {
		case onRequestHeaders:
			m.ask(ext.ReplyStart, 200, pairsOf("content-type", "text/event-stream"))
			m.ask(ext.ReplyWrite, "ready;")
			m.ask(ext.Body, 0, ext.DropMore)
			return pause
		case onResponseHeaders:
			return uint32(ext.ContinueUnseen)
		case "proxy_on_request_body":
			if a[2] == 1 {
				m.ask(ext.ReplyEnd, pairsOf("x-t", "1"))
				return pause
			}
			m.ask(ext.ReplyWrite, m.held(0)+";")
			m.ask(ext.Body, 0, ext.DropMore)
			return pause
		}
		return 0
	}, hello, func(t *testing.T, _ *bench, c *http.Client) {
		up, words := io.Pipe()
		defer words.Close()
		resp := ask(t, c, "POST", up, -1)
		down := bufio.NewReader(resp.Body)
		for _, word := range []string{"ready", "one", "two", "three"} {
			if word != "ready" {
				io.WriteString(words, word)
			}
			if got, err := down.ReadString(';'); got != word+";" || err != nil {
				t.Fatalf("got %q, %v, want %s;", got, err, word)
			}
		}
		words.Close()
		if b, err := io.ReadAll(down); len(b) > 0 || err != nil || resp.Trailer.Get("x-t") != "1" {
			t.Errorf("end: got %q, %v, trailer %v", b, err, resp.Trailer)
		}
	})
}

// A guest writes now and then for as long as the client is there; that it has left ends
// the stream.
func TestWire_ALeavingClientEndsTheReply(t *testing.T) {
	t.Parallel()
	for _, proto := range protocols {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			gone, done := make(chan bool, 1), make(chan bool, 1)
			b := thinking(t, func(m *mind, cb string, a [3]uint32) uint32 {
				switch cb {
				case onRequestHeaders:
					m.ask(ext.ReplyStart, 200, pairsOf("content-type", "text/event-stream"))
					m.ask(ext.Timer, 1)
					return pause
				case onResponseHeaders:
					return uint32(ext.ContinueUnseen)
				case "proxy_on_foreign_function":
					if a[1] == ext.Event {
						gone <- m.event[1] == ext.Gone
						return 0
					}
					m.ask(ext.ReplyWrite, "tick\n") // and is silent from now on
				case "proxy_on_done":
					if m.i.effective.stream != nil {
						done <- true
					} else {
						return 1
					}
				}
				return 0
			})
			b.patience = time.Millisecond
			s := serveOver(t, b, hello)
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			r, err := http.NewRequestWithContext(ctx, "GET", "https://a.test/", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := s.client(t, proto).Do(r)
			if err != nil {
				t.Fatal(err)
			}
			if line, err := bufio.NewReader(resp.Body).ReadString('\n'); line != "tick\n" || err != nil {
				t.Fatalf("got %q, %v", line, err)
			}
			leave()
			resp.Body.Close()
			within(t, 20*time.Second, "the reply", func() {
				if !<-gone || !<-done {
					t.Error("the guest was told something else")
				}
			})
		})
	}
}

func TestWire_EarlyHintsComeEarly(t *testing.T) {
	t.Parallel()
	over(t, func(m *mind, cb string, a [3]uint32) uint32 {
		switch cb {
		case onRequestHeaders:
			m.ask(ext.Inform, 103, pairsOf("link", "</a>"))
			m.ask(ext.Timer, 1)
			return pause
		case "proxy_on_foreign_function":
			m.resume(abi.Request)
		}
		return 0
	}, hello, func(t *testing.T, _ *bench, c *http.Client) {
		var hints []string
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			hints = append(hints, fmt.Sprint(code, h.Get("link")))
			return nil
		}})
		r, err := http.NewRequestWithContext(ctx, "GET", "https://a.test/", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if b, err := io.ReadAll(resp.Body); string(b) != "hello" || err != nil || len(hints) != 1 || hints[0] != "103</a>" {
			t.Errorf("got %q, %v, hints %q", b, err, hints)
		}
	})
}

// A client that waits to be told sends its body when the guest asks for it, and not when
// the guest answers without.
func TestWire_AskingMakesAWaitingClientSend(t *testing.T) {
	t.Parallel()
	for _, asks := range []bool{true, false} {
		b := thinking(t, func(m *mind, cb string, a [3]uint32) uint32 {
			switch cb {
			case onRequestHeaders:
				if !asks {
					m.ask(ext.ReplyStart, 403, "")
					m.ask(ext.ReplyEnd, "")
					return pause
				}
				m.ask(ext.Body, 0, ext.ShowMore)
				return pause
			case "proxy_on_request_body":
				if a[2] == 1 {
					m.ask(ext.ReplyStart, 200, "")
					m.ask(ext.ReplyWrite, m.held(0))
					m.ask(ext.ReplyEnd, "")
				}
				m.ask(ext.Body, 0, ext.ShowMore)
				return pause
			}
			return 0
		})
		s := serveOver(t, b, hello)
		c, err := net.Dial("tcp", s.server.Addrs()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(20 * time.Second))
		io.WriteString(c, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
		in := bufio.NewReader(c)
		line, err := in.ReadString('\n')
		if !asks {
			if !strings.HasPrefix(line, "HTTP/1.1 403 ") {
				t.Errorf("got %q, %v, want 403", line, err)
			}
			continue
		}
		if !strings.HasPrefix(line, "HTTP/1.1 100 ") {
			t.Fatalf("got %q, %v, want 100", line, err)
		}
		in.ReadString('\n')
		io.WriteString(c, "hello")
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); resp.StatusCode != 200 || string(b) != "hello" || err != nil {
			t.Errorf("got %d %q, %v", resp.StatusCode, b, err)
		}
	}
}
