package config

import (
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"
)

// parse reads src, which has to be right.
func parse(t *testing.T, src string) *Config {
	t.Helper()
	c, err := Parse("weir.yaml", []byte(src), testOptions())
	if err != nil {
		t.Fatalf("%s:\n%v", src, err)
	}
	return c
}

func TestParse_WithoutAWordCertificatesComeFromLetsEncrypt(t *testing.T) {
	t.Parallel()
	c := parse(t, "sites: {example.com: {root: .}}")
	got := fmt.Sprintf("%+v", []any{*c.Store, c.ACME, c.Certificates, c.OnDemand, *c.TLS.Tickets, c.TLS.ZeroRTT, c.TLS.ECH, c.Sites[0].TLS.ACME == nil, c.Sites[0].TLS.Tickets == nil})
	want := "[{Pos:default URL: Password: Prefix:weir Timeout:2s Lease:30s Keys:[] LocalCopy:false}" +
		" [{Pos:default CA:letsencrypt Email: EAB:<nil> Roots:[] Profile: Challenges:[http-01 tls-alpn-01] DNS:<nil>}]" +
		" {Pos:default Cache:10000 Check:10m0s Wildcards:prefer ClockSkewAlarm:1m0s RenewAt:0.3333333333333333 Default:{Pos:default Text:}}" +
		" {Pos:default Ask: Allow:[] AskTimeout:2s Remember:{Pos:default Yes:1h0m0s No:1m0s Stale:24h0m0s} Wait:15s" +
		" Limits:{Pos:default InFlight:16 PerClient:{N:10 Per:1m0s} PerDomain:{N:50 Per:1h0m0s} Total:{N:300 Per:3h0m0s}}}" +
		" {Pos:default Rotate:12h0m0s Keep:4} false <nil> true true]"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if c.Store.Engine() != "sqlite" || c.Store.Path() != "" || c.ACME[0].Directory() != "https://acme-v02.api.letsencrypt.org/directory" {
		t.Errorf("got engine %s, path %q, directory %s", c.Store.Engine(), c.Store.Path(), c.ACME[0].Directory())
	}
}

// TestParse_CertificatesKeepTheirPlaces holds what the builder points at.
func TestParse_CertificatesKeepTheirPlaces(t *testing.T) {
	t.Parallel()
	c := parse(t, `store:
  url: ${DIR}/weir.db
  encryption_key:
    - {file: key.hex}
    - ${KEY}
acme:
  - email: me@example.net
  - ca: https://[::1]:14000/dir
    roots: [ca.pem, /b.pem]
    eab: {key_id: x, hmac: AAECAwQFBgcICQoLDA0+Pw==}
    dns:
      provider: rfc2136
      server: ${DIR}
certificates:
  default: a.example.com
on_demand:
  allow:
    - "*.B.example.com"
tls: {ech: {public_name: a.example.com}}
sites:
  a.example.com:
    root: .
    tls:
      mode: on-demand
      acme: [letsencrypt]
`)
	i, d := &c.ACME[1], c.ACME[1].DNS
	at := func(p Pos) string { return strings.TrimPrefix(p.String(), "weir.yaml:") }
	for _, tt := range []struct{ what, got, want string }{
		{"store", at(c.Store.Pos) + " " + c.Store.URL + " " + c.Store.Path(), "1:1 sqlite:/srv/weir.db /srv/weir.db"},
		{"keys", fmt.Sprintf("%s %x %s %x", at(c.Store.Keys[0].Pos), c.Store.Keys[0].Bytes[:2], at(c.Store.Keys[1].Pos), c.Store.Keys[1].Bytes[:2]), "4:7 abab 5:7 0001"},
		{"issuer", at(i.Pos) + " " + i.Directory(), "8:5 https://[::1]:14000/dir"},
		{"roots", at(i.Roots[0].Pos) + " " + i.Roots[0].Text + " " + i.Roots[1].Text, "9:13 ca.pem /b.pem"},
		{"eab", at(i.EAB.Pos) + " " + i.EAB.HMAC, "10:5 AAECAwQFBgcICQoLDA0-Pw"},
		{"dns", at(d.Pos) + " " + at(d.Provider.Pos) + " " + d.Provider.Text, "11:5 12:17 rfc2136"},
		{"setting", at(d.Settings[0].Pos) + " " + d.Settings[0].Name + "=" + d.Settings[0].Value, "13:7 server=/srv"},
		{"challenges", fmt.Sprint(c.ACME[0].Challenges, i.Challenges), "[http-01 tls-alpn-01] [dns-01]"},
		{"default", at(c.Certificates.Default.Pos) + " " + c.Certificates.Default.Text, "15:12 a.example.com"},
		{"allow", at(c.OnDemand.Pos) + " " + at(c.OnDemand.Allow[0].Pos) + " " + c.OnDemand.Allow[0].Text, "16:1 18:7 *.b.example.com"},
		{"ech", at(c.TLS.ECH.Pos) + " " + at(c.TLS.ECH.PublicName.Pos), "19:7 19:26"},
		{"site", at(c.Sites[0].TLS.Pos) + " " + at(c.Sites[0].TLS.ACME[0].Pos) + " " + c.Sites[0].TLS.Mode, "23:5 25:14 on-demand"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.what, tt.got, tt.want)
		}
	}
}

