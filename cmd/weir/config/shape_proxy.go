package config

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

var proxyShort = inside(endpoints, func(v *Proxy) *[]Endpoint { return &v.Pool.To })

func fillProxy(r *reader, v *Proxy) {
	fillPool(r, &v.Pool)
	v.Host, v.Upgrade = "client", true
}

var proxyShape = object[Proxy]{
	name: "proxy", doc: "Pass requests on.", short: &proxyShort,
	pos: func(v *Proxy) *Pos { return &v.Pos }, fill: fillProxy,
	fields: slices.Concat([]field[Proxy]{
		at("to", "The address, or several: 10.0.0.1:9000, https://name, h2://, h2c://, h3://, unix:/path, srv+http://name.", endpoints, func(v *Proxy) *[]Endpoint { return &v.Pool.To }),
		quiet(at("upstream", "Name of an entry of upstreams, in place of addresses.", upstreamName, func(v *Proxy) *Text { return &v.Upstream })),
		quiet(at("split", "Several targets with shares of the requests, in place of one.", list(shareShape), func(v *Proxy) *[]Share { return &v.Split })),
		quiet(at("host", "Host that upstreams are asked for: client (what the client asked for), upstream (the address's name), or a name.", text("client, upstream or a host name", checkProxyHost), func(v *Proxy) *string { return &v.Host })),
		quiet(at("strip_prefix", "Beginning of paths that upstreams do not see. They are told it in X-Forwarded-Prefix.", text("a path", checkPrefix), func(v *Proxy) *string { return &v.StripPrefix })),
		quiet(at("add_prefix", "Path to put in front of all others.", text("a path", checkPrefix), func(v *Proxy) *string { return &v.AddPrefix })),
	}, lift(poolFields, func(v *Proxy) *Pool { return &v.Pool }), []field[Proxy]{
		quiet(at("buffer", "What to read before it is passed on. Default: nothing, bodies stream.", bufferShape, func(v *Proxy) *Buffer { return &v.Buffer })),
		quiet(at("forwarded", "Send Forwarded (RFC 7239) beside X-Forwarded-For, -Proto and -Host.", boolean, func(v *Proxy) *bool { return &v.Forwarded })),
		quiet(at("via", "Name of this weir in Via. Default: weir.", text("a name", checkToken), func(v *Proxy) *string { return &v.Via })),
		quiet(at("identity", `Fields that say who the client is, which clients must not send: "remote-*". Default: those in common use.`, list(text("the name of a header field", checkNameGlob)), func(v *Proxy) *[]string { return &v.Identity })),
		quiet(at("intercept", "Statuses of upstreams that get weir's error pages: 404, 5xx, 500-504.", list(statusRange(400)), func(v *Proxy) *[][2]int { return &v.Intercept })),
		quiet(at("upgrade", "false lets no client switch to WebSocket or another protocol.", boolean, func(v *Proxy) *bool { return &v.Upgrade })),
		quiet(at("mirror", "Send copies of requests to another target too, and drop its answers.", ptr(mirrorShape), func(v *Proxy) **Mirror { return &v.Mirror })),
	}),
	after: checkProxy,
}.shape()

// upstreamName refers to an entry of upstreams.
var upstreamName = shape[Text]{
	read: func(r *reader, n *yaml.Node, t *Text) {
		t.Pos = r.pos(n)
		if upstreamText.read(r, n, &t.Text); t.Text == "" {
			return
		}
		r.used[t.Text] = true
		var known []string
		for _, p := range r.global.Upstreams {
			known = append(known, p.Name)
		}
		if slices.Contains(known, t.Text) {
			return
		}
		hint := "define it under upstreams:, or write an address as to:"
		if near := nearest(t.Text, known); near != "" {
			hint = "did you mean " + near + "?"
		}
		r.fail(n, hint, "there is no upstream %q", short(t.Text))
	},
	print:  func(p *printer, t *Text) *yaml.Node { return upstreamText.print(p, &t.Text) },
	schema: upstreamText.schema,
}

var upstreamText = text("the name of an upstream", checkPrintable)

func checkProxyHost(s string) error {
	if checkAuthority(s) != nil {
		return &problem{"want client, upstream or a host name, got " + strconv.Quote(short(s)), "client sends the name that the client asked for"}
	}
	return nil
}

func checkPrefix(s string) error {
	switch names, err := pathNames(s); {
	case err != nil:
		return err
	case len(names) > 0 || strings.Contains(s, "*"):
		return &problem{"a prefix holds no names and no *", "write /api"}
	case s == "/":
		return errors.New("the prefix / is none")
	case strings.ContainsAny(s, "% "):
		return &problem{"a prefix is written decoded, without % and spaces", "paths are compared after decoding"}
	}
	return nil
}

