package config

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// checkPool refuses what no endpoint of a pool of its own could do.
func checkPool(r *reader, n *yaml.Node, p *Pool) {
	if n.Kind != yaml.MappingNode {
		n = &yaml.Node{Kind: yaml.MappingNode} // endpoints alone
	}
	if to, _ := entry(n, "to"); len(p.To) == 0 && to != nil {
		r.fail(to, "give one address at least", "no endpoint")
	}
	r.checkEndpoints(p.To)
	r.checkSettings(n, p, p.To)
}

// checkSettings refuses settings of a pool that have no meaning for its endpoints.
func (r *reader) checkSettings(n *yaml.Node, p *Pool, to []Endpoint) {
	if k, _ := entry(n, "balance"); k != nil && p.Balance.Hash != "" && p.Sticky.Text != "" {
		r.fail(k, "keep one of them", "sticky and a hash both want to choose the endpoint")
	}
	r.checkHealth(n, p, to)
	r.checkTransport(n, p, to)
}

// checkEndpoints refuses what does not fit into one pool.
func (r *reader) checkEndpoints(to []Endpoint) {
	seen := make(map[string]Pos)
	for _, e := range to {
		if e.URL == "" {
			return // reported
		}
		if at, twice := seen[e.URL]; twice {
			r.report(e.Pos, 1, e.URL+" is already there in line "+strconv.Itoa(at.Line), "for a larger share, write {url: …, weight: 2}")
		}
		seen[e.URL] = e.Pos
		if first := to[0]; hasTLS(schemeOf(e.URL)) != hasTLS(schemeOf(first.URL)) {
			r.report(e.Pos, len(schemeOf(e.URL)), schemeOf(e.URL)+" and "+schemeOf(first.URL)+" cannot be mixed: some requests would go in the clear", "give all of them TLS or none, or make two upstreams")
			return
		}
	}
}

func schemesOf(to []Endpoint) (all []string) {
	for _, e := range to {
		all = append(all, strings.TrimPrefix(schemeOf(e.URL), "srv+"))
	}
	return all
}

func (r *reader) checkHealth(n *yaml.Node, p *Pool, to []Endpoint) {
	key, value := entry(n, "health")
	if key == nil || p.Health.Kind == "" {
		return
	}
	all, kind := schemesOf(to), p.Health.Kind
	switch {
	case kind == "grpc" && (slices.Contains(all, "http") || slices.Contains(all, "https") || slices.Contains(all, "unix")):
		r.fail(key, "write h2c://… or h2://…, or check with a path or tcp", "gRPC needs endpoints with HTTP/2")
	case kind == "tcp" && slices.Contains(all, "h3"):
		r.fail(key, "check with a path", "h3:// is UDP, to which nothing connects")
	}
	for _, own := range []struct{ key, kind string }{{"path", "http"}, {"host", "http"}, {"status", "http"}, {"service", "grpc"}} {
		if k, _ := entry(value, own.key); k != nil && value.Kind == yaml.MappingNode && kind != own.kind {
			r.fail(k, "remove it, or write kind: "+own.kind, "%s has no meaning for checks of the kind %s", own.key, kind)
		}
	}
}

func (r *reader) checkTransport(n *yaml.Node, p *Pool, to []Endpoint) {
	plain := func(e Endpoint) bool { return e.URL != "" && !hasTLS(schemeOf(e.URL)) }
	if k, _ := entry(n, "tls"); k != nil && len(to) > 0 && !slices.ContainsFunc(to, func(e Endpoint) bool { return !plain(e) }) {
		hint := "remove it"
		if scheme, host, ok := strings.Cut(to[0].URL, "://"); ok {
			secure := map[string]string{"http": "https", "h2c": "h2", "srv+http": "srv+https"}[scheme]
			hint = "write " + secure + "://" + host + ", or remove tls"
		}
		r.fail(k, hint, "tls has no meaning for endpoints without TLS")
	}
	if k, _ := entry(n, "proxy_protocol"); k != nil && p.ProxyProtocol > 0 {
		for _, scheme := range []string{"h2", "h2c", "h3"} {
			if slices.Contains(schemesOf(to), scheme) {
				r.fail(k, "use http:// or https://, and X-Forwarded-For elsewhere", "a PROXY header names one client, and a connection with %s serves many", scheme)
				break
			}
		}
	}
}

// oneTarget insists on exactly one of to and upstream.
func (r *reader) oneTarget(n *yaml.Node, to []Endpoint, upstream Text) {
	given, _ := entry(n, "to")
	named, _ := entry(n, "upstream")
	switch {
	case given != nil && named != nil:
		r.fail(named, "keep one of them", "to and upstream exclude each other")
	case given == nil && named == nil:
		r.report(r.here, keyWidth(r), "this leads nowhere", "give an address as to:, or the name of an upstream as upstream:")
	case given != nil && len(to) == 0:
		r.fail(given, "give one address at least", "no endpoint")
	}
	r.checkEndpoints(to)
}

// checkProxy checks what a proxy is as a whole.
func checkProxy(r *reader, n *yaml.Node, v *Proxy) {
	v.Pool.Pos = v.Pos
	v.StripPrefix, v.AddPrefix = strings.TrimSuffix(v.StripPrefix, "/"), strings.TrimSuffix(v.AddPrefix, "/")
	if n.Kind != yaml.MappingNode {
		if len(v.Pool.To) == 0 {
			r.report(r.here, keyWidth(r), "no endpoint", "write proxy: 127.0.0.1:9000")
		}
		r.checkEndpoints(v.Pool.To)
		return
	}
	var ways []*yaml.Node
	for _, key := range []string{"to", "upstream", "split"} {
		if k, _ := entry(n, key); k != nil {
			ways = append(ways, k)
		}
	}
	switch {
	case len(ways) > 1:
		r.fail(ways[1], "keep one of them", "%s and %s exclude each other", ways[0].Value, ways[1].Value)
		return
	case len(ways) == 0:
		r.report(r.here, keyWidth(r), "this leads nowhere", "give an address as to:, the name of an upstream as upstream:, or several as split:")
		return
	}
	checkSplit(r, n, v)
	own := v.Pool.To
	for _, s := range v.Split {
		own = append(own, s.To...)
	}
	if v.Mirror != nil {
		own = append(own, v.Mirror.To...)
	}
	if ways[0].Value == "to" {
		checkPool(r, n, &v.Pool)
		return
	}
	if len(own) > 0 {
		r.checkSettings(n, &v.Pool, own)
		return
	}
	for _, f := range poolFields {
		if k, _ := entry(n, f.key); k != nil {
			r.fail(k, "write it into the upstream", "%s belongs to the upstream, and this proxy only names one", f.key)
		}
	}
}

// checkSplit insists that every request has a share.
func checkSplit(r *reader, n *yaml.Node, v *Proxy) {
	key, _ := entry(n, "split")
	if key == nil {
		return
	}
	if len(v.Split) == 0 {
		r.fail(key, "write a list of {to: …, weight: …}", "nothing to split between")
		return
	}
	if !slices.ContainsFunc(v.Split, func(s Share) bool { return s.Header.Name == "" }) {
		r.fail(key, "add a target without header", "requests without any of these headers would go nowhere")
	}
}

// checkUse warns of upstreams that nothing asks for.
func checkUse(r *reader, c *Config) {
	for _, p := range c.Upstreams {
		if !r.used[p.Name] {
			r.warnings = append(r.warnings, r.mistake(p.Pos, len(p.Name), "nothing uses the upstream "+p.Name, "", true))
		}
	}
}
