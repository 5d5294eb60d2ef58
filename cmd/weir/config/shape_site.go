package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

var sitesShape = pairs[Site]{
	doc: "Sites by host name.", value: siteShape,
	name: func(s *Site) string {
		names := make([]string, len(s.Hosts))
		for i, h := range s.Hosts {
			names[i] = h.Name
		}
		return strings.Join(names, ", ")
	},
	key: func(r *reader, key *yaml.Node, s *Site) {
		extra := s.Hosts
		s.Hosts = make([]Host, 0, 1+len(extra))
		for name := range strings.SplitSeq(key.Value, ",") {
			name = strings.TrimSpace(name)
			host, err := parseHost(name)
			if err != nil {
				r.failPart(key, name, err)
				continue
			}
			s.Hosts = append(s.Hosts, Host{r.pos(key), host})
		}
		s.Hosts = append(s.Hosts, extra...)
	},
}.refs()

// parseHost gives the form of a host that requests are compared with.
func parseHost(s string) (string, error) {
	s = lower(s)
	if err := checkHost(s); err != nil {
		return "", err
	}
	if a, ok := parseHostAddress(s); ok {
		return a.String(), nil
	}
	return s, nil
}

// lower folds ASCII letters only: other folding changes what a name means.
func lower(s string) string {
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'Z' {
			b := []byte(s)
			for j, c := range b {
				if c >= 'A' && c <= 'Z' {
					b[j] = c | 0x20
				}
			}
			return string(b)
		}
	}
	return s
}

var hostName = shape[Host]{
	read: func(r *reader, n *yaml.Node, h *Host) {
		h.Pos = r.pos(n)
		hostText.read(r, n, &h.Name)
	},
	print:  func(p *printer, h *Host) *yaml.Node { return hostText.print(p, &h.Name) },
	schema: hostText.schema,
}

var hostText = scalar[string]{
	want: "a host name", parse: parseHost, print: func(s string) string { return s },
	schema: schema{"type": "string"},
}.shape()

var siteShape = object[Site]{
	name: "site", doc: "What some host names answer.",
	fill: func(r *reader, s *Site) {
		if s.Enabled = true; r != nil {
			fillTLS(r, &s.TLS)
			s.Log = &r.global.Log
		}
	},
	pos: func(s *Site) *Pos { return &s.Pos },
	fields: append([]field[Site]{
		unprinted(at("hosts", "More names of the site.", list(hostName), func(s *Site) *[]Host { return &s.Hosts })),
		at("tls", "auto: a certificate for every name; internal: by weir's own authority; on-demand: for a name when a client asks for it; off; or certificate files.", tlsShape, func(s *Site) *TLS { return &s.TLS }),
		at("http", "What plain HTTP does: redirect to HTTPS, or serve. Default: redirect where the site has TLS.", word("redirect", "serve"), func(s *Site) *string { return &s.HTTP }),
		quiet(at("hsts", "Tell browsers to use HTTPS only: true (a year), false or a duration.", hsts, func(s *Site) *time.Duration { return &s.HSTS })),
		siteLog,
	}, append(lift(ruleFields, func(s *Site) *Rule { return &s.Rule }),
		at("routes", "Parts of the site by path. The most specific path wins, whatever the order.", refs(routeShape), func(s *Site) *[]*Route { return &s.Routes }),
	)...),
	before: gatherRoot, aliases: lift(staticAliases, func(s *Site) *Rule { return &s.Rule }),
	after: checkSite,
}.shape()

// siteLog is not printed where it is the global one.
var siteLog = func() field[Site] {
	f := at("log", "The access log of this site.", ptr(siteLogShape), func(s *Site) **Log { return &s.Log })
	show := f.print
	f.print = func(p *printer, s *Site) *yaml.Node {
		if p.config == nil || s.Log == &p.config.Log {
			return nil
		}
		return show(p, s)
	}
	return f
}()

// unprinted is for what the normal form says in another way.
func unprinted[T any](f field[T]) field[T] {
	f.print = func(*printer, *T) *yaml.Node { return nil }
	return f
}

