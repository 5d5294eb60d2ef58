package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

// BaseTLS returns a new TLS configuration with what weir wants of every site:
// full records (its writes are gathered below TLS), HTTP/2 before HTTP/1.1, and
// Go's own choice of key exchanges, which has a post-quantum one first.
//
// Of the ciphers of TLS 1.2 it takes those with authenticated encryption and forward
// secrecy. Go would take four of CBC mode as well, which fifteen years of padding
// attacks are about (Lucky 13 and its heirs, to which Go's have only partial
// countermeasures), which RFC 9325 §4.2 asks to leave out and which graders mark
// down. Who has nothing else is ten years old. TLS 1.3 has no others.
//
// Keys of session tickets are not for who makes a configuration: they are the
// server's, see [Server.SetTicketKeys].
func BaseTLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		NextProtos:                  []string{"h2", "http/1.1"},
		DynamicRecordSizingDisabled: true,
	}
}

// acmeALPN is the protocol by which authorities validate a name over TLS (RFC 8737).
const acmeALPN = "acme-tls/1"

// roots makes the configurations that all handshakes begin with, one for TCP and one
// for QUIC. They own the keys of session tickets: crypto/tls takes those of the root
// wherever a site's configuration has none of its own, for as long as the root is not
// copied.
func (s *Server) roots() {
	s.tls = BaseTLS()
	if keys := s.options.ECHKeys; keys != nil {
		s.tls.GetEncryptedClientHelloKeys = func(*tls.ClientHelloInfo) ([]tls.EncryptedClientHelloKey, error) { return keys(), nil }
	}
	over3 := s.tls.Clone()
	s.tls.GetConfigForClient = s.secure
	over3.GetConfigForClient = s.secureQUIC
	s.quicTLS = s.h3.TLS(over3)
}

// SetTicketKeys has all handshakes from now on, over TCP and QUIC, encrypt session
// tickets with the first of keys, and take those of any; tickets of other keys lead to
// a full handshake. Servers that are given the same keys resume each other's sessions.
// Connections are not touched, and sites without tickets stay without. Before the first
// call there are keys of this process alone, which crypto/tls changes daily; after it
// they are the caller's to change. No keys change nothing. It may be called at any
// time, by one caller at a time.
func (s *Server) SetTicketKeys(keys [][32]byte) {
	if len(keys) == 0 {
		return
	}
	s.tls.SetSessionTicketKeys(keys)
	s.quicTLS.SetSessionTicketKeys(keys)
}

// decision is what was decided for one handshake; it travels in the context that
// crypto/tls shows to it, over TCP and QUIC alike.
type decision struct {
	policy  string
	refused error // why the name is not served
}

type decisionKey struct{}

func withDecision(ctx context.Context) context.Context {
	return context.WithValue(ctx, decisionKey{}, new(decision))
}

// decided returns the decision of a handshake's context, or an empty one.
func decided(ctx context.Context) *decision {
	if d, ok := ctx.Value(decisionKey{}).(*decision); ok {
		return d
	}
	return new(decision)
}

var (
	errNoTLS = errors.New("no site is served over TLS")
	errPlace = errors.New("handshake without a place for its decision")
	errALPN  = errors.New("names are not validated over QUIC")
)

// secure implements tls.Config.GetConfigForClient by the current snapshot.
func (s *Server) secure(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	d, ok := hello.Context().Value(decisionKey{}).(*decision)
	if !ok {
		return nil, errPlace
	}
	snap := s.acquire()
	defer snap.release()
	var sec Security
	err := errNoTLS
	if snap.TLS != nil {
		sec, err = snap.TLS(hello)
	}
	if err != nil {
		d.refused = err
		return nil, err
	}
	d.policy = sec.Policy
	return s.withRetry(hello, sec.Config), nil
}

const extensionECH = 0xfe0d

