package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// loaded is what one reading of a pair of files gave.
type loaded struct {
	cert     *tls.Certificate
	warnings []string
}

// readPair reads and checks a certificate and its key. Warnings are for what
// clients may refuse, errors for what cannot be served.
func readPair(certPath, keyPath string) (*loaded, error) {
	certPEM, err := readFile(certPath)
	if err != nil {
		return nil, err
	}
	keyPEM := certPEM
	if keyPath != certPath {
		if keyPEM, err = readFile(keyPath); err != nil {
			return nil, err
		}
	}
	chain, err := parseCertificates(certPath, certPEM, keyPath == certPath)
	if err != nil {
		return nil, swapHint(err, certPEM, keyPEM)
	}
	if err := checkKey(keyPath, keyPEM); err != nil {
		return nil, err
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, keyHint(certPath, keyPath, chain, keyPEM, err)
	}
	return &loaded{&cert, warningsOf(certPath, keyPath, chain)}, nil
}

func checkKey(path string, b []byte) error {
	for rest := b; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return fmt.Errorf("%s: no private key in PEM form", path)
		}
		_, legacy := block.Headers["DEK-Info"] // RFC 1421 encryption
		switch {
		case block.Type == "ENCRYPTED PRIVATE KEY" || legacy:
			return fmt.Errorf("%s: the key is encrypted, and nobody is there to type a passphrase: decrypt it with `openssl pkey -in %s -out KEY`", path, path)
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			return nil
		}
	}
}

func swapHint(err error, certPEM, keyPEM []byte) error {
	if bytes.Contains(certPEM, []byte("PRIVATE KEY")) && bytes.Contains(keyPEM, []byte("BEGIN CERTIFICATE")) {
		return fmt.Errorf("%w (are cert and key swapped?)", err)
	}
	return err
}

// keyHint tells a chain in the wrong order from a key of another certificate.
func keyHint(certPath, keyPath string, chain []*x509.Certificate, keyPEM []byte, err error) error {
	for i, c := range chain[1:] {
		one := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
		if _, err := tls.X509KeyPair(one, keyPEM); err == nil {
			return fmt.Errorf("%s: the key belongs to certificate %d of the file: put that one first, its issuers after it", certPath, i+2)
		}
	}
	return fmt.Errorf("%s and %s do not belong together: %w", certPath, keyPath, errors.New(strings.TrimPrefix(err.Error(), "tls: ")))
}

func warningsOf(certPath, keyPath string, chain []*x509.Certificate) (warnings []string) {
	warn := func(format string, args ...any) { warnings = append(warnings, fmt.Sprintf(format, args...)) }
	leaf := chain[0]
	if err := outOfDate(leaf); err != nil {
		warn("%s: %v", certPath, err)
	}
	if len(leaf.DNSNames)+len(leaf.IPAddresses) == 0 {
		warn("%s: the certificate has no subjectAltName; clients ignore the common name (RFC 9525)", certPath)
	}
	for i, c := range chain[1:] {
		if !bytes.Equal(chain[i].RawIssuer, c.RawSubject) {
			warn("%s: certificate %d (%s) is not the issuer of the one before it; put the chain in order", certPath, i+2, c.Subject)
			break
		}
		if err := outOfDate(c); err != nil {
			warn("%s: certificate %d (%s): %v", certPath, i+2, c.Subject, err)
		}
	}
	if info, err := os.Stat(keyPath); err == nil && info.Mode().Perm()&0o004 != 0 {
		warn("%s: every user of this machine can read the key: chmod o-r", keyPath)
	}
	return warnings
}

// outOfDate says in which way c is not valid now; nil if it is.
func outOfDate(c *x509.Certificate) error {
	now := time.Now()
	switch {
	case now.After(c.NotAfter):
		return fmt.Errorf("expired on %s", c.NotAfter.Format(time.DateTime))
	case now.Before(c.NotBefore):
		return fmt.Errorf("not valid before %s; is this machine's clock right?", c.NotBefore.Format(time.DateTime))
	}
	return nil
}
