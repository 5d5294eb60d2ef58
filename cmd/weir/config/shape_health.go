package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

func fillHealth(_ *reader, h *Health) {
	*h = Health{Kind: "http", Path: "/", Statuses: [2]int{200, 399}, Interval: 10 * time.Second, Timeout: 5 * time.Second, Pass: 2, Failing: 3}
}

// healthShort is a path, the kind of a check, or off.
var healthShort = scalar[Health]{
	want: "a path such as /healthz, tcp, grpc or off", schema: schema{"type": "string"}, print: func(Health) string { return "" },
	parse: func(s string) (h Health, err error) {
		fillHealth(nil, &h)
		switch s {
		case "off":
			h.Kind = ""
		case "tcp", "grpc":
			h.Kind = s
		default:
			h.Path, err = s, checkHealthPath(s)
		}
		return h, err
	},
}.shape()

func checkHealthPath(s string) error {
	switch {
	case s == "true" || s == "on" || s == "http":
		return &problem{"want a path such as /healthz, tcp, grpc or off, got " + strconv.Quote(s), "name what to ask for: health: /healthz"}
	case !strings.HasPrefix(s, "/"):
		return &problem{"want a path such as /healthz, tcp, grpc or off, got " + strconv.Quote(short(s)), "a path begins with a slash: " + strconv.Quote("/"+short(s))}
	case strings.ContainsAny(s, " #"):
		return &problem{"a path holds no spaces and no #", "write %20"}
	}
	return checkPrintable(s)
}

var healthLong = object[Health]{
	name: "health", doc: "Checks that endpoints have to pass.", short: &healthShort,
	pos: func(h *Health) *Pos { return &h.Pos }, fill: fillHealth,
	fields: []field[Health]{
		at("kind", "http asks for a path, tcp only connects, grpc asks grpc.health.v1.", word("http", "tcp", "grpc"), func(h *Health) *string { return &h.Kind }),
		quiet(at("path", "What http asks for.", text("a path", checkHealthPath), func(h *Health) *string { return &h.Path })),
		quiet(at("host", "Host of the check. Default: the endpoint's.", text("a host", checkAuthority), func(h *Health) *string { return &h.Host })),
		quiet(at("service", "What grpc asks about. Default: the server as a whole.", text("a name", checkPrintable), func(h *Health) *string { return &h.Service })),
		quiet(at("status", "Statuses that are well: 200, 2xx or 200-399.", statusRange(100), func(h *Health) *[2]int { return &h.Statuses })),
		at("interval", "Time between two checks.", duration(100*time.Millisecond, ""), func(h *Health) *time.Duration { return &h.Interval }),
		at("timeout", "Time that a check may take.", duration(10*time.Millisecond, ""), func(h *Health) *time.Duration { return &h.Timeout }),
		at("pass", "So many passed in a row make an endpoint well again.", integer(1, 100), func(h *Health) *int { return &h.Pass }),
		at("fail", "So many failed in a row make an endpoint ill.", integer(1, 100), func(h *Health) *int { return &h.Failing }),
	},
}.shape()

var healthShape = shape[Health]{
	read: func(r *reader, n *yaml.Node, h *Health) {
		healthLong.read(r, n, h)
		h.Pos = r.here
	},
	print: func(p *printer, h *Health) *yaml.Node {
		if n := p.symbol(h); n != nil {
			return n
		}
		if h.Kind == "" {
			return textNode("off")
		}
		return healthLong.print(p, h)
	},
	schema: healthLong.schema,
}

// statusRange is a status, a class or two statuses with a hyphen, from low to 599.
func statusRange(low int) shape[[2]int] {
	want := fmt.Sprintf("a status, a class such as 5xx, or a range such as %d-599", max(low, 500))
	return scalar[[2]int]{
		want: want, schema: schema{"type": []string{"string", "integer"}},
		print: func(s [2]int) string {
			switch {
			case s[0] == s[1]:
				return strconv.Itoa(s[0])
			case s[0]%100 == 0 && s[1] == s[0]+99:
				return strconv.Itoa(s[0]/100) + "xx"
			}
			return fmt.Sprintf("%d-%d", s[0], s[1])
		},
		parse: func(s string) (v [2]int, err error) {
			from, to, isRange := strings.Cut(s, "-")
			if class, ok := strings.CutSuffix(s, "xx"); ok && len(class) == 1 {
				from, to, isRange = class+"00", class+"99", true
			}
			if !isRange {
				to = from
			}
			for i, part := range []string{from, to} {
				if v[i], err = strconv.Atoi(part); err != nil || len(part) != 3 || v[i] < low || v[i] > 599 {
					return v, errors.New("want " + want + ", got " + strconv.Quote(short(s)))
				}
			}
			if v[0] > v[1] {
				return v, &problem{"the range " + strconv.Quote(short(s)) + " is empty", "write " + to + "-" + from}
			}
			return v, nil
		},
	}.shape()
}
