package config

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

func fillOnDemand(_ *reader, o *OnDemand) {
	*o = OnDemand{AskTimeout: 2 * time.Second, Wait: 15 * time.Second}
	fillRemember(nil, &o.Remember)
	fillDemandLimits(nil, &o.Limits)
}

var onDemandShape = object[OnDemand]{
	name: "on_demand", doc: "Which names get certificates when a client asks for them.",
	pos: func(o *OnDemand) *Pos { return &o.Pos }, fill: fillOnDemand,
	instead: `write on_demand: {ask: URL}, or on_demand: {allow: ["*.example.com"]}`,
	fields: []field[OnDemand]{
		at("ask", "URL that is asked about names, by GET with ?domain=…&client_ip=… added: 2xx is a yes, 4xx a no.", link("a URL such as http://127.0.0.1:9000/allowed", parseAsk), func(o *OnDemand) *string { return &o.Ask }),
		at("allow", `Names that need no asking: shop.example.com, "shop-*.example.com" with any text without a dot, "**.example.com" with everything below.`, list(allowed), func(o *OnDemand) *[]Text { return &o.Allow }),
		at("ask_timeout", "How long an answer may take.", between(10*time.Millisecond, 30*time.Second, ""), func(o *OnDemand) *time.Duration { return &o.AskTimeout }),
		at("remember", "How long answers hold.", rememberShape, func(o *OnDemand) *Remember { return &o.Remember }),
		at("wait", "How long a handshake waits for a new certificate.", between(100*time.Millisecond, 2*time.Minute, ""), func(o *OnDemand) *time.Duration { return &o.Wait }),
		at("limits", "How many certificates clients can cause.", demandLimitsShape, func(o *OnDemand) *DemandLimits { return &o.Limits }),
	},
}.shape()

func fillRemember(_ *reader, v *Remember) {
	*v = Remember{Yes: time.Hour, No: time.Minute, Stale: day}
}

var rememberShape = object[Remember]{
	name: "remember", doc: "How long answers hold.",
	pos: func(v *Remember) *Pos { return &v.Pos }, fill: fillRemember,
	fields: []field[Remember]{
		at("yes", "A yes.", between(time.Second, 30*day, ""), func(v *Remember) *time.Duration { return &v.Yes }),
		at("no", "A no.", between(time.Second, 30*day, ""), func(v *Remember) *time.Duration { return &v.No }),
		at("stale", "How much longer either holds while nobody answers, or none.", between(time.Second, 365*day, "none"), func(v *Remember) *time.Duration { return &v.Stale }),
	},
}.shape()

func fillDemandLimits(_ *reader, l *DemandLimits) {
	*l = DemandLimits{InFlight: 16, PerClient: Rate{10, time.Minute}, PerDomain: Rate{50, time.Hour}, Total: Rate{300, 3 * time.Hour}}
}

var demandLimitsShape = object[DemandLimits]{
	name: "demand_limits", doc: "How many certificates clients can cause.",
	pos: func(l *DemandLimits) *Pos { return &l.Pos }, fill: fillDemandLimits,
	fields: []field[DemandLimits]{
		at("in_flight", "Ordered at a time.", integer(1, 1000), func(l *DemandLimits) *int { return &l.InFlight }),
		at("per_client", "Ordered for one address (IPv6: one /64): 10/m.", countRate, func(l *DemandLimits) *Rate { return &l.PerClient }),
		at("per_domain", "Ordered for all names below one registrable domain: 50/h.", countRate, func(l *DemandLimits) *Rate { return &l.PerDomain }),
		at("total", "Ordered in all: 300/3h.", countRate, func(l *DemandLimits) *Rate { return &l.Total }),
	},
}.shape()

