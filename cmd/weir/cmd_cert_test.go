package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weirproxy/weir/certs/certstest"
	"github.com/weirproxy/weir/edge/store"
	"github.com/weirproxy/weir/edge/store/sqlite"
)

// said is what a command printed, and how it ended.
type said struct {
	out, err string
	code     int
}

// command runs weir with a node's environment, as its owner would in another shell.
func (n *acmeNode) command(t *testing.T, args ...string) said {
	t.Helper()
	return n.commandWith(t, "", args...)
}

func (n *acmeNode) commandWith(t *testing.T, stdin string, args ...string) said {
	t.Helper()
	cmd := exec.Command("weir", args...)
	cmd.Env, cmd.Dir = n.cmd.Env, n.dir
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatalf("weir %s: %v", strings.Join(args, " "), err)
	}
	s := said{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
	t.Logf("weir %s  [%d]\n%s%s", strings.Join(args, " "), s.code, s.out, s.err)
	return s
}

// must runs a command that has to succeed, and to print all the texts.
func (n *acmeNode) must(t *testing.T, want []string, args ...string) said {
	t.Helper()
	s := n.command(t, args...)
	if s.code != 0 {
		t.Errorf("weir %s: exit code %d\n%s%s", strings.Join(args, " "), s.code, s.out, s.err)
	}
	s.want(t, want...)
	return s
}

// want says which of the texts are missing, spaces in a row counting as one.
func (s said) want(t *testing.T, texts ...string) {
	t.Helper()
	all := strings.Join(strings.Fields(s.out+s.err), " ")
	for _, text := range texts {
		if !strings.Contains(all, text) {
			t.Errorf("no %q in\n%s%s", text, s.out, s.err)
		}
	}
}

// decode reads the JSON that a command printed.
func decode[T any](t *testing.T, s said) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(s.out), &v); err != nil {
		t.Fatalf("no JSON: %v\n%s%s", err, s.out, s.err)
	}
	return v
}

const commandsConf = `
listen: {http: "${HTTP}", https: "${HTTPS}"}
admin: ${ADMIN}
store: ${STORE}
acme: {ca: "${CA}", email: me@example.com}
on_demand: {allow: ["*.shop.example.com"]}
sites:
  www.example.com:
    respond: hello
  blocked.example:
    respond: never
  app.localhost:
    respond: mine
  "*.shop.example.com":
    tls: on-demand
    respond: shop
`

