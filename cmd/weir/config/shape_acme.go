package config

import (
	"encoding/base64"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// authorities are the directories of those that have a name.
var authorities = map[string]string{
	"letsencrypt":         "https://acme-v02.api.letsencrypt.org/directory",
	"letsencrypt-staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
	"zerossl":             "https://acme.zerossl.com/v2/DV90",
	"google":              "https://dv.acme-v02.api.pki.goog/directory",
}

var authorityNames = []string{"letsencrypt", "letsencrypt-staging", "zerossl", "google"}

// standardChallenges are those that need nothing but the listeners.
func standardChallenges() []string { return []string{"http-01", "tls-alpn-01"} }

// fillACME is what holds where nothing is said of authorities.
func fillACME(c *Config) {
	c.ACME = []Issuer{{CA: "letsencrypt", Challenges: standardChallenges()}}
}

var issuerShort = inside(authority, func(v *Issuer) *string { return &v.CA })

var issuerShape = object[Issuer]{
	name: "issuer", doc: "A public authority that signs certificates by ACME.", short: &issuerShort,
	pos:  func(v *Issuer) *Pos { return &v.Pos },
	fill: func(_ *reader, v *Issuer) { v.CA = "letsencrypt" },
	fields: []field[Issuer]{
		at("ca", "letsencrypt (the default), letsencrypt-staging, zerossl, google, or the https URL of a directory.", authority, func(v *Issuer) *string { return &v.CA }),
		at("email", "Where the authority can reach you.", text("an email address", checkEmail), func(v *Issuer) *string { return &v.Email }),
		at("eab", "What ties the account to one that the authority knows already: {key_id: …, hmac: {file: path}}.", ptr(eabShape), func(v *Issuer) **EAB { return &v.EAB }),
		at("roots", "Files with the certificates, in PEM, to believe for the authority's API, in place of the system's.", list(placeAt("a certificate file")), func(v *Issuer) *[]Text { return &v.Roots }),
		at("profile", "What kind of certificate to ask for, such as shortlived. Default: the authority's choice.", text("a profile", checkProfile), func(v *Issuer) *string { return &v.Profile }),
		at("challenges", "How to prove that a name is ours, in order of preference: http-01, tls-alpn-01, dns-01. Default: dns-01 where dns is given, else the other two.", list(challenge), func(v *Issuer) *[]string { return &v.Challenges }),
		at("dns", "Who serves the zone, for dns-01: {provider: cloudflare, token: {file: path}}.", ptr(dnsShape), func(v *Issuer) **DNS { return &v.DNS }),
	},
	after: checkIssuer,
}.shape()

var issuers = list(issuerShape)

// maxIssuers bounds those that are tried for one name, and what it costs to compare them.
const maxIssuers = 16

// issuersShape is one authority or several, none of them twice.
var issuersShape = shape[[]Issuer]{
	read: func(r *reader, n *yaml.Node, v *[]Issuer) {
		before := len(r.errs)
		issuers.read(r, n, v)
		switch {
		case len(*v) == 0:
			r.fail(n, "remove it for Let's Encrypt, or write tls: internal or tls: off in sites", "no authority")
		case len(*v) > maxIssuers:
			r.fail(n, "", "want %d authorities at most, got %d", maxIssuers, len(*v))
		}
		if len(r.errs) > before {
			return
		}
		p := &printer{symbols: r.symbols}
		for i := range *v {
			for j := range i {
				if same(issuerShape.print(p, &(*v)[i]), issuerShape.print(p, &(*v)[j])) {
					r.report((*v)[i].Pos, 1, "the same authority is already there in line "+strconv.Itoa((*v)[j].Pos.Line), "each is tried in its turn; once is enough")
					break
				}
			}
		}
	},
	print: issuers.print, schema: issuers.schema,
}

// checkIssuer completes an authority and checks it as a whole.
func checkIssuer(r *reader, n *yaml.Node, v *Issuer) {
	checkChallenges(r, n, v)
	switch {
	case v.CA == "google" && v.EAB == nil:
		r.report(r.here, keyWidth(r), "google signs only for accounts that it knows", "gcloud publicca external-account-keys create prints them; write eab: {key_id: …, hmac: {file: path}}")
	case v.CA == "zerossl" && v.EAB == nil && v.Email == "":
		r.report(r.here, keyWidth(r), "zerossl needs an email address", "write email: me@example.com")
	}
}

func checkChallenges(r *reader, n *yaml.Node, v *Issuer) {
	key, value := entry(n, "challenges")
	if n.Kind != yaml.MappingNode || key == nil {
		if v.Challenges = standardChallenges(); v.DNS != nil {
			v.Challenges = []string{"dns-01"}
		}
		return
	}
	for i, c := range v.Challenges {
		if c != "" && slices.Contains(v.Challenges[:i], c) {
			r.fail(key, "name each once, the preferred first", "%s is there twice", c)
		}
	}
	has := slices.Contains(v.Challenges, "dns-01")
	dns, _ := entry(n, "dns")
	switch {
	case len(v.Challenges) == 0:
		r.fail(key, "remove it, or name one of http-01, tls-alpn-01, dns-01", "no challenge")
	case has && dns == nil:
		r.fail(value, "write dns: {provider: cloudflare, token: {file: path}}", "dns-01 needs somebody who sets records")
	case !has && dns != nil:
		r.fail(dns, "add dns-01 to challenges, or remove one of them", "dns has no meaning without the challenge dns-01")
	case len(v.Challenges) == 1 && v.Challenges[0] == "http-01" && len(r.global.Listen.HTTP) == 0:
		r.warn(key, `add http: ":80" to listen, or tls-alpn-01`, "the challenge http-01 comes over plain HTTP, and nothing listens for it")
	}
}

// challengeHabits are words of other programs.
var challengeHabits = map[string]string{
	"http": "http-01", "http01": "http-01", "http-1": "http-01", "webroot": "http-01", "standalone": "http-01",
	"tls": "tls-alpn-01", "alpn": "tls-alpn-01", "tls-alpn": "tls-alpn-01", "tlsalpn": "tls-alpn-01", "tls-01": "tls-alpn-01",
	"dns": "dns-01", "dns01": "dns-01", "dns-1": "dns-01",
}

var challengeWord = word("http-01", "tls-alpn-01", "dns-01")

var challenge = hinted(challengeWord, challengeHabits)

// hinted is a word that knows what others call it.
func hinted(s shape[string], habits map[string]string) shape[string] {
	read := s.read
	s.read = func(r *reader, n *yaml.Node, v *string) {
		if other := habits[lower(n.Value)]; other != "" && n.Kind == yaml.ScalarNode {
			r.fail(n, "write "+other, "%q is not what it is called here", short(n.Value))
			return
		}
		read(r, n, v)
	}
	return s
}

var authority = scalar[string]{
	want: "the name of an authority, or the URL of its directory", print: func(s string) string { return s },
	schema: schema{"type": "string", "examples": append(slices.Clone(authorityNames), "https://ca.example.com/directory")}, parse: parseAuthority,
}.shape()

func parseAuthority(s string) (string, error) {
	if slices.Contains(authorityNames, s) {
		return s, nil
	}
	for name, directory := range authorities {
		if s == directory {
			return name, nil
		}
	}
	names := strings.Join(authorityNames, ", ")
	p := &problem{message: strconv.Quote(short(s)) + " is no authority", hint: "the names are " + names + "; others are given by the URL of their directory"}
	u, err := url.Parse(s)
	scheme, rest, written := strings.Cut(s, "://")
	switch near := nearest(strings.TrimSuffix(s, ".org"), authorityNames); {
	case strings.Contains(s, "@") && !written:
		p.hint = "write acme: {email: " + short(s) + "}"
	case s == "off" || s == "none" || s == "false" || s == "internal":
		p.hint = "write tls: internal or tls: off in sites"
	case near != "" && !written:
		p.hint = "did you mean " + near + "?"
	case !written:
		if strings.Contains(s, ".") && strings.Contains(s, "/") {
			p.hint = "a URL begins with https://"
		}
	case err != nil || u.Host == "" || u.Fragment != "" || checkPrintable(s) != nil || strings.Contains(s, " "):
		p.hint = "write https://ca.example.com/directory"
	case u.User != nil:
		p.message, p.hint = "a directory has no user name and no password", "an account is tied by eab: {key_id: …, hmac: {file: path}}"
	case lower(scheme) == "http" && !isLoopback(u.Hostname()):
		p.message, p.hint = "an authority is asked over TLS, except on this machine", "write https://"+short(rest)
	case lower(scheme) != "http" && lower(scheme) != "https":
		p.hint = "write https://ca.example.com/directory"
	default:
		return lower(scheme) + "://" + rest, nil
	}
	return "", p
}

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback() || lower(host) == "localhost" || strings.HasSuffix(lower(host), ".localhost")
}

