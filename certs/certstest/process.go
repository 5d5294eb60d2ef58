package certstest

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Process is Pebble as a program of its own.
type Process struct {
	Directory    string         // URL where clients begin
	Roots        *x509.CertPool // vouch for the API's own certificate
	RootFile     string         // the same, a PEM file
	IssuingRoots *x509.CertPool // vouch for what is issued
	Management   string         // URL of what Pebble lets tests do
}

// StartProcess builds Pebble, as strict as it can be, and runs it until the test's
// end. Validators connect to the ports given and ask resolver for names.
func StartProcess(t testing.TB, httpPort, tlsPort int, resolver string) *Process {
	t.Helper()
	dir := t.TempDir()
	bin := filepath.Join(dir, "pebble")
	build := exec.Command("go", "build", "-o", bin, "github.com/letsencrypt/pebble/v2/cmd/pebble")
	if out, err := build.CombinedOutput(); err != nil {
		lacking(t, fmt.Sprintf("build Pebble: %v\n%s", err, out))
	}
	own := newAPIRoot(t)
	keyDER, err := x509.MarshalPKCS8PrivateKey(own.leaf.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	keyFile := filepath.Join(dir, "api.key")
	if err := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600); err != nil {
		t.Fatal(err)
	}
	api, manage := freeAddr(t), freeAddr(t)
	conf, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": api, "managementListenAddress": manage,
		"certificate": writePEM(t, "api.crt", own.leaf.Certificate[0]), "privateKey": keyFile,
		"httpPort": httpPort, "tlsPort": tlsPort, "keyAlgorithm": "ecdsa",
		"retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles":   map[string]any{"default": map[string]any{"description": "default", "validityPeriod": 7776000}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	confFile := filepath.Join(dir, "pebble.json")
	if err := os.WriteFile(confFile, conf, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, exec.Command(bin, "-strict", "-config", confFile, "-dnsserver", resolver))
	p := &Process{
		Directory: "https://" + api + "/dir", Management: "https://" + manage,
		Roots: own.pool, RootFile: writePEM(t, "api-root.pem", own.der), IssuingRoots: x509.NewCertPool(),
	}
	root := p.await(t, p.Management+"/roots/0")
	p.await(t, p.Directory)
	if !p.IssuingRoots.AppendCertsFromPEM(root) {
		t.Fatalf("Pebble's root is no certificate: %q", root)
	}
	return p
}

// run runs a program until the test's end, and shows what it said if that failed.
func run(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_AUTHZREUSE=0", "PEBBLE_WFE_NONCEREJECT=5")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill() //nolint:errcheck // it may be gone
		cmd.Wait()         //nolint:errcheck // killed
		if t.Failed() {
			t.Logf("%s said:\n%s", cmd.Path, out.Bytes())
		}
	})
}

// await asks until there is an answer.
func (p *Process) await(t testing.TB, url string) []byte {
	t.Helper()
	client := Client(t, p.Roots)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err == nil {
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err == nil && resp.StatusCode == http.StatusOK {
				return body
			}
		}
		select {
		case <-ctx.Done():
			t.Fatalf("Pebble does not answer at %s: %v", url, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// freeAddr is an address on loopback at which nobody listened a moment ago. Pebble
// cannot be asked which port it was given.
func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// lacking ends a test for which something is missing: skipped on a user's machine.
func lacking(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("WEIR_CI") != "" {
		t.Fatalf("%s; and WEIR_CI is set", what)
	}
	t.Skip(what)
}
