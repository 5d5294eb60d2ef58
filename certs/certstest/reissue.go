package certstest

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"time"
)

// reissuer signs again what the authority has signed, for another time.
type reissuer struct {
	key   *ecdsa.PrivateKey
	cert  *x509.Certificate
	shift time.Duration
}

// ShiftCertificates moves the beginning and the end of what is issued from now on by d,
// as an authority does whose clock is wrong. Such certificates are signed by another
// authority, which IssuingRoots vouch for, too: Pebble has not heard of them, and
// neither tells when they should be renewed nor takes an order that replaces them. Nobody
// may be verifying meanwhile.
func (c *CA) ShiftCertificates(d time.Duration) {
	c.t.Helper()
	if d == 0 {
		c.faults.set(func(f *faults) { f.reissue = nil })
		return
	}
	key, cert := signed(c.t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "certstest, whose clock is wrong"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}, nil, nil)
	c.IssuingRoots.AddCert(cert)
	c.faults.set(func(f *faults) { f.reissue = &reissuer{key, cert, d} })
}

// again signs the first certificate of a chain again, and returns the new chain.
func (r *reissuer) again(chain []byte) ([]byte, error) {
	block, _ := pem.Decode(chain)
	if block == nil {
		return chain, nil
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, err
	}
	leaf.NotBefore, leaf.NotAfter = leaf.NotBefore.Add(r.shift), leaf.NotAfter.Add(r.shift)
	leaf.AuthorityKeyId, leaf.SignatureAlgorithm = nil, x509.UnknownSignatureAlgorithm // as the new issuer has it
	der, err := x509.CreateCertificate(rand.Reader, leaf, r.cert, leaf.PublicKey, r.key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}