// TestNormal_ShowsNoSecretOfStoresAndAuthorities holds that no form of writing a secret
// has it printed, and that what is printed is read again.
func TestNormal_ShowsNoSecretOfStoresAndAuthorities(t *testing.T) {
	t.Parallel()
	const hmac = "c2VjcmV0c2VjcmV0c2VjcmV0"
	sources := []string{
		"store: redis://:hunter2@h/0",
		"store: {url: 'redis://u:hunter2@${NAME}:6379/0'}",
		"store: {url: 'redis://u:hunter2${NAME}@h'}",
		"store: {url: 'postgres://u@h/db?sslmode=disable&password=hunter2&x=y'}",
		"store: {url: {file: url}}",
		"store: {url: redis://h, password: hunter2}",
		"store: {url: redis://h, password: {file: token}}",
		"store: {url: redis://h, password: '${TOKEN}'}",
		"store: {encryption_key: ['${KEY}', {file: key.hex}]}",
		"acme: {ca: google, eab: {key_id: x, hmac: " + hmac + "}}",
		"acme: {dns: {provider: p, token: hunter2, api_key: hunter2, password: hunter2, auth: hunter2, private: hunter2, secret_access_key: hunter2, tsig_secret: hunter2}}",
		"acme: {dns: {provider: p, token: {file: token}, other: '${TOKEN}'}}",
		"on_demand: {ask: 'http://h/?token=hunter2&a=b'}",
		"on_demand: {ask: 'http://h/?to%6ben=hunter2'}",
	}
	for _, src := range sources {
		src += "\nsites: {localhost: {root: .}}\n"
		c := parse(t, src)
		normal := string(Normal(c))
		for _, secret := range []string{"hunter2", "s3cret", hmac, "abababab", "00010203"} {
			if strings.Contains(normal, secret) {
				t.Errorf("%s: the normal form shows %q:\n%s", src, secret, normal)
			}
		}
		if again := string(Normal(parse(t, normal))); again != normal {
			t.Errorf("%s: the normal form\n%s\nbecomes\n%s", src, normal, again)
		}
	}
}

// hide is hideSecrets for a text with variables of env.
func hide(env map[string]string, written string) string {
	r := &reader{options: Options{Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}}
	return hideSecrets(r.pieces(&yaml.Node{Kind: yaml.ScalarNode, Value: written}))
}