// checkEmail takes what authorities take: one address, without a name.
func checkEmail(s string) error {
	p := &problem{message: strconv.Quote(short(s)) + " is no email address", hint: "write me@example.com"}
	local, domain, ok := strings.Cut(s, "@")
	switch {
	case strings.HasPrefix(lower(s), "mailto:"):
		p.hint = "leave mailto: out"
	case strings.ContainsAny(s, ", <>"):
		p.hint = "write one address alone: me@example.com"
	case !ok || local == "" || len(local) > 64 || checkPrintable(s) != nil || !strings.Contains(domain, "."):
	case checkHost(lower(domain)) != nil || strings.HasPrefix(domain, "*"):
	default:
		return nil
	}
	return p
}

func checkProfile(s string) error {
	if !isToken(s) {
		return &problem{strconv.Quote(short(s)) + " is no profile", "a profile is a word that the authority's directory lists, such as classic, tlsserver or shortlived"}
	}
	return nil
}

var eabShape = object[EAB]{
	name: "eab", doc: "An account that the authority knows already.",
	pos: func(v *EAB) *Pos { return &v.Pos },
	fields: []field[EAB]{
		required(at("key_id", "Name of the key.", text("the name of a key", checkPrintable), func(v *EAB) *string { return &v.KeyID })),
		required(at("hmac", "The key, in base64url; best as {file: path}.", secret(checkHMAC), func(v *EAB) *string { return &v.HMAC })),
	},
	after: func(_ *reader, _ *yaml.Node, v *EAB) {
		if v.HMAC != redacted {
			v.HMAC = base64url(v.HMAC)
		}
	},
}.shape()

// base64url gives the one form of what comes with either alphabet, padded or not.
func base64url(s string) string {
	return strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimSpace(s)), "=")
}

func checkHMAC(s string) error {
	if b, err := base64.RawURLEncoding.DecodeString(base64url(s)); err != nil || len(b) < 16 {
		return &problem{"this is no key of an account", "it is what the authority calls the HMAC key, in base64url"}
	}
	return nil
}

// placeAt is the path of a file that keeps its place.
func placeAt(want string) shape[Text] {
	s := place(want)
	return shape[Text]{
		read: func(r *reader, n *yaml.Node, t *Text) {
			t.Pos = r.pos(n)
			s.read(r, n, &t.Text)
		},
		print:  func(p *printer, t *Text) *yaml.Node { return s.print(p, &t.Text) },
		schema: s.schema,
	}
}
