package cgi

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge"
	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/route"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vmtest"
)

// live serves h at /app/* and returns clients by protocol.
func live(t *testing.T, h exchange.Handler) map[string]*http.Client {
	t.Helper()
	routes, err := route.Compile([]route.Rule[*edge.Route]{{Hosts: []string{"a.test"}, Path: "/app/*", Origin: "test", Value: &edge.Route{Handler: h}}})
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"a.test"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	config := edge.BaseTLS()
	config.Certificates = []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
	s := edge.New(edge.Options{})
	if err := s.Apply(&edge.Snapshot{
		Listeners: []edge.Listener{{Address: "127.0.0.1:0"}, {Address: "127.0.0.1:0", Secure: true}},
		Routes:    routes,
		TLS:       func(*tls.ClientHelloInfo) (edge.Security, error) { return edge.Security{Config: config}, nil },
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = s.Shutdown(ctx)
	})
	clients := map[string]*http.Client{}
	for n, proto := range []string{"http", "https"} {
		pool := x509.NewCertPool()
		cert, _ := x509.ParseCertificate(der)
		pool.AddCert(cert)
		rt := &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true, DisableCompression: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "tcp", s.Addrs()[n].String())
			},
		}
		t.Cleanup(rt.CloseIdleConnections)
		clients[proto] = &http.Client{Transport: rt}
	}
	return clients
}

// cat is a program that answers with what it is sent, as it comes.
func cat() []byte {
	const head = "Content-Type: a/b\n\n"
	return writer(head, vmtest.Code{put(0, len(head)),
		vmtest.Loop, vmtest.Void,
		vmtest.I32Const, 0, vmtest.I32Const, 8192, vmtest.I32Store, 2, 0,
		vmtest.I32Const, 4, vmtest.I32Const, 4096, vmtest.I32Store, 2, 0,
		vmtest.I32Const, 8, vmtest.I32Const, 0, vmtest.I32Store, 2, 0,
		vmtest.I32Const, 0, vmtest.I32Const, 0, vmtest.I32Const, 1, vmtest.I32Const, 8, vmtest.Call, "fd_read", vmtest.Drop,
		vmtest.I32Const, 8, vmtest.I32Load, 2, 0, vmtest.LocalTee, 0, vmtest.I32Eqz, vmtest.If, vmtest.Void, vmtest.Return, vmtest.End,
		vmtest.I32Const, 8192, vmtest.LocalGet, 0, vmtest.Call, "$put",
		vmtest.Br, 0, vmtest.End})
}

func request(t *testing.T, method, url string, body io.Reader, n int64) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = n
	return r
}

func TestLive_BothWaysAtOnce(t *testing.T) {
	t.Parallel()
	clients := live(t, serve(t, cat(), &guest.Plugin{}))
	for proto, c := range clients {
		t.Run(proto, func(t *testing.T) {
			const pieces, size = 100, 1000
			from, to := io.Pipe()
			answers := make(chan *http.Response, 1)
			go func() {
				resp, err := c.Do(request(t, "POST", proto+"://a.test/app/cat", from, pieces*size))
				if err != nil {
					t.Error(err)
				}
				answers <- resp
			}()
			var resp *http.Response
			for n := range pieces {
				piece := bytes.Repeat([]byte{byte('a' + n%26)}, size)
				if _, err := to.Write(piece); err != nil {
					t.Fatal(err)
				}
				if n == pieces-1 { // Go's HTTP/2 client holds the last one back until it sees the end
					to.Close()
				}
				if resp == nil {
					if resp = <-answers; resp == nil {
						return
					}
					defer resp.Body.Close()
				}
				got := make([]byte, size)
				if _, err := io.ReadFull(resp.Body, got); err != nil || !bytes.Equal(got, piece) {
					t.Fatalf("piece %d: got %.10q…, %v", n, got, err)
				}
			}
			if rest, err := io.ReadAll(resp.Body); len(rest) > 0 || err != nil {
				t.Errorf("at the end: got %d bytes, %v", len(rest), err)
			}
		})
	}
}

// TestLive_UploadsThatStop ends clients in the middle of what they send. That the runs
// end is seen by the clean-up of serve.
func TestLive_UploadsThatStop(t *testing.T) {
	t.Parallel()
	clients := live(t, serve(t, cat(), &guest.Plugin{}))
	for proto, c := range clients {
		t.Run(proto, func(t *testing.T) {
			from, to := io.Pipe()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			answers := make(chan *http.Response, 1)
			go func() {
				resp, err := c.Do(request(t, "POST", proto+"://a.test/app/cat", from, 1<<20).WithContext(ctx))
				if err != nil {
					t.Error(err)
				}
				answers <- resp
			}()
			if _, err := to.Write(make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
			resp := <-answers
			if resp == nil {
				return
			}
			defer resp.Body.Close()
			if _, err := io.ReadFull(resp.Body, make([]byte, 1000)); err != nil {
				t.Error(err)
			}
			cancel()
			to.CloseWithError(context.Canceled)
		})
	}
}

// TestLive_UploadsThatNobodyReads has a program answer at once, whatever is sent.
func TestLive_UploadsThatNobodyReads(t *testing.T) {
	t.Parallel()
	h := serve(t, says("Content-Type: a/b\n\nhello"), &guest.Plugin{})
	h.guests.grace = time.Minute
	clients := live(t, h)
	for proto, c := range clients {
		t.Run(proto, func(t *testing.T) {
			for _, n := range []int{10, 200_000, 0} {
				resp, err := c.Do(request(t, "POST", proto+"://a.test/app/x", strings.NewReader(strings.Repeat("x", n)), int64(n)))
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if resp.StatusCode != 200 || string(got) != "hello" || err != nil || resp.ContentLength != 5 {
					t.Errorf("%d bytes sent: got %d %q of length %d, %v", n, resp.StatusCode, got, resp.ContentLength, err)
				}
			}
		})
	}
}

// TestLive_SilentStreamsWhoseClientsLeave: nothing is written that could fail.
func TestLive_SilentStreamsWhoseClientsLeave(t *testing.T) {
	t.Parallel()
	const text = "Content-Type: text/event-stream\n\ndata: 1\n\n"
	clients := live(t, serve(t, writer(text, vmtest.Code{put(0, len(text)), vmtest.I64Const, int64(20 * time.Second), vmtest.Call, "$sleep"}), &guest.Plugin{}))
	for proto, c := range clients {
		t.Run(proto, func(t *testing.T) {
			resp, err := c.Get(proto + "://a.test/app/events")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(resp.Body, make([]byte, 9)); err != nil {
				t.Error(err)
			}
			resp.Body.Close()
		})
	}
}