func TestHideSecrets(t *testing.T) {
	t.Parallel()
	env := map[string]string{"A": "redis://u", "C": ":", "N": "name", "U": "redis://u:pw@h/0?password=pw", "UP": "u:pw", "Q": "password=pw", "AT": "w@", "Q2": "?a=b&password="}
	for written, want := range map[string]string{
		"redis://h/0":                              "redis://h/0",
		"redis://u@h/0":                            "redis://u@h/0",
		"redis://u:pw@h/0":                         "redis://u:redacted@h/0",
		"redis://u:p:w@h@h/0":                      "redis://u:redacted@h/0",
		"redis://:pw@h/0?a=b":                      "redis://:redacted@h/0?a=b",
		"redis://u:${N}@h/0":                       "redis://u:${N}@h/0",
		"redis://u:p${N}@h/0":                      "redis://u:redacted@h/0",
		"redis://u:${N}${N}@h/0":                   "redis://u:${N}${N}@h/0",
		"redis://${UP}@h/0":                        "redis://${UP}@h/0",
		"redis://u${C}pw@h/0":                      "redis://u${C}redacted@h/0",
		"redis://u:pw@${N}:6379/0":                 "redis://u:redacted@${N}:6379/0",
		"${U}":                                     "${U}",
		"${A}:pw@h/0?x=http://y":                   "${A}:redacted@h/0?x=http://y",
		"${A}:pw@h":                                "${A}:redacted@h",
		"postgres://h/d?password=pw&a=b&password=": "postgres://h/d?password=redacted&a=b&password=",
		"postgres://h/d?pass%77ord=pw":             "postgres://h/d?pass%77ord=redacted",
		"postgres://h/d?${Q}":                      "postgres://h/d?${Q}",
		"postgres://h/d?a=b&${Q}&token=${N}":       "postgres://h/d?a=b&${Q}&token=${N}",
		"postgres://h/d?a=${N}x":                   "postgres://h/d?a=${N}x",
		"postgres://h/d?a${N}=x":                   "postgres://h/d?a${N}=x",
		"redis://u:p${AT}h":                        "redis://redacted@h",
		"redis://${UP}w@h":                         "redis://redacted@h",
		"redis://$${x:pw@h":                        "redis://$${x:redacted@h",
		"postgres://h${Q2}pw":                      "postgres://h${Q2}redacted",
		"./a@b?password=c":                         "./a@b?password=c",
	} {
		got := hide(env, written)
		if got != want {
			t.Errorf("%s: got %s, want %s", written, got, want)
		}
		if again := hide(env, got); again != got {
			t.Errorf("%s: got %s, and of that %s", written, got, again)
		}
	}
}

func TestParseStore(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"./data/weir.db": "sqlite:./data/weir.db", "weir.db": "sqlite:weir.db", "/var/lib/weir.db": "sqlite:/var/lib/weir.db", "sqlite:x.db": "sqlite:x.db",
		"./a:b": "sqlite:./a:b", "./redis:6379": "sqlite:./redis:6379", "redis://h": "redis://h", "REDIS://h:6379/15": "redis://h:6379/15", "rediss://u:p@[::1]:6380/0": "rediss://u:p@[::1]:6380/0",
		"postgres://u@h:5432/db?sslmode=disable": "postgres://u@h:5432/db?sslmode=disable", "postgresql://h": "postgresql://h", "postgres:///db?host=/run/postgresql": "postgres:///db?host=/run/postgresql",

		"": "!write ./weir.db", "10.0.0.1:6379": "!redis://10.0.0.1:6379", "db.local:5432": "!postgres://db.local:5432/name", "localhost:6379": "!redis://localhost:6379",
		"redis": "!redis://127.0.0.1", "sqlite": "!leave store out", "off": "!leave store out", "sqlite:///a.db": "!sqlite:/a.db", "sqlite::memory:": "!leave store out", "./data/": "!./data/weir.db",
		"redis:h": "!redis://", "redis:///0": "!redis://", "redis://h/x": "!/0", "redis://h/00": "!/0", "redis://h:0": "!", "redis://h:99999": "!", "redis://h#x": "!%23", "redis://u:a/b@h": "!%2F", "redis://a b": "!redis://",
		"rediz://h": "!did you mean redis?", "valkey://h": "!redis://", "mysql://h": "!SQLite, Redis and PostgreSQL", "file:///x": "!sqlite:", "postgres://": "!socket", "postgres://h/a/b": "!", "a\x00b": "!", "ftp://h": "!begins with ./",
	} {
		got, err := parseStore(text)
		if hint, refused := strings.CutPrefix(want, "!"); refused {
			p, _ := err.(*problem)
			if err == nil || hint != "" && (p == nil || !strings.Contains(p.hint, hint)) {
				t.Errorf("%q: got %q, %v %+v, want a hint of %q", text, got, err, p, hint)
			}
			continue
		}
		if err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", text, got, err, want)
		}
	}
}

