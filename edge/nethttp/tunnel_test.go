package nethttp

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"golang.org/x/net/http2"

	"github.com/weirproxy/weir/edge/exchange"
)

// loopback is an upstream's end of a tunnel, and what speaks to it.
func loopback(t testing.TB) (far, end *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	return c.(*net.TCPConn), s.(*net.TCPConn)
}

// connected is the client's end of an extended CONNECT.
type connected interface {
	io.ReadWriter
	CloseWrite() error
	Reset()
}

// connector opens extended CONNECTs over one protocol.
type connector struct {
	name string
	open func(t testing.TB, d exchange.Dispatcher, o Options) (ask func(protocol, path string, fields ...string) (*http.Response, connected, error))
}

var connectors = []connector{{"h2", connectH2}, {"h3", connectH3}}

func eachConnector(t *testing.T, f func(t *testing.T, c connector)) {
	for _, c := range connectors {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f(t, c)
		})
	}
}

func connectH2(t testing.TB, d exchange.Dispatcher, o Options) func(string, string, ...string) (*http.Response, connected, error) {
	t.Helper()
	url, client := startH2(t, d, o)
	conf := client.Transport.(*http.Transport).TLSClientConfig.Clone()
	conf.NextProtos = []string{"h2"}
	return func(protocol, path string, fields ...string) (*http.Response, connected, error) {
		c, err := tls.Dial("tcp", strings.TrimPrefix(url, "https://"), conf)
		if err != nil {
			return nil, nil, err
		}
		t.Cleanup(func() { c.Close() })
		return newFramed(t, c).connect(append([]string{":method", "CONNECT", ":protocol", protocol, ":scheme", "https",
			":authority", "localhost", ":path", path}, fields...))
	}
}

type stream3 struct{ *http3.RequestStream }

func (s stream3) CloseWrite() error { return s.Close() }
func (s stream3) Reset() {
	s.CancelRead(quic.StreamErrorCode(http3.ErrCodeRequestCanceled))
	s.CancelWrite(quic.StreamErrorCode(http3.ErrCodeRequestCanceled))
}

func connectH3(t testing.TB, d exchange.Dispatcher, o Options) func(string, string, ...string) (*http.Response, connected, error) {
	t.Helper()
	url, client := startH3(t, d, o)
	tr := client.Transport.(*http3.Transport)
	conf := tr.TLSClientConfig.Clone()
	conf.NextProtos = []string{"h3"}
	c, err := quic.DialAddr(context.Background(), strings.TrimPrefix(url, "https://"), conf, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseWithError(0, "") })
	cc := tr.NewClientConn(c)
	return func(protocol, path string, fields ...string) (*http.Response, connected, error) {
		str, err := cc.OpenRequestStream(context.Background())
		if err != nil {
			return nil, nil, err
		}
		req, err := http.NewRequest("CONNECT", url+path, nil)
		if err != nil {
			return nil, nil, err
		}
		req.Proto = protocol
		for i := 0; i < len(fields); i += 2 {
			req.Header.Set(fields[i], fields[i+1])
		}
		if err := str.SendRequestHeader(req); err != nil {
			return nil, nil, err
		}
		resp, err := str.ReadResponse()
		return resp, stream3{str}, err
	}
}

func receive(t testing.TB, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(r, got)
	if string(got[:n]) != want {
		t.Fatalf("got %q, %v; want %q", got[:n], err, want)
	}
}

func send(t testing.TB, w io.Writer, s string) {
	t.Helper()
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatalf("send %q: %v", s, err)
	}
}

// switching answers with a switch to what end says, and tells how it went.
func switching(end exchange.Tunnel, results chan<- *exchange.Record) exchangeFunc {
	return func(r *exchange.Request) {
		resp := r.NewResponse(101)
		resp.Header.Append("x-seen", fmt.Sprintf("%s %s %s %s %d %s", r.Method, r.Upgrade, r.Path, r.Header.Get("sec-websocket-version"), r.Body.Len(), r.Header.Get(":protocol")))
		resp.Header.Append("connection", "upgrade")
		resp.Header.Append("content-length", "3")
		resp.Tunnel = end
		r.Record.Err = r.Stream().Respond(r, resp)
		record := r.Record
		results <- &record
	}
}

