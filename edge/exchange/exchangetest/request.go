package exchangetest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

// Ask describes a request, from which as many as wanted are made.
type Ask struct {
	Method  string
	Target  string // "/path?query", or with an origin: "https://example.com:8443/path"
	Options []Option
}

// Option changes a request that has been made. Any function will do; those of
// this package are for common wishes.
type Option func(*exchange.Request)

// NewRequest returns a request of its own as a protocol would hand it to the
// edge: from 192.0.2.1, over HTTP/1.1, for example.com where target names no
// host. Its Stream is a [*Recorder]. Like httptest.NewRequest it panics if target
// could not have come from a client.
func NewRequest(method, target string, options ...Option) *exchange.Request {
	return Ask{method, target, options}.New()
}

// New returns a request in memory of its own.
func (a Ask) New() *exchange.Request {
	r := new(exchange.Request)
	a.Renew(r)
	return r
}

// Renew makes r, whose exchange is over, the described request, as a connection
// does that is kept alive.
func (a Ask) Renew(r *exchange.Request) {
	scheme, authority, target := "http", "example.com", a.Target
	if i := strings.Index(target, "://"); i > 0 {
		rest := target[i+3:]
		slash := strings.IndexByte(rest+"/", '/')
		scheme, authority, target = target[:i], rest[:slash], rest[slash:]
	}
	conn := &exchange.Conn{
		Client: netip.MustParseAddrPort("192.0.2.1:50000"),
		Direct: netip.MustParseAddrPort("192.0.2.1:50000"),
		Local:  netip.MustParseAddrPort("192.0.2.2:80"),
	}
	r.Reset(conn, &Recorder{ctx: context.Background()})
	r.Method, r.Scheme, r.Proto = a.Method, scheme, exchange.HTTP11
	r.Record.Number = 1
	if err := errors.Join(r.SetAuthority(authority), r.SetTarget(target)); err != nil {
		panic(fmt.Sprintf("make request %s %s: %v", a.Method, a.Target, err))
	}
	if scheme == "https" {
		conn.Local = netip.AddrPortFrom(conn.Local.Addr(), 443)
		conn.TLS = &exchange.TLS{Version: tls.VersionTLS13, Cipher: tls.TLS_AES_128_GCM_SHA256, ServerName: r.Host, ALPN: "http/1.1"}
	}
	for _, option := range a.Options {
		option(r)
	}
}

// Field adds a header field. It panics if the field is not valid.
func Field(name, value string) Option {
	return func(r *exchange.Request) {
		if err := r.Header.Add(name, value); err != nil {
			panic(err)
		}
	}
}

// Body makes s the body; its length is known.
func Body(s string) Option {
	return func(r *exchange.Request) { r.Body = exchange.NewBytes([]byte(s)) }
}

// Chunked makes s the body; its length is not known.
func Chunked(s string) Option {
	return func(r *exchange.Request) { r.Body = exchange.NewBody(strings.NewReader(s), -1, nil) }
}

// Client makes the request come from an address, "192.0.2.7:1234". It panics if
// that is not one.
func Client(address string) Option {
	client := netip.MustParseAddrPort(address)
	return func(r *exchange.Request) {
		conn := *r.Conn
		conn.Client, conn.Direct = client, client
		r.Conn, r.Client = &conn, client
	}
}

// Context makes ctx what Request.Context returns.
func Context(ctx context.Context) Option {
	return func(r *exchange.Request) { r.Stream().(*Recorder).ctx = ctx }
}
