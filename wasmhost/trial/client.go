package trial

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/netip"

	"github.com/weirproxy/weir/edge/exchange"
)

// client is the one who asks: a Stream that keeps the interim responses. It is for the
// goroutine of its exchange, but for Watch and Inform, which are whoever's the host has.
type client struct {
	ctx      context.Context
	watching exchange.Watching
	hints    []exchange.Field
}

var (
	server    = netip.MustParseAddrPort("192.0.2.2:80")
	somebody  = netip.MustParseAddrPort("192.0.2.1:50000")
	errNobody = errors.New("a case reads the response itself")
)

// Context implements exchange.Stream.
func (c *client) Context() context.Context { return c.ctx }

// Watch implements exchange.Stream.
func (c *client) Watch(w exchange.Interrupter) { c.watching.Watch(c.ctx, w) }

// Inform implements exchange.Stream.
func (c *client) Inform(status int, h *exchange.Header) error {
	if status < 100 || status > 199 || status == http.StatusSwitchingProtocols {
		return fmt.Errorf("status %d is not an interim one", status)
	}
	if h != nil && status == http.StatusEarlyHints {
		c.hints = append(c.hints, fieldsOf(h)...)
	}
	return nil
}

// Respond implements exchange.Stream.
func (c *client) Respond(*exchange.Request, *exchange.Response) error { return errNobody }

// request makes r what q says, asked by c.
func (q *Request) request(r *exchange.Request, c *client) error {
	conn := &exchange.Conn{Client: q.Client, Direct: q.Client, Local: server}
	if !q.Client.IsValid() {
		conn.Client, conn.Direct = somebody, somebody
	}
	r.Reset(conn, c)
	r.Method, r.Scheme, r.Proto, r.Record.Number = q.Method, q.Scheme, q.Proto, 1
	if err := errors.Join(r.SetAuthority(q.Authority), r.SetTarget(q.Target)); err != nil {
		return err
	}
	if q.Scheme == "https" {
		conn.Local = netip.AddrPortFrom(server.Addr(), 443)
		conn.TLS = &exchange.TLS{Version: tls.VersionTLS13, Cipher: tls.TLS_AES_128_GCM_SHA256, ServerName: r.Host, ALPN: "http/1.1"}
	}
	if err := fill(&r.Header, q.Header); err != nil {
		return err
	}
	var trailer exchange.Header
	if err := fill(&trailer, q.Trailer); err != nil {
		return err
	}
	if q.Body.Text != "" || q.Body.Chunks != nil || trailer.Len() > 0 {
		r.Body = newContent(&q.Body, func() { r.Trailer.CopyFrom(&trailer) })
	}
	return nil
}

// fill adds fields to a header.
func fill(h *exchange.Header, fields []exchange.Field) error {
	for _, f := range fields {
		if err := h.Add(f.Name, f.Value); err != nil {
			return err
		}
	}
	return nil
}

// statusOf is what the edge makes of an error.
func statusOf(err error) (int, *exchange.Error) {
	e, ok := errors.AsType[*exchange.Error](err)
	switch {
	case !ok:
		return http.StatusInternalServerError, nil
	case e.Status != 0:
		return e.Status, e
	case e.Fault == exchange.Client:
		return http.StatusBadRequest, e
	case e.Fault == exchange.Upstream && errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout, e
	case e.Fault == exchange.Upstream:
		return http.StatusBadGateway, e
	}
	return http.StatusInternalServerError, e
}
