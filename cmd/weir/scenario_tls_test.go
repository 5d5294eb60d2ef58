package main

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/weirproxy/weir/certs/certstest"
)

// Sessions of one node are resumed by another one that has the same store.
func TestScenario05_TicketsOfAnotherNode(t *testing.T) {
	t.Parallel()
	const name = "www.example.com"
	plain, secure := twoPorts(t)
	ca := certstest.StartCA(t, certstest.Options{HTTPPort: plain, TLSPort: secure})
	store := filepath.Join(t.TempDir(), "weir.db")
	a := startNode(t, ca, "127.0.0.1", plain, secure, store, demoConf)
	a.until(t, 10*time.Second*busy, "h2", name, any2)
	b := startNode(t, ca, "127.0.0.2", plain, secure, store, demoConf)
	b.until(t, 10*time.Second*busy, "h2", name, any2)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, over := range []string{"TCP", "QUIC"} {
		b.eventually(t, 10*time.Second*busy, "resumption over "+over, func() bool {
			w := newWallet()
			if first, err := a.shake(ctx, over, shaken{name: name, wallet: w}); err != nil || first.DidResume {
				t.Fatalf("%s: the first handshake: %v, resumed %v", over, err, first.DidResume)
			}
			second, err := b.shake(ctx, over, shaken{name: name, wallet: w})
			if err != nil {
				t.Fatalf("%s: %v", over, err)
			}
			return second.DidResume
		})
	}
}

// Sessions of an open site, of either node, open no site that asks for certificates; and a
// request reaches no site of another policy than that of its connection.
func TestScenario25_ClientCertificates(t *testing.T) {
	t.Parallel()
	const open, asking = "www.example.com", "vault.example.com"
	own := newMaker(t)
	pair, err := own.make(t, "client.example").TLS()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "clients.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	plain, secure := twoPorts(t)
	ca := certstest.StartCA(t, certstest.Options{HTTPPort: plain, TLSPort: secure})
	store := filepath.Join(t.TempDir(), "weir.db")
	conf := demoConf + "  " + asking + ":\n    tls: {client_auth: {mode: require, ca: " + file + "}}\n    respond: secret\n"
	a := startNode(t, ca, "127.0.0.1", plain, secure, store, conf)
	a.until(t, 10*time.Second*busy, "h2", open, any2)
	b := startNode(t, ca, "127.0.0.2", plain, secure, store, conf)
	b.until(t, 10*time.Second*busy, "h2", open, any2)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, over := range []string{"TCP", "QUIC"} {
		w := newWallet()
		b.eventually(t, 10*time.Second*busy, "a session resumed at the other node over "+over, func() bool {
			if got := a.page(ctx, over, open, open, w, nil); got.err != nil {
				t.Fatal(got.err)
			}
			return b.page(ctx, over, open, open, w, nil).resumed
		})
		if got := b.page(ctx, over, asking, asking, w, nil); got.err == nil {
			t.Errorf("%s: with a session of the open site and no certificate: %+v", over, got)
		}
		b.eventually(t, 10*time.Second*busy, "a page for who has a certificate over "+over, func() bool {
			got := b.page(ctx, over, asking, asking, newWallet(), pair)
			return got.status == http.StatusOK && got.body == "secret" && !got.resumed
		})
		if got := b.page(ctx, over, open, asking, newWallet(), pair); got.status != http.StatusMisdirectedRequest {
			t.Errorf("%s: the site that asks, over a connection of the open one: %+v, want 421", over, got)
		}
		if got := b.page(ctx, over, asking, open, newWallet(), pair); got.status != http.StatusMisdirectedRequest {
			t.Errorf("%s: the open site, over a connection of the other one: %+v, want 421", over, got)
		}
	}
}

// gotten is what a client got.
type gotten struct {
	status  int
	body    string
	resumed bool
	err     error
}

