package config

import (
	"errors"
	"strconv"
	"time"

	"go.yaml.in/yaml/v4"
)

// offOr makes a shape that also takes the word off, for which off makes the value,
// and which is off while isOff says so.
func offOr[T any](s shape[T], off func(*reader, *T), isOff func(*T) bool) shape[T] {
	return shape[T]{
		read: func(r *reader, n *yaml.Node, v *T) {
			if n.Kind == yaml.ScalarNode && (n.Value == "off" || n.Value == "false") && n.Style == 0 {
				off(r, v)
				return
			}
			if n.Kind == yaml.ScalarNode && (n.Value == "0" || n.Value == "no" || n.Value == "none") && n.Style == 0 {
				r.fail(n, "write off", "%s is not how to say that there is none", n.Value)
				return
			}
			s.read(r, n, v)
		},
		print: func(p *printer, v *T) *yaml.Node {
			if isOff(v) {
				return textNode("off")
			}
			return s.print(p, v)
		},
		schema: func(d *definitions) schema { return anyOf(schema{"enum": []any{"off", false}}, s.schema(d)) },
	}
}

var ejectShape = offOr(object[Eject]{
	name: "eject", doc: "When an endpoint that fails requests is left out for a while. One always stays.",
	pos:  func(e *Eject) *Pos { return &e.Pos },
	fill: func(_ *reader, e *Eject) { *e = Eject{Failures: 5, For: 10 * time.Second, Most: 50} },
	fields: []field[Eject]{
		at("failures", "Failures in a row: connections refused, cut or timed out, answers 502 to 504.", integer(1, 10000), func(e *Eject) *int { return &e.Failures }),
		at("for", "For how long, the first time; it doubles each time, up to ten times that.", duration(time.Millisecond, ""), func(e *Eject) *time.Duration { return &e.For }),
		at("most", "Percent of the endpoints that may be left out at a time.", integer(1, 100), func(e *Eject) *int { return &e.Most }),
	},
}.shape(), func(r *reader, e *Eject) { e.Pos, e.Failures = r.here, 0 }, func(e *Eject) bool { return e.Failures == 0 })

var poolLimitsShape = object[PoolLimits]{
	name: "upstream_limits", doc: "What is asked of endpoints at a time.",
	pos: func(l *PoolLimits) *Pos { return &l.Pos },
	fields: []field[PoolLimits]{
		at("requests", "Requests at once to one endpoint, or none.", count(most), func(l *PoolLimits) *int { return &l.Requests }),
		at("pending", "Requests that wait for a free place, where there is a limit; further ones get 503.", integer(1, most), func(l *PoolLimits) *int { return &l.Pending }),
		at("wait", "How long they wait.", duration(time.Millisecond, ""), func(l *PoolLimits) *time.Duration { return &l.Wait }),
		at("idle", "Unused connections that are kept for each endpoint.", integer(1, 100000), func(l *PoolLimits) *int { return &l.Idle }),
	},
	after: func(r *reader, n *yaml.Node, l *PoolLimits) {
		for _, key := range []string{"pending", "wait"} {
			if k, _ := entry(n, key); k != nil && l.Requests == 0 {
				r.fail(k, "give requests too", "%s has no meaning where the number of requests is not limited", key)
			}
		}
	},
}.shape()

var attempts = integer(1, 10)

var retryShort = inside(attempts, func(v *Retry) *int { return &v.Attempts })

var retryShape = offOr(object[Retry]{
	name: "retry", doc: "What may be sent once more. Only idempotent requests whose body can be sent again, and nothing of whose answer has come, ever are.", short: &retryShort,
	pos:  func(v *Retry) *Pos { return &v.Pos },
	fill: func(_ *reader, v *Retry) { *v = Retry{Attempts: 2, Budget: 20} },
	fields: []field[Retry]{
		at("attempts", "How often a request may be sent in all. Connections that could not be made do not count.", attempts, func(v *Retry) *int { return &v.Attempts }),
		quiet(at("statuses", "Answers after which to try elsewhere: 502, 503, 504.", list(integer(400, 599)), func(v *Retry) *[]int { return &v.Statuses })),
		at("budget", "Percent of all requests that may be repeated ones.", integer(1, 100), func(v *Retry) *int { return &v.Budget }),
	},
}.shape(), func(r *reader, v *Retry) { v.Pos, v.Attempts = r.here, 1 }, func(v *Retry) bool { return v.Attempts == 1 })

var noneOr = duration(time.Millisecond, "none")

