package certs

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// largestFile bounds what is read as certificates: the bundles of all public
// authorities have some 250 KiB.
const largestFile = 4 << 20

// readFile reads a file that must be small. Errors say what to do.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fileHint(err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, largestFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(b) > largestFile:
		return nil, fmt.Errorf("open %s: larger than %d bytes, so it holds no certificates", path, largestFile)
	case len(bytes.TrimSpace(b)) == 0:
		return nil, fmt.Errorf("open %s: the file is empty", path)
	}
	return b, nil
}

func fileHint(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: let weir's user read it (chgrp, chmod g+r), and search its directories", err)
	}
	return err
}

// parseCertificates reads all of a PEM file as certificates. Text between blocks
// is allowed, as in bundles; a block that is damaged is not, though encoding/pem
// would pass over it in silence, nor one of another kind, unless the file is there
// for the key as well.
func parseCertificates(path string, b []byte, withKey bool) ([]*x509.Certificate, error) {
	if !bytes.Contains(b, []byte("-----BEGIN ")) {
		return nil, fmt.Errorf("%s: not in PEM form: convert it with `openssl x509 -inform der` or `openssl pkcs12 -nodes`", path)
	}
	var all []*x509.Certificate
	begun, read := bytes.Count(b, []byte("-----BEGIN ")), 0
	for rest := b; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		read++
		if withKey && block.Type != "CERTIFICATE" {
			continue
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("%s: block %d is a %s; only certificates belong here", path, len(all)+1, block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: certificate %d: %w", path, len(all)+1, err)
		}
		all = append(all, c)
	}
	if read != begun {
		return nil, fmt.Errorf("%s: %d blocks begin, but only %d can be read: one is damaged", path, begun, read)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: there is no certificate in it", path)
	}
	return all, nil
}