func TestCert_CommandsBesideARunningWeir(t *testing.T) {
	t.Parallel()
	plain, secure := twoPorts(t)
	ca := certstest.StartCA(t, certstest.Options{HTTPPort: plain, TLSPort: secure, Blocked: []string{"blocked.example"}})
	n := startNode(t, ca, "127.0.0.1", plain, secure, filepath.Join(t.TempDir(), "weir.db"), commandsConf)
	first := n.until(t, 10*time.Second, "h2", "www.example.com", any2)
	n.until(t, 10*time.Second, "h2", "a.shop.example.com", any2)
	n.eventuallyFails(t, "blocked.example")

	n.must(t, []string{
		"NAME STATE ISSUER UNTIL RENEWS NEXT/WHY",
		"www.example.com ok 127.0.0.1:",
		"app.localhost ok internal CA",
		"a.shop.example.com ok", "on demand",
		"*.shop.example.com none - - - on demand: when a client asks",
		"blocked.example failing - - - again in ",
	}, "cert", "ls")
	rows := decode[[]certRow](t, n.must(t, nil, "cert", "ls", "--json", "www.*"))
	if len(rows) != 1 || rows[0].Name != "www.example.com" || rows[0].State != "ok" || rows[0].Serial != first || rows[0].RenewAt.IsZero() {
		t.Errorf("ls --json: %+v", rows)
	}
	rows = decode[[]certRow](t, n.must(t, nil, "cert", "ls", "--json", "--sort", "expiry"))
	if i := slices.IndexFunc(rows, func(r certRow) bool { return r.Name == "blocked.example" }); i < 0 || !rows[i].NotAfter.IsZero() || rows[len(rows)-1].From != "internal" {
		t.Errorf("by expiry: %+v", rows)
	}
	n.must(t, []string{"name www.example.com", "state ok", "ECDSA P-256", "the authority suggests", "serial " + first, "signed by Pebble Intermediate"}, "cert", "show", "www.example.com")
	if f := decode[certFacts](t, n.must(t, nil, "cert", "show", "--json", "www.example.com")); len(f.Chain) < 2 || f.Renewal == nil || f.Names[0] != "www.example.com" || f.URL == "" {
		t.Errorf("show --json: %+v", f)
	}
	n.must(t, []string{"state failing", "authority 127.0.0.1:", "next try"}, "cert", "show", "blocked.example")
	n.must(t, []string{"signed as needed"}, "cert", "show", "app.localhost")
	n.must(t, []string{"on demand"}, "cert", "show", "a.shop.example.com")
	if s := n.command(t, "cert", "show", "nowhere.example"); s.code != 1 {
		t.Errorf("show of nothing: %d", s.code)
	}

	n.must(t, []string{"www.example.com: nothing is due"}, "cert", "renew", "www.example.com")
	if s := n.command(t, "cert", "renew", "blocked.example", "other.example"); s.code != 1 {
		t.Errorf("renew of what fails: %d", s.code)
	} else {
		s.want(t, "blocked.example: not renewed", "authority", "no site has that name")
	}
	done := decode[[]outcome](t, n.must(t, nil, "cert", "renew", "--force", "--json", "www.example.com"))
	if len(done) != 1 || !done[0].Done {
		t.Errorf("renew --force: %+v", done)
	}
	second := n.until(t, 10*time.Second, "h2", "www.example.com", func(_, s string) bool { return s != first })
	leaf := n.leaf(t, "www.example.com")
	if s := n.commandWith(t, "no\n", "cert", "revoke", "www.example.com"); s.code != 1 || ca.Revoked(leaf) {
		t.Errorf("revoke that was not meant: %d, %v", s.code, ca.Revoked(leaf))
	}
	n.must(t, []string{"revoked, and another one obtained: www.example.com"}, "cert", "revoke", "--yes", "--reason", "keyCompromise", "www.example.com")
	if !ca.Revoked(leaf) {
		t.Error("the authority does not hold it for revoked")
	}
	n.until(t, 10*time.Second, "h2", "www.example.com", func(_, s string) bool { return s != second })
	n.must(t, []string{"none damaged"}, "cert", "check")
	n.must(t, []string{"the store is fine", "the running weir uses it", "not encrypted"}, "store", "check")
	if s := n.command(t, "healthcheck", "--certificates"); s.code != 1 {
		t.Errorf("healthcheck --certificates: %d", s.code)
	} else {
		s.want(t, "not ready: 1 name without a certificate", "blocked.example: ")
	}
	n.must(t, []string{"ready"}, "healthcheck")
	if s := n.command(t, "cert", "ech"); s.code != 1 {
		t.Errorf("ech that is off: %d", s.code)
	}
	n.must(t, []string{"tls 127.0.0.1:", "on demand"}, "explain", "https://b.shop.example.com:443/")
}

// eventuallyFails waits until weir has noted that a certificate was not obtained.
func (n *acmeNode) eventuallyFails(t *testing.T, name string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-time.After(20 * time.Millisecond) {
		if s, err := (adminClient{n.admin}).status(name); err == nil && s.Failed != nil && !s.Busy {
			return
		}
	}
	t.Fatalf("%s has not failed\n%s", name, n.tail())
}

