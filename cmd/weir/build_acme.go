package main

import (
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/weirproxy/weir/certs"
	"github.com/weirproxy/weir/certs/demand"
	"github.com/weirproxy/weir/certs/dns01"
	"github.com/weirproxy/weir/certs/issuer"
	"github.com/weirproxy/weir/cmd/weir/config"
)

// policy says where a site has its certificates from. Sites that say the same have the
// same one, over reloads too.
func (b *builder) policy(s *config.Site) *certs.Policy {
	list := s.TLS.ACME
	if list == nil {
		list = b.c.ACME
	}
	a := b.world.certs
	keys := []string{s.TLS.Profile}
	policy := &certs.Policy{Profile: s.TLS.Profile}
	var solver *dns01.Solver
	for i := range list {
		made := b.issuer(&list[i])
		keys = append(keys, made.key)
		if made.issuer != nil {
			policy.Issuers = append(policy.Issuers, made.issuer)
		}
		solver = cmp.Or(solver, made.solver)
	}
	key := strings.Join(keys, "\n")
	b.inPlan[key] = true
	if known := a.policies[key]; known != nil && len(policy.Issuers) > 0 {
		return known
	}
	a.policies[key] = policy
	if solver != nil {
		a.solvers[policy] = solver
	}
	return policy
}

// builtIssuer is what an entry of the configuration has become. Its issuer is nil if it
// cannot be, or need not since nothing will be obtained.
type builtIssuer struct {
	key    string
	issuer *issuer.Issuer
	solver *dns01.Solver // nil: none
}

// issuer makes the authority of an entry, or finds it.
func (b *builder) issuer(c *config.Issuer) builtIssuer {
	a := b.world.certs
	if known, ok := b.issuers[c]; ok {
		return known
	}
	roots, print, err := readRoots(c.Roots)
	if err != nil {
		b.fail(c.Roots[0].Pos, c.Pos, err)
	}
	key := issuerKey(c, print)
	b.inPlan[key] = true
	made, ok := a.issuers[key]
	if !ok {
		made = b.openIssuer(c, roots)
		if made.key = key; made.issuer != nil {
			a.issuers[key] = made
		}
	}
	b.issuers[c] = made
	return made
}

func (b *builder) openIssuer(c *config.Issuer, roots *x509.CertPool) (made builtIssuer) {
	a := b.world.certs
	o := issuer.Options{
		Name: caText(c), Directory: c.Directory(), Email: c.Email, Roots: roots, Profile: c.Profile, Challenges: c.Challenges,
		Answers: a.answers, Store: a.shared, Log: a.log, UserAgent: "weir/" + version,
	}
	if c.EAB != nil {
		o.EAB = &issuer.EAB{KeyID: c.EAB.KeyID, HMAC: c.EAB.HMAC}
	}
	if c.DNS != nil {
		if made.solver = b.solver(c.DNS); made.solver == nil {
			return made
		}
		o.DNS = made.solver
		o.Timeout = 90*time.Second + c.DNS.PropagationDelay + c.DNS.PropagationTimeout
	}
	if a.manager == nil {
		return made // only looking
	}
	var err error
	if made.issuer, err = issuer.New(o); err != nil {
		b.fail(c.Pos, b.c.Pos, err)
	}
	return made
}

func (b *builder) solver(c *config.DNS) *dns01.Solver {
	values := map[string]string{}
	for _, s := range c.Settings {
		values[s.Name] = s.Value
	}
	provider, err := dns01.Open(c.Provider.Text, values)
	if wrong, ok := errors.AsType[*dns01.SettingError](err); ok {
		at := c.Provider.Pos
		for _, s := range c.Settings {
			if s.Name == wrong.Setting {
				at = s.Pos
			}
		}
		b.failWith(at, err.Error(), hintOfSetting(wrong))
		return nil
	}
	var solver *dns01.Solver
	if err == nil {
		timeout := c.PropagationTimeout
		if timeout == 0 {
			timeout = -1
		}
		solver, err = dns01.NewSolver(dns01.Options{
			Provider: provider, TTL: c.TTL, Resolvers: c.Resolvers, PropagationDelay: c.PropagationDelay,
			PropagationTimeout: timeout, OverrideDomain: c.OverrideDomain, Log: b.world.log,
		})
	}
	if err != nil {
		b.fail(c.Pos, c.Provider.Pos, err)
		return nil
	}
	return solver
}