func TestStore_KeepsALocalCopyOfServersOnly(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		"store: ./x.db": "sqlite x.db false", "store: redis://h": "redis  true", "store: {url: rediss://h, local_copy: false}": "redis  false",
		"store: {url: postgresql://h/x}": "postgres  true", "store: {prefix: a.b}": "sqlite  false", "store: {url: {file: url}}": "postgres  true",
	} {
		s := parse(t, src+"\nsites: {localhost: {root: .}}").Store
		if got := fmt.Sprint(s.Engine(), " ", s.Path(), " ", s.LocalCopy); got != want {
			t.Errorf("%s: got %s, want %s", src, got, want)
		}
	}
	for _, src := range []string{"store: {url: ./x, local_copy: true}", "store: {password: x}", "store: {url: redis://:a@h, password: b}", "store: {url: [a, b]}", "store: {url: {path: x}}", "store: {url: {file: token}, password: x}"} {
		if _, err := Parse("weir.yaml", []byte(src+"\nsites: {localhost: {root: .}}"), testOptions()); err == nil {
			t.Errorf("%s: got no error", src)
		}
	}
}

func TestParseKey(t *testing.T) {
	t.Parallel()
	raw := strings.Repeat("\x00\n", 16)
	for text, want := range map[string]string{
		raw:                               fmt.Sprintf("%x", raw),
		strings.Repeat("ab", 32) + "\r\n": strings.Repeat("ab", 32),
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA-8=\n": strings.Repeat("00", 30) + "03ef",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+8":    strings.Repeat("00", 30) + "03ef",
		strings.Repeat("k", 32) + "\n":                   fmt.Sprintf("%x", strings.Repeat("k", 32)),
		strings.Repeat("k", 40):                          "dc4c5d17d972b66638dd360cf701ca3d0d7ef3b06c5156cd4de5da931555d567", // SHA-256
		"":                                               "",
		strings.Repeat("k", 31) + "\n\n":                 fmt.Sprintf("%x", strings.Repeat("k", 31)+"\n"),
		" " + strings.Repeat("AB", 64) + "\n":            strings.Repeat("ab", 64),
		strings.Repeat("AB", 65):                         "2e310640",
		strings.Repeat("k", 31):                          "",
	} {
		got, err := parseKey(text)
		if hex := fmt.Sprintf("%x", got); (err == nil) != (want != "") || err == nil && len(got) < 32 || !strings.HasPrefix(hex, want) {
			t.Errorf("%q: got %s, %v, want %s", text, hex, err, want)
		}
	}
}

