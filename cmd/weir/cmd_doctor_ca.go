package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/certs/issuer"
	"github.com/weirproxy/weir/cmd/weir/config"
)

// mostSkew is how far this clock may be off: authorities refuse what is not signed now,
// and clients what is not in date yet.
const mostSkew = time.Minute

// offer is what an authority says of itself.
type offer struct {
	profiles map[string]string
	caa      []string // names by which CAA records allow it
	eab      bool     // accounts must be bound
}

// authorityExams asks every authority that a target has, once.
func (d *doctor) authorityExams() (all []exam) {
	seen := map[string][]*config.Issuer{}
	order := []string{}
	for _, t := range d.targets {
		for _, i := range t.issuers {
			key := fmt.Sprintf("%s %v %s %v", i.Directory(), i.Roots, i.Profile, i.EAB != nil)
			if seen[key] == nil {
				order = append(order, key)
			}
			if !slices.Contains(seen[key], i) {
				seen[key] = append(seen[key], i)
			}
		}
	}
	for _, key := range order {
		same := seen[key]
		all = append(all, exam{check: "authority", subject: caText(same[0]), do: func(ctx context.Context) []finding { return d.examineAuthority(ctx, same) }})
	}
	return all
}

// examineAuthority asks an authority for its directory. same are entries of the
// configuration that mean it.
func (d *doctor) examineAuthority(ctx context.Context, same []*config.Issuer) []finding {
	roots, _, err := readRoots(same[0].Roots)
	if err != nil {
		return one(wrong, err.Error(), hintFor(err))
	}
	i, err := issuer.New(issuer.Options{
		Name: caText(same[0]), Directory: same[0].Directory(), Roots: roots, UserAgent: "weir/" + version,
		Challenges: []string{issuer.HTTP01}, Answers: issuer.NewAnswers(kept{}, nil), Store: kept{}, // which looking at a directory does not need
	})
	if err != nil {
		return one(wrong, err.Error(), "")
	}
	defer i.Close()
	o := new(offer)
	var terms string
	if o.profiles, terms, o.caa, err = i.Directory(ctx); err == nil {
		o.eab, err = i.RequiresEAB(ctx)
	}
	via := proxyFor(same[0].Directory())
	all := skewOf(i)
	if err != nil {
		hint := hintOfIssuer(err)
		return append(all, finding{Level: wrong, Found: strings.TrimSuffix(err.Error(), "; "+hint) + via, Hint: hint})
	}
	for _, c := range same {
		d.offers.Store(c, o)
	}
	found := "it answers" + via
	if terms != "" {
		found += "; by using it you agree to " + terms
	}
	all = append([]finding{{Level: fine, Found: found}}, all...)
	return slices.Concat(all, d.profilesAt(o, same), boundAt(o, same[0]))
}

func hintOfIssuer(err error) string {
	if e, ok := errors.AsType[*issuer.Error](err); ok && e.Hint != "" {
		return e.Hint
	}
	return cmp.Or(hintFor(err), "see whether its directory can be had: curl -v")
}

// proxyFor says through whom a URL is asked, if by the environment somebody is.
func proxyFor(to string) string {
	u, err := url.Parse(to)
	if err != nil {
		return ""
	}
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u})
	switch {
	case err != nil:
		return " (the proxy that the environment names is none)" // err may show a password
	case proxy == nil:
		return ""
	}
	return " (through the proxy " + proxy.Redacted() + " of the environment)"
}

// skewOf compares clocks, if the authority has answered.
func skewOf(i *issuer.Issuer) []finding {
	ahead, _, known := i.Skew()
	f := finding{Check: "clock", Level: fine, Found: "as the authority's, to a few seconds"}
	switch {
	case !known:
		return nil
	case ahead.Abs() <= 5*time.Second:
	default:
		way := "behind"
		if ahead < 0 {
			way = "ahead of"
		}
		f.Level, f.Found = warning, fmt.Sprintf("this machine is %v %s the authority", ahead.Abs().Round(time.Second), way)
		f.Hint = "set the clock by NTP: timedatectl set-ntp true, or chronyd"
		if ahead.Abs() > mostSkew {
			f.Level = wrong
		}
	}
	return []finding{f}
}

// profilesAt compares the profiles that are asked for with those that there are.
func (d *doctor) profilesAt(o *offer, same []*config.Issuer) (all []finding) {
	wanted := map[string]bool{}
	for _, t := range d.targets {
		for _, i := range t.issuers {
			if p := cmp.Or(t.profile, i.Profile); p != "" && slices.Contains(same, i) {
				wanted[p] = true
			}
		}
	}
	there := slices.Sorted(maps.Keys(o.profiles))
	for _, p := range slices.Sorted(maps.Keys(wanted)) {
		f := finding{Check: "profile", Level: fine, Found: p + " is offered"}
		if _, ok := o.profiles[p]; !ok {
			f.Level, f.Found, f.Hint = wrong, "there is no profile "+p, "leave profile: away, or write one of: "+strings.Join(there, ", ")
		}
		all = append(all, f)
	}
	return all
}

// boundAt tells whether an account can be had as the configuration has it.
func boundAt(o *offer, c *config.Issuer) []finding {
	f := finding{Check: "account", Level: fine, Found: "is bound to yours there (eab:), as the authority wants it"}
	zeroSSL := c.Directory() == (&config.Issuer{CA: "zerossl"}).Directory()
	switch {
	case !o.eab:
		return nil
	case c.EAB != nil:
	case zeroSSL && c.Email != "":
		f.Found = "is bound by the e-mail address"
	default:
		f.Level, f.Found = wrong, "the authority wants an account of yours with it named, and none is"
		f.Hint = "acme: {eab: {key_id:, hmac:}}, with what it shows in your account there"
	}
	return []finding{f}
}

// offerOf is what an authority said; nil: nothing.
func (d *doctor) offerOf(i *config.Issuer) *offer {
	if o, ok := d.offers.Load(i); ok {
		return o.(*offer)
	}
	return nil
}
