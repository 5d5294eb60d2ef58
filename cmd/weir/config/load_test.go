package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoad_ResolvesPathsAndSecretsByTheFilesDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "token", "s3cret\r\n")
	path := write(t, dir, "weir.yaml", `
sites:
  localhost:
    root: ./public
    headers: {x-token: {file: token}, x-env: "${WEIR_TEST}"}
    errors: {404: /abs/404.html}
`)
	c, err := Load(path, func(name string) (string, bool) { return "from " + name, true })
	if err != nil {
		t.Fatal(err)
	}
	s := c.Sites[0]
	if got, want := s.Root.Dir, filepath.Join(dir, "public"); got != want {
		t.Errorf("root: got %q, want %q", got, want)
	}
	if got, want := s.Errors[0].File, "/abs/404.html"; got != want {
		t.Errorf("error page: got %q, want %q", got, want)
	}
	set := s.Headers.Response.Set
	if got, want := fmt.Sprint(set[0].Value, ", ", set[1].Value), "s3cret, from WEIR_TEST"; got != want {
		t.Errorf("headers: got %q, want %q", got, want)
	}
	normal := string(Normal(c))
	for _, secret := range []string{"s3cret", "from WEIR"} {
		if strings.Contains(normal, secret) {
			t.Errorf("the normal form shows %q:\n%s", secret, normal)
		}
	}
	for _, symbol := range []string{"x-token: {file: token}", `x-env: "${WEIR_TEST}"`, "dir: ./public"} {
		if !strings.Contains(normal, symbol) {
			t.Errorf("the normal form lacks %q:\n%s", symbol, normal)
		}
	}
}

func TestLoad_FileThatCannotBeRead(t *testing.T) {
	t.Parallel()
	_, err := Load(filepath.Join(t.TempDir(), "weir.yaml"), os.LookupEnv)
	if !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), "read configuration: ") {
		t.Errorf("got %v, want a read error", err)
	}
}

func TestParse_FiveMistakesAreFiveErrorsWithTheirLines(t *testing.T) {
	t.Parallel()
	src := `timeouts: {idle: 30}
sites:
  example.com:
    rooot: ./public
    compress: yes
  api.example.com:
    modul: ./app.wasm
  app.example.com:
    root: ./app
    redirect: https://example.com
`
	_, err := Parse("weir.yaml", []byte(src), Options{})
	var errs Errors
	if !errors.As(err, &errs) {
		t.Fatalf("got %T, want Errors", err)
	}
	var got []string
	for _, e := range errs {
		got = append(got, fmt.Sprintf("%d:%d", e.Pos.Line, e.Pos.Col))
	}
	if want := "1:18 4:5 5:15 7:5 10:5"; strings.Join(got, " ") != want {
		t.Errorf("places: got %v, want %s; errors:\n%v", got, want, err)
	}
	if !strings.Contains(errs.Text(true), "\x1b[1;31munknown key") {
		t.Errorf("no colour in %q", errs.Text(true))
	}
}

func TestParse_PlacesAndDefaults(t *testing.T) {
	t.Parallel()
	c, err := Parse("conf/weir.yaml", []byte(`sites:
  a.example.com, B.example.com:
    root: www
    routes:
      - match: {path: [/a, /b]}
        name: first
        respond: 204
      -
        match: /c
        redirect: /d
`), Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := c.Sites[0]
	got := []string{
		s.Pos.String(), s.Hosts[1].Name, s.Root.Pos.String(), s.Root.Dir, s.Routes[0].Pos.String(), s.Routes[0].Match.Paths[1].Pos.String(),
		s.Routes[1].Pos.String(), fmt.Sprint(s.Routes[1].Redirect.Status), s.HTTP, s.TLS.Mode, s.TLS.MinVersion, fmt.Sprint(s.Enabled && s.Routes[0].Enabled),
		fmt.Sprint(s.Log == &c.Log), fmt.Sprint(c.Listen.HTTP[0].Address, c.Listen.HTTPS[0].Address, c.Listen.HTTPS[0].HTTP3), c.Admin.Address, c.ServerHeader,
		c.Listen.Pos.String(), fmt.Sprint(s.Root.Precompressed, s.Root.Index),
	}
	want := []string{
		"conf/weir.yaml:2:3", "b.example.com", "conf/weir.yaml:3:5", "conf/www", "conf/weir.yaml:5:9", "conf/weir.yaml:5:28",
		"conf/weir.yaml:9:9", "308", "redirect", "auto", "1.2", "true",
		"true", ":80:443true", "127.0.0.1:9180", "weir",
		"default", "true [index.html index.htm]",
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%d: got %q, want %q", i, got[i], want[i])
		}
	}
}

