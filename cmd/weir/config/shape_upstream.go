package config

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

var endpointText = scalar[string]{
	want: "an address such as 10.0.0.1:9000", parse: parseEndpoint, print: func(s string) string { return s },
	schema: schema{"type": []string{"string", "integer"}},
}.shape()

// endpointURL is endpointText that does not take the name of an upstream for a host.
var endpointURL = shape[string]{
	read: func(r *reader, n *yaml.Node, v *string) {
		named := func(p *Pool) bool { return p.Name == n.Value && isPathName(p.Name) }
		if n.Kind == yaml.ScalarNode && r.path[0].key != "upstreams" && slices.ContainsFunc(r.global.Upstreams, named) {
			r.used[n.Value] = true
			r.fail(n, "write {upstream: "+n.Value+"}, or http://"+n.Value+" for a host of that name", "%q is the name of an upstream, and would be a host here", n.Value)
			return
		}
		endpointText.read(r, n, v)
	},
	print: endpointText.print, schema: endpointText.schema,
}

var endpointShort = inside(endpointURL, func(e *Endpoint) *string { return &e.URL })

var endpointShape = object[Endpoint]{
	name: "endpoint", doc: "One address of an upstream.", short: &endpointShort,
	pos:  func(e *Endpoint) *Pos { return &e.Pos },
	fill: func(_ *reader, e *Endpoint) { e.Weight = 1 },
	fields: []field[Endpoint]{
		required(at("url", "Where it is: 10.0.0.1:9000 (plain HTTP/1.1), https://, h2:// (HTTP/2 over TLS), h2c:// (HTTP/2 without), h3://, unix:/path, srv+http://name.", endpointURL, func(e *Endpoint) *string { return &e.URL })),
		quiet(at("weight", "Its share beside the others.", integer(1, 1000), func(e *Endpoint) *int { return &e.Weight })),
	},
}.shape()

// endpointPrinted is endpointShape that prints the short form where that says all.
var endpointPrinted = shape[Endpoint]{
	read: endpointShape.read, schema: endpointShape.schema,
	print: func(p *printer, e *Endpoint) *yaml.Node {
		if e.Weight == 1 && p.symbol(&e.Weight) == nil {
			return endpointURL.print(p, &e.URL)
		}
		return endpointShape.print(p, e)
	},
}

var endpoints = list(endpointPrinted)

func fillPool(_ *reader, p *Pool) {
	p.Balance.Policy = "least-requests"
	fillHealth(nil, &p.Health)
	p.Health.Kind = ""
	p.Eject = Eject{Failures: 5, For: 10 * time.Second, Most: 50}
	p.Limits = PoolLimits{Pending: 1024, Wait: 5 * time.Second, Idle: 64}
	p.Retry = Retry{Attempts: 2, Budget: 20}
	p.Timeouts = PoolTimeouts{Connect: 5 * time.Second, Response: time.Minute, Idle: time.Minute, KeepAlive: time.Minute, Age: time.Hour}
	p.TLS.MinVersion = "1.2"
	p.Refresh = 30 * time.Second
}

// PoolOf returns the pool of one address with nothing but defaults.
func PoolOf(url string) *Pool {
	p := new(Pool)
	fillPool(nil, p)
	p.To = []Endpoint{{URL: url, Weight: 1}}
	return p
}

// poolFields are the keys of a pool besides its endpoints.
var poolFields = []field[Pool]{
	quiet(at("balance", "How an endpoint is chosen: least-requests, round-robin, random, first, or {hash: ip}; also uri, header NAME, cookie NAME.", balanceShape, func(p *Pool) *Balance { return &p.Balance })),
	quiet(at("sticky", "Name of a cookie that keeps a client with its endpoint while that is well.", textAt("the name of a cookie", checkCookie), func(p *Pool) *Text { return &p.Sticky })),
	quiet(at("health", "Check endpoints without being asked: a path, tcp, grpc, a mapping, or off.", healthShape, func(p *Pool) *Health { return &p.Health })),
	quiet(at("eject", "Leave endpoints out for a while that fail requests: a mapping, or off.", ejectShape, func(p *Pool) *Eject { return &p.Eject })),
	quiet(at("limits", "What is asked of endpoints at a time.", poolLimitsShape, func(p *Pool) *PoolLimits { return &p.Limits })),
	quiet(at("retry", "What may be sent once more: a number of attempts, a mapping, or off.", retryShape, func(p *Pool) *Retry { return &p.Retry })),
	quiet(at("timeouts", "How long upstreams may take.", poolTimeoutsShape, func(p *Pool) *PoolTimeouts { return &p.Timeouts })),
	quiet(at("tls", "How upstreams with TLS are met. Their certificates are verified.", poolTLSShape, func(p *Pool) *PoolTLS { return &p.TLS })),
	quiet(at("slow_start", "Time that an endpoint which has come back takes to its full share, or none.", duration(time.Second, "none"), func(p *Pool) *time.Duration { return &p.SlowStart })),
	quiet(at("refresh", "How often names are resolved again, or none.", duration(time.Second, "none"), func(p *Pool) *time.Duration { return &p.Refresh })),
	quiet(at("proxy_protocol", "Begin connections with a PROXY header: v1, v2 or off. Such a connection serves one request.", proxyVersion, func(p *Pool) *int { return &p.ProxyProtocol })),
}

