package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/weirproxy/weir/certs/certstest"
	"github.com/weirproxy/weir/cmd/weir/config"
)

const dnsSecret = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"

// Authorities come to port 80. A weir on another one is found, and what is missing said.
func TestDoctor_SaysWhichPortHasToLeadToWeir(t *testing.T) {
	t.Parallel()
	c := newClinic(t, doctorConf)
	c.serve(t).until(t, 20*time.Second, "h1", "www.example.com", any2)
	other := closedPort(t)
	all, code := c.findings(t, "--http-port", other)
	tells(t, all, warning, "http-01", "www.example.com", "refused", "weir answers on port "+strconv.Itoa(c.plain), "have it lead to port", "tls-alpn-01 works")
	if code != 0 {
		t.Errorf("exit code %d though one way is open", code)
	}
	if all, code = c.findings(t, "--http-port", other, "--https-port", other); code != exitFailed {
		t.Errorf("exit code %d though no way is open", code)
	}
	tells(t, all, wrong, "tls-alpn-01", "www.example.com", "have it lead to port "+strconv.Itoa(c.secure))
}

// A weir with another store gets probes that it does not know.
func TestDoctor_TellsAnotherStoreFromAnotherServer(t *testing.T) {
	t.Parallel()
	c := newClinic(t, doctorConf)
	c.serve(t).until(t, 20*time.Second, "h1", "www.example.com", any2)
	c.env = append(c.env, "STORE="+filepath.Join(c.dir, "other", "weir.db"))
	all, _ := c.findings(t)
	tells(t, all, warning, "http-01", "www.example.com", "cannot be told", "no store yet")
	makeStoreAt(t, filepath.Join(c.dir, "other", "weir.db"))
	all, code := c.findings(t)
	tells(t, all, wrong, "http-01", "www.example.com", "another server", "has another store")
	if code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
}

func TestDoctor_TellsThatTheFileHasChanged(t *testing.T) {
	t.Parallel()
	c := newClinic(t, doctorConf)
	c.serve(t)
	write(t, c.dir, "weir.yaml", doctorConf+"  other.localhost: {respond: hi}\n")
	all, _ := c.findings(t)
	tells(t, all, warning, "running", c.admin, "not what this file says", "weir reload")
}

// Authorities follow redirects, here to a weir that is behind another port.
func TestDoctor_FollowsARedirectToWeir(t *testing.T) {
	t.Parallel()
	c := newClinic(t, doctorConf)
	c.serve(t).until(t, 20*time.Second, "h1", "www.example.com", any2)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, fmt.Sprintf("https://%s:%d%s", r.Host, c.secure, r.URL.Path), http.StatusMovedPermanently)
	}))
	t.Cleanup(front.Close)
	_, port, _ := net.SplitHostPort(front.Listener.Addr().String())
	all, code := c.findings(t, "--http-port", port)
	tells(t, all, fine, "http-01", "www.example.com", "weir answers")
	if code != 0 {
		t.Errorf("exit code %d, findings %+v", code, all)
	}
}

func TestDoctor_ServerThatSaysNothing(t *testing.T) {
	t.Parallel()
	c := newClinic(t, doctorConf)
	makeStore(t, c)
	for _, port := range []int{c.plain, c.secure} {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
	}
	all, code := c.findings(t)
	tells(t, all, wrong, "http-01", "www.example.com", "no answer in time")
	tells(t, all, wrong, "tls-alpn-01", "www.example.com", "no answer in time")
	if code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
}

func TestDoctor_ChoosesNames(t *testing.T) {
	t.Parallel()
	var conf strings.Builder
	conf.WriteString(strings.Replace(doctorConf, "  www.example.com:\n    respond: hello\n", "", 1))
	for i := range 45 {
		fmt.Fprintf(&conf, "  n%02d.example.com: {respond: hi}\n", i)
	}
	c := newClinic(t, conf.String())
	names := func(args ...string) (n int, all []finding) {
		all, _ = c.findings(t, args...)
		for _, f := range all {
			if f.Check == "caa" {
				n++
			}
		}
		return n, all
	}
	n, all := names()
	if n != mostNames {
		t.Errorf("%d names were looked at, want %d", n, mostNames)
	}
	tells(t, all, warning, "names", "all", "only 20 of 45", "--all")
	if n, _ := names("--all"); n != 45 {
		t.Errorf("%d names were looked at, want all 45", n)
	}
	if n, _ := names("--site", "n07.example.com", "--site", "N08.example.com."); n != 2 {
		t.Errorf("%d names were looked at, want 2", n)
	}
	if out, code := c.visit(t, "--site", "nobody.example.com"); code != exitFailed || out != "" {
		t.Errorf("a site that is not there: exit code %d, printed %q", code, out)
	}
}

