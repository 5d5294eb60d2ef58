package config

import "go.yaml.in/yaml/v4"

var (
	tlsMode    = hinted(word("auto", "internal", "on-demand", "off"), modeHabits)
	minVersion = word("1.2", "1.3")
	tlsShort   = inside(tlsMode, func(t *TLS) *string { return &t.Mode })
)

// modeHabits are words of other proxies.
var modeHabits = map[string]string{
	"true": "auto", "on": "auto", "yes": "auto", "acme": "auto", "letsencrypt": "auto", "public": "auto",
	"false": "off", "no": "off", "none": "off", "disabled": "off", "plain": "off",
	"self-signed": "internal", "selfsigned": "internal", "local": "internal", "private": "internal",
	"on_demand": "on-demand", "ondemand": "on-demand", "demand": "on-demand",
}

// fillTLS starts a site from the defaults.
func fillTLS(r *reader, t *TLS) {
	t.Mode = "auto"
	if r == nil {
		return
	}
	g := &r.global.TLS
	t.MinVersion, t.ClientAuth = g.MinVersion, g.ClientAuth
	inherit(r, &g.MinVersion, &t.MinVersion)
}

var versionField = at("min_version", "Oldest TLS version accepted.", minVersion, func(t *TLS) *string { return &t.MinVersion })

var authField = at("client_auth", "Ask clients for a certificate.", ptr(clientAuthShape), func(t *TLS) **ClientAuth { return &t.ClientAuth })

// siteAuthField says so where a site does not ask although the default is to ask.
var siteAuthField = func() field[TLS] {
	f := authField
	f.print = func(p *printer, t *TLS) *yaml.Node {
		if t.ClientAuth == nil && t.Mode != "off" && p.config != nil && p.config.TLS.ClientAuth != nil {
			return textNode("off")
		}
		return authField.print(p, t)
	}
	return f
}()

func fillGlobalTLS(_ *reader, t *TLS) {
	t.MinVersion, t.Tickets = "1.2", new(Tickets)
	fillTickets(nil, t.Tickets)
}

var globalTLSShape = object[TLS]{
	name: "tls_defaults", doc: "Defaults for the TLS of all sites, and what holds for all of them.",
	pos: func(t *TLS) *Pos { return &t.Pos }, fill: fillGlobalTLS,
	fields: []field[TLS]{
		versionField, authField,
		quiet(at("session_tickets", "Keys of TLS sessions, which all nodes share: a mapping, or off: sessions are not resumed.", ticketsShape, func(t *TLS) **Tickets { return &t.Tickets })),
		quiet(at("zero_rtt", "Let clients that come back send requests before the handshake ends. Such requests can be replayed by others.", boolean, func(t *TLS) *bool { return &t.ZeroRTT })),
		quiet(at("ech", "Encrypted Client Hello: {public_name: ech.example.com}, or off.", echShape, func(t *TLS) **ECH { return &t.ECH })),
	},
	after: func(r *reader, n *yaml.Node, t *TLS) {
		dropAuth(t)
		if k, _ := entry(n, "zero_rtt"); k != nil && t.ZeroRTT && t.Tickets == nil {
			r.fail(k, "remove it, or session_tickets: off", "early data needs sessions that are resumed")
		}
	},
}.shape()

var tlsShape = object[TLS]{
	name: "tls", doc: "The TLS of a site.", short: &tlsShort,
	pos: func(t *TLS) *Pos { return &t.Pos },
	fields: []field[TLS]{
		{key: "mode", doc: "auto, internal, on-demand or off; left out where cert and key are given.", schema: tlsMode.schema,
			read: func(r *reader, n *yaml.Node, t *TLS) { tlsShort.read(r, n, t) },
			print: func(p *printer, t *TLS) *yaml.Node {
				if t.Mode == "files" {
					return nil
				}
				return tlsMode.print(p, &t.Mode)
			}},
		at("cert", "File with the certificate and its chain, in PEM.", place("a certificate file"), func(t *TLS) *string { return &t.Cert }),
		at("key", "File with the private key, in PEM.", place("a key file"), func(t *TLS) *string { return &t.Key }),
		versionField, siteAuthField,
		at("acme", "The authorities of this site, in order of preference. Default: the global ones.", issuersShape, func(t *TLS) *[]Issuer { return &t.ACME }),
		at("profile", "What kind of certificate to ask for, such as shortlived. Default: as the authority has it.", text("a profile", checkProfile), func(t *TLS) *string { return &t.Profile }),
	},
	after: func(r *reader, n *yaml.Node, t *TLS) {
		dropAuth(t)
		if t.Mode == "off" {
			t.ClientAuth = nil
		}
		if n.Kind != yaml.MappingNode {
			return
		}
		cert, _ := entry(n, "cert")
		key, _ := entry(n, "key")
		mode, _ := entry(n, "mode")
		for _, k := range []string{"acme", "profile"} {
			switch k, _ := entry(n, k); {
			case k == nil:
			case cert != nil || key != nil:
				r.fail(k, "remove it, or cert and key", "a site that brings its certificate asks no authority for one")
			case t.Mode == "internal" || t.Mode == "off":
				r.fail(k, "remove it, or write mode: auto", "%s has no meaning in the mode %s", k.Value, t.Mode)
			}
		}
		switch {
		case cert == nil && key == nil:
			if auth, _ := entry(n, "client_auth"); auth != nil && t.Mode == "off" {
				r.fail(auth, "remove it, or use another mode", "client certificates need TLS")
			}
			return
		case cert == nil:
			r.fail(key, "give the file of the certificate as cert:", "key without cert")
		case key == nil:
			r.fail(cert, "give the file of its private key as key:", "cert without key")
		case mode != nil:
			r.fail(mode, "remove mode", "a site has a mode or certificate files, not both")
		}
		t.Mode = "files"
	},
}.shape()

// dropAuth makes nothing of "client_auth: off".
func dropAuth(t *TLS) {
	if t.ClientAuth != nil && t.ClientAuth.Mode == "off" {
		t.ClientAuth = nil
	}
}

var authOff = shape[ClientAuth]{
	read: func(r *reader, n *yaml.Node, a *ClientAuth) {
		if n.Value != "off" {
			r.fail(n, "without the authorities weir would have to trust any certificate", "want {mode: require, ca: file} or off, got %s", kind(n))
		}
		a.Mode = "off"
	},
	schema: word("off").schema,
}

var clientAuthShape = object[ClientAuth]{
	name: "client_auth", doc: "Which certificates of clients are accepted.", short: &authOff,
	pos:  func(a *ClientAuth) *Pos { return &a.Pos },
	fill: func(_ *reader, a *ClientAuth) { a.Mode = "require" },
	fields: []field[ClientAuth]{
		at("mode", "require refuses clients without a certificate, optional does not; a certificate that is sent is always checked.", word("require", "optional", "off"), func(a *ClientAuth) *string { return &a.Mode }),
		at("ca", "Files with the authorities' certificates, in PEM.", list(place("a certificate file")), func(a *ClientAuth) *[]string { return &a.CA }),
	},
	after: func(r *reader, n *yaml.Node, a *ClientAuth) {
		if a.Mode != "off" && len(a.CA) == 0 && n.Kind == yaml.MappingNode {
			r.report(r.here, keyWidth(r), "client certificates cannot be checked without ca", "give the files of the authorities as ca:")
		}
	},
}.shape()
