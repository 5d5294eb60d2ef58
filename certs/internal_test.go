package certs_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/certs"
)

func openCA(t testing.TB, dir string, o certs.InternalOptions) *certs.Internal {
	t.Helper()
	c, err := certs.OpenInternal(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func verify(ca *certs.Internal, cert *tls.Certificate, name string) error {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(ca.Root())
	for _, der := range cert.Certificate[1:] {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		between.AddCert(c)
	}
	_, err := cert.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, Intermediates: between})
	return err
}

func TestInternal_IssuesForInternalNamesThatVerify(t *testing.T) {
	t.Parallel()
	ca := openCA(t, filepath.Join(t.TempDir(), "new", "ca"), certs.InternalOptions{})
	for _, c := range []struct {
		names []string
		as    string
	}{
		{[]string{"localhost"}, "localhost"},
		{[]string{"LOCALHOST."}, "localhost"},
		{[]string{"app.localhost"}, "app.localhost"},
		{[]string{"*.localhost"}, "x.localhost"},
		{[]string{"127.0.0.1"}, "127.0.0.1"},
		{[]string{"[::1]"}, "::1"},
		{[]string{"::ffff:10.0.0.1"}, "10.0.0.1"},
		{[]string{"nas.lan"}, "nas.lan"},
		{[]string{"a.home.arpa", "192.168.1.1", "fd00::1", "a_b.internal"}, "fd00::1"},
	} {
		cert, err := ca.Issue(c.names...)
		if err != nil {
			t.Errorf("Issue(%q): %v", c.names, err)
			continue
		}
		if err := verify(ca, cert, c.as); err != nil {
			t.Errorf("Issue(%q) as %s: %v; want it to verify", c.names, c.as, err)
		}
		if again, err := ca.Issue(c.names...); err != nil || again != cert {
			t.Errorf("second Issue(%q) = %p, %v; want the first, %p", c.names, again, err, cert)
		}
	}
	got, err := x509.ParseCertificate(decode(t, ca.RootPath()))
	if err != nil || !got.Equal(ca.Root()) {
		t.Errorf("the file %s holds %v, %v; want the root", ca.RootPath(), got, err)
	}
}

func decode(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, rest := pem.Decode(b)
	if block == nil || len(rest) != 0 {
		t.Fatalf("%s holds %q; want one PEM block and no key", path, b)
	}
	return block.Bytes
}

func TestSecurity_P17_NamesAreComparedWhole(t *testing.T) {
	t.Parallel()
	ca := openCA(t, t.TempDir(), certs.InternalOptions{})
	long := strings.Repeat("a", 64)
	for _, name := range []string{
		"", ".", "example.com", "localhost.example.com", "notlocalhost", "xlocal", "nas", "8.8.8.8", "2001:db8::1", "172.32.0.1", "fe80::1%eth0", "0.0.0.0",
		"localhost\x00.example.com", "example.com\x00.localhost", "example.com,x.localhost", "a b.localhost", "a..localhost", ".localhost", "-a.localhost", "a-.localhost",
		"*", "*.*.localhost", "a.*.localhost", "f*.localhost", "lоcal.lan" /* Cyrillic о */, "LOCALHOST\u212a", "ſ.localhost", long + ".localhost", strings.Repeat("a.", 130) + "lan", "localhost..", "[localhost",
	} {
		if certs.IsInternal(name) {
			t.Errorf("IsInternal(%q) = true; want false", name)
		}
		if cert, err := ca.Issue("localhost", name); err == nil {
			t.Errorf("Issue(localhost, %q) = %v; want an error", name, cert.Leaf.DNSNames)
		}
	}
	for _, name := range []string{"localhost", "Localhost", "a.b.localhost", "x.local", "x.test", "home.arpa", "10.0.0.0", "100.64.0.1", "169.254.1.1", "::1", "fe80::1", "*.lan"} {
		if !certs.IsInternal(name) {
			t.Errorf("IsInternal(%q) = false; want true", name)
		}
	}
}

func FuzzIsInternal(f *testing.F) {
	for _, s := range []string{"localhost", "a.lan", "127.0.0.1", "[::1]", "*.test", "x\x00.local", "K.localhost"} {
		f.Add(s)
	}
	ca := openCA(f, f.TempDir(), certs.InternalOptions{Names: 16})
	f.Fuzz(func(t *testing.T, name string) {
		cert, err := ca.Issue(name)
		if (err == nil) != certs.IsInternal(name) {
			t.Fatalf("Issue(%q) = %v, IsInternal = %v", name, err, certs.IsInternal(name))
		}
		if err != nil {
			return
		}
		as := strings.TrimSuffix(strings.Replace(strings.ToLower(name), "*.", "x.", 1), ".")
		if err := verify(ca, cert, as); err != nil {
			t.Errorf("certificate for %q: %v; want it to verify", name, err)
		}
	})
}

