package storage

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// CertPrefix is what the keys of certificates begin with.
const CertPrefix = "cert/"

// CertKey is where the certificate for name is kept. Names are in their normal form:
// lower case, ASCII, without a dot at the end; a wildcard as "*.example.com"; addresses
// as [net/netip] writes them.
func CertKey(name string) string { return CertPrefix + name }

// Bounds of a certificate's record.
const (
	mostCertBytes = 512 << 10
	mostNames     = 100
	longestName   = 253
	longestText   = 2048 // of each text that is for people
)

// Cert is a certificate, its key, and what is known of both: one value of the store, so
// that there is never one without the other. Times are in UTC, to the second or finer.
type Cert struct {
	Names    []string // that it was ordered for, at most 100; the first one names it
	Chain    []byte   // PEM: the leaf, then those who vouch for it
	Key      []byte   // PEM
	Issuer   string   // weir's name for the authority, as configured
	URL      string   // where the authority has it; "" if it does not say
	Obtained time.Time

	// Of the leaf.
	NotBefore, NotAfter time.Time
	Serial              string // hexadecimal

	Renewal Renewal
	Profile string // that was asked for; "" if none was
	Node    string // that obtained it
}

// Renewal is what the authority suggests (ARI, RFC 9773), and what was made of it. All
// is zero where it suggests nothing.
type Renewal struct {
	Start       time.Time `json:"start,omitzero"`
	End         time.Time `json:"end,omitzero"`
	Selected    time.Time `json:"selected,omitzero"`     // within the two, the moment to renew
	CheckAgain  time.Time `json:"check_again,omitzero"`  // when to ask next
	Explanation string    `json:"explanation,omitempty"` // a URL for people
}

// certRecord is the form of a Cert in the store. Fields that a later weir adds are not
// minded: nodes of two versions run at once while they are updated. What an older one
// must not misread gets a new number.
type certRecord struct {
	Version   int       `json:"version"`
	Names     []string  `json:"names"`
	Issuer    string    `json:"issuer,omitempty"`
	URL       string    `json:"url,omitempty"`
	Serial    string    `json:"serial,omitempty"`
	Profile   string    `json:"profile,omitempty"`
	Node      string    `json:"node,omitempty"`
	Obtained  time.Time `json:"obtained,omitzero"`
	NotBefore time.Time `json:"not_before,omitzero"`
	NotAfter  time.Time `json:"not_after,omitzero"`
	Renewal   Renewal   `json:"renewal,omitzero"`
	Chain     string    `json:"chain"`
	Key       string    `json:"key"`
}

const certVersion = 1

// Encode returns c as [DecodeCert] reads it, if it is as [Cert.Valid] wants it.
func (c *Cert) Encode() []byte {
	b, err := json.Marshal(c.record())
	if err != nil {
		return nil // cannot be: texts, numbers, and times that were made to fit
	}
	return b
}

// Valid tells whether DecodeCert would read what Encode makes of c: whether names,
// certificate and key are there and nothing is too long. Ask before writing.
func (c *Cert) Valid() error {
	r := c.record()
	err := r.check()
	if size := len(c.Encode()); err == nil && size > mostCertBytes {
		err = fmt.Errorf("%d bytes, at most %d", size, mostCertBytes)
	}
	if err != nil {
		return fmt.Errorf("certificate %s: %w", c.name(), err)
	}
	return nil
}

func (c *Cert) record() certRecord {
	r := certRecord{
		Version: certVersion, Names: c.Names, Issuer: c.Issuer, URL: c.URL, Serial: c.Serial, Profile: c.Profile, Node: c.Node,
		Obtained: c.Obtained, NotBefore: c.NotBefore, NotAfter: c.NotAfter,
		Renewal: c.Renewal, Chain: string(c.Chain), Key: string(c.Key),
	}
	for _, t := range []*time.Time{
		&r.Obtained, &r.NotBefore, &r.NotAfter,
		&r.Renewal.Start, &r.Renewal.End, &r.Renewal.Selected, &r.Renewal.CheckAgain,
	} {
		if *t = t.UTC(); t.Year() < 0 || t.Year() > 9999 { // an authority said so; RFC 3339 cannot
			*t = time.Time{}
		}
	}
	return r
}

