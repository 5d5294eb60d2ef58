package clients

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
)

// origin serves HTTP/1.1, HTTP/2 and HTTP/3 on one port of localhost with a
// certificate that root signs, and says what it was asked.
func origin(t *testing.T) (root, url string) {
	t.Helper()
	root, certificate := issue(t)
	config := &tls.Config{Certificates: []tls.Certificate{certificate}}
	stream, packets := pair(t)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "<p>%s %s %s %d", r.Proto, r.Method, r.URL, n)
	})
	over3 := &http3.Server{Handler: handler, TLSConfig: http3.ConfigureTLSConfig(config)}
	over12 := &http.Server{Handler: handler, TLSConfig: config, ErrorLog: log.New(io.Discard, "", 0)}
	served := make(chan error, 2)
	go func() { served <- over3.Serve(packets) }()
	go func() { served <- over12.ServeTLS(stream, "", "") }()
	t.Cleanup(func() {
		over3.Close()
		over12.Close()
		packets.Close()
		<-served
		<-served
	})
	_, port, _ := net.SplitHostPort(stream.Addr().String())
	return root, "https://localhost:" + port
}

// pair opens TCP and UDP on one free port.
func pair(t *testing.T) (net.Listener, net.PacketConn) {
	t.Helper()
	for range 20 {
		stream, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		packets, err := net.ListenPacket("udp", stream.Addr().String())
		if err == nil {
			return stream, packets
		}
		stream.Close()
	}
	t.Fatal("no port is free for both TCP and UDP")
	return nil, nil
}

// issue makes a root, written to a file, and a certificate for localhost under it.
func issue(t *testing.T) (rootFile string, certificate tls.Certificate) {
	t.Helper()
	sign := func(template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) []byte {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	newKey := func() *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	rootKey, leafKey := newKey(), newKey()
	root := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	root.Subject.CommonName = "root of a test"
	rootDER := sign(root, root, rootKey, rootKey)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{"localhost"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	leafDER := sign(leaf, root, leafKey, rootKey)
	rootFile = filepath.Join(t.TempDir(), "root.pem")
	if err := os.WriteFile(rootFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER}), 0o600); err != nil {
		t.Fatal(err)
	}
	return rootFile, tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: leafKey}
}

func TestCurl_TrustsRootOnly(t *testing.T) {
	t.Parallel()
	root, url := origin(t)
	for _, tt := range []struct{ flag, want string }{
		{"--http1.1", "<p>HTTP/1.1 GET /x 0"},
		{"--http2", "<p>HTTP/2.0 GET /x 0"},
	} {
		if got := Curl(t, root, tt.flag, url+"/x"); got != tt.want {
			t.Errorf("curl %s = %q, want %q", tt.flag, got, tt.want)
		}
	}
}

func TestH3_GetsAndPosts(t *testing.T) {
	t.Parallel()
	root, url := origin(t)
	got := H3(t, root, url+"/a?b=c")
	if len(got) != 1 || got[0].Status != 200 || got[0].Body != "<p>HTTP/3.0 GET /a?b=c 0" || got[0].Header("content-length") != "24" {
		t.Errorf("GET = %+v", got)
	}
	file := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(file, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	got = H3(t, root, url+"/", "-d", "@"+file, "--repeat", "3")
	if len(got) != 3 || got[2].Body != "<p>HTTP/3.0 POST / 1048576" {
		t.Errorf("POST of 1 MiB, 3 times = %+v", got)
	}
}

func TestH3_RefusesUnknownRoot(t *testing.T) {
	t.Parallel()
	_, url := origin(t)
	other, _ := issue(t)
	if got, failure := TryH3(t, other, url); failure == "" || got != nil {
		t.Errorf("with another root: %+v, %q, want a failure", got, failure)
	}
}

func TestChromium_LoadsOverEach(t *testing.T) {
	t.Parallel()
	root, url := origin(t)
	browser := NewChromium(t, root)
	for _, tt := range []struct {
		quic bool
		want string
	}{
		{false, "HTTP/2.0 GET /page 0"},
		{true, "HTTP/3.0 GET /page 0"},
	} {
		browser.QUIC = tt.quic
		if got := browser.DOM(t, url+"/page"); !strings.Contains(got, tt.want) {
			t.Errorf("QUIC %v: document %q, want %q in it", tt.quic, got, tt.want)
		}
	}
	browser.Dark = true
	browser.Screenshot(t, url, filepath.Join(t.TempDir(), "page.png"))
}

func TestChromium_StaysOnAPage(t *testing.T) {
	t.Parallel()
	root, url := origin(t)
	browser := NewChromium(t, root)
	browser.Dark = true
	page := browser.Open(t, url+"/first")
	if got, want := page.Eval(t, `document.body.innerText`), "HTTP/2.0 GET /first 0"; got != want {
		t.Errorf("page says %q, want %q", got, want)
	}
	if got := page.Eval(t, `matchMedia("(prefers-color-scheme: dark)").matches`); got != "true" {
		t.Errorf("page is asked to be dark: %s", got)
	}
	page.Eval(t, `(window.asked ??= fetch("/second").then(r => r.text()).then(x => window.got = x), true)`)
	if got, want := page.Eval(t, `window.got`), "<p>HTTP/2.0 GET /second 0"; got != want {
		t.Errorf("page fetched %q, want %q", got, want)
	}
	page.Screenshot(t, filepath.Join(t.TempDir(), "page.png"))
}

func TestH2Spec_ReportsEveryCase(t *testing.T) {
	t.Parallel()
	_, url := origin(t)
	failed := 0
	cases := H2Spec(t, strings.TrimPrefix(url, "https://"), true)
	for _, c := range cases {
		if c.Failure != "" {
			failed++
			t.Logf("%s %s: %s", c.Section, c.Title, c.Failure)
		}
	}
	if len(cases) < 140 || failed > 20 {
		t.Errorf("%d cases, %d failed, want some 147 and few", len(cases), failed)
	}
}

func TestParseH2Spec(t *testing.T) {
	t.Parallel()
	got, err := parseH2Spec([]byte(`<testsuites><testsuite name="6.5"><testcase package="http2/6.5" classname="Sends x"><failure>want a&#xA;got b</failure></testcase>` +
		`<testcase package="http2/6.5" classname="Sends y"><skipped/></testcase></testsuite></testsuites>`))
	want := []H2SpecCase{{"http2/6.5", "Sends x", "want a\ngot b", false}, {"http2/6.5", "Sends y", "", true}}
	if err != nil || len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("parseH2Spec = %+v, %v, want %+v", got, err, want)
	}
	if _, err := parseH2Spec([]byte("<")); err == nil {
		t.Error("parseH2Spec of half a tag: no error")
	}
}

func TestWebSocket_EchoesCountsAndLines(t *testing.T) {
	t.Parallel()
	root, _ := issue(t)
	address := EchoWebSocket(t)
	counted := WebSocket(t, "h1", root, "http://"+address+"/", address, 2000)
	if got := counted.Line(t, "echoed"); !strings.HasPrefix(got, "echoed 2000 messages, 10") {
		t.Errorf("client says %q, want 2000 messages of some bytes", got)
	}
	counted.End(t)
	spoken := WebSocket(t, "h1", root, "http://"+address+"/", address, 0)
	spoken.Line(t, "open")
	spoken.Say(t, "over the weir")
	spoken.Line(t, "over the weir")
	spoken.End(t)
}
