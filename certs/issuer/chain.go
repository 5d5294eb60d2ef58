package issuer

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Bounds on a chain.
const (
	maxChain = 128 << 10 // bytes
	maxLinks = 10        // certificates
	// maxAhead is how far a certificate's beginning may lie ahead. Authorities backdate:
	// more than this, and one of the clocks is wrong.
	maxAhead = time.Hour
)

// checkChain checks what an authority has issued, and returns it in its canonical form:
// certificates alone.
func checkChain(chain []byte, w *wanted, now time.Time) ([]byte, error) {
	certs, err := parseChain(chain)
	if err != nil {
		return nil, err
	}
	leaf := certs[0]
	if pub, ok := leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !pub.Equal(w.Key.Public()) {
		return nil, errors.New("it is for another key")
	}
	if leaf.IsCA {
		return nil, errors.New("it is an authority's own")
	}
	if err := checkNames(leaf, w); err != nil {
		return nil, err
	}
	if err := checkTimes(leaf, now); err != nil {
		return nil, err
	}
	for n, c := range certs[1:] {
		if err := certs[n].CheckSignatureFrom(c); err != nil {
			return nil, fmt.Errorf("its chain is broken at certificate %d: %w", n+1, err)
		}
	}
	var out bytes.Buffer
	for _, c := range certs {
		if err := pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

func parseChain(chain []byte) (certs []*x509.Certificate, err error) {
	if len(chain) > maxChain {
		return nil, fmt.Errorf("it is longer than %d KiB", maxChain>>10)
	}
	for rest := chain; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("there is %q in it", brief(block.Type))
		}
		if len(certs) == maxLinks {
			return nil, fmt.Errorf("there are more than %d certificates in it", maxLinks)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		certs = append(certs, c)
	}
	if len(certs) == 0 {
		return nil, errors.New("there is none")
	}
	return certs, nil
}

func checkNames(leaf *x509.Certificate, w *wanted) error {
	var want, got []string
	for _, id := range w.ids {
		want = append(want, id.Value)
	}
	got = append(got, leaf.DNSNames...)
	for _, ip := range leaf.IPAddresses {
		got = append(got, ip.String())
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) || len(leaf.EmailAddresses)+len(leaf.URIs) > 0 {
		return fmt.Errorf("it is for %q, and not for what was asked for", brief(fmt.Sprint(got)))
	}
	return nil
}

func checkTimes(leaf *x509.Certificate, now time.Time) error {
	switch {
	case !leaf.NotAfter.After(leaf.NotBefore):
		return errors.New("it ends before it begins")
	case leaf.NotBefore.After(now.Add(maxAhead)):
		return &clockError{fmt.Sprintf("it begins at %s, and here it is %s", leaf.NotBefore.Format(time.RFC3339), now.UTC().Format(time.RFC3339))}
	case !leaf.NotAfter.After(now):
		return &clockError{fmt.Sprintf("it ended at %s, and here it is %s", leaf.NotAfter.Format(time.RFC3339), now.UTC().Format(time.RFC3339))}
	}
	return nil
}