func hintOfSetting(e *dns01.SettingError) string {
	switch {
	case e.Nearest != "":
		return "did you mean " + e.Nearest + "?"
	case len(e.Known) > 0:
		return "there are: " + strings.Join(e.Known, ", ")
	}
	return ""
}

// readRoots reads whom to believe for an authority's API; nil means the system's.
func readRoots(files []config.Text) (pool *x509.CertPool, print string, err error) {
	if len(files) == 0 {
		return nil, "", nil
	}
	pool = x509.NewCertPool()
	sum := sha256.New()
	for _, f := range files {
		pem, err := os.ReadFile(f.Text)
		if err != nil {
			return nil, "", err
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, "", fmt.Errorf("%s: no certificate in PEM form", f.Text)
		}
		sum.Write(pem)
	}
	return pool, hex.EncodeToString(sum.Sum(nil)), nil
}

// issuerKey is equal for entries that mean the same authority in the same way.
func issuerKey(c *config.Issuer, roots string) string {
	same := *c
	same.Pos, same.EAB, same.DNS, same.Roots = config.Pos{}, nil, nil, nil
	var key strings.Builder
	key.WriteString(fmt.Sprintf("%+v %s", same, roots))
	if c.EAB != nil {
		key.WriteString(fmt.Sprintf(" eab %s %s", c.EAB.KeyID, c.EAB.HMAC))
	}
	if d := c.DNS; d != nil {
		key.WriteString(fmt.Sprintf(" dns %s %v %v %v %v %s", d.Provider.Text, d.Resolvers, d.TTL, d.PropagationDelay, d.PropagationTimeout, d.OverrideDomain))
		for _, s := range d.Settings {
			key.WriteString(fmt.Sprintf(" %q=%q", s.Name, s.Value))
		}
	}
	sum := sha256.Sum256([]byte(key.String())) // secrets are not kept about
	return hex.EncodeToString(sum[:])
}

// demandGuard is what decides about names that are obtained on demand. It stays over a
// reload that leaves its settings as they are: it knows answers, and what was used up.
func (b *builder) demandGuard() (g *demand.Guard, key string) {
	c, a := &b.c.OnDemand, b.world.certs
	if c.Ask == "" && len(c.Allow) == 0 {
		return nil, ""
	}
	o := demand.Options{
		Ask: c.Ask, AskTimeout: c.AskTimeout, Yes: cmp.Or(c.Remember.Yes, 1), No: cmp.Or(c.Remember.No, 1), Stale: cmp.Or(c.Remember.Stale, -1),
		InFlight: c.Limits.InFlight, PerClient: rateOf(c.Limits.PerClient), PerDomain: rateOf(c.Limits.PerDomain), Total: rateOf(c.Limits.Total),
		Log: a.log,
	}
	for _, t := range c.Allow {
		o.Allow = append(o.Allow, t.Text)
	}
	key = fmt.Sprintf("%+v", o)
	if a.guard != nil && a.guardKey == key {
		return a.guard, key
	}
	g, err := demand.New(o)
	if err != nil {
		at := c.Pos
		if len(c.Allow) > 0 {
			at = c.Allow[0].Pos
		}
		b.fail(at, c.Pos, err)
		return nil, ""
	}
	return g, key
}

// rateOf is a budget; without a limit it is one that nobody reaches.
func rateOf(r config.Rate) demand.Rate {
	if r.N == 0 {
		return demand.Rate{N: 1 << 20, Per: time.Second}
	}
	return demand.Rate{N: r.N, Per: r.Per}
}
