package certs

import (
	"crypto/x509"
	"fmt"
)

// Trusted tells whether the system's store, or what SSL_CERT_FILE names in its place, has
// the root in a PEM file. Browsers with stores of their own are not asked.
func Trusted(rootPEM string) (bool, error) {
	b, err := readFile(rootPEM)
	if err != nil {
		return false, err
	}
	all, err := parseCertificates(rootPEM, b, false)
	if err != nil {
		return false, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return false, fmt.Errorf("read the system's roots: %w", err)
	}
	_, err = all[0].Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err == nil, nil
}