// DecodeCert reads what [Cert.Encode] made. It does not look into chain and key: see
// [Cert.TLS]. Errors are [ErrDamaged], [ErrNewer], or [ErrSealed].
func DecodeCert(b []byte) (*Cert, error) {
	if IsSealed(b) {
		return nil, fmt.Errorf("decode certificate: %w", ErrSealed)
	}
	r, err := decodeCertRecord(b)
	if err != nil {
		return nil, fmt.Errorf("decode certificate: %w", err)
	}
	return &Cert{
		Names: r.Names, Issuer: r.Issuer, URL: r.URL, Serial: r.Serial, Profile: r.Profile, Node: r.Node,
		Obtained: r.Obtained, NotBefore: r.NotBefore, NotAfter: r.NotAfter,
		Renewal: r.Renewal, Chain: []byte(r.Chain), Key: []byte(r.Key),
	}, nil
}

func decodeCertRecord(b []byte) (r certRecord, err error) {
	if len(b) > mostCertBytes {
		return r, fmt.Errorf("%w: %d bytes, at most %d", ErrDamaged, len(b), mostCertBytes)
	}
	// The number first: a newer record may have fields of another type.
	if err := CheckVersion(b, certVersion); err != nil {
		return r, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&r); err != nil {
		return r, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return r, fmt.Errorf("%w: more follows behind its end", ErrDamaged)
	}
	if err := r.check(); err != nil {
		return r, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return r, nil
}

// CheckVersion reads the number of a JSON record's form, the field "version": one above
// newest is [ErrNewer], anything else but 1 to newest is [ErrDamaged]. Values of the
// store that are JSON all begin so.
func CheckVersion(b []byte, newest int) error {
	var v struct {
		Version int `json:"version"`
	}
	switch err := json.Unmarshal(b, &v); {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	case v.Version > newest:
		return fmt.Errorf("%w (form %d, this one knows %d)", ErrNewer, v.Version, newest)
	case v.Version < 1:
		return fmt.Errorf("%w: form %d", ErrDamaged, v.Version)
	}
	return nil
}

func (r *certRecord) check() error {
	switch {
	case len(r.Names) == 0 || len(r.Names) > mostNames:
		return fmt.Errorf("%d names, want 1 to %d", len(r.Names), mostNames)
	case !strings.Contains(r.Chain, "-----BEGIN CERTIFICATE-----"):
		return errors.New("there is no certificate in it")
	case !strings.Contains(r.Key, "PRIVATE KEY-----"):
		return errors.New("there is no key in it")
	}
	for _, name := range r.Names {
		if name == "" || len(name) > longestName || strings.ContainsFunc(name, notInName) {
			return fmt.Errorf("name %.300q", name)
		}
	}
	for _, text := range []string{r.Issuer, r.URL, r.Serial, r.Profile, r.Node, r.Renewal.Explanation} {
		if len(text) > longestText {
			return fmt.Errorf("text of %d bytes, at most %d", len(text), longestText)
		}
	}
	return nil
}

// notInName finds what no name and no address in normal form has. It is about keys of
// the store and lines of logs; whether a name is a good one, the authority says.
func notInName(c rune) bool {
	return c <= ' ' || c >= 0x7f || c >= 'A' && c <= 'Z' || strings.ContainsRune(`/\"'%`, c)
}

// TLS returns the certificate as a server uses it, with its leaf parsed. A key that is
// not the leaf's, and a leaf that does not cover all names, are [ErrDamaged]. Whether it
// is in date, and who vouches for it, is not looked at.
func (c *Cert) TLS() (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair(c.Chain, c.Key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w: %w", c.name(), ErrDamaged, err)
	}
	for _, name := range c.Names {
		if err := pair.Leaf.VerifyHostname(name); err != nil {
			return nil, fmt.Errorf("certificate %s: %w: %w", c.name(), ErrDamaged, err)
		}
	}
	return &pair, nil
}

func (c *Cert) name() string {
	if len(c.Names) == 0 {
		return "without a name"
	}
	return c.Names[0]
}
