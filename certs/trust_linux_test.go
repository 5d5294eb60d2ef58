package certs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smallstep/truststore"

	"github.com/weirproxy/weir/certs"
)

// sandbox points the trust store at a new directory, and the PATH at one that has
// no sudo, no certutil and no more than the tools named. Not parallel: both are
// the process's.
func sandbox(t *testing.T, update string) (store string) {
	t.Helper()
	bin := t.TempDir()
	for _, tool := range []string{"tee", "rm", "true", "false"} {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(bin, tool)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin)
	t.Setenv("HOME", t.TempDir())
	t.Setenv("JAVA_HOME", "")
	store = t.TempDir()
	name, command, firefox := truststore.SystemTrustFilename, truststore.SystemTrustCommand, truststore.NSSProfile
	t.Cleanup(func() {
		truststore.SystemTrustFilename, truststore.SystemTrustCommand, truststore.NSSProfile = name, command, firefox
	})
	truststore.SystemTrustFilename, truststore.SystemTrustCommand, truststore.NSSProfile = filepath.Join(store, "%s.crt"), []string{update}, filepath.Join(store, "none", "*")
	return store
}

func TestTrust_InstallsAndRemovesTheRoot(t *testing.T) {
	ca := openCA(t, t.TempDir(), certs.InternalOptions{})
	store := sandbox(t, "true")
	if err := certs.Trust(ca.RootPath()); err != nil {
		t.Fatalf("Trust: %v", err)
	}
	found, _ := filepath.Glob(filepath.Join(store, "*.crt"))
	want, _ := os.ReadFile(ca.RootPath())
	if len(found) != 1 {
		t.Fatalf("after Trust the store holds %q; want one file", found)
	}
	if got, err := os.ReadFile(found[0]); err != nil || string(got) != string(want) {
		t.Errorf("the store holds %q, %v; want the root", got, err)
	}
	if err := certs.Untrust(ca.RootPath()); err != nil {
		t.Fatalf("Untrust: %v", err)
	}
	if found, _ := filepath.Glob(filepath.Join(store, "*.crt")); len(found) != 0 {
		t.Errorf("after Untrust the store holds %q; want nothing", found)
	}
}

func TestTrust_SaysWhenBrowsersAreLeftOut(t *testing.T) {
	ca := openCA(t, t.TempDir(), certs.InternalOptions{})
	sandbox(t, "true")
	nss := filepath.Join(os.Getenv("HOME"), ".pki", "nssdb")
	if err := os.MkdirAll(nss, 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(nss, "cert9.db"))
	if err := certs.Trust(ca.RootPath()); err == nil || !strings.Contains(err.Error(), "libnss3-tools") {
		t.Errorf("Trust with an NSS database and no certutil = %v; want an error that names the package", err)
	}
}

func TestTrust_FailureSaysWhatToType(t *testing.T) {
	ca := openCA(t, t.TempDir(), certs.InternalOptions{})
	sandbox(t, "false")
	for name, f := range map[string]func(string) error{"Trust": certs.Trust, "Untrust": certs.Untrust} {
		if err := f(ca.RootPath()); err == nil || !strings.Contains(err.Error(), "by hand: ") {
			t.Errorf("%s with a store that fails = %v; want an error with the manual command", name, err)
		}
	}
}

func TestTrust_RefusesAnythingButABoundRoot(t *testing.T) {
	ca := issue(t, nil, "public", isCA)
	store := sandbox(t, "true")
	for name, path := range map[string]string{
		"missing":           filepath.Join(t.TempDir(), "gone"),
		"an unbound root":   temp(t, ca.certPEM()),
		"a leaf":            temp(t, issue(t, nil, "leaf.example", nil).certPEM()),
		"two":               temp(t, ca.certPEM(), ca.certPEM()),
		"with a key":        temp(t, ca.certPEM(), ca.keyPEM(t)),
		"signed by another": temp(t, issue(t, ca, "sub", isCA).certPEM()),
	} {
		if err := certs.Trust(path); err == nil {
			t.Errorf("Trust of %s = nil; want an error", name)
		}
	}
	if found, _ := filepath.Glob(filepath.Join(store, "*")); len(found) != 0 {
		t.Errorf("the store holds %q; want nothing", found)
	}
}
