package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/weirproxy/weir/certs/certstest"
	"github.com/weirproxy/weir/edge/store/sqlite"
)

var updateGolden = flag.Bool("update", false, "write golden files anew")

// clinic is an authority, and a configuration that a doctor looks at.
type clinic struct {
	ca            *certstest.CA
	plain, secure int
	dir, admin    string
	env           []string
}

const doctorConf = `
listen: {http: "127.0.0.1:${PLAIN}", https: "127.0.0.1:${SECURE}"}
admin: ${ADMIN}
store: ${STORE}
acme: {ca: "${CA}", email: me@weir.test, roots: ["${ROOTS}"]}
sites:
  www.example.com:
    respond: hello
`

func newClinic(t *testing.T, conf string) *clinic {
	t.Helper()
	c := &clinic{dir: t.TempDir()}
	c.plain, c.secure = twoPorts(t)
	c.ca = certstest.StartCA(t, certstest.Options{HTTPPort: c.plain, TLSPort: c.secure})
	admin, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	c.admin = "127.0.0.1:" + admin
	c.env = []string{
		"PLAIN=" + strconv.Itoa(c.plain), "SECURE=" + strconv.Itoa(c.secure), "ADMIN=" + c.admin, "CA=" + c.ca.Directory,
		"ROOTS=" + c.ca.RootFile, "STORE=" + filepath.Join(c.dir, "data", "weir.db"), "WEIR_DATA_DIR=" + filepath.Join(c.dir, "data"), "HOME=" + c.dir,
	}
	write(t, c.dir, "weir.yaml", conf)
	chmod(t, c.dir, 0o700)
	return c
}

