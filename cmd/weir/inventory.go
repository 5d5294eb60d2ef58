package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weirproxy/weir/certs"
	"github.com/weirproxy/weir/certs/storage"
	"github.com/weirproxy/weir/cmd/weir/config"
)

// inventory is what is known of the certificates of all names: from the configuration,
// from the store, and from the running weir if there is one.
type inventory struct {
	c         *config.Config
	now       time.Time
	rows      map[string]*certRow
	demand    map[string]*config.Site // by the host as sites have it
	issuers   []caName
	pairs     map[string]filePair
	elsewhere string // where the running weir has its store, if it is not here
	// blind says why the store could not be read, though the running weir answered.
	blind error
}

// takeInventory asks all who know something. Where there is no running weir, or it does
// not answer, that is no error; where the store cannot be read it is, unless the running
// weir answers.
func takeInventory(f adminFlag, a *app) (*inventory, error) {
	c, err := f.load(a)
	if err != nil {
		return nil, err
	}
	v := &inventory{c: c, now: time.Now(), rows: map[string]*certRow{}, demand: map[string]*config.Site{}, issuers: caNamesOf(c), pairs: map[string]filePair{}}
	v.configured()
	s, err := openShelf(c, false)
	if err == nil {
		defer s.close()
		ctx, cancel := shelfTime()
		defer cancel()
		if err = v.stored(ctx, s); s.store == nil {
			v.elsewhere = s.elsewhere()
		}
	}
	live, deaf := liveStatuses(f, c)
	if err != nil && deaf != nil {
		return nil, err
	}
	v.blind = err
	for i := range live {
		v.row(live[i].Name).hear(&live[i])
		v.row(live[i].Name).Issuer = issuerName(v.issuers, live[i].Issuer)
	}
	for _, r := range v.rows {
		v.relate(r)
		r.settle(v.now)
	}
	return v, nil
}

func (v *inventory) row(name string) *certRow {
	r := v.rows[name]
	if r == nil {
		r = &certRow{Name: name, From: "store"}
		v.rows[name] = r
	}
	return r
}

// configured notes the names of all sites that are served over TLS.
func (v *inventory) configured() {
	if len(v.c.Listen.HTTPS) == 0 {
		return
	}
	for _, s := range v.c.Sites {
		if !s.Enabled {
			continue
		}
		for _, h := range s.Hosts {
			switch kindOf(s, h.Name) {
			case fromFiles:
				v.file(v.row(h.Name), s)
			case fromInternal:
				r := v.row(h.Name)
				r.From, r.Issuer = "internal", "internal CA"
			case onDemand:
				v.demand[h.Name] = s
				r := v.row(h.Name)
				r.From, r.OnDemand = "acme", true
			case fromACME:
				v.row(h.Name).From = "acme"
			}
		}
	}
}

func (v *inventory) file(r *certRow, s *config.Site) {
	r.From, r.Issuer, r.File = "file", "file", s.TLS.Cert
	p, ok := v.pairs[s.TLS.Cert]
	if !ok {
		p.pair, _, p.err = certs.ReadPair(s.TLS.Cert, s.TLS.Key)
		v.pairs[s.TLS.Cert] = p
	}
	if p.err != nil {
		r.Broken = p.err.Error()
		return
	}
	leaf := p.pair.Leaf
	r.NotBefore, r.NotAfter, r.Serial = leaf.NotBefore, leaf.NotAfter, leaf.SerialNumber.Text(16)
}

// filePair is what one reading of certificate files gave.
type filePair struct {
	pair *tls.Certificate
	err  error
}

// stored reads what the store has: certificates, and why there are none.
func (v *inventory) stored(ctx context.Context, s *shelf) error {
	if s.store == nil {
		return nil
	}
	err := storage.Certs(ctx, s.certs, func(key string, c *storage.Cert, err error) error {
		name := strings.TrimPrefix(key, storage.CertPrefix)
		r := v.row(name)
		switch {
		case r.From == "file" || r.From == "internal":
		case err != nil:
			r.Broken = "in the store: " + brief(err)
		default:
			r.take(c, certs.RenewAt(c, name, v.c.Certificates.RenewAt))
			r.Issuer = issuerName(v.issuers, c.Issuer)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return eachFailure(ctx, s.certs, func(f *certs.Failure) {
		if r := v.rows[f.Name]; r != nil {
			r.fail(f)
		} else if v.demanded(f.Name) != nil {
			v.row(f.Name).fail(f)
		}
	})
}

// brief is an error about a record without what its reader does.
func brief(err error) string { return strings.TrimPrefix(err.Error(), "decode certificate: ") }

// eachFailure reads what nodes have left of what went wrong.
func eachFailure(ctx context.Context, s storage.Store, each func(*certs.Failure)) error {
	const page = 100
	prefix, after := certs.FailureKey(""), ""
	for {
		records, err := s.List(ctx, prefix, after, page)
		if err != nil {
			return fmt.Errorf("list failures: %w", err)
		}
		for _, r := range records {
			after = r.Key
			f := new(certs.Failure)
			if json.Unmarshal(r.Value, f) == nil && certs.FailureKey(f.Name) == r.Key {
				each(f)
			}
		}
		if len(records) < page {
			return nil
		}
	}
}

// relate finds out whose a name is that no site has: that of a client who asked for it,
// or nobody's any more. And which names share a wildcard.
func (v *inventory) relate(r *certRow) {
	if r.From == "store" {
		if v.demanded(r.Name) != nil {
			r.From, r.OnDemand = "acme", true
		}
		return
	}
	_, rest, _ := strings.Cut(r.Name, ".")
	w := v.rows["*."+rest]
	if r.From != "acme" || r.OnDemand || v.c.Certificates.Wildcards == "off" || w == nil || w.From != "acme" || w.OnDemand || w == r {
		return
	}
	if !strings.Contains(rest, ".") {
		return
	}
	if r.Live || v.now.Before(r.NotAfter) && !v.now.Before(w.NotAfter) {
		return // it has its own for as long as that of the wildcard is not there
	}
	name := r.Name
	*r = *w
	r.Name, r.CoveredBy = name, w.Name
}

// demanded returns the site that gives a name its certificate when a client asks for it.
func (v *inventory) demanded(name string) *config.Site {
	if s := v.demand[name]; s != nil {
		return s
	}
	if r := v.rows[name]; r != nil && r.From != "store" {
		return nil // another site has it
	}
	if _, rest, ok := strings.Cut(name, "."); ok && v.demand["*."+rest] != nil {
		return v.demand["*."+rest]
	}
	return v.demand["default"]
}

// errNoAdmin: nobody can be asked.
var errNoAdmin = errors.New("the configuration has admin: off")

// liveStatuses asks the running weir.
func liveStatuses(f adminFlag, c *config.Config) (all []certs.Status, err error) {
	err = f.live(c, "/certificates", &all)
	return all, err
}

// live asks the running weir for what it answers in JSON.
func (f adminFlag) live(c *config.Config, path string, to any) error {
	client := adminClient{c.Admin.Address}
	if f.Admin != "" {
		client = adminClient{f.Admin}
	}
	if client.address == "" {
		return errNoAdmin
	}
	return client.get(path, to)
}

// get asks for what is answered in JSON.
func (c adminClient) get(path string, to any) error {
	text, err := c.do("GET", path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(text), to); err != nil {
		return fmt.Errorf("read the answer of the running weir: %w", err)
	}
	return nil
}
