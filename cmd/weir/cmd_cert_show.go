package main

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/weirproxy/weir/certs/storage"
)

type certShowCmd struct {
	adminFlag
	Name string `arg:"" help:"The name, as ls prints it, or one that a wildcard covers."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// certFacts are all that is known of a certificate, as `weir cert show --json` says it.
type certFacts struct {
	certRow
	Names       []string         `json:"names,omitempty"` // that the certificate is good for
	URL         string           `json:"url,omitempty"`   // where the authority has it
	Profile     string           `json:"profile,omitempty"`
	Key         string           `json:"key,omitempty"`
	Fingerprint string           `json:"sha256,omitempty"`
	Chain       []chainLink      `json:"chain,omitempty"`
	Renewal     *storage.Renewal `json:"renewal,omitempty"` // what the authority suggests (ARI)
	Encrypted   bool             `json:"encrypted,omitempty"`
}

// chainLink is one certificate of a chain.
type chainLink struct {
	Subject  string    `json:"subject"`
	Issuer   string    `json:"issuer"`
	Key      string    `json:"key"`
	NotAfter time.Time `json:"not_after"`
}

func (cmd *certShowCmd) Run(a *app) error {
	v, err := takeInventory(cmd.adminFlag, a)
	if err != nil {
		return err
	}
	row := v.find(cmd.Name)
	if row == nil {
		return hinted{fmt.Errorf("nothing is known of %q", cmd.Name), "the names: weir cert ls"}
	}
	f := &certFacts{certRow: *row}
	if v.admit(a); v.blind == nil {
		if err := f.fill(v); err != nil {
			return err
		}
	}
	if cmd.JSON {
		return printJSON(a.stdout, f)
	}
	return f.print(a.stdout, v.now)
}

// find returns what is known of a name, or of the wildcard that covers it.
func (v *inventory) find(name string) *certRow {
	name = normalName(name)
	if r := v.rows[name]; r != nil {
		return r
	}
	if _, rest, ok := strings.Cut(name, "."); ok {
		return v.rows["*."+rest]
	}
	return nil
}

// normalName is a name as the store has it.
func normalName(name string) string {
	return strings.Trim(strings.ToLower(strings.TrimSuffix(name, ".")), "[]")
}

// fill reads the certificate itself.
func (f *certFacts) fill(v *inventory) error {
	if f.File != "" {
		b, err := os.ReadFile(f.File)
		if err == nil && f.Broken == "" {
			f.chain(b)
		}
		return nil // what is wrong with the file is known already
	}
	s, err := openShelf(v.c, false)
	if err != nil {
		return err
	}
	defer s.close()
	if s.store == nil || f.From == "internal" {
		return nil
	}
	ctx, cancel := shelfTime()
	defer cancel()
	return f.read(ctx, s, cmp.Or(f.CoveredBy, f.Name))
}

func (f *certFacts) read(ctx context.Context, s *shelf, name string) error {
	value, err := s.certs.Get(ctx, storage.CertKey(name))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || f.Broken != "" {
			return nil
		}
		return err
	}
	raw, err := s.store.Get(ctx, certsPrefix+storage.CertKey(name))
	f.Encrypted = err == nil && storage.IsSealed(raw.Value)
	c, err := storage.DecodeCert(value)
	if err != nil {
		return nil // the row says so
	}
	f.URL, f.Profile = c.URL, c.Profile
	if c.Renewal != (storage.Renewal{}) {
		f.Renewal = &c.Renewal
	}
	f.chain(c.Chain)
	if _, err := c.TLS(); err != nil {
		f.Broken = err.Error()
		f.settle(time.Now())
	}
	return nil
}

// chain takes the facts out of certificates in PEM form.
func (f *certFacts) chain(b []byte) {
	for rest := b; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			continue
		}
		if len(f.Chain) == 0 {
			f.Names, f.Key, f.Fingerprint = namesOf(c), keyText(c), fingerprint(c)
		}
		f.Chain = append(f.Chain, chainLink{subjectText(c), issuerText(c), keyText(c), c.NotAfter})
	}
}

// namesOf are the names that a certificate is good for, as weir writes them.
func namesOf(c *x509.Certificate) (all []string) {
	for _, name := range c.DNSNames {
		all = append(all, normalName(name))
	}
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	return all
}

func subjectText(c *x509.Certificate) string {
	return cmp.Or(c.Subject.CommonName, c.Subject.String(), strings.Join(namesOf(c), " "))
}

func issuerText(c *x509.Certificate) string { return cmp.Or(c.Issuer.CommonName, c.Issuer.String()) }

func keyText(c *x509.Certificate) string {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return "RSA " + strconv.Itoa(k.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + k.Curve.Params().Name
	}
	return c.PublicKeyAlgorithm.String()
}

func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// print writes it for a person. A certificate and an authority may say anything.
func (f *certFacts) print(out io.Writer, now time.Time) error {
	t := &table{whole: true}
	line := func(what, fact string) {
		if fact != "" {
			t.row(what, fact)
		}
	}
	line("name", f.Name)
	state := f.State
	if f.Why != "" && f.Failed == nil {
		state += ": " + f.Why
	}
	line("state", state)
	line("names", strings.Join(f.Names, " "))
	line("issuer", f.Issuer)
	if !f.NotAfter.IsZero() {
		line("valid from", moment(f.NotBefore, now))
		line("until", moment(f.NotAfter, now))
	}
	if !f.Obtained.IsZero() {
		by := ""
		if f.Node != "" {
			by = ", by " + f.Node
		}
		line("obtained", moment(f.Obtained, now)+by)
	}
	if f.From == "acme" && !f.RenewAt.IsZero() {
		line("renews", moment(f.RenewAt, now))
	}
	f.printRenewal(line, now)
	if f.State == "renewing" {
		line("next", "it is being obtained now")
	}
	line("profile", f.Profile)
	line("serial", f.Serial)
	line("sha256", f.Fingerprint)
	line("url", f.URL)
	if f.Encrypted {
		line("store", "encrypted")
	}
	for i, link := range f.Chain {
		what := ""
		if i == 0 {
			what = "chain"
		}
		line(what, fmt.Sprintf("%s, %s, until %s, signed by %s", link.Subject, link.Key, link.NotAfter.Local().Format(time.DateOnly), link.Issuer))
	}
	f.printFailure(line, now)
	return t.print(out, widthOf(out))
}

func (f *certFacts) printRenewal(line func(what, fact string), now time.Time) {
	r := f.Renewal
	if r == nil || r.Start.IsZero() {
		return
	}
	line("", "the authority suggests "+moment(r.Start, now)+" to "+moment(r.End, now))
	if r.Explanation != "" {
		line("", "it says why at "+r.Explanation)
	}
	if !r.CheckAgain.IsZero() {
		line("", "asked again "+moment(r.CheckAgain, now))
	}
}

func (f *certFacts) printFailure(line func(what, fact string), now time.Time) {
	e := f.Failed
	if e == nil {
		return
	}
	at := moment(e.At, now)
	if e.Attempts > 0 { // none where it was the store
		at += ", " + count(e.Attempts, "attempt")
	}
	line("failed", at)
	if e.Node != "" {
		line("  at node", e.Node)
	}
	line("  authority", e.CA)
	line("  challenge", e.Challenge)
	if e.Challenge != "" && e.Saw != "" {
		line("  it saw", e.Saw)
	} else {
		line("  because", cmp.Or(e.Saw, e.Error))
	}
	line("  do", e.Hint)
	line("  next try", moment(e.Next, now))
}

// moment prints a moment, and how far away it is.
func moment(at, now time.Time) string {
	text := at.Local().Format("2006-01-02 15:04:05 MST")
	if d := at.Sub(now); d < 0 {
		return text + " (" + span(d) + " ago)"
	}
	return text + " (" + whenText(at, now) + ")"
}

// printJSON writes v for programs.
func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
