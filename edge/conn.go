package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/http1"
	"github.com/weirproxy/weir/edge/listen"
)

func isClosed(err error) bool { return errors.Is(err, net.ErrClosed) }

// serveConn takes a connection from accept to its protocol. It runs on the
// connection's goroutine and is the only one to touch it until then.
func (s *Server) serveConn(e *entry, c net.Conn) {
	deadline := time.Now().Add(s.options.Handshake)
	facts, err := connFacts(e, c, deadline)
	if err == nil {
		err = s.gate.Enter(facts.Client.Addr())
	}
	if err != nil {
		s.refused.Add(1)
		s.log.Debug("connection refused", "client", c.RemoteAddr().String(), "err", err)
		c.Close()
		return
	}
	leave := func() { s.gate.Leave(facts.Client.Addr()) }
	if e.Secure {
		s.serveTLS(c, facts, deadline, leave)
		return
	}
	var read []byte
	if e.H2C {
		if read, err = sniffH2(c, deadline); err != nil {
			c.Close()
			leave()
			return
		}
		if string(read) == h2Preface {
			s.h2.ServePlain(&prefixedConn{c, read}, facts, leave)
			return
		}
	}
	s.serveH1(leave, func() { s.h1.ServeRead(c, read, facts) })
}

// serveH1 serves one connection. It ends panics, which leave it closed: a mistake
// of ours must not cost the others theirs.
func (s *Server) serveH1(leave, serve func()) {
	defer leave()
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("connection panicked", "err", p, "stack", string(debug.Stack()))
		}
	}()
	serve()
}

// connFacts finds out who is there; behind a trusted proxy, by its PROXY header,
// which is then required: a client must not get past it by leaving it away.
func connFacts(e *entry, c net.Conn, deadline time.Time) (*exchange.Conn, error) {
	f := &exchange.Conn{Direct: tcpAddr(c.RemoteAddr()), Local: tcpAddr(c.LocalAddr()), AltSvc: e.altSvc}
	f.Client = f.Direct
	if !e.behindProxy(f.Direct.Addr()) {
		return f, nil
	}
	src, _, local, err := listen.ReadProxy(c, deadline)
	if err != nil {
		return nil, err
	}
	if !local {
		f.Client = src
	}
	return f, nil
}

func (e *entry) behindProxy(a netip.Addr) bool {
	if len(e.Proxies) == 0 {
		return false
	}
	if !a.IsValid() { // a unix socket's peer is on this machine
		return true
	}
	for _, p := range e.Proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func tcpAddr(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}

// serveTLS does the handshake under a deadline that counts from accept (security
// P12). The connection goes on on a fresh goroutine, since the stack of a
// handshake is large and would stay with an idle connection.
func (s *Server) serveTLS(raw net.Conn, facts *exchange.Conn, deadline time.Time, leave func()) {
	ctx := withDecision(context.Background()) // without an end, so that crypto/tls needs no goroutine to watch it
	out := http1.NewRecordWriter(refuser{raw, decided(ctx)})
	conn := tls.Server(out, s.tls)
	raw.SetDeadline(deadline)
	if err := conn.HandshakeContext(ctx); err != nil {
		s.failed.Add(1)
		s.log.Debug("handshake failed", "client", facts.Client.String(), "err", err)
		answerPlain(raw, err)
		raw.Close()
		leave()
		return
	}
	out.Conn = raw
	state := conn.ConnectionState()
	if state.NegotiatedProtocol == acmeALPN { // the handshake was all that was asked for (RFC 8737 §3)
		conn.Close()
		leave()
		return
	}
	raw.SetDeadline(time.Time{})
	facts.TLS = tlsFacts(ctx, &state)
	if state.NegotiatedProtocol == "h2" {
		s.h2.ServeTLS(conn, facts, leave)
		return
	}
	go s.serveH1(leave, func() { s.h1.ServeConn(raw, conn, out, facts) })
}

// answerPlain helps who typed http:// and the port of https://.
func answerPlain(raw net.Conn, err error) {
	var header tls.RecordHeaderError
	if !errors.As(err, &header) || header.Conn == nil {
		return
	}
	switch first := header.RecordHeader[:]; {
	case string(first) == "GET /", string(first) == "HEAD ", string(first[:4]) == "POST", string(first) == "PUT /", string(first) == "OPTIO":
		const text = "This port speaks HTTPS: use https:// in the address.\n"
		fmt.Fprintf(raw, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(text), text)
	}
}

const h2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// sniffH2 reads as far as it must to tell HTTP/2 by prior knowledge from HTTP/1.1.
// There is no upgrade from the one to the other (security G13).
func sniffH2(c net.Conn, deadline time.Time) (read []byte, err error) {
	c.SetReadDeadline(deadline)
	defer c.SetReadDeadline(time.Time{})
	buf, n := make([]byte, len(h2Preface)), 0
	for n < len(buf) && string(buf[:n]) == h2Preface[:n] {
		m, err := c.Read(buf[n:])
		n += m
		if err != nil && n == 0 {
			return nil, err
		} else if err != nil {
			break
		}
	}
	return buf[:n], nil
}

// prefixedConn gives back first what sniffH2 has read.
type prefixedConn struct {
	net.Conn
	read []byte
}

func (p *prefixedConn) Read(b []byte) (int, error) {
	if len(p.read) == 0 {
		return p.Conn.Read(b)
	}
	n := copy(b, p.read)
	p.read = p.read[n:]
	return n, nil
}

var _ io.Reader = (*prefixedConn)(nil)
