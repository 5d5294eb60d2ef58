package certs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"os"
	"strings"
	"time"
)

const (
	rootLife        = 3650 * 24 * time.Hour
	longestBackdate = 5 * time.Minute
)

// authority is a certificate that signs others, with its key.
type authority struct {
	cert    *x509.Certificate
	key     crypto.Signer
	renewAt time.Time
}

// lives are the lifetimes of what the internal authority issues.
type lives struct{ intermediate, leaf, backdate time.Duration }

// newRoot makes a root that can vouch for internal names only: whoever trusts it,
// and whoever steals it, cannot use it for the sites of others.
func newRoot(name string, now time.Time, backdate time.Duration) (*authority, error) {
	if now.Year() < 2000 {
		// A root of 1970, from a machine without a clock of its own, would be expired
		// as soon as the time is known.
		return nil, fmt.Errorf("make root: this machine's clock says %s", now.UTC().Format(time.DateOnly))
	}
	t := &x509.Certificate{
		Subject:     pkix.Name{Organization: []string{"weir"}, CommonName: rootName(name, now)},
		NotBefore:   now.Add(-backdate),
		NotAfter:    now.Add(rootLife),
		IsCA:        true,
		MaxPathLen:  1,
		KeyUsage:    x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		ExtKeyUsage: nil, // some trust stores refuse roots with one; the intermediate has it

		BasicConstraintsValid:       true,
		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         internalSuffixes(),
		PermittedIPRanges:           ipNets(internalNets()),
	}
	return sign(t, nil)
}

// longestName is what a common name may have (X.520, ub-common-name).
const longestName = 64

// rootName tells the roots of several machines apart in a browser's list, as far as
// there is room.
func rootName(name string, now time.Time) string {
	host, _ := os.Hostname()
	host = strings.ToValidUTF8(host[:min(len(host), 32)], "")
	if full := name + " " + host + " " + now.UTC().Format(time.DateOnly); len(full) <= longestName {
		return full
	}
	return name
}

// newIntermediate makes the certificate that signs leaves, so that the root's key
// is at work only once in a few days.
func newIntermediate(root *authority, now time.Time, l lives) (*authority, error) {
	t := &x509.Certificate{
		Subject:        pkix.Name{Organization: []string{"weir"}, CommonName: "weir internal intermediate"},
		NotBefore:      now.Add(-l.backdate),
		NotAfter:       earlier(now.Add(l.intermediate), root.cert.NotAfter),
		IsCA:           true,
		MaxPathLenZero: true,
		KeyUsage:       x509.KeyUsageCertSign,
		ExtKeyUsage:    []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},

		BasicConstraintsValid: true,
	}
	return sign(t, root)
}

// newLeaf makes a server's certificate for names that have been checked.
func newLeaf(ca *authority, names []subject, now time.Time, l lives) (*authority, error) {
	t := &x509.Certificate{
		NotBefore:   now.Add(-l.backdate),
		NotAfter:    earlier(now.Add(l.leaf), ca.cert.NotAfter),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},

		BasicConstraintsValid: true,
	}
	for _, n := range names {
		if n.ip.IsValid() {
			t.IPAddresses = append(t.IPAddresses, net.IP(n.ip.AsSlice()))
		} else {
			t.DNSNames = append(t.DNSNames, n.host)
		}
	}
	// What lives for little more than it was backdated would have to be renewed all
	// the time.
	if left := t.NotAfter.Sub(now); left < 10*l.backdate || left <= 0 {
		return nil, fmt.Errorf("issue certificate: it would be valid for %v only, as its issuer %q ends on %s",
			left.Round(time.Second), ca.cert.Subject.CommonName, ca.cert.NotAfter.Format(time.DateTime))
	}
	return sign(t, ca)
}

// sign makes a key for t and has parent sign it, or itself if parent is nil. The
// serial number is random: x509 draws one when it is given none.
func sign(t *x509.Certificate, parent *authority) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	issuer, signer := t, crypto.Signer(key)
	if parent != nil {
		issuer, signer = parent.cert, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, t, issuer, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &authority{cert: cert, key: key, renewAt: renewalOf(time.Now(), cert)}, nil
}

// renewalOf is at two thirds of what is left from now on, less a random twelfth,
// so that a thousand certificates of one minute are not renewed in one minute.
// It carries no monotonic clock, which stands still while a laptop sleeps.
func renewalOf(now time.Time, c *x509.Certificate) time.Time {
	left := max(c.NotAfter.Sub(now), 12)
	return now.Round(0).Add(left*2/3 - mathrand.N(left/12))
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// encode gives certificate and key as one file, so that they are replaced as one.
func (a *authority) encode() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return nil, err
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return append(encodeCert(a.cert), key...), nil
}

func encodeCert(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// decodeAuthority is strict: what weir did not write in this form is damaged.
func decodeAuthority(b []byte) (*authority, error) {
	first, rest := pem.Decode(b)
	if first == nil || first.Type != "CERTIFICATE" {
		return nil, errors.New("no certificate at its beginning")
	}
	second, rest := pem.Decode(rest)
	if second == nil || second.Type != "PRIVATE KEY" || len(bytes.TrimSpace(rest)) != 0 {
		return nil, errors.New("not one certificate and one private key")
	}
	cert, err := x509.ParseCertificate(first.Bytes)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(second.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !key.PublicKey.Equal(cert.PublicKey) {
		return nil, errors.New("the key is not the certificate's")
	}
	if !cert.IsCA {
		return nil, errors.New("the certificate is not one of an authority")
	}
	return &authority{cert: cert, key: key, renewAt: renewalOf(cert.NotBefore, cert)}, nil
}