// The constraints hold in both verifiers, for what the root's own key would sign
// if it were stolen.
func TestInternal_StolenRootCannotVouchForTheInternet(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca := openCA(t, dir, certs.InternalOptions{})
	b, err := os.ReadFile(filepath.Join(dir, "root-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(b, b)
	if err != nil {
		t.Fatal(err)
	}
	thief := &maker{cert: ca.Root(), key: pair.PrivateKey.(*ecdsa.PrivateKey)}
	for _, c := range []struct {
		name string
		good bool
	}{{"app.localhost", true}, {"nas.lan", true}, {"example.com", false}, {"localhost.example.com", false}} {
		m := issue(t, thief, c.name, nil)
		roots := x509.NewCertPool()
		roots.AddCert(ca.Root())
		if _, err := m.cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: c.name}); (err == nil) != c.good {
			t.Errorf("Go on %s: %v; want accepted %v", c.name, err, c.good)
		}
		openssl(t, ca.RootPath(), "", temp(t, m.certPEM()), c.name, c.good)
	}
}

func TestInternal_ChainVerifiesWithOpenSSL(t *testing.T) {
	t.Parallel()
	ca := openCA(t, t.TempDir(), certs.InternalOptions{})
	cert, err := ca.Issue("app.localhost", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	file := func(der []byte) string {
		return temp(t, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	openssl(t, ca.RootPath(), file(cert.Certificate[1]), file(cert.Certificate[0]), "app.localhost", true)
	openssl(t, ca.RootPath(), file(cert.Certificate[1]), file(cert.Certificate[0]), "other.localhost", false)
}

func openssl(t *testing.T, root, between, leaf, name string, good bool) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("WEIR_CI") != "" {
			t.Fatal(err)
		}
		t.Skip("openssl is not installed")
	}
	args := []string{"verify", "-x509_strict", "-purpose", "sslserver", "-no-CApath", "-verify_hostname", name, "-CAfile", root}
	if !good || between == "" {
		args = append(args[:1], args[2:]...) // the thief's leaf lacks key identifiers
	}
	if between != "" {
		args = append(args, "-untrusted", between)
	}
	out, err := exec.Command("openssl", append(args, leaf)...).CombinedOutput()
	if (err == nil) != good {
		t.Errorf("openssl verify of %s: %v; want accepted %v\n%s", name, err, good, out)
	}
}

func TestInternal_RenewsOnTimeAndNotAllTheTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, err := certs.OpenInternal(t.TempDir(), certs.InternalOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer ca.Close()
		leaves, signers := map[string]bool{}, map[string]bool{}
		const days = 30
		for hour := range days * 24 {
			cert, err := ca.Issue("localhost")
			if err != nil {
				t.Fatalf("hour %d: %v", hour, err)
			}
			if err := verify(ca, cert, "localhost"); err != nil {
				t.Fatalf("hour %d: %v", hour, err)
			}
			if left := time.Until(cert.Leaf.NotAfter); left < 7*time.Hour {
				t.Fatalf("hour %d: served with %v left; want renewal at two thirds of 24h", hour, left)
			}
			leaves[cert.Leaf.SerialNumber.String()] = true
			signers[string(cert.Certificate[1])] = true
			time.Sleep(time.Hour)
		}
		// Two thirds of 24 h less a twelfth is 14 to 16 h, of 7 days 4.1 to 4.7 days.
		if n := len(leaves); n < days*24/16 || n > days*24/14+1 {
			t.Errorf("%d certificates in %d days; want one for each 14 to 16 hours", n, days)
		}
		if n := len(signers); n < 6 || n > 8 {
			t.Errorf("%d intermediates in %d days; want one for each 4 to 5 days", n, days)
		}
	})
}

// A machine that slept has no background to renew for it.
func TestInternal_AsksOfAnExpiredCertificateGetANewOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, err := certs.OpenInternal(t.TempDir(), certs.InternalOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ca.Close() // no background from here on
		old, err := ca.Issue("localhost")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * 24 * time.Hour)
		cert, err := ca.Issue("localhost")
		if err != nil || cert == old {
			t.Fatalf("after 20 days: %p, %v; want a new one", cert, err)
		}
		if err := verify(ca, cert, "localhost"); err != nil {
			t.Error(err)
		}
	})
}

func TestInternal_ForgetsNamesThatNobodyAsksFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, err := certs.OpenInternal(t.TempDir(), certs.InternalOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer ca.Close()
		_, _ = ca.Issue("idle.localhost")
		_, _ = ca.Issue("busy.localhost")
		time.Sleep(time.Hour)
		_, _ = ca.Issue("busy.localhost")
		time.Sleep(23 * time.Hour)
		synctest.Wait()
		if got := ca.Kept(); got != "busy.localhost" {
			t.Errorf("kept after a day: %s; want busy.localhost", got)
		}
	})
}

func TestInternal_KeepsABoundedNumber(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, err := certs.OpenInternal(t.TempDir(), certs.InternalOptions{Names: 3})
		if err != nil {
			t.Fatal(err)
		}
		defer ca.Close()
		for _, name := range []string{"a.lan", "b.lan", "c.lan", "a.lan", "d.lan"} {
			if _, err := ca.Issue(name); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if got := ca.Kept(); got != "a.lan c.lan d.lan" {
			t.Errorf("kept: %s; want the three asked for last", got)
		}
	})
}