// A certificate that is exported from one weir is taken over by another one, which serves
// it without an order. Neither certbot's nor Caddy's files need to be touched.
func TestCert_ImportsWhatOthersHave(t *testing.T) {
	t.Parallel()
	plain, secure := twoPorts(t)
	ca := certstest.StartCA(t, certstest.Options{HTTPPort: plain, TLSPort: secure})
	n := startNode(t, ca, "127.0.0.1", plain, secure, filepath.Join(t.TempDir(), "weir.db"), demoConf)
	serial := n.until(t, 10*time.Second, "h2", "www.example.com", any2)
	n.must(t, []string{"fullchain.pem", "privkey.pem"}, "cert", "export", "www.example.com")
	dir := filepath.Join(n.dir, "www.example.com")
	chain, key := filepath.Join(dir, "fullchain.pem"), filepath.Join(dir, "privkey.pem")
	if fi, err := os.Stat(key); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v; want mode 0600", fi, err)
	}
	if s := n.command(t, "cert", "export", "www.example.com"); s.code != 1 {
		t.Errorf("a second export: %d", s.code)
	}
	n.must(t, nil, "cert", "export", "www.example.com", "--force")
	if s := n.must(t, nil, "cert", "export", "www.example.com", "--out", "-"); strings.Count(s.out, "BEGIN") < 3 {
		t.Errorf("export to standard output: %s", s.out)
	}
	n.must(t, []string{"www.example.com yes", "it was there already"}, "cert", "import", "--cert", chain, "--key", key)
	if s := n.command(t, "cert", "import", "--cert", chain, "--key", key, "--name", "other.example.com"); s.code != 1 {
		t.Errorf("import for a foreign name: %d", s.code)
	} else {
		s.want(t, "it is not for other.example.com, but for www.example.com")
	}

	orders := ca.OrdersFor("www.example.com")
	ca.Down()
	plain, secure = twoPorts(t)
	other := startNode(t, ca, "127.0.0.1", plain, secure, filepath.Join(t.TempDir(), "weir.db"), demoConf)
	live := filepath.Join(other.dir, "letsencrypt", "live")
	copyFile(t, chain, filepath.Join(live, "www.example.com", "fullchain.pem"))
	copyFile(t, key, filepath.Join(live, "www.example.com", "privkey.pem"))
	write(t, live, "README", "of certbot")
	write(t, live, "broken.example/fullchain.pem", "nonsense")
	write(t, live, "broken.example/privkey.pem", "nonsense")
	write(t, live, "empty.example/cert.pem", "")
	n2 := []string{"www.example.com yes", "broken.example no", "not in PEM form", "empty.example no", "there is no fullchain.pem"}
	if s := other.must(t, append(n2, "would be imported"), "cert", "import", "--dry-run", "--from-certbot", filepath.Dir(live)); strings.Contains(s.out, "README") {
		t.Error("a README is no certificate")
	}
	other.must(t, append(n2, "1 name imported, 2 left"), "cert", "import", "--from-certbot", filepath.Dir(live))
	other.until(t, 10*time.Second, "h2", "www.example.com", func(_, s string) bool { return s == serial })
	if got := ca.OrdersFor("www.example.com"); got != orders {
		t.Errorf("%d orders after the import, %d before", got, orders)
	}
	other.must(t, []string{"www.example.com ok imported"}, "cert", "ls")

	caddy := filepath.Join(other.dir, "caddy")
	for _, issuer := range []string{"acme-v02.api.letsencrypt.org-directory", "local", "acme-staging-v02.api.letsencrypt.org-directory"} {
		at := filepath.Join(caddy, "certificates", issuer, "www.example.com", "www.example.com")
		copyFile(t, chain, at+".crt")
		copyFile(t, key, at+".key")
	}
	results := decode[[]imported](t, other.must(t, nil, "cert", "import", "--json", "--from-caddy", caddy))
	if len(results) != 3 || results[0].Done || !results[1].Done || results[2].Done {
		t.Errorf("from Caddy: %+v", results)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Dir(to), filepath.Base(to), string(b))
}

