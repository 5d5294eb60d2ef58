package config

import "go.yaml.in/yaml/v4"

var (
	tlsMode    = word("auto", "internal", "off")
	minVersion = word("1.2", "1.3")
	tlsShort   = shape[TLS]{
		read: func(r *reader, n *yaml.Node, t *TLS) {
			if n.Value == "on-demand" {
				r.fail(n, "use auto, internal, off, or {cert: file, key: file}", "on-demand comes with a later version of weir")
				return
			}
			tlsMode.read(r, n, &t.Mode)
		},
		schema: tlsMode.schema,
	}
)

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

var globalTLSShape = object[TLS]{
	name: "tls_defaults", doc: "Defaults for the TLS of all sites.",
	pos: func(t *TLS) *Pos { return &t.Pos }, fields: []field[TLS]{versionField, authField},
	after: func(_ *reader, _ *yaml.Node, t *TLS) { dropAuth(t) },
}.shape()

var tlsShape = object[TLS]{
	name: "tls", doc: "The TLS of a site.", short: &tlsShort,
	pos: func(t *TLS) *Pos { return &t.Pos },
	fields: []field[TLS]{
		{key: "mode", doc: "auto, internal or off; left out where cert and key are given.", schema: tlsMode.schema,
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