var bufferShape = object[Buffer]{
	name: "buffer", doc: "What to read before it is passed on. Event streams, gRPC and tunnels always stream.",
	pos: func(b *Buffer) *Pos { return &b.Pos },
	fields: []field[Buffer]{
		at("request", "Bodies of requests up to this size, which makes them fit to be sent again, or none.", size(1, "none"), func(b *Buffer) *int64 { return &b.Request }),
		at("response", "Bodies of answers up to this size, so that slow clients do not hold the upstream, or none.", size(1, "none"), func(b *Buffer) *int64 { return &b.Response }),
	},
}.shape()

var shareShape = object[Share]{
	name: "share", doc: "A target and the requests that it gets.",
	pos:  func(s *Share) *Pos { return &s.Pos },
	fill: func(_ *reader, s *Share) { s.Weight = 1 },
	fields: []field[Share]{
		at("to", "The address, or several, used as the proxy says.", endpoints, func(s *Share) *[]Endpoint { return &s.To }),
		quiet(at("upstream", "Name of an entry of upstreams, in place of addresses.", upstreamName, func(s *Share) *Text { return &s.Upstream })),
		quiet(at("weight", "Its share beside the others.", integer(1, 1000000), func(s *Share) *int { return &s.Weight })),
		quiet(at("header", `Field of requests that all go here: "X-Canary: 1", or a name alone for any value.`, shareHeader, func(s *Share) *Field { return &s.Header })),
	},
	after: func(r *reader, n *yaml.Node, s *Share) {
		r.oneTarget(n, s.To, s.Upstream)
		if k, _ := entry(n, "weight"); k != nil && s.Header.Name != "" {
			r.fail(k, "remove it", "all requests with the header go here, whatever the weight")
		}
	},
}.shape()

var shareHeader = scalar[Field]{
	want: `a field such as "X-Canary: 1"`, schema: schema{"type": "string"},
	print: func(f Field) string {
		if f.Name == "" || f.Value == "*" {
			return f.Name
		}
		return f.Name + ": " + f.Value
	},
	parse: func(s string) (Field, error) {
		name, value, valued := strings.Cut(s, ":")
		f := Field{Name: lower(strings.TrimSpace(name)), Value: strings.TrimSpace(value)}
		switch {
		case !isToken(f.Name):
			return f, checkToken(f.Name)
		case !valued:
			f.Value = "*"
		case f.Value == "":
			return f, &problem{"the field " + strconv.Quote(short(f.Name)) + " has no value", `write "X-Canary: 1", or the name alone for any value`}
		}
		return f, checkFieldValue(f.Value)
	},
}.shape()

var mirrorShort = inside(endpoints, func(m *Mirror) *[]Endpoint { return &m.To })

var mirrorShape = object[Mirror]{
	name: "mirror", doc: "Where copies of requests go. They never delay or fail the request itself.", short: &mirrorShort,
	pos:  func(m *Mirror) *Pos { return &m.Pos },
	fill: func(_ *reader, m *Mirror) { m.Percent, m.Body = 100, 64<<10 },
	fields: []field[Mirror]{
		at("to", "The address, or several, used as the proxy says.", endpoints, func(m *Mirror) *[]Endpoint { return &m.To }),
		quiet(at("upstream", "Name of an entry of upstreams, in place of addresses.", upstreamName, func(m *Mirror) *Text { return &m.Upstream })),
		at("percent", "Percent of requests.", percent, func(m *Mirror) *float64 { return &m.Percent }),
		at("body", "Size of the largest body that is copied; larger requests are left out.", size(1, ""), func(m *Mirror) *int64 { return &m.Body }),
	},
	after: func(r *reader, n *yaml.Node, m *Mirror) {
		if n.Kind == yaml.MappingNode {
			r.oneTarget(n, m.To, m.Upstream)
		}
	},
}.shape()

var percent = scalar[float64]{
	want: "a percentage such as 10 or 0.5", schema: schema{"type": []string{"number", "string"}},
	print: func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) },
	parse: func(s string) (float64, error) {
		f, err := strconv.ParseFloat(strings.TrimSuffix(s, "%"), 64)
		if err != nil || !(f > 0 && f <= 100) {
			return 0, errors.New("want a percentage above 0, up to 100, got " + strconv.Quote(short(s)))
		}
		return f, nil
	},
}.shape()
