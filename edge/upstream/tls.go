package upstream

import (
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"hash"
	"os"
)

// sessionsKept bounds the TLS sessions that a pool keeps for resumption: some for
// each name that its endpoints have.
const sessionsKept = 64

// load reads the files, and returns a sum of what is in them. A file that cannot be
// read or used is an error: going on without would trust, or be trusted, wrongly
// (security P8).
func (t TLS) load() (*tls.Config, []byte, error) {
	config := &tls.Config{
		MinVersion:         cmp.Or(t.MinVersion, tls.VersionTLS12),
		InsecureSkipVerify: t.Insecure,
		ClientSessionCache: tls.NewLRUClientSessionCache(sessionsKept),
	}
	sum := sha256.New()
	for _, name := range t.CA {
		b, err := read(name, sum)
		if err != nil {
			return nil, nil, fmt.Errorf("ca: %w", err)
		}
		if config.RootCAs == nil {
			config.RootCAs = x509.NewCertPool()
		}
		if !config.RootCAs.AppendCertsFromPEM(b) {
			return nil, nil, fmt.Errorf("ca: read %s: no certificate in it", name)
		}
	}
	if t.Cert != "" {
		cert, err := read(t.Cert, sum)
		if err != nil {
			return nil, nil, fmt.Errorf("cert: %w", err)
		}
		key, err := read(t.Key, sum)
		if err != nil {
			return nil, nil, fmt.Errorf("key: %w", err)
		}
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return nil, nil, fmt.Errorf("load %s with key %s: %w", t.Cert, t.Key, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, sum.Sum(nil), nil
}

func read(name string, sum hash.Hash) ([]byte, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err // it says what and which
	}
	fmt.Fprintf(sum, "%d ", len(b))
	sum.Write(b)
	return b, nil
}

// tlsConfig is what connections to e are made with; nil without TLS.
func (p *Pool) tlsConfig(e *endpoint) *tls.Config {
	if e.scheme() != "https" {
		return nil
	}
	config := p.tls.Clone()
	config.ServerName = cmp.Or(p.settings.TLS.ServerName, e.server)
	return config
}