// TestConnect_IsAnnounced fails when the toolchain does not do what xconnect asks.
func TestConnect_IsAnnounced(t *testing.T) {
	t.Parallel()
	url, client := startH2(t, handler(func(r *exchange.Request) *exchange.Response { return r.NewResponse(200) }), Options{})
	conf := client.Transport.(*http.Transport).TLSClientConfig.Clone()
	conf.NextProtos = []string{"h2"}
	c, err := tls.Dial("tcp", strings.TrimPrefix(url, "https://"), conf)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	send(t, c, http2.ClientPreface)
	f := http2.NewFramer(c, c)
	f.WriteSettings()
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := frame.(*http2.SettingsFrame); ok {
			if v, ok := s.Value(http2.SettingEnableConnectProtocol); !ok || v != 1 {
				t.Errorf("SETTINGS_ENABLE_CONNECT_PROTOCOL is %d, %v; want 1", v, ok)
			}
			break
		}
	}
	if v := os.Getenv("GODEBUG"); strings.Contains(v, "http2xconnect") {
		t.Errorf("GODEBUG is %q: xconnect has not cleaned up", v)
	}
}

func TestConnect_CarriesBothWaysAndEnds(t *testing.T) {
	t.Parallel()
	eachConnector(t, func(t *testing.T, c connector) {
		far, end := loopback(t)
		results := make(chan *exchange.Record, 1)
		resp, client, err := c.open(t, switching(end, results), Options{Stall: time.Second})("websocket", "/chat?x=1", "Sec-Websocket-Version", "13")
		if err != nil {
			t.Fatal(err)
		}
		if want := "GET websocket /chat 13 0 "; resp.StatusCode != 200 || resp.Header.Get("X-Seen") != want || resp.Header.Get("Content-Length") != "" {
			t.Errorf("got %d %q %v, want 200 %q", resp.StatusCode, resp.Header.Get("X-Seen"), resp.Header, want)
		}
		for range 3 {
			send(t, client, "ping")
			receive(t, far, "ping")
			send(t, far, "pong")
			receive(t, client, "pong")
		}
		client.CloseWrite()
		if rest, err := io.ReadAll(far); len(rest) > 0 || err != nil {
			t.Errorf("upstream read %q, %v; want the end", rest, err)
		}
		send(t, far, "last")
		far.CloseWrite()
		if rest, err := io.ReadAll(client); string(rest) != "last" || err != nil {
			t.Errorf("client read %q, %v; want last and the end", rest, err)
		}
		if r := <-results; r.Err != nil || r.Received != 12 || r.Sent != 16 {
			t.Errorf("%v, received %d, sent %d; want nil, 12 and 16", r.Err, r.Received, r.Sent)
		}
	})
}

// TestConnect_UpstreamEndsFirst: the client reads the end, and what it sends
// afterwards harms nobody.
func TestConnect_UpstreamEndsFirst(t *testing.T) {
	t.Parallel()
	eachConnector(t, func(t *testing.T, c connector) {
		far, end := loopback(t)
		results := make(chan *exchange.Record, 1)
		_, client, err := c.open(t, switching(end, results), Options{})("websocket", "/")
		if err != nil {
			t.Fatal(err)
		}
		send(t, far, "bye")
		far.CloseWrite()
		if rest, err := io.ReadAll(client); string(rest) != "bye" || err != nil {
			t.Errorf("client read %q, %v; want bye and the end", rest, err)
		}
		client.CloseWrite()
		if r := <-results; r.Err != nil {
			t.Errorf("Respond: %v", r.Err)
		}
	})
}