// Without a running weir the store says what there is; and commands that look make none.
func TestCert_CommandsWithoutARunningWeir(t *testing.T) {
	t.Parallel()
	plain, secure := twoPorts(t)
	ca := certstest.StartCA(t, certstest.Options{HTTPPort: plain, TLSPort: secure})
	path := filepath.Join(t.TempDir(), "weir.db")
	n := startNode(t, ca, "127.0.0.1", plain, secure, path, demoConf)
	n.until(t, 10*time.Second, "h2", "www.example.com", any2)
	n.kill(t)
	n.ended(t)
	n.must(t, []string{"www.example.com ok"}, "cert", "ls")
	n.must(t, []string{"state ok"}, "cert", "show", "www.example.com")
	if s := n.command(t, "cert", "renew", "www.example.com"); s.code != 1 {
		t.Errorf("renew: %d", s.code)
	} else {
		s.want(t, "no weir is running at "+n.admin)
	}
	damage(t, path, "tls/cert/bad.example", `{"version":1}`)
	damage(t, path, "tls/cert/newer.example", `{"version":99}`)
	s := n.command(t, "cert", "check")
	if s.want(t, "bad.example damaged", "newer.example unreadable", "3 certificates in the store, 1 damaged, 1 unreadable"); s.code != 1 {
		t.Errorf("check: %d", s.code)
	}
	n.must(t, []string{"bad.example failing"}, "cert", "ls", "bad*")
	bad := decode[[]badRecord](t, n.command(t, "cert", "check", "--repair", "--json"))
	if len(bad) != 2 || !bad[0].Deleted || bad[1].Deleted {
		t.Errorf("repair: %+v, want the damaged one deleted and the newer one left", bad)
	}

	backup := filepath.Join(n.dir, "backup.json")
	n.must(t, []string{"entries exported from " + path, "holds secrets"}, "store", "export", "--out", backup)
	if fi, err := os.Stat(backup); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v; want mode 0600", fi, err)
	}
	n.must(t, []string{"0 entries written", "stayed (--replace replaces them)"}, "store", "import", backup)
	if got := decode[map[string]any](t, n.must(t, nil, "store", "import", "--replace", "--json", backup)); got["kept"] != 0.0 || got["written"] == 0.0 {
		t.Errorf("import --replace: %v", got)
	}
	if r := decode[storeReport](t, n.must(t, nil, "store", "check", "--json")); !r.OK || r.Engine != "sqlite" || r.Running != nil || r.Values == 0 {
		t.Errorf("store check --json: %+v", r)
	}
	before := len(n.cmd.Env)
	n.cmd.Env = append(n.cmd.Env, "STORE="+filepath.Join(n.dir, "none", "weir.db"))
	n.must(t, []string{"www.example.com none - - - when weir runs"}, "cert", "ls")
	for _, args := range [][]string{{"cert", "check"}, {"store", "check"}, {"store", "export"}, {"cert", "export", "www.example.com"}} {
		if s := n.command(t, args...); s.code != 1 || !strings.Contains(s.err, "there is no store yet at "+filepath.Join(n.dir, "none", "weir.db")) {
			t.Errorf("%v without a store: %d", args, s.code)
		}
	}
	if _, err := os.Stat(filepath.Join(n.dir, "none")); err == nil {
		t.Error("a command that looks has made a store")
	}
	n.must(t, []string{"entries written"}, "store", "import", backup)
	n.must(t, []string{"www.example.com ok"}, "cert", "ls")
	n.cmd.Env = n.cmd.Env[:before]
}

// ended waits until the process is gone.
func (n *acmeNode) ended(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); <-time.After(10 * time.Millisecond) {
		if _, err := (adminClient{n.admin}).do("GET", "/health"); err != nil {
			return
		}
	}
	t.Fatal("weir goes on after it was killed")
}

// damage writes what no weir would into a store.
func damage(t *testing.T, path, key, value string) {
	t.Helper()
	engine, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	s := store.New(engine, store.Options{})
	defer s.Close()
	if _, err := s.Put(t.Context(), key, []byte(value), 0); err != nil {
		t.Fatal(err)
	}
}

// An encrypted store is checked with its key, and without.
func TestStore_CheckSaysWhetherItIsEncrypted(t *testing.T) {
	t.Parallel()
	plain, secure := twoPorts(t)
	ca := certstest.StartCA(t, certstest.Options{HTTPPort: plain, TLSPort: secure})
	conf := strings.Replace(demoConf, "store: ${STORE}", `store: {url: "${STORE}", encryption_key: "${KEY}"}`, 1)
	n := startNode(t, ca, "127.0.0.1", plain, secure, filepath.Join(t.TempDir(), "weir.db"), conf, "KEY="+strings.Repeat("0123456789abcdef", 4))
	n.until(t, 10*time.Second, "h2", "www.example.com", any2)
	n.must(t, []string{"values of certificates and keys, all encrypted", "the store is fine"}, "store", "check")
	n.must(t, []string{"www.example.com ok"}, "cert", "ls")
	n.must(t, []string{"store encrypted"}, "cert", "show", "www.example.com")
	n.cmd.Env = append(n.cmd.Env, "KEY="+strings.Repeat("fedcba9876543210", 4))
	s := n.command(t, "store", "check")
	if s.want(t, "not opened by any encryption_key", "the store is not fine"); s.code != 1 {
		t.Errorf("check with another key: %d", s.code)
	}
	if s := n.command(t, "cert", "check", "--repair"); s.code != 1 || strings.Contains(s.out, "deleted") {
		t.Errorf("repair with another key: %d", s.code)
	}
	both := filepath.Join(n.dir, "both.yaml")
	write(t, n.dir, "old.key", strings.Repeat("0123456789abcdef", 4))
	write(t, n.dir, "both.yaml", strings.Replace(conf, `"${KEY}"`, `["${KEY}", {file: old.key}]`, 1))
	n.must(t, []string{"encrypted with another key than the first", "the store is fine"}, "store", "check", "-c", both)
	n.kill(t) // the running weir has the old key alone, and would say that it cannot read the rest
	n.ended(t)
	n.must(t, []string{"values of certificates and keys encrypted, 0 were before"}, "store", "encrypt", "-c", both)
	n.must(t, []string{"values of certificates and keys, all encrypted", "the store is fine"}, "store", "check")
	n.must(t, []string{"www.example.com ok"}, "cert", "ls")
	n.cmd.Env = n.cmd.Env[:len(n.cmd.Env)-1] // back to the key that nothing is encrypted with any more
	n.must(t, []string{"www.example.com unreadable, deleted", "0 certificates in the store"}, "cert", "check", "--lost-key")
	n.must(t, []string{"the store is fine"}, "store", "check")
}

