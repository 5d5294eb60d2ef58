package config

import (
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

func fillCertificates(_ *reader, v *Certificates) {
	*v = Certificates{Cache: 10000, Check: 10 * time.Minute, Wildcards: "prefer", ClockSkewAlarm: time.Minute, RenewAt: 1.0 / 3}
}

var certificatesShape = object[Certificates]{
	name: "certificates", doc: "How certificates are kept and renewed.",
	pos: func(v *Certificates) *Pos { return &v.Pos }, fill: fillCertificates,
	fields: []field[Certificates]{
		at("cache", "Certificates that are held in memory.", integer(100, 1e6), func(v *Certificates) *int { return &v.Cache }),
		at("check", "How often to look for those that are to be renewed.", between(time.Second, day, ""), func(v *Certificates) *time.Duration { return &v.Check }),
		at("wildcards", "prefer: a name that a wildcard of the sites covers has no certificate of its own; or off.", word("prefer", "off"), func(v *Certificates) *string { return &v.Wildcards }),
		at("clock_skew_alarm", "How far this clock may be from an authority's before there is an alarm.", between(time.Second, day, ""), func(v *Certificates) *time.Duration { return &v.ClockSkewAlarm }),
		at("renew_at", "The part of its life that a certificate has left when it is renewed, if the authority does not say when: 1/3 or 0.33.", lifePart, func(v *Certificates) *float64 { return &v.RenewAt }),
		at("default", "Host whose certificate clients get that name none, and come to an address that has no site.", defaultHost, func(v *Certificates) *Text { return &v.Default }),
	},
}.shape()

// lifePart is a part from 0.05 to 0.9, as a fraction or a number.
var lifePartScalar = scalar[float64]{
	want: "a part from 0.05 to 0.9, such as 1/3", schema: schema{"type": []string{"string", "number"}},
	print: func(f float64) string {
		for below := 2.0; below <= 20; below++ {
			for above := 1.0; above < below; above++ {
				if f == above/below && f*10000 != float64(int(f*10000)) {
					return strconv.Itoa(int(above)) + "/" + strconv.Itoa(int(below))
				}
			}
		}
		return strconv.FormatFloat(f, 'f', -1, 64)
	},
	parse: func(s string) (float64, error) {
		p := &problem{message: "want a part from 0.05 to 0.9, such as 1/3, got " + strconv.Quote(short(s))}
		above, below, fraction := strings.Cut(s, "/")
		f, err := parsePlain(above)
		if fraction && err == nil {
			var by float64
			if by, err = parsePlain(below); err == nil {
				f /= by
			}
		}
		if number, ok := strings.CutSuffix(s, "%"); ok {
			if percent, err := parsePlain(number); err == nil {
				p.hint = "write " + strconv.FormatFloat(percent/100, 'f', -1, 64)
			}
		} else if _, err := parseDuration(s); err == nil {
			p.hint = "certificates differ in length: say how much of it is left, not how long"
		}
		if err != nil || !(f >= 0.05 && f <= 0.9) {
			return 0, p
		}
		return f, nil
	},
}

var lifePart = lifePartScalar.shape()

// parsePlain reads digits with a point, and nothing else that a float may be.
func parsePlain(s string) (float64, error) {
	if len(s) > 20 || strings.Trim(s, "0123456789.") != "" {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseFloat(s, 64)
}

var defaultHost = shape[Text]{
	read: func(r *reader, n *yaml.Node, t *Text) {
		t.Pos = r.pos(n)
		oneHost.read(r, n, &t.Text)
	},
	print: func(p *printer, t *Text) *yaml.Node { return oneHost.print(p, &t.Text) }, schema: oneHost.schema,
}

// oneHost is a host that is no pattern.
var oneHost = scalar[string]{
	want: "a host name", print: func(s string) string { return s }, schema: schema{"type": "string"},
	parse: func(s string) (string, error) {
		name, err := parseHost(s)
		if err == nil && (name == "default" || strings.HasPrefix(name, "*")) {
			err = &problem{strconv.Quote(short(s)) + " is no single host", "write the name of one: example.com"}
		}
		return name, err
	},
}.shape()

func fillTickets(_ *reader, t *Tickets) { *t = Tickets{Rotate: 12 * time.Hour, Keep: 4} }

var ticketsShape = orOff(object[Tickets]{
	name: "session_tickets", doc: "Keys of TLS sessions, which all nodes share.",
	pos: func(t *Tickets) *Pos { return &t.Pos }, fill: fillTickets,
	fields: []field[Tickets]{
		at("rotate", "How often there is a new one.", between(time.Minute, 7*day, ""), func(t *Tickets) *time.Duration { return &t.Rotate }),
		at("keep", "How many are accepted, the newest counted.", integer(2, 32), func(t *Tickets) *int { return &t.Keep }),
	},
}.shape(), "leave it out, or write {rotate: 12h, keep: 4}")

var echShape = orOff(object[ECH]{
	name: "ech", doc: "Encrypted Client Hello: others on the way see a public name in place of the one that a client asks for.",
	pos: func(e *ECH) *Pos { return &e.Pos },
	fields: []field[ECH]{
		required(at("public_name", "The name that others see. A site with TLS has to answer it.", publicName, func(e *ECH) *Text { return &e.PublicName })),
	},
}.shape(), "write {public_name: ech.example.com}")

// publicName is a name of the DNS (RFC 9849 §4), no address.
var publicName = shape[Text]{
	read: func(r *reader, n *yaml.Node, t *Text) {
		if defaultHost.read(r, n, t); t.Text == "" {
			return
		}
		if _, isAddress := parseHostAddress(t.Text); isAddress {
			r.fail(n, "write a name: ech.example.com", "a public name is no address")
		}
	},
	print: defaultHost.print, schema: defaultHost.schema,
}

// orOff is a shape of something that the word off leaves out. hint is for those who
// write that it is to be there, and not what.
func orOff[T any](s shape[T], hint string) shape[*T] {
	return shape[*T]{
		read: func(r *reader, n *yaml.Node, v **T) {
			switch {
			case n.Kind == yaml.MappingNode:
				*v = new(T)
				s.read(r, n, *v)
			case n.Kind == yaml.ScalarNode && n.Value == "off":
				*v = nil
			case n.Kind == yaml.ScalarNode && (n.Value == "false" || n.Value == "none" || n.Value == "no"):
				r.fail(n, "write off", "want a mapping or off, got %s", kind(n))
			default:
				r.fail(n, hint, "want a mapping or off, got %s", kind(n))
			}
		},
		print: func(p *printer, v **T) *yaml.Node {
			if *v == nil {
				return textNode("off")
			}
			return s.print(p, *v)
		},
		schema: func(d *definitions) schema { return anyOf(schema{"enum": []any{"off"}}, s.schema(d)) },
	}
}
