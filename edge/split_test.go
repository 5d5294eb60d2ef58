package edge

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/nethttp"
)

// choppy sends what it is given in small segments. Go sets TCP_NODELAY.
type choppy struct {
	net.Conn
	size   int
	first  string // goes ahead of all
	record int    // the first record is cut into records of that many bytes; 0: is not
}

func (c *choppy) Write(b []byte) (int, error) {
	n := len(b)
	if c.record > 0 {
		b = fragment(b, c.record)
		c.record = 0
	}
	b = append([]byte(c.first), b...)
	c.first = ""
	for len(b) > 0 {
		piece := b[:min(c.size, len(b))]
		if _, err := c.Conn.Write(piece); err != nil {
			return 0, err
		}
		b = b[len(piece):]
	}
	return n, nil
}

// fragment cuts a record into several (RFC 8446 §5.1).
func fragment(record []byte, size int) (out []byte) {
	for body := record[5:]; len(body) > 0; {
		piece := body[:min(size, len(body))]
		out = append(out, record[:3]...)
		out = binary.BigEndian.AppendUint16(out, uint16(len(piece)))
		out = append(out, piece...)
		body = body[len(piece):]
	}
	return out
}

// splitFixture tells what it knows of a connection, and asks b.test's clients for
// certificates.
func splitFixture(t testing.TB) *fixture {
	f := newFixture(t, Options{})
	how := exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		s := r.Conn.TLS
		return text(fmt.Sprintf("%s %s %s %q %s", s.ServerName, tls.CurveID(s.Curve), s.ALPN, s.Policy, r.Client.Addr())).Handle(r)
	})
	snap := f.snapshot(t, map[string]*Route{"a.test /*": {Handler: how}, "b.test /*": {Handler: how, Policy: "mtls", Require: true}})
	snap.Listeners = append(snap.Listeners, Listener{Address: "127.0.0.1:0", Secure: true, Proxies: loopback})
	open, asking := BaseTLS(), BaseTLS()
	open.Certificates, asking.Certificates = []tls.Certificate{f.cert}, []tls.Certificate{f.cert}
	asking.ClientAuth, asking.ClientCAs = tls.RequireAndVerifyClientCert, f.ca.pool
	snap.TLS = func(h *tls.ClientHelloInfo) (Security, error) {
		if h.ServerName == "b.test" {
			return Security{asking, "mtls"}, nil
		}
		return Security{open, ""}, nil
	}
	f.apply(t, snap)
	return f
}

// TestHello_SplitOverSegmentsAndRecords (scenario 29): a hello is read as a whole
// however it comes, behind a PROXY header as well; what is decided by it does not
// depend on that.
func TestHello_SplitOverSegmentsAndRecords(t *testing.T) {
	t.Parallel()
	f := splitFixture(t)
	mine := f.ca.issue(t, "client")
	v2 := "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + string([]byte{192, 0, 2, 7, 192, 0, 2, 1, 0x12, 0x67, 1, 187})
	for _, proxy := range []struct{ name, header, client string }{
		{"bare", "", "127.0.0.1"},
		{"PROXY v1", "PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n", "192.0.2.7"},
		{"PROXY v2", v2, "192.0.2.7"},
	} {
		for _, cut := range []struct{ size, record int }{{1, 0}, {3, 0}, {7, 5}, {536, 0}, {1 << 20, 100}, {1 << 20, 1}} {
			for _, name := range []string{"a.test", "b.test"} {
				address := f.Addrs()[1].String()
				if proxy.header != "" {
					address = f.Addrs()[2].String()
				}
				raw, err := net.Dial("tcp", address)
				if err != nil {
					t.Fatal(err)
				}
				raw.SetDeadline(time.Now().Add(20 * time.Second))
				c := tls.Client(&choppy{Conn: raw, size: cut.size, first: proxy.header, record: cut.record},
					&tls.Config{RootCAs: f.ca.pool, ServerName: name, Certificates: []tls.Certificate{mine}, NextProtos: []string{"http/1.1"}})
				fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", name)
				all, err := io.ReadAll(c)
				raw.Close()
				policy := map[string]string{"a.test": "", "b.test": "mtls"}[name]
				want := fmt.Sprintf("%s X25519MLKEM768 http/1.1 %q %s", name, policy, proxy.client)
				if err != nil || !strings.HasSuffix(string(all), want) {
					t.Errorf("%s, segments of %d, records of %d: got %q, %v; want %q", proxy.name, cut.size, cut.record, all, err, want)
				}
			}
		}
	}
}