// Of an authority for the public, names and addresses that it never certifies are told.
func TestDoctor_NamesThatNobodyCertifies(t *testing.T) {
	t.Parallel()
	public := &config.Issuer{CA: "letsencrypt", Challenges: []string{"http-01"}}
	d := &doctor{c: &config.Config{}}
	for name, want := range map[string]string{
		"www.example.com": "", "a.github.io": "", "co.uk": "public suffix", "www.example.nosuchtld": "no top-level domain", "*.example.com": "dns-01", "192.0.2.1": "",
	} {
		found := d.examineName(t.Context(), &target{name: name, issuers: []*config.Issuer{public}})
		if (len(found) == 0) != (want == "") || len(found) > 0 && !strings.Contains(found[0].Found, want) {
			t.Errorf("%s: %+v, want %q", name, found, want)
		}
	}
	private := records{addresses: []netip.Addr{netip.MustParseAddr("10.1.2.3")}}
	if f := d.judge(&target{name: "www.example.com", issuers: []*config.Issuer{public}}, private)[0]; f.Level != wrong || !strings.Contains(f.Found, "NAT") {
		t.Errorf("a private address: %+v", f)
	}
}

func TestDoctor_AddressAsAName(t *testing.T) {
	t.Parallel()
	c := newClinic(t, strings.Replace(doctorConf, "  www.example.com:", `  "192.0.2.7":`, 1))
	all, _ := c.findings(t) // whether somebody answers there is this network's
	tells(t, all, fine, "dns", "192.0.2.7", "behind NAT")
	for _, f := range all {
		if f.Check == "caa" {
			t.Errorf("CAA of an address: %+v", f)
		}
	}
}

// Authorities are asked through the proxy of the environment, and its password is kept.
func TestDoctor_SaysThroughWhichProxyItAsks(t *testing.T) {
	t.Parallel()
	c := newClinic(t, doctorConf)
	c.env = append(c.env, "CA=https://acme.example.test/dir", "HTTPS_PROXY=http://me:secret@127.0.0.1:"+closedPort(t))
	out, _ := c.visit(t, "--json")
	if strings.Contains(out, "secret") || !strings.Contains(out, "through the proxy http://me:xxxxx@") {
		t.Errorf("proxy not told, or its password is:\n%s", out)
	}
}

func TestDoctor_AccountThatHasToBeBound(t *testing.T) {
	t.Parallel()
	c := newClinic(t, doctorConf)
	bound := certstest.StartCA(t, certstest.Options{EAB: map[string]string{"kid": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}})
	c.env = append(c.env, "CA="+bound.Directory, "ROOTS="+bound.RootFile)
	all, _ := c.findings(t)
	tells(t, all, wrong, "account", "", "wants an account of yours", "eab:")
}

func TestDoctor_ZoneOfDNS01(t *testing.T) {
	t.Parallel()
	const provider = `, dns: {provider: rfc2136, server: "${PRIMARY}", key: k, secret: "` + dnsSecret + `", resolvers: ["${DNS}"]}}`
	c := newClinic(t, strings.Replace(strings.Replace(doctorConf, `"]}`, `"]`+provider, 1), "  www.example.com:", `  "*.example.com":`, 1))
	c.env = append(c.env, "DNS="+c.ca.DNS.Resolver, "PRIMARY="+signingServer(t))
	all, code := c.findings(t)
	tells(t, all, fine, "dns-01", "*.example.com", "_acme-challenge.example.com in zone example.com")
	if code != 0 {
		t.Errorf("exit code %d, findings %+v", code, all)
	}
	c.ca.DNS.SetCAA("example.com", `0 issue "pebble.letsencrypt.org"`, `0 issuewild ";"`)
	all, _ = c.findings(t)
	tells(t, all, wrong, "caa", "*.example.com", "they allow nobody", "issuewild")
	c.env = append(c.env, "PRIMARY="+c.ca.DNS.Resolver) // which does not know the key
	all, _ = c.findings(t)
	tells(t, all, wrong, "dns-01", "*.example.com", "not signed", "credentials")
}