func TestInternal_KeepsItsSignerWhileTheDirectoryIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		dir := filepath.Join(t.TempDir(), "ca")
		ca, err := certs.OpenInternal(dir, certs.InternalOptions{Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		defer ca.Close()
		if err := os.Rename(dir, dir+".away"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * 24 * time.Hour) // the intermediate is due, and valid for two days
		if cert, err := ca.Issue("localhost"); err != nil {
			t.Errorf("on day 5: %v; want the old intermediate to go on", err)
		} else if err := verify(ca, cert, "localhost"); err != nil {
			t.Errorf("on day 5: %v", err)
		}
		time.Sleep(3 * 24 * time.Hour)
		if _, err := ca.Issue("localhost"); err == nil || !strings.Contains(err.Error(), "renew intermediate") {
			t.Errorf("on day 8: %v; want an error that names the intermediate", err)
		}
		if err := os.Rename(dir+".away", dir); err != nil {
			t.Fatal(err)
		}
		if _, err := ca.Issue("localhost"); err != nil {
			t.Errorf("when the directory is back: %v", err)
		}
		synctest.Wait()
		if !strings.Contains(log.String(), "intermediate certificate not renewed") {
			t.Errorf("the log does not tell of it:\n%s", log.String())
		}
	})
}

func TestInternal_InstancesShareARenewedIntermediate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		var cas [2]*certs.Internal
		for i := range cas {
			ca, err := certs.OpenInternal(dir, certs.InternalOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer ca.Close()
			cas[i] = ca
		}
		time.Sleep(6 * 24 * time.Hour)
		a, errA := cas[0].Issue("localhost")
		b, errB := cas[1].Issue("localhost")
		if errA != nil || errB != nil || !bytes.Equal(a.Certificate[1], b.Certificate[1]) {
			t.Errorf("after a renewal the instances have different intermediates (%v, %v)", errA, errB)
		}
	})
}

func TestInternal_HammerIssuesEachNameOnce(t *testing.T) {
	t.Parallel()
	ca := openCA(t, t.TempDir(), certs.InternalOptions{})
	var got [10]sync.Map
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range got {
				cert, err := ca.Issue(fmt.Sprintf("n%d.localhost", i))
				if err != nil {
					t.Error(err)
					return
				}
				got[i].Store(cert, true)
			}
		})
	}
	wg.Wait()
	for i := range got {
		n := 0
		got[i].Range(func(any, any) bool { n++; return true })
		if n != 1 {
			t.Errorf("name %d: %d certificates; want 1", i, n)
		}
	}
}

// chopped puts each handshake record of the client into records of one byte, as
// RFC 8446 §5.1 allows it.
type chopped struct{ net.Conn }

func (c chopped) Write(p []byte) (int, error) {
	const handshake, head = 22, 5
	if len(p) < head || p[0] != handshake {
		return c.Conn.Write(p)
	}
	for _, b := range p[head:] {
		if _, err := c.Conn.Write([]byte{handshake, p[1], p[2], 0, 1, b}); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func TestSecurity_P7_FragmentedClientHelloGetsItsCertificate(t *testing.T) {
	t.Parallel()
	ca := openCA(t, t.TempDir(), certs.InternalOptions{})
	roots := x509.NewCertPool()
	roots.AddCert(ca.Root())
	for _, name := range []string{"one.localhost", "TWO.localhost", "127.0.0.1"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		client, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- tls.Server(server, &tls.Config{GetCertificate: ca.GetCertificate}).Handshake() }()
		if err := tls.Client(chopped{client}, &tls.Config{ServerName: name, RootCAs: roots}).Handshake(); err != nil {
			t.Errorf("handshake for %s with a fragmented hello: %v", name, err)
		}
		_ = client.Close()
		if err := <-served; err != nil {
			t.Errorf("server side for %s: %v", name, err)
		}
		_, _ = server.Close(), l.Close()
	}
}

func TestInternal_RefusesForeignNamesInTheHandshake(t *testing.T) {
	t.Parallel()
	ca := openCA(t, t.TempDir(), certs.InternalOptions{})
	if cert, err := ca.GetCertificate(&tls.ClientHelloInfo{ServerName: "example.com"}); err == nil {
		t.Errorf("GetCertificate(example.com) = %v; want an error", cert.Leaf.DNSNames)
	}
	if cert, err := ca.GetCertificate(&tls.ClientHelloInfo{}); err == nil {
		t.Errorf("GetCertificate() = %v; want an error", cert.Leaf.DNSNames)
	}
}

func BenchmarkInternalGetCertificate(b *testing.B) {
	ca := openCA(b, b.TempDir(), certs.InternalOptions{})
	hello := &tls.ClientHelloInfo{ServerName: "app.localhost"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ca.GetCertificate(hello); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkInternalIssueNew(b *testing.B) {
	ca := openCA(b, b.TempDir(), certs.InternalOptions{})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := ca.Issue(fmt.Sprintf("n%d.localhost", i)); err != nil {
			b.Fatal(err)
		}
	}
}
