package exchange

import (
	"net/netip"
	"time"
)

// Call is a request that weir itself makes of an upstream: for an exchange, for a
// health check, for a plugin. The protocol that sends it adds framing, Host and
// Connection. A Call is used for one attempt after the other, by one goroutine.
type Call struct {
	Method    string
	Scheme    string // "http" or "https": what the upstream is told where its protocol says so
	Authority string // Host, or :authority; "" for the name of the endpoint that is asked
	Target    string // in origin form, "/a%20b?x=1", or "*"
	// Header holds end-to-end fields only: none that frame the message or belong to
	// a connection, and no host. TE, which may say "trailers", is the exception.
	Header Header
	Body   Body // never nil; the client of a Call closes it only by not reading on
	// Trailer is complete when Body has returned io.EOF. It may be nil.
	Trailer *Header
	// Upgrade asks to switch to that protocol: "websocket". An upstream that does so
	// gives a Response of status 101 with a Tunnel.
	Upgrade string
	// Expect makes the upstream say 100 Continue before Body is read.
	Expect bool

	// Fresh asks for a connection that has served no other call, of protocols that have
	// one for each call in flight: what lay idle may all have been closed by now.
	Fresh bool

	// Client and Server are the two ends of the client's connection, for upstreams
	// that want a PROXY header, and for balancing by address. They may be zero.
	Client, Server netip.AddrPort
	// Secure says that the client asks over TLS: cookies that are set for it are
	// marked so.
	Secure bool
	// Deadline ends the whole call, body included; zero: never.
	Deadline time.Time
	// Caller is on whose behalf the call is made; nil: nobody waits.
	Caller Caller

	Attempt Attempt
}

// Attempt says how far the last attempt to send a Call came: what decides whether
// another one may be made, and what logs tell.
type Attempt struct {
	// Written says that bytes of the request may have reached the upstream. Before
	// that, anything may be tried again.
	Written bool
	// Answered says that bytes of an answer have been read. After that, nothing may.
	Answered bool
	// Reused says that the connection had served other calls before.
	Reused bool
	// Connect is what making a connection took; zero if it was reused.
	Connect time.Duration
	// Head is the time from the attempt's start to the head of the final response.
	Head time.Duration
}

// reset empties c and keeps its memory for the next exchange.
func (c *Call) reset() {
	h := c.Header
	h.Reset()
	*c = Call{Header: h, Body: NoBody}
}

// Caller is on whose behalf a Call is made. *Request is one.
type Caller interface {
	// Watch has w interrupted, at most once, when the caller has lost interest: at
	// once, if it already has. Watch(nil) ends that; when it has returned, w is not
	// being interrupted, nor will it be. There is one watcher at a time.
	Watch(w Interrupter)
	// Inform hands on an interim response, status 100 to 199 but 101.
	Inform(status int, h *Header) error
}

// Interrupter is somebody who waits.
type Interrupter interface {
	// Interrupt makes waiting end soon. It must not block, and may be called from
	// any goroutine. cause wraps ErrClientGone, or says what else ended the call.
	Interrupt(cause error)
}