// serve runs weir with the configuration, until the test is over.
func (c *clinic) serve(t *testing.T) *acmeNode {
	t.Helper()
	conf, err := os.ReadFile(filepath.Join(c.dir, "weir.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	n := &acmeNode{&program{dir: c.dir, admin: c.admin}, "127.0.0.1", c.ca}
	n.http, n.https = fmt.Sprintf("127.0.0.1:%d", c.plain), fmt.Sprintf("127.0.0.1:%d", c.secure)
	n.start(t, string(conf), c.env...)
	return n
}

// visit runs the doctor and returns what it prints, and its exit code.
func (c *clinic) visit(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	args = append([]string{
		"doctor", "-c", filepath.Join(c.dir, "weir.yaml"), "--resolver", c.ca.DNS.Resolver,
		"--http-port", strconv.Itoa(c.plain), "--https-port", strconv.Itoa(c.secure),
	}, args...)
	cmd := exec.Command("weir", args...)
	cmd.Env = append(os.Environ(), c.env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	began := time.Now()
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 35*time.Second {
		t.Errorf("it took %v", took)
	}
	if stderr.Len() > 0 {
		t.Logf("stderr: %s", stderr.String())
	}
	return stdout.String(), code
}

// findings are those of a visit, as JSON.
func (c *clinic) findings(t *testing.T, args ...string) (all []finding, code int) {
	t.Helper()
	out, code := c.visit(t, append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	return all, code
}

// tells fails the test unless one of the findings is like this.
func tells(t *testing.T, all []finding, l level, check, subject string, found ...string) {
	t.Helper()
	var near []string
	for _, f := range all {
		if f.Check != check {
			continue
		}
		near = append(near, fmt.Sprintf("%+v", f))
		has := f.Level == l && (subject == "" || f.Subject == subject)
		for _, part := range found {
			has = has && strings.Contains(f.Found+" -> "+f.Hint, part)
		}
		if has && (l == fine || f.Hint != "") {
			return
		}
	}
	t.Errorf("no %s of %s %s with %q; there are\n%s", l, check, subject, found, strings.Join(near, "\n"))
}

func TestDoctor_FindsNothingWrongWithAWeirThatWorks(t *testing.T) {
	t.Parallel()
	c := newClinic(t, doctorConf)
	n := c.serve(t)
	n.until(t, 20*time.Second, "h1", "www.example.com", any2)
	orders := c.ca.OrdersFor("www.example.com")
	all, code := c.findings(t)
	if code != 0 || worst(all) == wrong {
		t.Errorf("exit code %d, findings %+v", code, all)
	}
	tells(t, all, fine, "running", c.admin, "with this configuration")
	tells(t, all, fine, "http-01", "www.example.com", "weir answers")
	tells(t, all, fine, "tls-alpn-01", "www.example.com", "weir answers")
	tells(t, all, fine, "caa", "www.example.com")
	tells(t, all, fine, "clock", "")
	tells(t, all, fine, "http3", "", "QUIC answers")
	if got := c.ca.OrdersFor("www.example.com"); got != orders {
		t.Errorf("the doctor placed %d orders", got-orders)
	}
	out, _ := c.visit(t)
	golden(t, "healthy", c.mask(out))
}

func TestDoctor_TellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	c := newClinic(t, strings.Replace(doctorConf, "www.example.com:", "www.example.com, gone.example.com, far.example.com, bad.example.org:", 1))
	c.ca.DNS.SetRcode("gone.example.com", dns.RcodeNameError)
	c.ca.DNS.SetCAA("example.org", `0 issue "other.example"`)
	c.ca.DNS.SetCNAME("far.example.com", "lb.example.net")
	c.ca.ShiftClock(2 * time.Hour)
	out, code := c.visit(t)
	if code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
	golden(t, "sick", c.mask(out))
}

// mask puts words in the place of what differs between runs.
func (c *clinic) mask(out string) string {
	for _, m := range []struct{ from, to string }{
		{c.dir, "DIR"}, {strconv.Itoa(c.plain), "PLAIN"}, {strconv.Itoa(c.secure), "SECURE"}, {c.admin, "ADMIN"},
		{strings.TrimSuffix(strings.TrimPrefix(c.ca.Directory, "https://"), "/dir"), "AUTHORITY"},
	} {
		out = strings.ReplaceAll(out, m.from, m.to)
	}
	for _, m := range []struct{ from, to string }{
		{`[0-9.]+(ns|µs|ms)\b`, "TIME"}, {`\d+ KiB`, "SIZE"}, {`user \d+`, "user UID"}, {`\d+ files`, "N files"}, {`1h59m\d+s|2h0m\d+s`, "2h"}, {`[ ]{2,}`, "  "},
		{`SQLite \S+`, "SQLite VERSION"}, {`mode \S+, user`, "mode MODE, user"}, {`terms of \S+|agree to \S+`, "agree to TERMS"}, {`until [0-9-]+ \(\w+\)`, "until DAY"},
	} {
		out = regexp.MustCompile(m.from).ReplaceAllString(out, m.to)
	}
	return out
}

// golden compares with a file, which -update writes anew.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "doctor", name+".txt")
	if *updateGolden {
		write(t, "testdata/doctor", name+".txt", got)
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs:\n%s", path, diff(path, string(want), got))
	}
}

func TestDoctor_OneThingWrongEach(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		conf   string // "": doctorConf
		make   func(t *testing.T, c *clinic)
		level  level
		check  string
		expect []string
	}{
		{
			"the name does not exist", "", func(_ *testing.T, c *clinic) { c.ca.DNS.SetRcode("www.example.com", dns.RcodeNameError) },
			wrong, "dns", []string{"NXDOMAIN"},
		},
		{
			"name servers fail", "", func(_ *testing.T, c *clinic) { c.ca.DNS.SetRcode("www.example.com", dns.RcodeServerFailure) },
			wrong, "dns", []string{"SERVFAIL", "DNSSEC"},
		},
		{
			"no address", "", func(_ *testing.T, c *clinic) { c.ca.DNS.SetA("www.example.com") },
			wrong, "dns", []string{"no address"},
		},
		{
			"IPv6 leads elsewhere", "", func(_ *testing.T, c *clinic) { c.ca.DNS.SetAAAA("www.example.com", "2001:db8::1") },
			warning, "dns", []string{"AAAA", "IPv4 only"},
		},
		{
			"CAA of a parent forbids", "", func(_ *testing.T, c *clinic) { c.ca.DNS.SetCAA("example.com", `0 issue "other.example"`) },
			wrong, "caa", []string{"example.com", "only other.example", `CAA 0 issue "pebble.letsencrypt.org"`},
		},
		{
			"CAA wants another challenge", "", func(_ *testing.T, c *clinic) {
				c.ca.DNS.SetCAA("www.example.com", `0 issue "pebble.letsencrypt.org; validationmethods=dns-01"`)
			},
			wrong, "caa", []string{"only after dns-01"},
		},
		{"the clock is off", "", func(_ *testing.T, c *clinic) { c.ca.ShiftClock(90 * time.Second) }, wrong, "clock", []string{"behind", "NTP"}},
		{
			"the authority's root is not trusted", "", func(t *testing.T, c *clinic) { c.env = append(c.env, "ROOTS="+c.ca.IssuingFile) },
			wrong, "authority", []string{"roots:"},
		},
		{
			"the authority is down", "", func(t *testing.T, c *clinic) { c.env = append(c.env, "CA=https://127.0.0.1:"+closedPort(t)+"/dir") },
			wrong, "authority", []string{"cannot be reached"},
		},
		{"nobody listens", "", makeStore, wrong, "http-01", []string{"connection refused", "start weir"}},
		{"another server has the port", "", otherServer, wrong, "http-01", []string{"another server", "nginx/1.2"}},
		{"a server that redirects", "", redirecting, warning, "http-01", []string{"redirects to https://elsewhere.example/"}},
		{"TLS ends before weir", "", tlsProxy, wrong, "tls-alpn-01", []string{"acme-tls/1"}},
		{
			"a profile that is not there", strings.Replace(doctorConf, "email:", "profile: tiny, email:", 1), func(*testing.T, *clinic) {},
			wrong, "profile", []string{"no profile tiny", "default"},
		},
		{
			"the store cannot be reached", doctorConf, func(t *testing.T, c *clinic) { c.env = append(c.env, "STORE=redis://127.0.0.1:"+closedPort(t)) },
			wrong, "store", []string{"refused"},
		},
		{"the store is a file that others may use", "", openStoreFile, wrong, "store", []string{"chmod 600"}},
		{
			"the data directory cannot be made", "", func(t *testing.T, c *clinic) {
				write(t, c.dir, "file", "")
				c.env = append(c.env, "WEIR_DATA_DIR="+filepath.Join(c.dir, "file", "data"), "STORE="+filepath.Join(c.dir, "file", "data", "weir.db"))
			},
			wrong, "store", []string{"not a directory"},
		},
		{
			"a key that all may read", "listen: {https: \"127.0.0.1:${SECURE}\"}\nadmin: ${ADMIN}\nsites: {www.example.com: {tls: {cert: c.pem, key: k.pem}, respond: hi}}\n",
			openKey, wrong, "key", []string{"chmod 640"},
		},
		{
			"an endpoint that says yes to all", doctorConf + "  shop.example.com: {tls: on-demand, respond: hi}\non_demand: {ask: \"${ASK}\"}\n", yesToAll,
			warning, "ask", []string{"says yes"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conf := c.conf
			if conf == "" {
				conf = doctorConf
			}
			k := newClinic(t, conf)
			c.make(t, k)
			all, code := k.findings(t)
			tells(t, all, c.level, c.check, "", c.expect...)
			if want := worst(all) == wrong; (code == exitFailed) != want {
				t.Errorf("exit code %d with findings %+v", code, all)
			}
		})
	}
}

func closedPort(t *testing.T) string {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// answering has a handler answer on the port that http-01 comes to.
func answering(t *testing.T, c *clinic, h http.HandlerFunc) {
	t.Helper()
	makeStore(t, c)
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", c.plain))
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: h}}
	s.Start()
	t.Cleanup(s.Close)
}