// withRetry has a site's configuration know the keys for encrypted hellos: crypto/tls
// decrypts by those of the root, but takes what it tells a client that has an old one
// from the configuration that was chosen.
func (s *Server) withRetry(hello *tls.ClientHelloInfo, conf *tls.Config) *tls.Config {
	if s.tls.GetEncryptedClientHelloKeys == nil || !slices.Contains(hello.Extensions, extensionECH) {
		return conf
	}
	c := conf.Clone()
	c.GetEncryptedClientHelloKeys = s.tls.GetEncryptedClientHelloKeys
	return c
}

// Alerts that crypto/tls has no name for (RFC 8446 §6).
const (
	alertUnrecognizedName = tls.AlertError(112)
	alertNoProtocol       = tls.AlertError(120)
)

// secureQUIC is secure over QUIC, where an error may name its alert.
func (s *Server) secureQUIC(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	conf, err := s.secure(hello)
	switch {
	case err != nil && decided(hello.Context()).refused != nil:
		return nil, fmt.Errorf("%w: %w", err, alertUnrecognizedName)
	case err != nil:
		return nil, err
	case slices.Contains(conf.NextProtos, acmeALPN): // HTTP/3 must not be spoken with the certificate of a challenge
		return nil, fmt.Errorf("%w: %w", errALPN, alertNoProtocol)
	}
	return conf, nil
}

// refuser is the connection below a handshake over TCP. crypto/tls has one alert for
// all errors of GetConfigForClient, internal_error; where it means that a name is not
// served, the client is told that. (crypto/tls would say so of a configuration without
// a certificate, but only after a key exchange, which costs it twenty times as much.)
type refuser struct {
	net.Conn
	decision *decision
}

// Write implements net.Conn.
func (c refuser) Write(p []byte) (int, error) {
	const size, alert = 5 + 2, 21 // of a record with an alert that is not encrypted
	if c.decision.refused == nil || len(p) != size || p[0] != alert {
		return c.Conn.Write(p)
	}
	return c.Conn.Write(append(slices.Clone(p[:size-1]), byte(alertUnrecognizedName)))
}

func tlsFacts(ctx context.Context, state *tls.ConnectionState) *exchange.TLS {
	f := &exchange.TLS{
		Version: state.Version, Cipher: state.CipherSuite, Curve: uint16(state.CurveID),
		ServerName: strings.ToLower(state.ServerName), ALPN: state.NegotiatedProtocol,
		Resumed: state.DidResume, ECH: state.ECHAccepted, Policy: decided(ctx).policy,
	}
	if len(state.VerifiedChains) > 0 {
		f.Peer = state.PeerCertificates
	}
	return f
}

func (s *Server) quicFacts(ctx context.Context, local, client netip.AddrPort, state *tls.ConnectionState) *exchange.Conn {
	return &exchange.Conn{Client: client, Direct: client, Local: local, TLS: tlsFacts(ctx, state)}
}

// admitQUIC counts a connection in.
func (s *Server) admitQUIC(client netip.AddrPort) (leave func(), ok bool) {
	if err := s.gate.Enter(client.Addr()); err != nil {
		s.refused.Add(1)
		return nil, false
	}
	return func() { s.gate.Leave(client.Addr()) }, true
}

// mayBeEarly tells whether a handshake's session may carry early data. Where client
// certificates are asked for, who sent it is what matters most, and what early data
// cannot tell.
func mayBeEarly(ctx context.Context) bool { return decided(ctx).policy == "" }

// HostOf returns the host that a ClientHello asks for, in the form that sites are
// looked up by: its SNI, or the address it reached when it sends none, as clients
// do that were given an address. With ECH it is the name inside.
func HostOf(hello *tls.ClientHelloInfo) string {
	if hello.ServerName != "" {
		return strings.TrimSuffix(strings.ToLower(hello.ServerName), ".")
	}
	if hello.Conn == nil {
		return ""
	}
	switch a := hello.Conn.LocalAddr().(type) {
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap().String()
	case *net.UDPAddr:
		return a.AddrPort().Addr().Unmap().String()
	}
	return ""
}
