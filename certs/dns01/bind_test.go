package dns01_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libdns/libdns"
	"github.com/miekg/dns"

	"github.com/weirproxy/weir/certs/dns01"
)

// startBIND runs a named on loopback with the zone example.com, in which the key may
// change TXT and HTTPS records, and returns its address.
func startBIND(t *testing.T) string {
	t.Helper()
	named, err := exec.LookPath("named")
	if err != nil {
		if named = "/usr/sbin/named"; !exists(named) {
			if os.Getenv("WEIR_CI") != "" {
				t.Fatal("named is not installed, and WEIR_CI is set")
			}
			t.Skip("named is not installed (Debian: bind9)")
		}
	}
	dir := t.TempDir()
	port := freePort(t)
	files := map[string]string{
		"named.conf": fmt.Sprintf(`
options {
	directory %q; pid-file none; session-keyfile none; managed-keys-directory %[1]q;
	listen-on port %[2]d { 127.0.0.1; }; listen-on-v6 { none; };
	recursion no; dnssec-validation no; notify no; allow-query { any; }; empty-zones-enable no;
};
controls { };
key %[3]q { algorithm hmac-sha256; secret %[4]q; };
zone "example.com" {
	type primary; file "example.com.zone";
	update-policy { grant %[3]q wildcard *.example.com. TXT HTTPS; grant %[3]q name example.com. TXT; };
};`, dir, port, strings.TrimSuffix(tsigKey, "."), tsigSecret),
		"example.com.zone": `$TTL 60
@ IN SOA ns1 hostmaster 1 3600 600 86400 60
@ IN NS ns1
@ IN TXT "v=spf1 -all"
ns1 IN A 127.0.0.1
www IN A 192.0.2.1
`,
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	cmd := exec.Command(named, "-g", "-n", "1", "-c", filepath.Join(dir, "named.conf"))
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("named said:\n%s", log.String())
		}
	})
	addr := net.JoinHostPort("127.0.0.1", fmt.Sprint(port))
	for deadline := time.Now().Add(20 * time.Second); ; {
		m := new(dns.Msg).SetQuestion("example.com.", dns.TypeSOA)
		c := dns.Client{Timeout: 200 * time.Millisecond}
		if r, _, err := c.Exchange(m, addr); err == nil && len(r.Answer) == 1 {
			return addr
		}
		select {
		case <-ended:
			t.Fatalf("named ended:\n%s", log.String())
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatal("named does not answer")
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// freePort is one that was free on UDP and TCP just now.
func freePort(t *testing.T) int {
	t.Helper()
	for range 20 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		u, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		l.Close()
		if err == nil {
			u.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

func TestRFC2136_WorksWithBIND(t *testing.T) {
	t.Parallel()
	addr := startBIND(t)
	ctx := t.Context()
	texts := func(name string) []string {
		m := new(dns.Msg).SetQuestion(name, dns.TypeTXT)
		r, err := dns.Exchange(m, addr)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, rr := range r.Answer {
			all = append(all, strings.Join(rr.(*dns.TXT).Txt, ""))
		}
		slices.Sort(all)
		return all
	}
	for _, transport := range []string{"tcp", "udp"} {
		p := openRFC2136(t, map[string]string{"server": addr, "key": tsigKey, "secret": tsigSecret, "transport": transport})
		both := []string{someText, moreText}
		slices.Sort(both)
		for _, at := range []string{"_acme-challenge", "_acme-challenge.a.b.c", "*"} {
			absolute := at + ".example.com."
			for _, v := range []string{someText, moreText, someText} {
				if _, err := p.AppendRecords(ctx, "example.com.", text(at, v)); err != nil {
					t.Fatalf("%s: %v", transport, err)
				}
			}
			if got := texts(absolute); !slices.Equal(got, both) {
				t.Errorf("%s: TXT %s = %q, want %q", transport, absolute, got, both)
			}
			for range 2 {
				if _, err := p.DeleteRecords(ctx, "example.com.", text(at, someText)); err != nil {
					t.Fatalf("%s: %v", transport, err)
				}
				if got := texts(absolute); !slices.Equal(got, []string{moreText}) {
					t.Errorf("%s: TXT %s = %q, want %q", transport, absolute, got, moreText)
				}
			}
			if _, err := p.DeleteRecords(ctx, "example.com.", text(at, moreText)); err != nil {
				t.Fatalf("%s: %v", transport, err)
			}
		}
		if got := texts("example.com."); !slices.Equal(got, []string{"v=spf1 -all"}) {
			t.Errorf("%s: TXT example.com = %q", transport, got)
		}
	}

	p := openRFC2136(t, map[string]string{"server": addr, "key": tsigKey, "secret": tsigSecret})
	set := []libdns.ServiceBinding{{Scheme: "https", Priority: 1, Target: ".", Params: libdns.SvcParams{"alpn": {"h2", "h3"}, "ech": {"AEX+DQBBpQAgACA="}}}}
	if err := p.(dns01.Publisher).SetBindings(ctx, "example.com.", "www", set); err != nil {
		t.Fatal(err)
	}
	got, err := p.(dns01.Publisher).Bindings(ctx, "example.com.", "www")
	if err != nil || bindings(got) != bindings(set) {
		t.Errorf("Bindings = %s, %v, want %s", bindings(got), err, bindings(set))
	}
	if zone, err := p.(dns01.ZoneFinder).FindZone(ctx, "_acme-challenge.a.b.example.com"); zone != "example.com." || err != nil {
		t.Errorf("FindZone = %q, %v", zone, err)
	}

	for name, c := range map[string]struct{ key, secret, zone, want string }{
		"wrong secret": {tsigKey, "d3Jvbmc=", "example.com.", "another one"},
		"unknown key":  {"other.", tsigSecret, "example.com.", "does not know the key"},
		"other zone":   {tsigKey, tsigSecret, "example.net.", dns01.ErrNoZone.Error()},
	} {
		p := openRFC2136(t, map[string]string{"server": addr, "key": c.key, "secret": c.secret})
		if _, err := p.AppendRecords(ctx, c.zone, text("_acme-challenge", someText)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q in it", name, err, c.want)
		}
	}
	// The key may write TXT at the apex only, no HTTPS.
	err = p.(dns01.Publisher).SetBindings(ctx, "example.com.", "@", set)
	if err == nil || !strings.Contains(err.Error(), "REFUSED") || errors.Is(err, dns01.ErrNoZone) {
		t.Errorf("what the policy forbids: error %v, want REFUSED", err)
	}
}
