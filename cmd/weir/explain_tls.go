package main

import (
	"strings"

	"github.com/weirproxy/weir/cmd/weir/config"
)

// certificateOf says where a name of a site has its certificate from.
func certificateOf(c *config.Config, s *config.Site, host string) string {
	as := siteHost(s, host)
	switch kindOf(s, as) {
	case noTLS:
		return "off: no handshake for this name"
	case fromFiles:
		return s.TLS.Cert
	case fromInternal:
		return "internal CA"
	}
	list := s.TLS.ACME
	if list == nil {
		list = c.ACME
	}
	var text strings.Builder
	for i := range list {
		if i > 0 {
			text.WriteString(", else ")
		}
		text.WriteString(caText(&list[i]))
	}
	if kindOf(s, as) == onDemand {
		text.WriteString(", on demand")
	}
	if s.TLS.Profile != "" {
		text.WriteString(", profile " + s.TLS.Profile)
	}
	switch w := coveringWildcard(c, as); {
	case strings.HasPrefix(as, "*") && kindOf(s, as) == fromACME:
		text.WriteString(", wildcard " + as)
	case w != "" && kindOf(s, as) == fromACME:
		text.WriteString(", wildcard " + w)
	}
	return text.String()
}

// siteHost is the host of a site, as it was written, that a client's name leads to.
func siteHost(s *config.Site, host string) string {
	as := "default"
	_, rest, _ := strings.Cut(host, ".")
	for _, h := range s.Hosts {
		switch h.Name {
		case host:
			return host
		case "*." + rest:
			as = h.Name
		}
	}
	return as
}

// coveringWildcard is the wildcard of c whose certificate a name is served with, or "".
func coveringWildcard(c *config.Config, host string) string {
	_, rest, ok := strings.Cut(host, ".")
	if !ok || !strings.Contains(rest, ".") || c.Certificates.Wildcards == "off" {
		return ""
	}
	for _, s := range c.Sites {
		for _, h := range s.Hosts {
			if s.Enabled && h.Name == "*."+rest && kindOf(s, h.Name) == fromACME {
				return h.Name
			}
		}
	}
	return ""
}
