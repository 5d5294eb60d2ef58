package config

import (
	_ "embed"
	"net/netip"
	"strings"

	"go.yaml.in/yaml/v4"
)

//go:embed networks.txt
var networksText string

// namedNetworks gives the networks of a name in networks.txt, or nil.
func namedNetworks(name string) (all []netip.Prefix) {
	if name == "" || name == "#" {
		return nil
	}
	for line := range strings.Lines(networksText) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			all = append(all, prefixes(strings.TrimSpace(rest))...)
		}
	}
	return all
}

// trustedNetwork is a network, or "unix" for whoever comes through a unix socket.
var trustedNetwork = scalar[Network]{
	want: "a network such as 10.0.0.0/8, private, loopback, cloudflare, fastly or unix", print: func(n Network) string { return n.Text },
	schema: schema{"type": "string"},
	parse: func(s string) (Network, error) {
		if s == "unix" {
			return Network{Text: s}, nil
		}
		n, err := parseNetwork(s)
		if p, ok := err.(*problem); ok {
			near := nearest(s, []string{"private", "loopback", "cloudflare", "fastly", "unix"})
			if near != "" && !strings.ContainsAny(s, ".:/") {
				p.hint = "did you mean " + near + "?"
			}
		}
		return n, err
	},
}.shape()

var trustedShort = inside(list(trustedNetwork), func(t *TrustedProxies) *[]Network { return &t.From })

var trustedShape = object[TrustedProxies]{
	name: "trusted_proxies", doc: "Proxies before weir that are believed who the client is.", short: &trustedShort,
	pos:  func(t *TrustedProxies) *Pos { return &t.Pos },
	fill: func(_ *reader, t *TrustedProxies) { t.Header = "x-forwarded-for" },
	fields: []field[TrustedProxies]{
		required(at("from", "Their networks: private, loopback, cloudflare, fastly, unix, 10.0.0.0/8.", list(trustedNetwork), func(t *TrustedProxies) *[]Network { return &t.From })),
		quiet(at("header", "Field that tells the client's address: X-Forwarded-For, Forwarded, CF-Connecting-IP, X-Real-IP.", fieldName, func(t *TrustedProxies) *string { return &t.Header })),
	},
	after: func(r *reader, n *yaml.Node, t *TrustedProxies) {
		for _, network := range t.From {
			for _, p := range network.Prefixes {
				if p.Bits() == 0 {
					r.warnings = append(r.warnings, r.mistake(t.Pos, keyWidth(r), "anyone can say to be anyone: "+network.Text+" is everybody", "name the networks of the proxies", true))
				}
			}
		}
	},
}.shape()
