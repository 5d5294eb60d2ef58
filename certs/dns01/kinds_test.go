package dns01_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/weirproxy/weir/certs/dns01"
)

func TestProviders_TableIsWhole(t *testing.T) {
	t.Parallel()
	last := ""
	for _, k := range dns01.Providers() {
		if k.Name <= last {
			t.Errorf("%s comes behind %s", k.Name, last)
		}
		last = k.Name
		if !strings.HasSuffix(k.Doc, ".") || len(k.Doc) < 40 {
			t.Errorf("%s: Doc %q is no sentence", k.Name, k.Doc)
		}
		secret := false
		for _, s := range k.Settings {
			secret = secret || s.Secret
			if s.Doc == "" || strings.HasSuffix(s.Doc, ".") {
				t.Errorf("%s: %s: Doc %q is not half a sentence", k.Name, s.Name, s.Doc)
			}
			if s.Required && s.Default != "" {
				t.Errorf("%s: %s is required and has a default", k.Name, s.Name)
			}
			if s.Choices != nil && !slices.Contains(s.Choices, s.Default) {
				t.Errorf("%s: %s: default %q is no choice", k.Name, s.Name, s.Default)
			}
		}
		if !secret {
			t.Errorf("%s has no secret", k.Name)
		}
	}
}

func TestKind_YAMLIsTheShortestConfiguration(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"acme-dns": `dns: {provider: acme-dns, server: "https://auth.example.org", username: "c36f50e8-4632-44f0-83fe-e070fef28a10", ` +
			`password: {file: /run/secrets/password}, subdomain: "8e5700ea-a4bf-41c7-8a77-e990661dcc6a"}`,
		"cloudflare":   `dns: {provider: cloudflare, token: {file: /run/secrets/token}}`,
		"desec":        `dns: {provider: desec, token: {file: /run/secrets/token}}`,
		"digitalocean": `dns: {provider: digitalocean, token: {file: /run/secrets/token}}`,
		"hetzner":      `dns: {provider: hetzner, token: {file: /run/secrets/token}}`,
		"rfc2136":      `dns: {provider: rfc2136, server: "192.0.2.1:53", key: "weir.", secret: {file: /run/secrets/secret}}`,
		"route53":      `dns: {provider: route53, access_key: "AKIAIOSFODNN7EXAMPLE", secret_key: {file: /run/secrets/secret-key}}`,
	}
	for _, k := range dns01.Providers() {
		if got := k.YAML(); got != want[k.Name] {
			t.Errorf("%s: YAML is\n%s\nwant\n%s", k.Name, got, want[k.Name])
		}
	}
}

func TestOpen_SaysWhichSettingIsWrong(t *testing.T) {
	t.Parallel()
	type set = map[string]string
	for _, c := range []struct {
		name, provider         string
		set                    set
		setting, nearest, want string
	}{
		{"typo in provider", "cloudfare", nil, "provider", "cloudflare", `did you mean "cloudflare"?`},
		{"short provider", "hetz", nil, "provider", "hetzner", "known: acme-dns, cloudflare"},
		{"strange provider", "godaddy", nil, "provider", "", "known:"},
		{"no provider", "", nil, "provider", "", "known:"},
		{"typo in setting", "cloudflare", set{"tokn": "x"}, "tokn", "token", "known: token, endpoint"},
		{"unknown setting", "rfc2136", set{"server": "127.0.0.1", "zzzzzz": "x"}, "zzzzzz", "", "there is no such setting"},
		{"missing", "desec", nil, "token", "", "is missing"},
		{"bad choice", "hetzner", set{"token": "x", "api": "clasic"}, "api", "classic", `"clasic" is not possible`},
		{"bad algorithm", "rfc2136", set{"server": "127.0.0.1", "algorithm": "hmac-md5"}, "algorithm", "", "hmac-sha256"},
		{"no URL", "cloudflare", set{"token": "x", "endpoint": "api.cloudflare.com"}, "endpoint", "", "https://"},
		{"plain HTTP", "cloudflare", set{"token": "x", "endpoint": "http://api.cloudflare.com"}, "endpoint", "", "reads the credentials"},
		{"password in URL", "acme-dns", set{"server": "https://u:p@a.example", "username": "u", "password": "p", "subdomain": "s"}, "server", "", "nothing more"},
		{"long subdomain", "acme-dns", set{"server": "https://a.example", "username": "u", "password": "p", "subdomain": "s.a.example"}, "subdomain", "", "before the first dot"},
		{"line break", "cloudflare", set{"token": "secret\n"}, "token", "", "line break"},
		{"bad server", "rfc2136", set{"server": "a b"}, "server", "", "no address"},
		{"secret without key", "rfc2136", set{"server": "::1", "secret": "AAAA"}, "key", "", "is missing"},
		{"key without secret", "rfc2136", set{"server": "::1", "key": "k"}, "secret", "", "is missing"},
		{"secret in hex", "rfc2136", set{"server": "::1", "key": "k", "secret": "not base64!"}, "secret", "", "base64"},
	} {
		_, err := dns01.Open(c.provider, c.set)
		e, ok := errors.AsType[*dns01.SettingError](err)
		if !ok || e.Setting != c.setting || e.Nearest != c.nearest || !strings.Contains(e.Error(), c.want) {
			t.Errorf("%s: error %v (setting %q, nearest %q), want setting %q, nearest %q and %q in it",
				c.name, err, e.Setting, e.Nearest, c.setting, c.nearest, c.want)
		}
		if err != nil && (strings.Contains(err.Error(), "secret\n") || strings.Contains(err.Error(), "not base64!")) {
			t.Errorf("%s: error shows a secret: %v", c.name, err)
		}
	}
}

func TestOpen_TakesPlainHTTPInTheHouseOnly(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]bool{
		"http://127.0.0.1:8080": true, "http://[::1]": true, "http://10.1.2.3/api": true, "http://acme-dns:8080": true,
		"https://api.example.com": true, "http://8.8.8.8": false, "http://api.example.com": false, "ftp://10.1.2.3": false,
	} {
		_, err := dns01.Open("cloudflare", map[string]string{"token": "x", "endpoint": url})
		if (err == nil) != want {
			t.Errorf("endpoint %s: error %v", url, err)
		}
	}
}

func TestOpen_PublishesWhatItsKindSays(t *testing.T) {
	t.Parallel()
	for _, k := range dns01.Providers() {
		set := map[string]string{}
		for _, s := range k.Settings {
			if s.Required {
				set[s.Name] = "x"
			}
			if s.Name == "server" {
				set[s.Name] = "https://127.0.0.1"
				if k.Name == "rfc2136" {
					set[s.Name] = "127.0.0.1"
				}
			}
		}
		p, err := dns01.Open(k.Name, set)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := p.(dns01.Publisher); ok != k.Publishes {
			t.Errorf("%s is a Publisher: %v; its kind says %v", k.Name, ok, k.Publishes)
		}
		if _, ok := p.(dns01.ZoneFinder); !ok {
			t.Errorf("%s finds no zones", k.Name)
		}
	}
}
