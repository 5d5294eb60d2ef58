// Package nethttp is the one room of weir that knows net/http: it adapts the
// HTTP/2 server of the standard library and the HTTP/3 server of quic-go to
// the seam of package exchange.
//
// Both libraries parse; this package holds what they parsed to the same rules as
// HTTP/1.1 (one authority, valid fields, no connection-specific fields, a body
// as long as announced), gives every stream the same deadlines, and sends the
// response. The libraries start a goroutine per stream; nothing here adds one.
//
// Header order within a request is lost in net/http's map; fields of one name
// keep theirs.
package nethttp

import (
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// Options configure H2 and H3. Zero limits and timeouts mean the defaults below.
type Options struct {
	Dispatcher exchange.Dispatcher

	HeaderBytes int // of one header block, decoded; default 32 KiB
	Fields      int // of one header block; default 100
	Streams     int // at a time on one connection; default 128

	// Allow0RTT takes requests over HTTP/3 before the client's handshake is finished,
	// which anybody may have recorded and send again: GET, HEAD and OPTIONS without a
	// body, marked as Early; all others are answered 425. Sites with a policy for
	// client certificates take none. Sessions of servers that share ticket keys count.
	Allow0RTT bool
	QUIC      Secrets

	Header    time.Duration // for a stream's HEADERS to be complete (HTTP/3); default 10 s
	Idle      time.Duration // for a connection without streams; default 75 s
	Stall     time.Duration // without progress while sending or receiving a body; default 30 s
	BodyRate  int           // bytes/s a request body must come with once BodyGrace is over; default 240
	BodyGrace time.Duration // of waiting for a body before BodyRate counts; default 10 s
}

// Secrets are what servers may share to be one to clients of QUIC; a zero one is
// made by chance, for this process alone.
type Secrets struct {
	// StatelessReset derives the tokens by which clients are told that a connection is
	// lost (RFC 9000 §10.3), so that they need not wait for a time-out after a
	// restart, or after another server took over the address. Servers that answer at
	// different addresses must not have the same one: who sends a packet of a
	// connection of one to the other would learn how to end it (§21.11).
	StatelessReset [32]byte
	// Token encrypts the tokens by which clients prove their address when they come
	// again (RFC 9000 §8.1.3).
	Token [32]byte
}

func (o Options) withDefaults() Options {
	o.HeaderBytes = orDefault(o.HeaderBytes, 32<<10)
	o.Fields = orDefault(o.Fields, 100)
	o.Streams = orDefault(o.Streams, 128)
	o.Header = orDefault(o.Header, 10*time.Second)
	o.Idle = orDefault(o.Idle, 75*time.Second)
	o.Stall = orDefault(o.Stall, 30*time.Second)
	o.BodyRate = orDefault(o.BodyRate, 240)
	o.BodyGrace = orDefault(o.BodyGrace, 10*time.Second)
	return o
}

func orDefault[T int | time.Duration](v, d T) T {
	if v <= 0 {
		return d
	}
	return v
}