func TestParse_SiteLogTakesFromTheGlobalOneWhatItLeavesOut(t *testing.T) {
	t.Parallel()
	c, err := Parse("weir.yaml", []byte(`
log: {format: json, output: "${DIR}/all.log", mask_ip: true, rotate: {keep: 3}}
sites:
  a: {root: ., log: {output: stdout}}
  b: {root: ., log: off}
  c: {root: .}
`), testOptions())
	if err != nil {
		t.Fatal(err)
	}
	a, b := c.Sites[0].Log, c.Sites[1].Log
	if a.Format != "json" || a.Output != "stdout" || !a.MaskIP || a.Rotate.Keep != 3 {
		t.Errorf("a: got %+v", a)
	}
	if b.Format != "off" || b.Output != "/srv/all.log" {
		t.Errorf("b: got %+v", b)
	}
	if normal := string(Normal(c)); strings.Count(normal, "${DIR}/all.log") != 2 {
		t.Errorf("want the variable twice, got:\n%s", normal)
	}
}

// TestParse_HostileFilesAreRefusedQuickly holds that no file costs more than its size.
func TestParse_HostileFilesAreRefusedQuickly(t *testing.T) {
	t.Parallel()
	var aliases, imports strings.Builder
	aliases.WriteString("a0: &a0 [x]\n")
	imports.WriteString("snippets:\n  s0: {headers: {request: {set: {a: b}}}}\n")
	for i := 1; i < 40; i++ {
		fmt.Fprintf(&aliases, "a%d: &a%d [*a%d, *a%d]\n", i, i, i-1, i-1)
	}
	var fields strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&fields, "    x%d: y\n", i)
	}
	imports.WriteString("  big:\n" + fields.String() + "sites:\n")
	for i := range 4000 {
		fmt.Fprintf(&imports, "  h%d: {root: ., headers: {import: [s0, big]}}\n", i)
	}
	tests := []struct{ name, src, want string }{
		{"long URL", "store: redis://h?" + strings.Repeat("password=x&", 100000) + "\nsites: {a: {root: .}}", "4096 characters at most"},
		{"many authorities", "acme: [" + strings.Repeat("{email: a@b.cd}, ", 100000) + "zerossl]\nsites: {a: {root: .}}", "want 16 authorities at most"},
		{"depth", strings.Repeat("[", 1<<20), "nested deeper"},
		{"block depth", strings.Repeat("- ", 1<<16), "nested deeper"},
		{"aliases", aliases.String(), "YAML aliases are not supported"},
		{"size", strings.Repeat("#\n", maxSize), "larger than 16 MiB"},
		{"imports", imports.String(), "too large once its snippets are put in"},
		{"many errors", "sites:\n" + strings.Repeat("  a: b\n", 50000), " more\n"},
		{"long line", "sites: {a: {root: " + strings.Repeat("é", 1<<20) + ", x: y}}", "unknown key"},
		{"NUL", "a: \x00", "control character U+0000"},
		{"not UTF-8", "a: \xff", "not UTF-8"},
		{"DEL", "a: \"\x7f", "control character U+007F"},
		{"next line", "a: \"\u0085\"", "control character U+0085"},
		{"line separator", "# \u2028", "control character U+2028"},
		{"lone CR", "a: b\rc: d", "control character U+000D"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse("weir.yaml", []byte(tt.src), Options{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %.300v, want %q", err, tt.want)
			}
		})
	}
}