var poolTimeoutsShape = object[PoolTimeouts]{
	name: "upstream_timeouts", doc: "How long upstreams may take.",
	pos: func(t *PoolTimeouts) *Pos { return &t.Pos },
	fields: []field[PoolTimeouts]{
		at("connect", "To connect, TLS included.", timeout, func(t *PoolTimeouts) *time.Duration { return &t.Connect }),
		at("response", "From the request to the head of the answer, or none. Not for gRPC, which may have nothing to say yet.", noneOr, func(t *PoolTimeouts) *time.Duration { return &t.Response }),
		at("idle", "Between two pieces of a body, or none. Not for event streams and gRPC, which may be silent: see tunnel.", noneOr, func(t *PoolTimeouts) *time.Duration { return &t.Idle }),
		at("keep_alive", "For a connection that is not used.", timeout, func(t *PoolTimeouts) *time.Duration { return &t.KeepAlive }),
		at("age", "After which a connection is not used again, or none.", noneOr, func(t *PoolTimeouts) *time.Duration { return &t.Age }),
		at("total", "For a request with all its attempts and bodies, or none.", noneOr, func(t *PoolTimeouts) *time.Duration { return &t.Total }),
		at("tunnel", "For a WebSocket or other tunnel, an event stream or a gRPC call without a byte either way, or none.", noneOr, func(t *PoolTimeouts) *time.Duration { return &t.Tunnel }),
	},
	after: func(r *reader, n *yaml.Node, t *PoolTimeouts) {
		for _, key := range []string{"response", "idle"} {
			if k, v := entry(n, key); k != nil && v.Value == "none" && t.Total == 0 {
				r.warn(k, "give a long time instead, or a total", "without it an upstream that hangs holds its clients for ever")
			}
		}
	},
}.shape()

var poolTLSShape = object[PoolTLS]{
	name: "upstream_tls", doc: "How upstreams with TLS are met.",
	pos:  func(t *PoolTLS) *Pos { return &t.Pos },
	fill: func(_ *reader, t *PoolTLS) { *t = PoolTLS{MinVersion: "1.2"} },
	fields: []field[PoolTLS]{
		quiet(at("ca", "Files with the authorities that sign for them, in PEM. Default: the system's.", list(place("a certificate file")), func(t *PoolTLS) *[]string { return &t.CA })),
		quiet(at("cert", "File with the certificate to show them, in PEM.", place("a certificate file"), func(t *PoolTLS) *string { return &t.Cert })),
		quiet(at("key", "File with its private key, in PEM.", place("a key file"), func(t *PoolTLS) *string { return &t.Key })),
		quiet(at("server_name", "Name to ask for and to verify. Default: that of the address.", text("a host name", checkServerName), func(t *PoolTLS) *string { return &t.ServerName })),
		at("min_version", "Oldest TLS version accepted.", minVersion, func(t *PoolTLS) *string { return &t.MinVersion }),
		quiet(at("insecure", "Verify nothing: anyone in between can read and change everything.", boolean, func(t *PoolTLS) *bool { return &t.Insecure })),
	},
	after: func(r *reader, n *yaml.Node, t *PoolTLS) {
		cert, _ := entry(n, "cert")
		key, _ := entry(n, "key")
		switch {
		case cert != nil && key == nil:
			r.fail(cert, "give the file of its private key as key:", "cert without key")
		case key != nil && cert == nil:
			r.fail(key, "give the file of the certificate as cert:", "key without cert")
		}
		if ca, _ := entry(n, "ca"); ca != nil && t.Insecure {
			r.fail(ca, "remove one of them", "insecure verifies nothing, and so has no use for ca")
		} else if k, _ := entry(n, "insecure"); k != nil && t.Insecure {
			r.warn(k, "give the authority that signed it as ca:", "the upstream's certificate is not verified")
		}
	},
}.shape()

func checkServerName(s string) error {
	if strip := lower(s); strip == "default" || checkHost(strip) != nil || len(s) > 0 && s[0] == '*' {
		return errors.New(strconv.Quote(short(s)) + " is no host name")
	}
	return nil
}

// checkAuthority takes a host with an optional port.
func checkAuthority(s string) error {
	if err := checkUpstreamHost(s, false); err != nil {
		return errors.New(strconv.Quote(short(s)) + " is no host name")
	}
	return nil
}

var proxyVersion = scalar[int]{
	want: "v1, v2 or off", schema: anyOf(schema{"enum": []any{"v1", "v2", "off", false}}, schema{"type": "string", "pattern": `\$\{`}),
	print: func(i int) string {
		if i == 0 {
			return "off"
		}
		return "v" + strconv.Itoa(i)
	},
	parse: func(s string) (int, error) {
		switch s {
		case "v1":
			return 1, nil
		case "v2":
			return 2, nil
		case "off", "false":
			return 0, nil
		}
		return 0, errors.New("want v1, v2 or off, got " + strconv.Quote(short(s)))
	},
}.shape()