func TestCertificateNames(t *testing.T) {
	t.Parallel()
	check := func(what string, f func(string) error, good, bad []string) {
		t.Helper()
		for _, s := range good {
			if err := f(s); err != nil {
				t.Errorf("%s %q: got %v, want none", what, s, err)
			}
		}
		for _, s := range bad {
			if f(s) == nil {
				t.Errorf("%s %q: got no error", what, s)
			}
		}
	}
	check("authority", func(s string) error { _, err := parseAuthority(s); return err },
		[]string{"letsencrypt", "letsencrypt-staging", "zerossl", "google", "https://ca.example.com/dir", "https://ca.example.com:14000/dir?x=y", "http://127.0.0.1:14000/dir", "http://[::1]/dir", "http://localhost/dir", "http://ca.localhost/"},
		[]string{"", "Letsencrypt", "http://ca.example.com/dir", "http://10.0.0.1/", "https://", "https://a@b/", "https://a/#x", "https://a b/", "ftp://a/", "file:///x", "https://a/\n", "a.b/c", "http://localhost.example.com/"})
	check("email", checkEmail, []string{"me@example.com", "a.b+c@x-y.example"}, []string{"", "me", "@example.com", "me@", "me@localhost", "me@a..b", "me@*.a.b", "Me <me@a.b>", "a@b.c,d@e.f", "mailto:a@b.c", "a b@c.d", strings.Repeat("a", 65) + "@b.c", "a@b.c/d", "a@[1.2.3.4]"})
	check("hmac", checkHMAC, []string{"AAECAwQFBgcICQoLDA0ODw", "AAECAwQFBgcICQoLDA0ODw==", "+/ECAwQFBgcICQoLDA0ODw", "-_ECAwQFBgcICQoLDA0ODw\n"}, []string{"", "abc", "AAECAwQFBgcICQoLDA0OD!", "AAECAwQFBgcI"})
	check("allow", func(s string) error { _, err := parseAllowed(s); return err },
		[]string{"a.example.com", "*.example.com", "**.example.com", "shop-*.example.com", "*.*.example.com", "a*b*c.d.example.com", "*.x.*.example.com", "**.*.example.com"},
		[]string{"", "*", "**", "default", "*.com", "**.com", "a.*", "a.*.com", "x*", "a.**.b.c", "***.b.c", "10.0.0.1", "::1", "a_b.c.d", "a..b", "a.b:80", "http://a.b", "bücher.de", "**a.b.c"})
	check("resolver", func(s string) error { return parseWith(resolver, s) }, []string{"1.1.1.1", "1.1.1.1:5353", "::1", "[::1]", "[::1]:53"}, []string{"", "dns.google", "1.1.1.1:0", "1.1.1.1:x", "fe80::1%eth0", "[fe80::1%eth0]:53", "https://1.1.1.1", "1.1.1"})
	check("override", func(s string) error { return parseWith(overrideDomain, s) }, []string{"a.b", "_acme.A.b.", "x.y.z"}, []string{"", "a", ".", "*.a.b", "default", "1.2.3.4", "a..b"})
	check("host", func(s string) error { return parseWith(oneHost, s) }, []string{"a.b", "localhost", "1.2.3.4", "::1"}, []string{"", "default", "*.a.b", "a.b:80"})
	check("profile", checkProfile, []string{"classic", "shortlived"}, []string{"", "a b", "a\n"})
	check("prefix", checkStorePrefix, []string{"weir", "a.b-c_D1"}, []string{"a/b", ".a", "a b", "a:b", "{a}", strings.Repeat("a", 65)})
}

// parseWith reads a scalar alone.
func parseWith[T any](s shape[T], text string) error {
	var v T
	r := &reader{name: "weir.yaml", src: source{text: text}}
	n := textNode(text)
	n.Line, n.Column = 1, 1
	s.read(r, n, &v)
	if len(r.errs) > 0 {
		return r.errs
	}
	return nil
}

func TestRates(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Rate{"10/m": {10, time.Minute}, "300/3h": {300, 3 * time.Hour}, "1/s": {1, time.Second}, " 5 / 2d ": {5, 2 * day}, "7/1w": {7, 7 * day}, "9/90m": {9, 90 * time.Minute}, "1000000/30d": {1e6, 30 * day},
		"": {}, "10": {}, "/m": {}, "10/": {}, "0/m": {}, "-1/m": {}, "1.5/m": {}, "10/x": {}, "10/500ms": {}, "1000001/m": {}, "1/31d": {}, "10 per m": {}, "10/0s": {}, "1/1/m": {}} {
		got, err := countRateScalar.parse(text)
		if got != want || (err != nil) != (want.N == 0) {
			t.Errorf("%q: got %+v, %v, want %+v", text, got, err, want)
		}
		if err == nil {
			if back, err := countRateScalar.parse(countRateScalar.print(got)); back != got || err != nil {
				t.Errorf("%q: printed as %q, which is %+v, %v", text, countRateScalar.print(got), back, err)
			}
		}
	}
}