func otherServer(t *testing.T, c *clinic) {
	answering(t, c, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Server", "nginx/1.2")
		w.WriteHeader(http.StatusNotFound)
	})
}

func redirecting(t *testing.T, c *clinic) {
	answering(t, c, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://elsewhere.example"+r.URL.Path, http.StatusMovedPermanently)
	})
}

// tlsProxy ends TLS on the port that tls-alpn-01 comes to.
func tlsProxy(t *testing.T, c *clinic) {
	makeStore(t, c)
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", c.secure))
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.NotFoundHandler()}}
	s.StartTLS()
	t.Cleanup(s.Close)
}

// makeStore makes the store as a start would.
func makeStore(t *testing.T, c *clinic) {
	t.Helper()
	makeStoreAt(t, filepath.Join(c.dir, "data", "weir.db"))
}

func makeStoreAt(t *testing.T, path string) {
	t.Helper()
	e, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
	if err == nil {
		err = e.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func openStoreFile(t *testing.T, c *clinic) {
	makeStore(t, c)
	chmod(t, filepath.Join(c.dir, "data", "weir.db"), 0o644)
}

func openKey(t *testing.T, c *clinic) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"www.example.com"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, c.dir, "c.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, c.dir, "k.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
}

func yesToAll(t *testing.T, c *clinic) {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(s.Close)
	c.env = append(c.env, "ASK="+s.URL)
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}