// lift makes fields of T of those of a part of it.
func lift[T, F any](fields []field[F], get func(*T) *F) []field[T] {
	out := make([]field[T], len(fields))
	for i, f := range fields {
		out[i] = field[T]{key: f.key, doc: f.doc, quiet: f.quiet, required: f.required, schema: f.schema,
			read:  func(r *reader, n *yaml.Node, v *T) { f.read(r, n, get(v)) },
			print: func(p *printer, v *T) *yaml.Node { return f.print(p, get(v)) },
		}
	}
	return out
}

var hsts = scalar[time.Duration]{
	want:   "true, false or a duration",
	schema: schema{"type": []string{"boolean", "string"}},
	print: func(d time.Duration) string {
		if d == 0 {
			return "off"
		}
		return printDuration(d)
	},
	parse: func(s string) (time.Duration, error) {
		switch s {
		case "true":
			return 365 * day, nil
		case "false", "off":
			return 0, nil
		}
		d, err := parseDuration(s)
		if err != nil || d < time.Second {
			return 0, fmt.Errorf("want true, false or a duration such as 365d, got %q", short(s))
		}
		return d, nil
	},
}.shape()

// checkSite checks what a site is as a whole.
func checkSite(r *reader, n *yaml.Node, s *Site) {
	if s.HTTP == "" {
		s.HTTP = "redirect"
		if s.TLS.Mode == "off" {
			s.HTTP = "serve"
		}
	}
	if s.TLS.Mode == "off" {
		for _, key := range []string{"http", "hsts"} {
			if k, v := entry(n, key); k != nil && v.Value != "serve" && v.Value != "off" && v.Value != "false" {
				r.fail(k, "remove it, or remove tls: off", "%s has no meaning for a site without TLS", key)
			}
		}
	}
	checkActions(r, n, "site", &s.Rule, len(s.Routes) > 0)
	if !s.HasAction() && len(s.Routes) > 0 {
		for _, key := range []string{"args", "params", "rewrite", "raw_path"} {
			if k, _ := entry(n, key); k != nil {
				r.fail(k, "move it into the routes it is meant for", "%s is for what the site itself answers, and here only its routes do", key)
			}
		}
	}
	checkTemplates(r, n, &s.Rule, nil)
}

// checkConfig refuses hosts that two sites claim.
func checkConfig(r *reader, n *yaml.Node, c *Config) {
	if key, value := entry(n, "sites"); key != nil && len(c.Sites) == 0 && value.Kind == yaml.MappingNode {
		r.fail(key, "the shortest site is: localhost: {root: .}", "there are no sites")
	}
	if len(c.Listen.HTTPS) == 0 {
		checkPlain(r, c)
	}
	checkUse(r, c)
	checkPlugins(r, c)
	checkCertificates(r, c)
	first := make(map[string]Pos, len(c.Sites))
	for _, s := range c.Sites {
		for _, h := range s.Hosts {
			if at, twice := first[h.Name]; twice {
				r.path = append(r.path, step{key: "sites"})
				r.report(h.Pos, len(h.Name), "the host "+h.Name+" is already there in line "+strconv.Itoa(at.Line), "put what both say into one site")
				r.path = r.path[:0]
				continue
			}
			first[h.Name] = h.Pos
		}
	}
}

// checkPlain refuses what is said of TLS where nothing listens for it. To pass over
// it would serve in the clear, and to anyone, what was to be protected (security P8).
func checkPlain(r *reader, c *Config) {
	const message, hint = "this needs TLS, and nothing listens for HTTPS", `add https: ":443" to listen, or remove this`
	if a := c.TLS.ClientAuth; a != nil {
		r.report(a.Pos, 1, message, hint)
	}
	for _, s := range c.Sites {
		own := s.TLS.ClientAuth != nil && s.TLS.ClientAuth != c.TLS.ClientAuth
		switch {
		case own || s.TLS.Mode == "internal" || s.TLS.Mode == "on-demand" || s.TLS.Mode == "files":
			r.report(s.TLS.Pos, 1, message, hint)
		case s.HSTS > 0:
			r.report(s.Pos, 1, "hsts needs TLS, and nothing listens for HTTPS", hint)
		}
	}
}
