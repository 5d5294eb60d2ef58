package http1

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

const (
	smallGet   = "GET /1k.html HTTP/1.1\r\nHost: bench.example.com\r\n\r\n"
	browserGet = "GET /some/path/page.html?id=12345&lang=en HTTP/1.1\r\nHost: www.example.com\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36\r\n" +
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n" +
		"Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9,de;q=0.8\r\n" +
		"Cache-Control: max-age=0\r\nConnection: keep-alive\r\nCookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=1\r\n" +
		"Referer: https://www.example.com/some/other/page.html\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n" +
		"Sec-Fetch-Site: same-origin\r\nUpgrade-Insecure-Requests: 1\r\n\r\n"
)

func BenchmarkParseRequest(b *testing.B) {
	for _, bb := range []struct{ name, head string }{{"small", smallGet}, {"browser", browserGet}} {
		b.Run(bb.name, func(b *testing.B) {
			var h head
			var r exchange.Request
			limits := Limits{}.withDefaults()
			buf := make([]byte, len(bb.head))
			b.ReportAllocs()
			b.SetBytes(int64(len(bb.head)))
			for b.Loop() {
				copy(buf, bb.head)
				r.Header.Reset()
				r.Scheme = "http"
				if !complete(buf, 0) {
					b.Fatal("not complete")
				}
				if _, bad := h.parseRequest(buf, &limits, &r); bad != nil {
					b.Fatal(bad.err.Error())
				}
			}
		})
	}
}

// constant answers 1 KB from memory, the way a hot static file does.
var constantBody = bytes.Repeat([]byte("x"), 1024)

type constant struct{}

func (constant) Dispatch(r *exchange.Request) {
	resp := r.NewResponse(200)
	resp.Header.Append("date", "Sat, 21 Nov 2026 00:00:00 GMT")
	resp.Header.Append("server", "weir")
	resp.Header.Append("content-type", "text/html; charset=utf-8")
	resp.SetBytes(constantBody)
	r.Stream().Respond(r, resp)
	resp.Body.Close()
}

func (constant) Reject(r *exchange.Request, err error) { panic(err) }

// BenchmarkServe measures one request and its answer over loopback, client
// included; the client allocates nothing.
func BenchmarkServe(b *testing.B) {
	b.Run("plain", func(b *testing.B) {
		addr, _ := serve(b, Options{Dispatcher: constant{}})
		roundTrips(b, dial(b, addr), 1, answerSize)
	})
	b.Run("file100k", func(b *testing.B) {
		path := filepath.Join(b.TempDir(), "f")
		if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 100_000), 0o600); err != nil {
			b.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		addr, _ := serve(b, Options{Dispatcher: edge{handle: respond(200, func(r *exchange.Response) {
			r.SetFile(exchange.File{F: f, N: 100_000})
		})}})
		roundTrips(b, dial(b, addr), 1, len("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")+100_000)
	})
	b.Run("stream", func(b *testing.B) {
		addr, _ := serve(b, Options{Dispatcher: edge{handle: func(r *exchange.Request) (*exchange.Response, error) {
			resp := r.NewResponse(200)
			resp.Body = r.Body
			return resp, nil
		}}})
		c := dial(b, addr)
		post := []byte("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + strings.Repeat("x", 1000))
		roundTripsOf(b, c, post, len("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")+1000)
	})
	b.Run("pipelined16", func(b *testing.B) {
		addr, _ := serve(b, Options{Dispatcher: constant{}})
		roundTrips(b, dial(b, addr), 16, answerSize)
	})
	b.Run("tls", func(b *testing.B) {
		addr, pool := serveTLS(b, Options{Dispatcher: constant{}})
		c, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: pool, ServerName: "localhost"})
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		roundTrips(b, c, 1, answerSize)
	})
}

func roundTrips(b *testing.B, c net.Conn, depth, answer int) {
	roundTripsOf(b, c, bytes.Repeat([]byte(smallGet), depth), answer*depth)
}

func roundTripsOf(b *testing.B, c net.Conn, request []byte, answer int) {
	buf := make([]byte, 64<<10)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(request); err != nil {
			b.Fatal(err)
		}
		for n := 0; n < answer; {
			got, err := c.Read(buf)
			if n += got; err != nil {
				b.Fatal(err)
			}
		}
	}
}

// serveTLS is serve over TLS, with a certificate for localhost.
func serveTLS(t testing.TB, o Options) (addr string, pool *x509.CertPool) {
	t.Helper()
	return serveTLSOn(t, NewServer(o))
}

func serveTLSOn(t testing.TB, s *Server) (addr string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AddCert(leaf)
	config := &tls.Config{
		Certificates:                []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		DynamicRecordSizingDisabled: true,
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				out := NewRecordWriter(c)
				secure := tls.Server(out, config)
				if secure.Handshake() != nil {
					c.Close()
					return
				}
				s.ServeConn(c, secure, out, &exchange.Conn{TLS: &exchange.TLS{}})
			}()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
		s.Close()
		s.Shutdown(t.Context())
	})
	return l.Addr().String(), pool
}

// answerSize is how long constant's answer is on the wire.
var answerSize = func() int {
	r := exchange.Request{Proto: exchange.HTTP11}
	resp := r.NewResponse(200)
	resp.Header.Append("date", "Sat, 21 Nov 2026 00:00:00 GMT")
	resp.Header.Append("server", "weir")
	resp.Header.Append("content-type", "text/html; charset=utf-8")
	resp.SetBytes(constantBody)
	return len(appendHead(nil, planResponse(&r, resp), "", resp)) + len(constantBody)
}()