// page asks for the page of a host over a connection that was made for a name.
func (n *acmeNode) page(ctx context.Context, over, name, host string, w *walletOfOne, cert *tls.Certificate) (a gotten) {
	conf := &tls.Config{ServerName: name, RootCAs: n.ca.IssuingRoots, ClientSessionCache: w}
	if cert != nil {
		conf.Certificates = []tls.Certificate{*cert}
	}
	var transport http.RoundTripper
	if over == "QUIC" {
		h3 := &http3.Transport{TLSClientConfig: conf, Dial: func(ctx context.Context, _ string, tc *tls.Config, qc *quic.Config) (*quic.Conn, error) {
			tc.ServerName = name
			return quic.DialAddr(ctx, n.https, tc, qc)
		}}
		defer h3.Close()
		transport = h3
	} else {
		h := &http.Transport{TLSClientConfig: conf, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, n.https)
		}}
		defer h.CloseIdleConnections()
		transport = h
	}
	req, err := http.NewRequestWithContext(ctx, "GET", "https://"+host+"/", nil)
	if err != nil {
		return gotten{err: err}
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return gotten{err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return gotten{resp.StatusCode, string(body), resp.TLS.DidResume, err}
}

// What is sent before the handshake has ended is answered only where that was asked for,
// and only if it changes nothing.
func TestScenario06_EarlyData(t *testing.T) {
	t.Parallel()
	const name = "www.example.com"
	for _, c := range []struct {
		setting, method string
		early           bool
		status          int
	}{
		{"zero_rtt: true", "POST", true, http.StatusTooEarly},
		{"zero_rtt: true", "GET", true, http.StatusOK},
		{"zero_rtt: false", "GET", false, http.StatusOK},
	} {
		t.Run(c.setting+" "+c.method, func(t *testing.T) {
			t.Parallel()
			plain, secure := twoPorts(t)
			ca := certstest.StartCA(t, certstest.Options{HTTPPort: plain, TLSPort: secure})
			conf := strings.Replace(demoConf, "sites:", "tls: {"+c.setting+"}\nsites:", 1)
			n := startNode(t, ca, "127.0.0.1", plain, secure, filepath.Join(t.TempDir(), "weir.db"), conf)
			n.until(t, 10*time.Second*busy, "h3", name, any2)
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			w := newWallet()
			if _, err := n.shake(ctx, "QUIC", shaken{name: name, wallet: w}); err != nil {
				t.Fatal(err)
			}
			// Answers are late, so that the client's end of the handshake is, too.
			conf2 := &tls.Config{ServerName: name, RootCAs: ca.IssuingRoots, ClientSessionCache: w, NextProtos: []string{"h3"}}
			conn, err := quic.DialAddrEarly(ctx, lateAnswers(t, n.https, 400*time.Millisecond), conf2, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.CloseWithError(0, "")
			status, err := request3(ctx, conn, c.method, name)
			if !c.early {
				if used := conn.ConnectionState().Used0RTT; used || err == nil && status != c.status {
					t.Errorf("early data was taken: %v; answered %d, %v", used, status, err)
				}
				return
			}
			if err != nil || status != c.status || !conn.ConnectionState().Used0RTT {
				t.Errorf("got %d, %v, early %v; want %d", status, err, conn.ConnectionState().Used0RTT, c.status)
			}
		})
	}
}

// request3 sends a request without waiting for the end of the handshake.
func request3(ctx context.Context, conn *quic.Conn, method, name string) (status int, err error) {
	str, err := new(http3.Transport).NewClientConn(conn).OpenRequestStream(ctx)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, method, "https://"+name+"/", nil)
	if err == nil {
		err = str.SendRequestHeader(req)
	}
	if err == nil {
		err = str.Close()
	}
	if err != nil {
		return 0, err
	}
	resp, err := str.ReadResponse()
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	return resp.StatusCode, nil
}

// lateAnswers is an address whose datagrams are led to another one, and whose answers
// come late.
func lateAnswers(t *testing.T, to string, by time.Duration) (address string) {
	t.Helper()
	in, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	out, err := net.Dial("udp4", to)
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	t.Cleanup(func() { in.Close(); out.Close(); work.Wait() })
	client := make(chan net.Addr, 1)
	work.Go(func() {
		b := make([]byte, 64<<10)
		for first := true; ; first = false {
			n, from, err := in.ReadFrom(b)
			if err != nil {
				return
			}
			if first {
				client <- from
			}
			_, _ = out.Write(b[:n])
		}
	})
	type late struct {
		b  []byte
		at time.Time
	}
	queue := make(chan late, 10_000)
	work.Go(func() {
		defer close(queue)
		b := make([]byte, 64<<10)
		for {
			n, err := out.Read(b)
			if err != nil {
				return
			}
			queue <- late{append([]byte(nil), b[:n]...), time.Now().Add(by)}
		}
	})
	work.Go(func() {
		var to net.Addr
		for d := range queue {
			if to == nil {
				to = <-client
			}
			time.Sleep(time.Until(d.at))
			_, _ = in.WriteTo(d.b, to)
		}
	})
	return in.LocalAddr().String()
}

// A client with a key that is not known any more learns the present one by the public
// name, and then hides the name that it asks for.
func TestScenario24_EncryptedClientHello(t *testing.T) {
	t.Parallel()
	const public, name = "public.example.com", "www.example.com"
	plain, secure := twoPorts(t)
	ca := certstest.StartCA(t, certstest.Options{HTTPPort: plain, TLSPort: secure})
	conf := strings.Replace(demoConf, "sites:", "tls: {ech: {public_name: "+public+"}}\nsites:\n  "+public+":\n    respond: public", 1)
	n := startNode(t, ca, "127.0.0.1", plain, secure, filepath.Join(t.TempDir(), "weir.db"), conf)
	n.until(t, 10*time.Second*busy, "h2", name, any2)
	n.until(t, 10*time.Second*busy, "h2", public, any2)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, over := range []string{"TCP", "QUIC"} {
		if state, err := n.shake(ctx, over, shaken{name: name}); err != nil || state.ECHAccepted {
			t.Errorf("%s, without: %v, %v", over, state.ECHAccepted, err)
		}
		_, err := n.shake(ctx, over, shaken{name: name, ech: unknownECH(t, public)})
		var rejected *tls.ECHRejectionError
		if !errors.As(err, &rejected) || len(rejected.RetryConfigList) == 0 {
			t.Errorf("%s, with a key that is not known: %v, want a rejection that tells the present one", over, err)
			continue
		}
		if state, err := n.shake(ctx, over, shaken{name: name, ech: rejected.RetryConfigList}); err != nil || !state.ECHAccepted {
			t.Errorf("%s, with the present key: accepted %v, %v", over, state.ECHAccepted, err)
		}
	}
}

// unknownECH is a list with one configuration (RFC 9849 §4) whose key nobody has.
func unknownECH(t *testing.T, public string) []byte {
	t.Helper()
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b := []byte{7, 0, 0x20, 0, 32} // an ID, DHKEM(X25519, HKDF-SHA256)
	b = append(b, key.PublicKey().Bytes()...)
	b = append(b, 0, 4, 0, 1, 0, 1, 64, byte(len(public))) // HKDF-SHA256, AES-128-GCM
	b = append(b, public...)
	b = append(b, 0, 0)
	config := append(binary.BigEndian.AppendUint16([]byte{0xfe, 0x0d}, uint16(len(b))), b...)
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(config))), config...)
}