func TestSnippets_Merge(t *testing.T) {
	t.Parallel()
	const snippets = `
snippets:
  one: {headers: {request: {set: {a: one, b: one}, remove: [x]}}, deny: [/one], args: "1", import: two}
  two: {headers: {request: {set: {a: two, b: two, c: two}, remove: [y]}}, deny: [/two], args: "2", name: two}
  fields: {d: fields, a: fields}
sites:
  s:
    respond: 200
`
	tests := []struct{ name, site, want string }{
		{"own wins", `    import: one
    args: "3"
    headers: {request: {set: {a: own}}}`, "args=3 name=two set=a:own,b:one,c:two remove=x deny=/one"},
		{"first wins", `    import: [two, one]`, "args=2 name=two set=a:two,b:two,c:two remove=y deny=/two"},
		{"nested", `    headers: {request: {set: {import: fields, a: own}}}`, "args= name= set=a:own,d:fields remove= deny="},
		{"nested under an import", `    import: one
    headers: {request: {set: {import: fields}}}`, "args=1 name=two set=d:fields,a:fields,b:one,c:two remove=x deny=/one"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := Parse("weir.yaml", []byte(snippets+tt.site+"\n"), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := summary(c.Sites[0]); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func summary(s *Site) string {
	var set, remove, deny []string
	for _, f := range s.Headers.Request.Set {
		set = append(set, f.Name+":"+f.Value)
	}
	for _, n := range s.Headers.Request.Remove {
		remove = append(remove, n.Text)
	}
	for _, d := range s.Deny {
		deny = append(deny, d.Path)
	}
	return fmt.Sprintf("args=%s name=%s set=%s remove=%s deny=%s", s.Args, s.Name, strings.Join(set, ","), strings.Join(remove, ","), strings.Join(deny, ","))
}

func TestSizes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"512": 512, "0": 0, "512B": 512, "10MB": 10e6, "1.5GiB": 3 << 29, "32kib": 32 << 10, "8 EiB": -1, "9223372036854775807": 1<<63 - 1,
		"9223372036854775807KiB": -1, "": -1, "MiB": -1, "-1": -1, "1e3": -1, "1.2.3MB": -1, "10M": -1, "NaN": -1} {
		got, err := parseSize(text)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("parseSize(%q): got %d (%v), want %d", text, got, err, want)
		}
		if err == nil {
			if back, err := parseSize(printSize(got)); back != got || err != nil {
				t.Errorf("parseSize(printSize(%d)): got %d, %v", got, back, err)
			}
		}
	}
}

func TestDurations(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"10s": 10 * time.Second, "1m30s": 90 * time.Second, "7d": 7 * day, "1y2w3d4h": 382*day + 4*time.Hour, "90m": 90 * time.Minute,
		"0s": 0, "1d1ms": day + time.Millisecond, "": -1, "5": -1, "-5s": -1, "1x": -1, "101y": -1, "99y800d": -1, "d": -1, "9999999999999d": -1, "1h1d": -1} {
		got, err := parseDuration(text)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("parseDuration(%q): got %v (%v), want %v", text, got, err, want)
		}
		if err == nil {
			if back, err := parseDuration(printDuration(got)); back != got || err != nil {
				t.Errorf("parseDuration(printDuration(%v) = %q): got %v, %v", got, printDuration(got), back, err)
			}
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	check := func(what string, f func(string) error, good, bad []string) {
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
	check("host", checkHost, []string{"default", "localhost", "a.b", "*.a.b", "xn--bcher-kva.de", "127.0.0.1", "::1", "[::1]", "a_b"},
		[]string{"", "a.b:80", "a/b", "a..b", "a.", ".a", "*", "a.*.b", "*.*.a", "a*b", "bücher.de", "a b", "https://a", strings.Repeat("a", 64), strings.Repeat("a.", 130) + "a", "a\nb", "fe80::1%eth0"})
	check("address", func(s string) error { _, err := parseAddress(s); return err },
		[]string{":80", ":0", "127.0.0.1:8080", "[::1]:80", "localhost:80", "a.example.com:80", "unix:/run/weir.sock", "systemd:http", "fd:3"},
		[]string{"", "80", "::1:80", "a", "a:", "a:b", ":65536", ":-1", ":080", "[127.0.0.1]:80", "[::1:80", "unix:", "unix:weir.sock", "systemd:", "fd:2", "fd:x", "tcp://a:80", "a b:80"})
	check("network", func(s string) error { _, err := parseNetwork(s); return err },
		[]string{"10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "::1", "private", "loopback"},
		[]string{"", "10.0.0.1/8", "10.0.0.0/33", "a", "10.0.0", "fe80::1%eth0", "public"})
	check("path", checkPath, []string{"/", "/a", "/a/", "/a/*", "/{a}/b/{c...}", "/a%2Fb", "/.well-known/x"},
		[]string{"", "a", "/a/*/b", "/a*", "/{a}/{a}", "/{a...}/b", "/{}", "/{a", "/a}", "//", "/a//b", "/./a", "/a/..", "/a?b", "/a#b", `/a\b`, "/a\nb"})
	check("field value", checkFieldValue, []string{"", "a b", "ä", "a\tb"}, []string{" a", "a ", "a\r\nb", "a\x00", "\x7f"})
	check("token", checkToken, []string{"X-Foo", "!#$%&'*+-.^_`|~1"}, []string{"", "a b", "a:", "é", "a\n"})
}

func TestNearest(t *testing.T) {
	t.Parallel()
	known := []string{"root", "redirect", "respond", "routes", "cache_control"}
	for got, want := range map[string]string{"rooot": "root", "rot": "root", "orot": "root", "redirct": "redirect", "cache-control": "cache_control", "xyz": "", "": "", "ROOT": "root", strings.Repeat("root", 100): ""} {
		if near := nearest(got, known); near != want {
			t.Errorf("nearest(%q): got %q, want %q", got, near, want)
		}
	}
}

// manySites is a file of n sites, three lines each.
func manySites(n int) []byte {
	var b bytes.Buffer
	b.WriteString("listen: {http: \":80\"}\nsites:\n")
	for i := range n {
		fmt.Fprintf(&b, "  site%d.example.com:\n    tls: off\n    root: ./public/%d\n", i, i)
	}
	return b.Bytes()
}

func BenchmarkParse(b *testing.B) {
	for _, n := range []int{1, 10000} {
		b.Run(fmt.Sprintf("%dsites", n), func(b *testing.B) {
			src := manySites(n)
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse("weir.yaml", src, Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkFormat(b *testing.B) {
	src := manySites(1000)
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Format("weir.yaml", src); err != nil {
			b.Fatal(err)
		}
	}
}

// TestSecurity_P8_ClientAuthNeverFailsOpen holds that nothing that was meant to ask
// for certificates is read as not asking.
func TestSecurity_P8_ClientAuthNeverFailsOpen(t *testing.T) {
	t.Parallel()
	for _, auth := range []string{"require", "optional", "true", "{mode: require}", "{ca: []}", "{mode: require, ca: ''}", "{mode: requir, ca: a.pem}", "{}", "", "{mode: require, ca: [~]}"} {
		for _, form := range []string{"sites: {a: {root: ., tls: {client_auth: %s}}}\n", "tls: {client_auth: %s}\nsites: {a: {root: .}}\n", "sites: {a: {root: ., tls: {mode: off, client_auth: %s}}}\n"} {
			src := fmt.Sprintf(form, auth)
			if c, err := Parse("weir.yaml", []byte(src), Options{}); err == nil {
				t.Errorf("%s: taken, as %+v", src, c.Sites[0].TLS.ClientAuth)
			}
		}
	}
}

func TestParse_WarningsAreNoErrors(t *testing.T) {
	t.Parallel()
	c, err := Parse("weir.yaml", []byte(`trusted_proxies: [0.0.0.0/0]
upstreams:
  idle: 127.0.0.1:1
  busy: {to: https://127.0.0.1:2, tls: {insecure: true}, timeouts: {response: none}}
sites:
  localhost: {proxy: {upstream: busy}}
`), Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := c.Warnings.Warnings(false)
	want := `weir.yaml:1:1: trusted_proxies: anyone can say to be anyone: 0.0.0.0/0 is everybody
   1 | trusted_proxies: [0.0.0.0/0]
     | ^^^^^^^^^^^^^^^
     = name the networks of the proxies

weir.yaml:3:3: nothing uses the upstream idle
   2 | upstreams:
   3 |   idle: 127.0.0.1:1
     |   ^^^^

weir.yaml:4:41: upstreams.busy.tls: the upstream's certificate is not verified
   3 |   idle: 127.0.0.1:1
   4 |   busy: {to: https://127.0.0.1:2, tls: {insecure: true}, timeouts: {response: none}}
     |                                         ^^^^^^^^
     = give the authority that signed it as ca:

weir.yaml:4:69: upstreams.busy.timeouts: without it an upstream that hangs holds its clients for ever
   3 |   idle: 127.0.0.1:1
   4 |   busy: {to: https://127.0.0.1:2, tls: {insecure: true}, timeouts: {response: none}}
     |                                                                     ^^^^^^^^
     = give a long time instead, or a total

4 warnings in weir.yaml`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestParse_NamedNetworksAreNetworks(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]int{"cloudflare": 22, "fastly": 21} {
		n, err := parseNetwork(name)
		if err != nil || len(n.Prefixes) != want {
			t.Errorf("%s: got %d networks, %v, want %d", name, len(n.Prefixes), err, want)
		}
	}
	for _, none := range []string{"#", "cloud", "", "cloudflare "} {
		if n, err := parseNetwork(none); err == nil {
			t.Errorf("%q: got %v, want an error", none, n)
		}
	}
}