func TestLifePart(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{"1/3": 1.0 / 3, "0.33": 0.33, "0.05": 0.05, "0.9": 0.9, "1/2": 0.5, "2/7": 2.0 / 7, "17/19": 17.0 / 19, ".5": 0.5, "1/3.5": 1 / 3.5,
		"": 0, "1": 0, "0": 0, "0.04": 0, "0.91": 0, "1/0": 0, "0/0": 0, "33%": 0, "30d": 0, "NaN": 0, "Inf": 0, "-1/3": 0, "1e-1": 0, "1/3/2": 0, "0x.8p0": 0} {
		got, err := lifePartScalar.parse(text)
		if got != want || (err != nil) != (want == 0) {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
		if err == nil {
			if back, err := lifePartScalar.parse(lifePartScalar.print(got)); back != got || err != nil {
				t.Errorf("%q: printed as %q, which is %v, %v", text, lifePartScalar.print(got), back, err)
			}
		}
	}
}

func TestParse_WarnsOfWhatMakesCertificatesFail(t *testing.T) {
	t.Parallel()
	const site = "\nsites: {www.example.net: {root: .}}"
	for src, want := range map[string]string{
		site:                                   "2:9 the authority has no address",
		"acme: {email: me@a.bc}" + site:        "",
		"acme: {email: me@Example.com}" + site: "1:1 me@Example.com is nobody's address",
		"acme: [letsencrypt, {ca: zerossl, email: me@a.bc}]" + site:                                     "1:8 the authority has no address",
		"sites: {localhost: {root: .}}":                                                                 "",
		"listen: {http: ':80'}" + site:                                                                  "",
		"listen: {https: ':443'}\nacme: {email: a@b.cd, challenges: http-01}" + site:                    "2:23 the challenge http-01 comes over plain HTTP",
		"acme: {email: a@b.cd}\non_demand: {allow: a.b.cd}" + site:                                      "2:1 no site has certificates on demand",
		"store: redis://:pw@h\nsites: {localhost: {root: .}}":                                           "1:8 a password that everybody can read",
		"store: redis://:${TOKEN}@h\nsites: {localhost: {root: .}}":                                     "",
		"store: {url: redis://h, password: '[redacted]'}\nsites: {localhost: {root: .}}":                "1:35 this is no secret",
		"acme: {dns: {provider: p, token: '[redacted]'}}\nsites: {localhost: {root: .}}":                "1:34 this is no secret",
		"sites: {a.example.net: {root: ., tls: {acme: [{email: me@example.org}]}}}":                     "1:47 me@example.org is nobody's",
		"store: {prefix: a}\nsites: {localhost: {root: .}}":                                             "1:9 a prefix has no meaning",
		"sites: {a.example.net: {enabled: false, root: .}, b.localhost: {root: .}}":                     "",
		"sites: {a.example.net: {root: ., tls: off}, b.example.net: {root: ., tls: {cert: a, key: b}}}": "",
	} {
		var got strings.Builder
		for _, w := range parse(t, src).Warnings {
			got.WriteString(strconv.Itoa(w.Pos.Line) + ":" + strconv.Itoa(w.Pos.Col) + " " + w.Message + "\n")
		}
		if want == "" && got.String() != "" || !strings.HasPrefix(got.String(), want) || strings.Count(got.String(), "\n") > 1 {
			t.Errorf("%s:\ngot  %s\nwant %s", src, got.String(), want)
		}
	}
}

// TestParse_NobodyGetsCertificatesOnDemandUnasked holds that nothing that was meant to
// ask or to list is read as leave for everybody.
func TestParse_NobodyGetsCertificatesOnDemandUnasked(t *testing.T) {
	t.Parallel()
	for _, demand := range []string{"", "on_demand: {}", "on_demand: {allow: []}", "on_demand: {wait: 3s}", "on_demand: {allow: '*'}", "on_demand: {allow: ['*.com']}", "on_demand: {ask: ''}", "on_demand: {ask: ~}", "on_demand: off", "on_demand: {ask: '${EMPTY}'}"} {
		for _, mode := range []string{"on-demand", "{mode: on-demand}", "{mode: on-demand, acme: letsencrypt}"} {
			src := demand + "\nsites: {default: {root: ., tls: " + mode + "}}"
			if _, err := Parse("weir.yaml", []byte(src), testOptions()); err == nil {
				t.Errorf("%s: got no error", src)
			}
		}
	}
}

// TestPrivateNames holds that this package and certs mean the same by an internal name.
func TestPrivateNames(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../../certs/names.go")
	if err != nil {
		t.Fatal(err)
	}
	src := string(b)
	var suffixes, nets string
	for _, s := range privateSuffixes {
		suffixes += " " + strconv.Quote(s) + ","
	}
	for _, n := range privateNets {
		nets += " " + n.String()
	}
	_, list, _ := strings.Cut(src, "return []string{")
	list, _, _ = strings.Cut(list, "}")
	if got := " " + strings.Join(strings.Fields(list), " "); got != suffixes {
		t.Errorf("suffixes: got %s, certs has %s", suffixes, got)
	}
	var got strings.Builder
	for _, part := range strings.Split(src, `netip.MustParsePrefix("`)[1:] {
		n, _, _ := strings.Cut(part, `"`)
		got.WriteString(" " + n)
	}
	if got.String() != nets {
		t.Errorf("networks: got %s, certs has %s", nets, got.String())
	}
	for name, want := range map[string]bool{"example.com": true, "*.example.com": true, "localhost": false, "a.localhost": false, "*.lan": false, "mylan": true, "nas": true, "10.0.0.1": false, "1.1.1.1": true, "::1": false, "2606::1": true, "::ffff:10.0.0.1": false, "default": false, "home.arpa": false, "arpa": true} {
		if isPublic(name) != want {
			t.Errorf("isPublic(%q): got %v, want %v", name, !want, want)
		}
	}
}

// FuzzStore holds that a store's URL without its secrets is one that is read again, and
// holds no password.
func FuzzStore(f *testing.F) {
	for _, s := range []string{"redis://u:pw@h/0", "postgres://u:p%40w@h:5432/db?password=x&sslmode=disable", "postgres:///db?host=/run", "./weir.db", "sqlite:a://b:c@d", "redis://:a:b@[::1]:6379"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		value, err := parseStore(s)
		if err != nil || strings.HasPrefix(value, "sqlite:") {
			return
		}
		plain := func(s string) string { return hideSecrets([]piece{{written: s, value: s}}) }
		shown := plain(value)
		if again, err := parseStore(shown); err != nil || plain(again) != again || again != shown {
			t.Fatalf("%q: shown as %q, which is %q, %v", s, shown, again, err)
		}
		u, err := url.Parse(shown)
		if err != nil {
			t.Fatalf("%q: shown as %q: %v", s, shown, err)
		}
		if password, _ := u.User.Password(); password != "" && password != hidden {
			t.Errorf("%q: shown as %q", s, shown)
		}
		for name, values := range u.Query() {
			for _, v := range values {
				if isSecretName(name) && v != "" && v != hidden {
					t.Errorf("%q: shown as %q", s, shown)
				}
			}
		}
	})
}