// TestHello_SplitOverInitials: with a post-quantum key share no hello fits one packet of
// QUIC. In which order they come, and how often, does not matter.
func TestHello_SplitOverInitials(t *testing.T) {
	t.Parallel()
	f := splitFixture(t)
	mine := f.ca.issue(t, "client")
	var first []byte
	passes := map[string]func() func([]byte) [][]byte{
		"in order": func() func([]byte) [][]byte { return nil },
		"turned round": func() func([]byte) [][]byte {
			n := 0
			return func(b []byte) [][]byte {
				switch n++; n {
				case 1:
					first = b
					return nil
				case 2:
					return [][]byte{b, first}
				}
				return [][]byte{b}
			}
		},
		"twice": func() func([]byte) [][]byte { return func(b []byte) [][]byte { return [][]byte{b, b} } },
	}
	for how, pass := range passes {
		for _, name := range []string{"a.test", "b.test"} {
			r := newRelay(t, f)
			r.pass = pass()
			r.holding()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			r.releaseAfter(ctx, 2, initialPacket) // so the hello needed two, without having been asked for more
			c, err := quic.DialAddr(ctx, r.addr(), &tls.Config{RootCAs: f.ca.pool, ServerName: name, Certificates: []tls.Certificate{mine}, NextProtos: []string{"h3"}}, nil)
			if err != nil {
				t.Fatalf("%s, %s: %v", how, name, err)
			}
			status, body, err := get3(ctx, new(http3.Transport).NewClientConn(c), "GET", name)
			policy := map[string]string{"a.test": "", "b.test": "mtls"}[name]
			if want := fmt.Sprintf("%s X25519MLKEM768 h3 %q 127.0.0.1", name, policy); err != nil || status != 200 || body != want {
				t.Errorf("%s: got %d %q, %v; want %q", how, status, body, err, want)
			}
			c.CloseWithError(0, "")
		}
	}
}

// TestQUIC_ClientsLearnThatAServerIsGone: one that took over its address, with the
// same secret, tells them at once, where they would have to wait for a time-out.
func TestQUIC_ClientsLearnThatAServerIsGone(t *testing.T) {
	t.Parallel()
	o := Options{Streams: nethttp.Options{QUIC: nethttp.Secrets{StatelessReset: [32]byte{1}}}}
	a, b := newFixture(t, o), newFixture(t, o)
	for _, f := range []*fixture{a, b} {
		f.apply(t, f.snapshot(t, map[string]*Route{"a.test /*": {Handler: text("hello")}}))
	}
	r := newRelay(t, a)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, err := quic.DialAddr(ctx, r.addr(), &tls.Config{RootCAs: a.ca.pool, ServerName: "a.test", NextProtos: []string{"h3"}}, &quic.Config{MaxIdleTimeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseWithError(0, "")
	client := new(http3.Transport).NewClientConn(c)
	if status, body, err := get3(ctx, client, "GET", "a.test"); err != nil || status != 200 || body != "hello" {
		t.Fatalf("got %d %q %v", status, body, err)
	}
	r.turnTo(b)
	go get3(ctx, client, "GET", "a.test")
	select {
	case <-c.Context().Done():
	case <-ctx.Done():
		t.Fatal("the client still believes in its connection")
	}
	var reset *quic.StatelessResetError
	if err := context.Cause(c.Context()); !errors.As(err, &reset) {
		t.Errorf("got %v, want a stateless reset", err)
	}
}