// countRate is so many in a time: "10/m", "300/3h".
var countRateScalar = scalar[Rate]{
	want: "a rate such as 10/m or 300/3h", schema: schema{"type": "string", "examples": []string{"10/m", "300/3h"}},
	print: func(v Rate) string {
		if v.N == 0 {
			return ""
		}
		per := printDuration(v.Per)
		if unit, ok := strings.CutPrefix(per, "1"); ok && len(unit) == 1 {
			per = unit
		}
		return strconv.Itoa(v.N) + "/" + per
	},
	parse: func(s string) (Rate, error) {
		number, per, ok := strings.Cut(s, "/")
		n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 32)
		if per = strings.TrimSpace(per); per != "" && (per[0] < '0' || per[0] > '9') {
			per = "1" + per
		}
		d, bad := parseDuration(per)
		p := &problem{"want a rate such as 10/m or 300/3h, got " + strconv.Quote(short(s)), "a rate is a number, a slash and a time: s, m, h, d, or 3h"}
		switch {
		case !ok || err != nil || bad != nil:
			return Rate{}, p
		case n == 0:
			p.hint = "without on-demand certificates, write tls: auto in sites"
			return Rate{}, p
		case n > 1e6 || d < time.Second || d > 30*day:
			p.hint = "a million at most, in one second to 30 days"
			return Rate{}, p
		}
		return Rate{int(n), d}, nil
	},
}

var countRate = countRateScalar.shape()

func parseAsk(s string) (string, error) {
	p := &problem{"this is no URL to ask", "write http://127.0.0.1:9000/allowed"}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || strings.Contains(s, " ") || checkPrintable(s) != nil {
		return "", p
	}
	query, err := url.ParseQuery(u.RawQuery)
	switch {
	case u.User != nil:
		p.message, p.hint = "a URL to ask has no user name and no password", "let who is asked listen on this machine, or write a token into the query: ?token=${TOKEN}"
	case u.Fragment != "":
		p.hint = "what follows # is not sent"
	case err != nil:
		p.hint = "write %26, %3D and %25 for &, = and % in its query"
	case query.Has("domain") || query.Has("client_ip"):
		p.message, p.hint = "domain and client_ip are added by weir", "leave them out"
	default:
		return s, nil
	}
	return "", p
}

var allowed = shape[Text]{
	read: func(r *reader, n *yaml.Node, t *Text) {
		t.Pos = r.pos(n)
		allowedText.read(r, n, &t.Text)
	},
	print: func(p *printer, t *Text) *yaml.Node { return allowedText.print(p, &t.Text) }, schema: allowedText.schema,
}

var allowedText = scalar[string]{
	want: `a name such as "*.example.com"`, print: func(s string) string { return s },
	schema: schema{"type": "string"}, parse: parseAllowed,
}.shape()

// parseAllowed takes a name, or a pattern that does not hold for names of just anybody.
func parseAllowed(s string) (string, error) {
	s = lower(s)
	const everybody = "this allows names of everybody"
	const hint = `name a domain of yours: "*.example.com"; who cannot list them gives ask:`
	rest, deep := strings.CutPrefix(s, "**.")
	_, isAddress := parseHostAddress(s)
	switch {
	case s == "*" || s == "**" || s == "default":
		return "", &problem{everybody, hint}
	case isAddress:
		return "", &problem{"there are no certificates on demand for addresses", "name it as a site with tls: auto"}
	case strings.Contains(rest, "**"):
		return "", &problem{`"**" is possible as the whole first label only`, `write "**.example.com"`}
	}
	if err := checkHost(strings.ReplaceAll(rest, "*", "a")); err != nil {
		return "", err
	}
	if strings.Contains(rest, "_") {
		return "", &problem{"no authority signs for a name with _", ""}
	}
	tail := rest
	if i := strings.LastIndexByte(rest, '*'); i >= 0 {
		_, tail, _ = strings.Cut(rest[i:], ".")
		deep = true
	}
	if deep && !strings.Contains(tail, ".") {
		return "", &problem{everybody, hint}
	}
	return s, nil
}