var poolShort = inside(endpoints, func(p *Pool) *[]Endpoint { return &p.To })

var poolShape = object[Pool]{
	name: "upstream", doc: "Addresses that requests are divided among, and how.", short: &poolShort,
	pos: func(p *Pool) *Pos { return &p.Pos }, fill: fillPool,
	fields: append([]field[Pool]{
		required(at("to", "The address, or several.", endpoints, func(p *Pool) *[]Endpoint { return &p.To })),
	}, poolFields...),
	after: checkPool,
}.shape()

var upstreamsShape = pairs[Pool]{
	doc: "Upstreams by name, for use by several proxies.", value: poolShape,
	name: func(p *Pool) string { return p.Name },
	key: func(r *reader, key *yaml.Node, p *Pool) {
		p.Name = key.Value
		if !isPathName(p.Name) {
			r.fail(key, "names are of letters, digits, _ and -", "%q is no name of an upstream", short(key.Value))
		}
	},
}.refs()

var policies = []string{"least-requests", "round-robin", "random", "first"}

// habits are words of other proxies for ways to choose.
var habits = map[string]string{
	"least_conn": "write least-requests", "leastconn": "write least-requests", "least-conn": "write least-requests", "p2c": "write least-requests", "random_choose": "write least-requests",
	"wrr": "write round-robin, and weights at the endpoints", "rr": "write round-robin", "roundrobin": "write round-robin",
	"ip_hash": "write balance: {hash: ip}", "client_ip_hash": "write balance: {hash: ip}", "source": "write balance: {hash: ip}", "uri_hash": "write balance: {hash: uri}", "uri": "write balance: {hash: uri}",
	"hash": "say by what: balance: {hash: ip}", "cookie": "write sticky: NAME, or balance: {hash: cookie NAME}", "header": "write balance: {hash: header NAME}",
}

var policy = scalar[string]{
	want: "one of " + strings.Join(policies, ", "), print: func(s string) string { return s },
	schema: schema{"type": "string"},
	parse: func(s string) (string, error) {
		if s == "hash" {
			return "", &problem{"a hash has to know by what", habits[s]}
		}
		if slices.Contains(policies, s) {
			return s, nil
		}
		p := &problem{message: "want one of " + strings.Join(policies, ", ") + ", or {hash: …}, got " + strconv.Quote(short(s)), hint: habits[lower(s)]}
		if near := nearest(s, policies); p.hint == "" && near != "" {
			p.hint = "did you mean " + near + "?"
		}
		return "", p
	},
}.shape()

var hashBy = scalar[string]{
	want: "ip, uri, header NAME or cookie NAME", print: func(s string) string { return s },
	schema: schema{"type": "string"},
	parse: func(s string) (string, error) {
		kind, name, named := strings.Cut(s, " ")
		switch name = strings.TrimSpace(name); {
		case (kind == "ip" || kind == "uri") && !named:
			return s, nil
		case kind == "header" && isToken(name):
			return kind + " " + lower(name), nil
		case kind == "cookie" && isToken(name):
			return kind + " " + name, nil
		}
		return "", errors.New("want ip, uri, header NAME or cookie NAME, got " + strconv.Quote(short(s)))
	},
}.shape()

var balanceShort = inside(policy, func(b *Balance) *string { return &b.Policy })

var balanceLong = object[Balance]{
	name: "balance", doc: "How an endpoint is chosen.", short: &balanceShort,
	pos: func(b *Balance) *Pos { return &b.Pos },
	fields: []field[Balance]{
		required(at("hash", "By what the same endpoint is chosen again: ip, uri, header NAME, cookie NAME.", hashBy, func(b *Balance) *string { return &b.Hash })),
	},
	after: func(_ *reader, _ *yaml.Node, b *Balance) {
		if b.Hash != "" {
			b.Policy = "hash"
		}
	},
}.shape()

var balanceShape = shape[Balance]{
	read: balanceLong.read, schema: balanceLong.schema,
	print: func(p *printer, b *Balance) *yaml.Node {
		if b.Hash != "" {
			return balanceLong.print(p, b)
		}
		return policy.print(p, &b.Policy)
	},
}

func checkCookie(s string) error {
	if s == "true" || s == "on" || s == "yes" {
		return &problem{"a cookie has a name", "write sticky: srv"}
	}
	return checkToken(s)
}
