package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"time"

	"github.com/weirproxy/weir/certs/storage"
)

// A store may lose what it had: it was emptied, or began anew without what it had
// written. What is good is not obtained again then, which for many names no authority
// would allow, but written back.

// rescue has what is served for e, which is locked, written back to a store that has lost
// it, if that is good.
func (m *Manager) rescue(e *entry) {
	cert := e.cert.Load()
	if cert == nil || cert.Leaf == nil || e.gone || !e.facts.stored || cert.Leaf.SerialNumber.Text(16) != e.facts.serial {
		return
	}
	c, err := recordOf(e.name, cert, &e.facts)
	if err != nil || !worth(e, c) {
		return
	}
	c.Node = m.o.Node
	e.unsaved, e.rescued, e.facts.stored = c, true, false
	m.told.seldom(m.o.Every, func() { m.log.Warn(lostText, "name", e.name, "until", c.NotAfter) })
}

// rescueCopy is rescue with what a copy on this machine has.
func (m *Manager) rescueCopy(ctx context.Context, e *entry) {
	e.mu.Lock()
	done := e.unsaved != nil || e.policy == nil
	e.mu.Unlock()
	if done {
		return
	}
	value, err := m.o.Store.Get(storage.LastSeen(ctx), storage.CertKey(e.name))
	if err != nil {
		return
	}
	c, err := storage.DecodeCert(value)
	if err != nil {
		return
	}
	cert, err := pairFor(e.name, c)
	if err != nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.gone || e.unsaved != nil || e.facts.stored || !worth(e, c) {
		return
	}
	e.facts = factsOf(c)
	e.unsaved, e.rescued, e.facts.stored = c, true, false
	m.serve(e, cert)
	m.told.seldom(m.o.Every, func() { m.log.Warn(lostText, "name", e.name, "until", c.NotAfter) })
}

const lostText = "the store has lost certificates: those that are here are written back"

// worth tells whether c is what e, which is locked, needs.
func worth(e *entry, c *storage.Cert) bool {
	if e.policy == nil || e.forced || c.Valid() != nil || !time.Now().Before(c.NotAfter) {
		return false
	}
	return c.Issuer == Imported || e.policy.has(c.Issuer) || e.foreign != "" && e.foreign == c.Serial
}

// recordOf makes a record of a certificate in memory and what is known of it.
func recordOf(name string, cert *tls.Certificate, f *facts) (*storage.Cert, error) {
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		return nil, err
	}
	c := &storage.Cert{
		Names: []string{name}, Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
		Issuer: f.issuer, Profile: f.profile, Serial: f.serial, Renewal: f.renewal,
		Obtained: f.obtained, NotBefore: f.notBefore, NotAfter: f.notAfter,
	}
	for _, der := range cert.Certificate {
		c.Chain = append(c.Chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return c, nil
}
