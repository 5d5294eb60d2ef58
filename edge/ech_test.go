package edge

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/weirproxy/weir/edge/exchange"
)

// newECH makes a key for hellos that are outside for public.test (RFC 9849 §4).
func newECH(t testing.TB, id uint8, retry bool) tls.EncryptedClientHelloKey {
	t.Helper()
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const public = "public.test"
	b := []byte{id}
	b = binary.BigEndian.AppendUint16(b, 0x0020) // DHKEM(X25519, HKDF-SHA256)
	b = binary.BigEndian.AppendUint16(b, 32)
	b = append(b, key.PublicKey().Bytes()...)
	b = append(b, 0, 4, 0, 1, 0, 1) // HKDF-SHA256, AES-128-GCM
	b = append(b, 64, byte(len(public)))
	b = append(b, public...)
	b = append(b, 0, 0)
	config := append([]byte{0xfe, 0x0d, 0, byte(len(b))}, b...)
	return tls.EncryptedClientHelloKey{Config: config, PrivateKey: key.Bytes(), SendAsRetry: retry}
}

func configList(keys ...tls.EncryptedClientHelloKey) []byte {
	var list []byte
	for _, k := range keys {
		list = append(list, k.Config...)
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(list))), list...)
}

// hello makes a connection over TCP or QUIC and asks host; both may differ.
func (f *fixture) hello(t testing.TB, transport string, conf *tls.Config, host string) (body string, err error) {
	t.Helper()
	conf = conf.Clone()
	conf.RootCAs = f.ca.pool
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if transport == "QUIC" {
		conf.NextProtos = []string{"h3"}
		qc, err := quic.DialAddr(ctx, f.Addrs()[1].String(), conf, nil)
		if err != nil {
			return "", err
		}
		defer qc.CloseWithError(0, "")
		status, body, err := get3(ctx, new(http3.Transport).NewClientConn(qc), "GET", host)
		return fmt.Sprintf("%d %s", status, body), err
	}
	c, err := (&tls.Dialer{Config: conf}).DialContext(ctx, "tcp", f.Addrs()[1].String())
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host)
	all, err := io.ReadAll(c)
	_, head, _ := strings.Cut(string(all), " ")
	status, _, _ := strings.Cut(head, " ")
	_, body, _ = strings.Cut(head, "\r\n\r\n")
	return status + " " + body, err
}

// TestECH (scenario 24): the name inside chooses the site, also under a key that has
// been rotated, as long as it is listed; afterwards clients get the current ones by
// the name outside, and the second try works. Without ECH nothing changes.
func TestECH(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"TCP", "QUIC"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			var keys atomic.Pointer[[]tls.EncryptedClientHelloKey]
			list := func(all ...tls.EncryptedClientHelloKey) { keys.Store(&all) }
			f := newFixture(t, Options{ECHKeys: func() []tls.EncryptedClientHelloKey { return *keys.Load() }})
			f.cert = f.ca.issue(t, "a.test", "b.test", "public.test")
			how := exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
				return text(fmt.Sprintf("%s ech=%v", r.Conn.TLS.ServerName, r.Conn.TLS.ECH)).Handle(r)
			})
			snap := f.snapshot(t, map[string]*Route{
				"a.test /*": {Handler: how}, "public.test /*": {Handler: how},
				"b.test /*": {Handler: how, Policy: "mtls", Require: true},
			})
			open, asking := BaseTLS(), BaseTLS()
			open.Certificates, asking.Certificates = []tls.Certificate{f.cert}, []tls.Certificate{f.cert}
			asking.ClientAuth, asking.ClientCAs = tls.RequireAndVerifyClientCert, f.ca.pool
			snap.TLS = func(h *tls.ClientHelloInfo) (Security, error) {
				switch h.ServerName {
				case "b.test":
					return Security{asking, "mtls"}, nil
				case "a.test", "public.test":
					return Security{open, ""}, nil
				}
				return Security{}, errors.New("unknown")
			}
			f.apply(t, snap)
			k1, k2, k3 := newECH(t, 1, true), newECH(t, 2, true), newECH(t, 3, true)
			mine := f.ca.issue(t, "client")
			with := func(name string, list []byte) *tls.Config {
				return &tls.Config{ServerName: name, EncryptedClientHelloConfigList: list, Certificates: []tls.Certificate{mine}}
			}
			expect := func(what, want string, conf *tls.Config, host string) {
				t.Helper()
				if got, err := f.hello(t, transport, conf, host); err != nil || !strings.HasPrefix(got, want) {
					t.Errorf("%s: got %q, %v; want %q", what, got, err, want)
				}
			}
			list(k1)
			expect("current key", "200 a.test ech=true", with("a.test", configList(k1)), "a.test")
			expect("none", "200 a.test ech=false", &tls.Config{ServerName: "a.test"}, "a.test")
			expect("policy of the name inside", "200 b.test ech=true", with("b.test", configList(k1)), "b.test")
			expect("another policy than that of the name inside", "421", with("a.test", configList(k1)), "b.test")
			expect("another policy than that of the name inside", "421", with("b.test", configList(k1)), "a.test")
			list(k2, k1)
			expect("rotated key", "200 a.test ech=true", with("a.test", configList(k1)), "a.test")
			list(k3, k2)
			_, err := f.hello(t, transport, with("a.test", configList(k1)), "a.test")
			var rejected *tls.ECHRejectionError
			if !errors.As(err, &rejected) {
				t.Fatalf("dropped key: got %v, want a rejection", err)
			}
			if want := configList(k3, k2); string(rejected.RetryConfigList) != string(want) {
				t.Errorf("dropped key: retry with %x, want %x", rejected.RetryConfigList, want)
			}
			expect("the second try", "200 a.test ech=true", with("a.test", rejected.RetryConfigList), "a.test")
			list()
			if _, err := f.hello(t, transport, with("a.test", configList(k1)), "a.test"); !errors.As(err, &rejected) || len(rejected.RetryConfigList) > 0 {
				t.Errorf("without keys: got %v, want a rejection without another try", err)
			}
			if _, err := f.hello(t, transport, &tls.Config{ServerName: "unknown.test"}, "a.test"); err == nil {
				t.Error("an unknown name was served")
			}
		})
	}
}

// TestAltSvc_OnlyBelowHTTP3 (scenario 4): one name, one port, over all protocols, and
// only those that are not HTTP/3 advertise it.
func TestAltSvc_OnlyBelowHTTP3(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Options{})
	f.apply(t, f.snapshot(t, map[string]*Route{"a.test /*": {Handler: text("hello")}}))
	_, port, _ := strings.Cut(f.Addrs()[1].String(), ":")
	for proto, want := range map[string]string{"h1s": `h3=":` + port + `"; ma=86400`, "h2": `h3=":` + port + `"; ma=86400`, "h3": ""} {
		resp, body := fetch(t, f.client(t, proto), "https://a.test/")
		if resp.StatusCode != 200 || body != "hello" || resp.Header.Get("Alt-Svc") != want {
			t.Errorf("%s: got %d %q, Alt-Svc %q, want %q", proto, resp.StatusCode, body, resp.Header.Get("Alt-Svc"), want)
		}
		resp, _ = fetch(t, f.client(t, proto), "https://a.test/", func(r *http.Request) { r.Method = "HEAD" })
		if got := resp.Header.Get("Alt-Svc"); got != want {
			t.Errorf("%s HEAD: Alt-Svc %q, want %q", proto, got, want)
		}
	}
}