// signingServer is a name server of example.com that knows the key "k".
func signingServer(t *testing.T) string {
	t.Helper()
	keys := map[string]string{"k.": dnsSecret}
	answer := dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		m := new(dns.Msg).SetReply(r)
		m.Authoritative = true
		if soa, err := dns.NewRR("example.com. 0 IN SOA ns.example.com. hostmaster.example.com. 1 2 3 4 5"); err == nil {
			if m.Answer = []dns.RR{soa}; r.Question[0].Name != "example.com." {
				m.Answer, m.Ns = nil, []dns.RR{soa}
			}
		}
		if sig := r.IsTsig(); sig != nil && w.TsigStatus() == nil {
			m.SetTsig(sig.Hdr.Name, sig.Algorithm, 300, time.Now().Unix())
		}
		w.WriteMsg(m) //nolint:errcheck // who asked is gone
	})
	tcp, err := net.Listen("tcp", "127.0.0.1:"+closedPort(t))
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*dns.Server{{Listener: tcp}, {PacketConn: udp}} {
		ready := make(chan bool)
		s.Handler, s.TsigSecret, s.NotifyStartedFunc = answer, keys, func() { close(ready) }
		go s.ActivateAndServe() //nolint:errcheck // ends at Shutdown
		<-ready
		t.Cleanup(func() { s.Shutdown() }) //nolint:errcheck // it ran
	}
	return tcp.Addr().String()
}

// The internal CA is looked at where a site needs it, and no authority asked.
func TestDoctor_InternalCA(t *testing.T) {
	t.Parallel()
	c := newClinic(t, "listen: {http: \"127.0.0.1:${PLAIN}\", https: \"127.0.0.1:${SECURE}\"}\nadmin: ${ADMIN}\nsites: {localhost: {respond: hi}}\n")
	c.serve(t)
	all, code := c.findings(t)
	root := filepath.Join(c.dir, "data", "ca", "root.crt")
	tells(t, all, fine, "internal CA", root, "does not trust it", "weir trust")
	if code != 0 {
		t.Errorf("exit code %d, findings %+v", code, all)
	}
	c.env = append(c.env, "SSL_CERT_FILE="+root)
	all, _ = c.findings(t)
	tells(t, all, fine, "internal CA", root, "this machine trusts it")
	chmod(t, filepath.Join(c.dir, "data", "ca", "root-key.pem"), 0o644)
	all, _ = c.findings(t)
	tells(t, all, wrong, "internal CA", "", "chmod 600")
}

// What hangs is left to itself, and what others found is told.
func TestDoctor_IsNotHeldUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan bool)
		d := &doctor{}
		began := time.Now()
		d.examine(t.Context(), []exam{
			{check: "a", do: func(context.Context) []finding { <-hang; return nil }},
			{check: "b", do: func(context.Context) []finding { return one(fine, "well", "") }},
		})
		close(hang)
		if took := time.Since(began); took > examTime+time.Second {
			t.Errorf("it took %v", took)
		}
		tells(t, d.found, warning, "a", "", "in time")
		tells(t, d.found, fine, "b", "", "well")
	})
}

func TestDoctor_PrintsInColumns(t *testing.T) {
	t.Parallel()
	d := &doctor{found: []finding{
		{Check: "clock", Subject: "CA", Level: fine, Found: "well"},
		{Check: "tls-alpn-01", Subject: "www.example.com", Level: wrong, Found: "a\x1b[31m\nb", Hint: "do", Site: "www.example.com"},
	}}
	const want = `  ok       clock  CA  well

www.example.com
  wrong    tls-alpn-01  a�[31m b
           -> do

2 checks, 1 wrong
`
	var out bytes.Buffer
	if err := d.print(&out, false, 0); err != nil || out.String() != want {
		t.Errorf("got (%v)\n%s\nwant\n%s", err, out.String(), want)
	}
	out.Reset()
	if err := d.print(&out, true, 0); err != nil || !strings.Contains(out.String(), "\x1b[31mwrong") {
		t.Errorf("without colours (%v): %s", err, out.String())
	}
}

func TestDoctor_FitsItsLinesIntoATerminal(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("word ", 40)
	d := &doctor{found: []finding{{Check: "store", Subject: "/var/lib/weir/weir.db", Level: wrong, Found: long, Hint: long}}}
	var out bytes.Buffer
	if err := d.print(&out, false, 80); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "word"); n != 80 {
		t.Errorf("%d words of 80", n)
	}
	for line := range strings.Lines(out.String()) {
		if len(line) > 81 {
			t.Errorf("too long: %q", line)
		}
	}
}

func TestDoctor_AddressesThatNobodyRoutesTo(t *testing.T) {
	t.Parallel()
	for a, want := range map[string]bool{"127.0.0.1": true, "10.1.2.3": true, "fe80::1": true, "fd00::1": true, "0.0.0.0": true, "8.8.8.8": false, "2606:4700::1": false} {
		if got := private(netip.MustParseAddr(a)); got != want {
			t.Errorf("private(%s) = %v, want %v", a, got, want)
		}
	}
}
