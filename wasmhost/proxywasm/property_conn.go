package proxywasm

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
)

// connectionProperty appends what is known under connection.
func (s *stream) connectionProperty(leaf string, v value) (value, bool) {
	t := s.r.Conn.TLS
	if leaf == "mtls" {
		return v.truth(t != nil && len(t.Peer) > 0)
	}
	if t == nil {
		return v, false
	}
	switch leaf {
	case "requested_server_name":
		return v.text(t.ServerName)
	case "tls_version":
		return v.given(tlsVersion(t.Version))
	}
	if len(t.Peer) == 0 {
		// Envoy has an empty subject where the client showed no certificate.
		return v, leaf == "subject_peer_certificate"
	}
	leafCert := t.Peer[0]
	switch leaf {
	case "subject_peer_certificate":
		return v.text(leafCert.Subject.String())
	case "dns_san_peer_certificate":
		if len(leafCert.DNSNames) > 0 {
			return v.text(leafCert.DNSNames[0])
		}
	case "uri_san_peer_certificate":
		if len(leafCert.URIs) > 0 {
			return v.text(leafCert.URIs[0].String())
		}
	case "sha256_peer_certificate_digest":
		sum := sha256.Sum256(leafCert.Raw)
		return hex.AppendEncode(v, sum[:]), true
	}
	return v, false
}

func tlsVersion(n uint16) string {
	switch n {
	case tls.VersionTLS12:
		return "TLSv1.2"
	case tls.VersionTLS13:
		return "TLSv1.3"
	}
	return ""
}

// addressProperty appends what is known under source and destination.
func addressProperty(at netip.AddrPort, leaf string, v value) (value, bool) {
	if !at.IsValid() {
		return v, false
	}
	switch leaf {
	case "address":
		return at.AppendTo(v), true
	case "port":
		return v.number(int64(at.Port()))
	}
	return v, false
}

// upstreamProperty appends what is known under upstream, once one was asked.
func (s *stream) upstreamProperty(leaf string, v value) (value, bool) {
	record := &s.r.Record
	switch leaf {
	case "address":
		return v.given(record.Upstream)
	case "port":
		_, port, _ := strings.Cut(record.Upstream[strings.LastIndexByte(record.Upstream, ']')+1:], ":")
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return v, false
		}
		return v.number(int64(n))
	case "request_attempt_count":
		if record.Attempts == 0 {
			return v, false
		}
		return v.number(int64(record.Attempts))
	}
	return v, false
}
