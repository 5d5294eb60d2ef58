package main

import (
	"net/url"
	"slices"
	"strings"

	"github.com/weirproxy/weir/certs"
	"github.com/weirproxy/weir/cmd/weir/config"
)

// caName is what people call an authority whose id begins with prefix.
type caName struct{ prefix, text string }

// knownCAs are what people call the authorities that the configuration has names for.
func knownCAs() []caName {
	return []caName{
		{"letsencrypt", "Let's Encrypt"}, {"letsencrypt-staging", "Let's Encrypt staging"},
		{"zerossl", "ZeroSSL"}, {"google", "Google"},
	}
}

// caText is what people call the authority of an entry.
func caText(i *config.Issuer) string {
	for _, ca := range knownCAs() {
		if i.Directory() == (&config.Issuer{CA: ca.prefix}).Directory() {
			return ca.text
		}
	}
	if u, err := url.Parse(i.Directory()); err == nil && u.Host != "" {
		return u.Host
	}
	return i.CA
}

// caNamesOf are the names of all authorities that c may have certificates of.
func caNamesOf(c *config.Config) (all []caName) {
	add := func(i *config.Issuer) {
		u, err := url.Parse(i.Directory())
		if err != nil || u.Host == "" {
			return
		}
		n := caName{strings.ReplaceAll(strings.ToLower(u.Host), ":", "-"), caText(i)}
		if !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	for i := range c.ACME {
		add(&c.ACME[i])
	}
	for _, s := range c.Sites {
		for i := range s.TLS.ACME {
			add(&s.TLS.ACME[i])
		}
	}
	for _, ca := range knownCAs() {
		add(&config.Issuer{CA: ca.prefix})
	}
	return all
}

// issuerName is what people call the authority of an id of package issuer's.
func issuerName(all []caName, id string) string {
	if id == certs.Imported {
		return id
	}
	for _, n := range all {
		if strings.HasPrefix(id+"-", n.prefix+"-") {
			return n.text
		}
	}
	return id
}
