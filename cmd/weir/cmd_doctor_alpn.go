package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/mholt/acmez/v3"

	"github.com/weirproxy/weir/certs/issuer"
)

// tryALPN asks as for tls-alpn-01 (RFC 8737 §3).
func (d *doctor) tryALPN(ctx context.Context, t *target, at netip.AddrPort) finding {
	p, instead := d.probe(ctx, issuer.TLSALPN01, t)
	if instead != nil && instead.Level == fine {
		return *instead
	}
	name, tries := t.name, 0
	if p != nil {
		defer p.End(context.WithoutCancel(ctx)) //nolint:errcheck // it goes away by itself
		name = p.ServerName
	}
	for {
		s, err := handshake(ctx, at, name)
		alpn := err == nil && s.NegotiatedProtocol == acmez.ACMETLS1Protocol
		switch {
		case alpn && p != nil && p.Answered(s.PeerCertificates[0]):
			return finding{Level: fine, Found: "weir answers at " + at.String()}
		case isDial(err) || ctx.Err() != nil:
			return d.noWay(ctx, at, err)
		case p == nil && !noProtocol(err) && (err != nil || alpn):
			return *instead
		}
		// It may be weir, which has not heard of this probe yet.
		if tries++; noProtocol(err) || err == nil && !alpn || tries > 4 || !pause(ctx, 250*time.Millisecond) {
			return d.judgeHandshake(at, s, err)
		}
	}
}

// handshake offers acme-tls/1 alone. Challenge certificates are signed by nobody; nothing
// is sent, and nothing believed but the digest of what was published.
func handshake(ctx context.Context, at netip.AddrPort, name string) (tls.ConnectionState, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", at.String())
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	far := tls.Client(conn, &tls.Config{ServerName: name, NextProtos: []string{acmez.ACMETLS1Protocol}, InsecureSkipVerify: true})
	err = far.HandshakeContext(ctx)
	return far.ConnectionState(), err
}

// isDial tells whether there was no connection at all.
func isDial(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// judgeHandshake says who has answered in weir's place.
func (d *doctor) judgeHandshake(at netip.AddrPort, s tls.ConnectionState, err error) finding {
	f := finding{Level: wrong, Hint: "what ends TLS before weir has to pass it on unopened (by SNI); or use http-01 or dns-01"}
	switch {
	case noProtocol(err):
		f.Found = "somebody ends TLS at " + at.String() + " who does not know acme-tls/1"
	case err != nil:
		f.Found = "the TLS handshake at " + at.String() + " fails: " + cutText(err.Error(), 200)
	case s.NegotiatedProtocol != acmez.ACMETLS1Protocol:
		f.Found = fmt.Sprintf("somebody ends TLS at %s who does not know acme-tls/1, with a certificate of %s", at, cutText(s.PeerCertificates[0].Subject.String(), 100))
	default:
		f.Found = "another server answers acme-tls/1 at " + at.String()
		f.Hint = "have the name, or that port, lead to weir"
	}
	if d.running.Load() && (err == nil || !noProtocol(err)) {
		f.Hint += "; if it is weir that answers, it has another store than this configuration"
	}
	return f
}

// noProtocol tells whether a server refused a handshake for want of a protocol. What the
// far end says crypto/tls has a type for that it does not export.
func noProtocol(err error) bool {
	const noApplicationProtocol = tls.AlertError(120) // RFC 7301 §3.2
	return err != nil && strings.Contains(err.Error(), noApplicationProtocol.Error())
}