// TestConnect_CutIsSeen: what ends with an error on one side does so on the other.
func TestConnect_CutIsSeen(t *testing.T) {
	t.Parallel()
	eachConnector(t, func(t *testing.T, c connector) {
		t.Run("upstream", func(t *testing.T) {
			t.Parallel()
			far, end := loopback(t)
			results := make(chan *exchange.Record, 1)
			_, client, err := c.open(t, switching(end, results), Options{})("websocket", "/")
			if err != nil {
				t.Fatal(err)
			}
			far.SetLinger(0)
			far.Close()
			if _, err := io.ReadAll(client); err == nil {
				t.Error("the client reads an end in order")
			}
			if r := <-results; r.Err == nil || errors.Is(r.Err, exchange.ErrClientGone) {
				t.Errorf("Respond: %v, want an error that is not the client's", r.Err)
			}
		})
		t.Run("client", func(t *testing.T) {
			t.Parallel()
			far, end := loopback(t)
			results := make(chan *exchange.Record, 1)
			_, client, err := c.open(t, switching(end, results), Options{})("websocket", "/")
			if err != nil {
				t.Fatal(err)
			}
			client.Reset()
			io.ReadAll(far)
			if r := <-results; !errors.Is(r.Err, exchange.ErrClientGone) {
				t.Errorf("Respond: %v, want %v", r.Err, exchange.ErrClientGone)
			}
		})
	})
}

// TestConnect_BusyTunnel sends many small messages to and fro; the guard over frames
// takes them for what they are.
func TestConnect_BusyTunnel(t *testing.T) {
	t.Parallel()
	const messages, size = 100_000, 20
	eachConnector(t, func(t *testing.T, c connector) {
		far, end := loopback(t)
		results := make(chan *exchange.Record, 1)
		_, client, err := c.open(t, switching(end, results), Options{})("websocket", "/")
		if err != nil {
			t.Fatal(err)
		}
		go io.Copy(far, far)
		go func() {
			message := bytes.Repeat([]byte("m"), size)
			for range messages {
				if _, err := client.Write(message); err != nil {
					t.Errorf("send: %v", err)
					break
				}
			}
			client.CloseWrite()
		}()
		n, err := io.Copy(io.Discard, struct{ io.Reader }{io.LimitReader(client, messages*size)})
		if n != messages*size || err != nil {
			t.Errorf("%d bytes came back, %v; want %d", n, err, messages*size)
		}
		far.CloseWrite()
		if r := <-results; r.Err != nil && !errors.Is(r.Err, exchange.ErrClientGone) {
			t.Errorf("Respond: %v", r.Err)
		}
	})
}

// TestSecurity_P3_ConnectsThatAreRefused: foreign protocols, and so is a switch that
// nobody asked for.
func TestSecurity_P3_ConnectsThatAreRefused(t *testing.T) {
	t.Parallel()
	eachConnector(t, func(t *testing.T, c connector) {
		ask := c.open(t, handler(func(r *exchange.Request) *exchange.Response { return r.NewResponse(200) }), Options{})
		resp, _, err := ask("connect-udp", "/")
		if err != nil || resp.StatusCode != 501 {
			t.Errorf("got %v, %v; want 501", resp, err)
		}
	})
	eachMode(t, func(t *testing.T, m mode) {
		far, end := loopback(t)
		got := make(chan error, 1)
		url, client := m.start(t, exchangeFunc(func(r *exchange.Request) {
			resp := r.NewResponse(101)
			resp.Tunnel = end
			got <- r.Stream().Respond(r, resp)
			r.Stream().Respond(r, &exchange.Response{Status: 502, Body: exchange.NoBody})
		}), Options{})
		resp, err := client.Get(url)
		if err != nil || resp.StatusCode != 502 {
			t.Fatalf("got %v, %v; want 502", resp, err)
		}
		if err := <-got; !errors.Is(err, exchange.ErrUnsent) {
			t.Errorf("Respond: %v, want %v", err, exchange.ErrUnsent)
		}
		if _, err := far.Read(make([]byte, 1)); err == nil {
			t.Error("the tunnel is still open")
		}
	})
}
