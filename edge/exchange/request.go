package exchange

import (
	"context"
	"crypto/x509"
	"net/netip"
)

// Proto is the protocol version the client spoke.
type Proto uint8

// The versions that weir serves.
const (
	HTTP10 Proto = iota + 1
	HTTP11
	HTTP2
	HTTP3
)

// String returns the name that logs and guests see: "HTTP/1.1".
func (p Proto) String() string {
	return [...]string{"HTTP/?", "HTTP/1.0", "HTTP/1.1", "HTTP/2.0", "HTTP/3.0"}[min(p, HTTP3)]
}

// Request is what a client asks. The protocol that read it has checked it
// (RFC 9110, RFC 9112): the method is a token, the authority is one valid host,
// the header is valid and framing fields agree.
type Request struct {
	Method    string // case-sensitive token
	Scheme    string // "http" or "https"
	Authority string // host[:port] in lower case, as the client named it; may be empty over HTTP/1.0
	Host      string // Authority without port, brackets and trailing dot: what sites are matched by
	Target    string // as sent, in origin form: "/a%20b?x=1"; "*" for OPTIONS *
	Path      string // canonical path, see SetTarget; "*" for OPTIONS *
	Query     string // raw, without "?"
	// Opaque says that the path holds an encoded slash or backslash, still
	// encoded in Path. Only routes that take raw paths accept it.
	Opaque bool
	Proto  Proto
	Header Header
	Body   Body // never nil
	// Trailer is complete when Body has returned io.EOF.
	Trailer Header

	// Upgrade is the protocol that the client asks to switch to, in lower case, by
	// Upgrade over HTTP/1.1 or extended CONNECT over HTTP/2 and HTTP/3; the method is
	// GET then, and there is no body. "" if it does not, or weir knows better.
	Upgrade string

	// Early says that the request came before the handshake was finished, as early data
	// of TLS: it may be the repetition of one that somebody has recorded (RFC 8470 §3).
	// It changes nothing by its method, has no body, and has Early-Data: 1.
	Early bool

	// Client is who asks: Conn.Client, or whom the trusted proxies before it name.
	Client netip.AddrPort
	// Trusted says that the peer is a proxy whose forwarding fields are believed.
	Trusted bool

	Conn   *Conn  // facts of the connection, shared by its exchanges; never nil
	Match  Match  // what the route table found
	Record Record // what observers will see

	stream Stream
	shield *Shield
	lent   bool
	own    Response
	call   *Call // memory that NewCall lends
	asked  bool  // it has
	enders []Ender
}

// Match is what routing found out about a request.
type Match struct {
	Prefix string  // the part of Path that the route's pattern fixed
	Rest   string  // the part after it that {rest...} or * took
	Params []Param // values of {name}, in the order of the pattern
}

// Param is one path parameter.
type Param struct{ Name, Value string }

// Param returns the path parameter called name, or "".
func (m *Match) Param(name string) string {
	for i := range m.Params {
		if m.Params[i].Name == name {
			return m.Params[i].Value
		}
	}
	return ""
}

// Conn holds the facts of a client's connection. It does not change once made.
type Conn struct {
	Client netip.AddrPort // who asks: from a PROXY header where one was trusted, else Direct; zero on unix sockets
	Direct netip.AddrPort // the other end of the socket
	Local  netip.AddrPort // our end of it
	TLS    *TLS           // nil without TLS
	AltSvc string         // what responses advertise in Alt-Svc (RFC 7838); "" for nothing
}

// TLS holds the facts of a finished handshake.
type TLS struct {
	Version    uint16 // a crypto/tls constant
	Cipher     uint16
	Curve      uint16
	ServerName string // SNI in lower case; "" if the client sent none
	ALPN       string
	Resumed    bool
	ECH        bool
	Policy     string              // the client-certificate policy the handshake was held to; "" for none
	Peer       []*x509.Certificate // verified chain's certificates as sent, leaf first; nil if none
}

// Stream is what the protocol offers to one exchange. HTTP/1 and the adapters
// of HTTP/2 and HTTP/3 implement it; handlers and filters see only Request's methods.
type Stream interface {
	// Context ends when the client has gone away or the server gives up.
	Context() context.Context
	// Inform sends an interim response, status 100 to 199 but 101.
	Inform(status int, h *Header) error
	// Watch is Caller's: it costs less than Context, and says more.
	Watch(Interrupter)
	// Respond sends the final response: head, body, trailers; after a 101 it carries
	// bytes between the client and the response's Tunnel until both ends are done.
	// A client that did not ask for that protocol makes it fail. It counts what it
	// sent in Record.Sent and does not close the body. An error before the first
	// byte has left is ErrUnsent; after any other error the stream is dead.
	Respond(r *Request, resp *Response) error
}

// Dispatcher takes requests from protocols. It calls the Stream's Respond exactly
// once per request before it returns, unless it panics.
type Dispatcher interface {
	// Dispatch answers a well-formed request.
	Dispatch(*Request)
	// Reject answers one that is not: err says why, as *Error with its Status.
	// Fields that could not be read are empty. The protocol closes the
	// connection afterwards where its framing is in doubt.
	Reject(r *Request, err error)
}

// Reset makes r ready for a new exchange on c, keeping its memory.
func (r *Request) Reset(c *Conn, s Stream) {
	r.Header.Reset()
	r.Trailer.Reset()
	params := r.Match.Params
	clear(params)
	own := r.own
	own.reset()
	if r.asked {
		r.call.reset()
	}
	clear(r.enders) // there are none left, unless nobody called End
	*r = Request{Header: r.Header, Trailer: r.Trailer, Body: NoBody, Conn: c, stream: s, own: own, call: r.call, enders: r.enders[:0]}
	if c != nil {
		r.Client = c.Client
	}
	r.Match.Params = params[:0]
}

// Context ends when the client has gone away or the server gives up on the
// exchange. Asking for it has a price on HTTP/1, so only code that may wait does.
func (r *Request) Context() context.Context {
	if r.shield != nil {
		return r.shield.context()
	}
	return r.stream.Context()
}

// Inform sends an interim response (1xx but 101) to the client now.
func (r *Request) Inform(status int, h *Header) error { return r.stream.Inform(status, h) }

// Watch implements Caller: w is interrupted when the client has gone.
func (r *Request) Watch(w Interrupter) {
	if r.shield != nil {
		r.shield.watch(w)
		return
	}
	r.stream.Watch(w)
}

// ReadApart says that Body is going to be read on a goroutine of its own, which may go
// on while the exchange's goroutine responds. The exchange lasts until that one has
// ended. Without it, Body is used on the exchange's goroutine alone.
func (r *Request) ReadApart() {
	if s, ok := r.stream.(interface{ ReadApart() }); ok {
		s.ReadApart()
	}
}

// Stream returns the protocol's side of the exchange, for the edge alone.
func (r *Request) Stream() Stream { return r.stream }

// NewResponse returns an empty response with that status and no body. The first
// one of an exchange is lent from the request's own memory.
func (r *Request) NewResponse(status int) *Response {
	if r.lent {
		return &Response{Status: status, Body: NoBody}
	}
	r.lent = true
	r.own.Status, r.own.Body = status, NoBody
	return &r.own
}

// NewCall returns an empty call on behalf of r. The first one of an exchange is lent
// from the request's own memory: it lasts as long as the exchange, as r itself does.
func (r *Request) NewCall() *Call {
	if r.asked {
		return &Call{Body: NoBody, Caller: r}
	}
	r.asked = true
	if r.call == nil {
		r.call = &Call{Body: NoBody}
	}
	r.call.Caller = r
	return r.call
}
