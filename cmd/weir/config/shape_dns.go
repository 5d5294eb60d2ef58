package config

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

func fillDNS(_ *reader, v *DNS) { v.PropagationTimeout = 2 * time.Minute }

var providerShort = inside(providerName, func(v *DNS) *Text { return &v.Provider })

// dnsLong has the keys that are weir's own; see dnsShape for the others.
var dnsLong = object[DNS]{
	name: "dns", doc: "Who serves a zone. Keys beside these are the provider's own settings.", short: &providerShort,
	pos: func(v *DNS) *Pos { return &v.Pos }, fill: fillDNS,
	fields: []field[DNS]{
		required(at("provider", "Name of the provider, such as cloudflare, route53, rfc2136 or acme-dns.", providerName, func(v *DNS) *Text { return &v.Provider })),
		quiet(at("resolvers", "Addresses of DNS servers to ask in place of the system's: 1.1.1.1.", list(resolver), func(v *DNS) *[]string { return &v.Resolvers })),
		quiet(at("ttl", "How long records may be kept by others, or auto: the provider's choice.", between(time.Second, 7*day, "auto"), func(v *DNS) *time.Duration { return &v.TTL })),
		quiet(at("propagation_delay", "How long to wait before the record is looked for, or none.", between(time.Millisecond, time.Hour, "none"), func(v *DNS) *time.Duration { return &v.PropagationDelay })),
		quiet(at("propagation_timeout", "How long to look for the record, or off: do not look for it.", between(time.Second, time.Hour, "off"), func(v *DNS) *time.Duration { return &v.PropagationTimeout })),
		quiet(at("override_domain", "Where to set records, if _acme-challenge of the name is a CNAME of that.", overrideDomain, func(v *DNS) *string { return &v.OverrideDomain })),
	},
}

var dnsOwn = dnsLong.shape()

// dnsShape takes the keys of dnsLong and any others, which are for the provider to judge.
var dnsShape = shape[DNS]{
	read: func(r *reader, n *yaml.Node, v *DNS) {
		if n.Kind != yaml.MappingNode {
			dnsOwn.read(r, n, v)
			return
		}
		if n = r.withImports(n); n == nil || nestedProvider(r, n) {
			return
		}
		own, others := *n, *n
		own.Content, others.Content = nil, nil
		for i := 0; i+1 < len(n.Content); i += 2 {
			to := &others
			if dnsLong.has(n.Content[i].Value) {
				to = &own
			}
			to.Content = append(to.Content, n.Content[i], n.Content[i+1])
		}
		dnsOwn.read(r, &own, v)
		providerSettings.read(r, &others, &v.Settings)
	},
	print: func(p *printer, v *DNS) *yaml.Node {
		n := dnsOwn.print(p, v)
		if others := providerSettings.print(p, &v.Settings); n != nil && others != nil {
			at := 2 // behind the provider
			n.Content = slices.Insert(n.Content, at, others.Content...)
		}
		return n
	},
	schema: func(d *definitions) schema {
		s := dnsOwn.schema(d)
		d.all["dns"].(schema)["additionalProperties"] = settingText.schema(d)
		return s
	},
}

// nestedProvider reports {cloudflare: {token: …}}, as others write it.
func nestedProvider(r *reader, n *yaml.Node) bool {
	if provider, _ := entry(n, "provider"); provider != nil || len(n.Content) != 2 || n.Content[1].Kind != yaml.MappingNode {
		return false
	}
	key, hint := n.Content[0], ", …}"
	if inner := n.Content[1]; len(inner.Content) > 0 {
		hint = ", " + short(inner.Content[0].Value) + ": …}"
	}
	r.fail(key, "write {provider: "+short(key.Value)+hint, "the settings of a provider stand beside its name")
	return true
}

var providerName = shape[Text]{
	read: func(r *reader, n *yaml.Node, t *Text) {
		t.Pos = r.pos(n)
		providerText.read(r, n, &t.Text)
	},
	print: func(p *printer, t *Text) *yaml.Node { return providerText.print(p, &t.Text) }, schema: providerText.schema,
}

var providerText = scalar[string]{
	want: "the name of a provider", print: func(s string) string { return s }, schema: schema{"type": "string"},
	parse: func(s string) (string, error) {
		if !isPathName(s) || s == "true" || s == "false" {
			return "", &problem{strconv.Quote(short(s)) + " is no name of a provider", "write dns: {provider: cloudflare, token: {file: path}}"}
		}
		return lower(s), nil
	},
}.shape()

var settingText = content(checkSecretText)

var providerSettings = pairs[Setting]{
	doc: "Settings of the provider.", name: func(s *Setting) string { return s.Name },
	key: func(r *reader, key *yaml.Node, s *Setting) {
		s.Pos, s.Name = r.pos(key), key.Value
		known := make([]string, 0, len(dnsLong.fields))
		for _, f := range dnsLong.fields {
			known = append(known, f.key)
		}
		if near := nearest(s.Name, known); near != "" && len(s.Name) > 3 {
			r.fail(key, "did you mean "+near+"?", "%q is no key here", short(s.Name))
		} else if !isPathName(s.Name) {
			r.fail(key, "names are of letters, digits, _ and -", "%q is no name of a setting", short(s.Name))
		}
	},
	value: shape[Setting]{
		read: func(r *reader, n *yaml.Node, s *Setting) {
			before := len(r.errs)
			switch settingText.read(r, n, &s.Value); {
			case s.Value == "" && len(r.errs) == before:
				r.fail(n, "give it a value or remove the key", "has no value")
			case s.Value == redacted:
				r.warnRedacted(n)
			}
		},
		print: func(p *printer, s *Setting) *yaml.Node {
			if p.symbol(&s.Value) == nil && isCredential(s.Name) {
				return textNode(redacted)
			}
			return settingText.print(p, &s.Value)
		},
		schema: settingText.schema,
	},
}.shape()

// isCredential is isSecretName for names that providers choose.
func isCredential(name string) bool {
	name = lower(name)
	for _, part := range []string{"auth", "cred", "pass", "pwd", "private", "hmac"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return isSecretName(name)
}

var resolver = scalar[string]{
	want: "an address such as 1.1.1.1", print: func(s string) string { return s }, schema: schema{"type": "string"},
	parse: func(s string) (string, error) {
		if a, ok := parseHostAddress(s); ok {
			return netip.AddrPortFrom(a, 53).String(), nil
		}
		if a, err := netip.ParseAddrPort(s); err == nil && a.Port() != 0 && a.Addr().Zone() == "" {
			return a.String(), nil
		}
		p := &problem{strconv.Quote(short(s)) + " is no address of a DNS server", "write 1.1.1.1, 1.1.1.1:53 or [2606:4700:4700::1111]:53"}
		if strings.Contains(s, "://") {
			p.hint = "they are asked by UDP and TCP: write 1.1.1.1"
		}
		return "", p
	},
}.shape()

var overrideDomain = scalar[string]{
	want: "a name such as acme.example.net", print: func(s string) string { return s }, schema: schema{"type": "string"},
	parse: func(s string) (string, error) {
		name := lower(strings.TrimSuffix(s, "."))
		_, isAddress := parseHostAddress(name)
		if err := checkHost(name); err != nil {
			return "", err
		}
		if isAddress || name == "default" || strings.HasPrefix(name, "*") || !strings.Contains(name, ".") {
			return "", &problem{strconv.Quote(short(s)) + " is no name of a record", "write what _acme-challenge of the name is a CNAME of"}
		}
		return name, nil
	},
}.shape()