const echConf = `
listen: {http: "${HTTP}", https: "${HTTPS}"}
admin: ${ADMIN}
store: ${STORE}
acme: {ca: "${CA}"}
tls: {ech: {public_name: www.example.com}}
sites:
  www.example.com: {respond: hello}
  secret.example.com: {respond: hush}
`

func TestCert_EchPrintsRecordsForZones(t *testing.T) {
	t.Parallel()
	plain, secure := twoPorts(t)
	ca := certstest.StartCA(t, certstest.Options{HTTPPort: plain, TLSPort: secure})
	n := startNode(t, ca, "127.0.0.1", plain, secure, filepath.Join(t.TempDir(), "weir.db"), echConf)
	n.until(t, 10*time.Second, "h2", "secret.example.com", any2)
	n.until(t, 10*time.Second, "h2", "www.example.com", any2)
	s := n.must(t, []string{"hide the name they ask for behind www.example.com"}, "cert", "ech")
	if !strings.HasPrefix(s.out, "_"+strconv.Itoa(secure)+"._https.secret.example.com.") || strings.Count(s.out, "\n") != 1 || !strings.Contains(s.out, "ech=") {
		t.Errorf("records:\n%s", s.out)
	}
	if e := decode[echJSON](t, n.must(t, nil, "cert", "ech", "--json")); e.PublicName != "www.example.com" || len(e.Records) != 1 || e.Keys == 0 {
		t.Errorf("ech --json: %+v", e)
	}
	n.must(t, []string{"ready"}, "healthcheck", "--certificates")

	for name, least := range map[string]float64{
		`weir_certificates{state="ok"}`: 2, "weir_certificate_orders_total": 2, "weir_store_up": 1, "weir_ech_keys": 1, "weir_tls_ticket_keys": 1,
		`weir_store_operations_total{op="get",result="ok"}`: 1, `weir_certificate_expiry_timestamp_seconds{name="www.example.com"}`: 1, `weir_certificate_alarms{alarm="expiry"}`: 0,
	} {
		if got := n.metric(t, name); got < least {
			t.Errorf("%s is %v, want %v or more", name, got, least)
		}
	}
	if out := n.output(); !strings.Contains(out, `"msg":"certificates","names":2,"from":"127.0.0.1:`) {
		t.Errorf("not announced:\n%s", out)
	}
}

// Commands without a configuration have certificates of public authorities as well.
func TestServeAndProxy_HaveCertificatesForPublicNames(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"serve", "proxy"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			_, secure := twoPorts(t)
			ca := certstest.StartCA(t, certstest.Options{TLSPort: secure})
			port := strconv.Itoa(secure)
			args := []string{"serve", "--domain", "www.example.com", port, "--bind", "127.0.0.1"}
			if what == "proxy" {
				args = []string{"proxy", "--from", "www.example.com:" + port, "1"}
			}
			dir := t.TempDir()
			write(t, dir, "index.html", "hello")
			n := &acmeNode{&program{dir: dir, https: "127.0.0.1:" + port}, "127.0.0.1", ca}
			n.cmd = exec.Command("weir", append(args, "--email", "me@example.com", "--acme-ca", ca.Directory)...)
			n.cmd.Dir = dir
			n.cmd.Env = append(os.Environ(), "WEIR_DATA_DIR="+filepath.Join(dir, "data"), "SSL_CERT_FILE="+ca.RootFile)
			var errs bytes.Buffer
			n.cmd.Stderr = &errs
			if err := n.cmd.Start(); err != nil {
				t.Fatal(err)
			}
			n.until(t, 20*time.Second, "h2", "www.example.com", func(page, _ string) bool { return what == "proxy" || page == "hello" })
			_ = n.cmd.Process.Signal(syscall.SIGINT)
			_ = n.cmd.Wait()
			(said{err: errs.String()}).want(t, "https://www.example.com:"+port, "The certificate comes from 127.0.0.1:")
		})
	}
}
