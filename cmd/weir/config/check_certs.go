package config

import (
	"net/netip"
	"slices"
	"strings"
)

// checkCertificates holds what is said of certificates against the sites.
func checkCertificates(r *reader, c *Config) {
	if len(c.Listen.HTTPS) == 0 {
		return // nobody is served a certificate
	}
	w := witness{c: c}
	for _, s := range c.Sites {
		if s.Enabled {
			w.look(r, s)
		}
	}
	about := func(e *Error) bool { return strings.HasPrefix(e.Setting, "on_demand") }
	open := c.OnDemand.Ask == "" && len(c.OnDemand.Allow) == 0 && !slices.ContainsFunc(r.errs, about)
	for _, s := range w.demanding {
		if open {
			r.report(s.TLS.Pos, 1, "anybody could have certificates issued for any name", `say which names may have one: on_demand: {allow: ["*.example.com"]}, or on_demand: {ask: http://127.0.0.1:9000/allowed}`)
		}
	}
	warn := func(at Pos, message, hint string) {
		r.warnings = append(r.warnings, r.mistake(at, 1, message, hint, len(r.warnings) < maxErrors))
	}
	if c.OnDemand.Pos.Line > 0 && len(w.demanding) == 0 {
		warn(c.OnDemand.Pos, "no site has certificates on demand", "write tls: on-demand in a site")
	}
	w.checkEmail(warn)
	const hint = "add a site of that name"
	if name := c.Certificates.Default; name.Text != "" && !c.serves(name.Text) {
		r.report(name.Pos, len(name.Text), "no site with TLS answers "+name.Text, hint)
	}
	if e := c.TLS.ECH; e != nil && e.PublicName.Text != "" && !c.serves(e.PublicName.Text) {
		r.report(e.PublicName.Pos, len(e.PublicName.Text), "no site with TLS answers "+e.PublicName.Text, hint+": clients with an old key need its certificate to learn the new one")
	}
}

// witness notes what sites ask of authorities.
type witness struct {
	c         *Config
	demanding []*Site
	// first is a site that needs the authorities of the configuration; nil: none does.
	first *Site
	own   []*Site // with authorities of their own
}

// look notes what s asks, and refuses wildcards that nobody signs.
func (w *witness) look(r *reader, s *Site) {
	if s.TLS.Mode == "on-demand" {
		w.demanding = append(w.demanding, s)
	} else if s.TLS.Mode != "auto" || !slices.ContainsFunc(s.Hosts, func(h Host) bool { return isPublic(h.Name) }) {
		return
	}
	asked := s.TLS.ACME
	switch {
	case asked != nil:
		w.own = append(w.own, s)
	case w.first == nil:
		w.first = s
	}
	if asked == nil {
		asked = w.c.ACME
	}
	if s.TLS.Mode == "on-demand" || slices.ContainsFunc(asked, func(i Issuer) bool { return i.DNS != nil }) {
		return
	}
	for _, h := range s.Hosts {
		if strings.HasPrefix(h.Name, "*.") && isPublic(h.Name) {
			r.report(h.Pos, len(h.Name), "authorities sign for a wildcard only if records of its zone can be set", "write acme: {dns: {provider: …}}, or tls: on-demand, off or {cert: FILE, key: FILE}")
		}
	}
}

// checkEmail warns of authorities that could not reach the owner.
func (w *witness) checkEmail(warn func(at Pos, message, hint string)) {
	check := func(all []Issuer, used *Site) {
		for _, i := range all {
			at := i.Pos
			if at.Line == 0 {
				at = used.Pos
			}
			_, domain, _ := strings.Cut(lower(i.Email), "@")
			switch {
			case i.Email == "":
				warn(at, "the authority has no address to write to, should a certificate be in danger", "write acme: {email: …}")
			case domain == "example.com" || domain == "example.org" || domain == "example.net":
				warn(at, i.Email+" is nobody's address, and refused by some authorities", "write your own")
			}
		}
	}
	if w.first != nil {
		check(w.c.ACME, w.first)
	}
	for _, s := range w.own {
		check(s.TLS.ACME, s)
	}
}

// serves tells whether a site with TLS answers name.
func (c *Config) serves(name string) bool {
	var wildcard string
	if _, rest, ok := strings.Cut(name, "."); ok {
		wildcard = "*." + rest
	}
	var best *Site
	rank := 0
	for _, s := range c.Sites {
		for _, h := range s.Hosts {
			switch {
			case !s.Enabled:
			case h.Name == name:
				best, rank = s, 3
			case h.Name == wildcard && rank < 2:
				best, rank = s, 2
			case h.Name == "default" && rank < 1:
				best, rank = s, 1
			}
		}
	}
	return best != nil && best.TLS.Mode != "off"
}

// privateSuffixes and privateNets are what no public authority signs for, and the
// internal one does: package certs has the same lists.
var (
	privateSuffixes = []string{"localhost", "local", "internal", "test", "home.arpa", "localdomain", "lan", "home", "corp", "intranet", "private"}
	privateNets     = prefixes("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10", "fc00::/7", "fe80::/10")
)

// isPublic tells whether a certificate for a host of a site comes from a public authority.
func isPublic(host string) bool {
	if host == "default" {
		return false
	}
	if a, ok := parseHostAddress(host); ok {
		return !slices.ContainsFunc(privateNets, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
	}
	return !slices.ContainsFunc(privateSuffixes, func(suffix string) bool {
		rest, ok := strings.CutSuffix(host, suffix)
		return ok && (rest == "" || rest[len(rest)-1] == '.')
	})
}
