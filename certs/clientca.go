package certs

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
)

// ClientCAs reads the authorities whose client certificates are accepted. A file
// that is missing, empty, damaged, or holds anything but authorities is an error:
// a server that went on without a pool would, by the rules of crypto/tls, accept
// whatever the system's authorities have signed (security P8).
//
// fingerprint names the set: it is the same for the same authorities whatever the
// order and the files, and so tells policies, and their session tickets, apart.
func ClientCAs(paths ...string) (pool *x509.CertPool, fingerprint string, err error) {
	if len(paths) == 0 {
		return nil, "", errors.New("load client authorities: no file is named")
	}
	pool = x509.NewCertPool()
	var sums [][]byte
	usable := false
	for _, path := range paths {
		cas, err := readCAs(path)
		if err != nil {
			return nil, "", fmt.Errorf("load client authorities: %w", err)
		}
		for _, c := range cas {
			usable = usable || outOfDate(c) == nil
			pool.AddCert(c)
			sum := sha256.Sum256(c.Raw)
			sums = append(sums, sum[:])
		}
	}
	if !usable {
		return nil, "", fmt.Errorf("load client authorities: none in %q is valid now, so nobody could get in", paths)
	}
	slices.SortFunc(sums, bytes.Compare)
	all := sha256.Sum256(bytes.Join(slices.CompactFunc(sums, bytes.Equal), nil))
	return pool, hex.EncodeToString(all[:]), nil
}

func readCAs(path string) ([]*x509.Certificate, error) {
	b, err := readFile(path)
	if err != nil {
		return nil, err
	}
	cas, err := parseCertificates(path, b, false)
	if err != nil {
		return nil, err
	}
	for i, c := range cas {
		// A self-signed client certificate is its own authority; a server's or
		// client's from elsewhere is a mistake.
		if !c.IsCA && !bytes.Equal(c.RawIssuer, c.RawSubject) {
			return nil, fmt.Errorf("%s: certificate %d (%s) is not one of an authority", path, i+1, c.Subject)
		}
	}
	return cas, nil
}