// FuzzHideSecrets is FuzzStore for URLs that variables are a part of: wherever the
// password comes to stand, it is not shown.
func FuzzHideSecrets(f *testing.F) {
	const mark = "S3CR3T"
	pieces := []string{"redis://", "postgres://", "${A}", "${C}", "${E}", "${AT}", "${Q}", "u", ":", mark, "@", "h", "/0", "?", "password=", "&", "=", "a", "#", "%40", "/", "${S}", "$"}
	env := map[string]string{"A": "redis://u", "C": ":", "E": "", "AT": "@", "Q": "?password=", "S": "://"}
	for _, picks := range [][]byte{{0, 7, 8, 9, 10, 11}, {2, 8, 9, 10, 11, 13, 17, 16, 0}, {0, 7, 3, 9, 10, 11}, {1, 11, 13, 14, 9, 15, 17}, {1, 11, 6, 9}, {0, 7, 8, 9, 5, 11}, {7, 21, 7, 8, 9, 10, 11}} {
		f.Add(picks)
	}
	f.Fuzz(func(t *testing.T, picks []byte) {
		written, marks := "", 0
		for _, p := range picks[:min(len(picks), 16)] {
			piece := pieces[int(p)%len(pieces)]
			if piece == mark {
				if marks++; marks > 1 {
					return
				}
			}
			written += piece
		}
		n := textNode(written)
		n.Line, n.Column = 1, 1
		r := &reader{options: Options{Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}, src: source{text: written}}
		value, _, ok := r.text(n, "a URL")
		if !ok {
			return
		}
		value, err := parseStore(value)
		if err != nil || strings.HasPrefix(value, "sqlite:") {
			return
		}
		u, err := url.Parse(value)
		if err != nil {
			t.Fatalf("%q: %v", value, err)
		}
		password, _ := u.User.Password()
		secret := strings.Contains(password, mark)
		for name, values := range u.Query() {
			secret = secret || isSecretName(name) && strings.Contains(strings.Join(values, " "), mark)
		}
		if shown := hide(env, written); secret && strings.Contains(shown, mark) {
			t.Errorf("%s, which is %s, is shown as %s", written, value, shown)
		}
	})
}
