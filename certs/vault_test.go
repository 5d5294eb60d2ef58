package certs_test

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/certs"
)

func TestOpenInternal_LifetimesThatCannotWork(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		o   certs.InternalOptions
		err string
	}{
		{certs.InternalOptions{Leaf: 49 * time.Minute}, "ten times the backdate"},
		{certs.InternalOptions{Leaf: 10 * time.Second, Backdate: 2 * time.Second}, "ten times the backdate"},
		{certs.InternalOptions{Backdate: time.Hour}, "at most 5m"},
		{certs.InternalOptions{Leaf: 3 * 24 * time.Hour}, "three times"},
		{certs.InternalOptions{Leaf: time.Millisecond, Backdate: -1}, "and a second"},
		{certs.InternalOptions{Leaf: 10 * time.Second, Backdate: time.Second}, ""},
		{certs.InternalOptions{Leaf: time.Second, Backdate: -1}, ""},
	} {
		ca, err := certs.OpenInternal(t.TempDir(), c.o)
		if err == nil {
			ca.Close()
		}
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("OpenInternal(%+v) = %v; want %q", c.o, err, c.err)
		}
	}
}

func TestOpenInternal_DamagedFilesAreErrorsAndStay(t *testing.T) {
	t.Parallel()
	other := issue(t, nil, "other", isCA)
	for _, c := range []struct {
		name, file string
		damage     func(path string)
		err        string
	}{
		{"root empty", "root-key.pem", func(p string) { put(t, p) }, "weir trust"},
		{"root cut", "root-key.pem", func(p string) { b, _ := os.ReadFile(p); put(t, p, b[:len(b)-40]) }, "not one certificate and one private key"},
		{"root without its key", "root-key.pem", func(p string) { put(t, p, other.certPEM()) }, "not one certificate and one private key"},
		{"root with another key", "root-key.pem", func(p string) {
			b, _ := os.ReadFile(p)
			put(t, p, b[:bytes.Index(b, []byte("-----BEGIN PRIV"))], other.keyPEM(t))
		}, "the key is not the certificate's"},
		{"root is no authority", "root-key.pem", func(p string) { m := issue(t, nil, "x", nil); put(t, p, m.certPEM(), m.keyPEM(t)) }, "not one of an authority"},
		{"root expired", "root-key.pem", func(p string) {
			m := issue(t, nil, "x", func(c *x509.Certificate) { isCA(c); expired(c) })
			put(t, p, m.certPEM(), m.keyPEM(t))
		}, "expired on"},
		{"root lost, root.crt there", "root-key.pem", func(p string) { _ = os.Remove(p) }, "it is missing, though root.crt is there"},
		{"root open to all", "root-key.pem", func(p string) { _ = os.Chmod(p, 0o604) }, "chmod 600"},
		{"intermediate garbage", "intermediate-key.pem", func(p string) { put(t, p, []byte("x")) }, "remove this one file"},
		{"intermediate of another root", "intermediate-key.pem", func(p string) { put(t, p, other.certPEM(), other.keyPEM(t)) }, "another root has signed it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			openCA(t, dir, certs.InternalOptions{}).Close()
			path := filepath.Join(dir, c.file)
			c.damage(path)
			before, _ := os.ReadFile(path)
			ca, err := certs.OpenInternal(dir, certs.InternalOptions{})
			if err == nil {
				ca.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), path) {
				t.Errorf("OpenInternal = %v; want an error with %q and the path", err, c.err)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("the damaged file has been replaced")
			}
		})
	}
}

func TestOpenInternal_FilesArePrivateAndLeftoversGo(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "ca")
	openCA(t, dir, certs.InternalOptions{}).Close()
	left := put(t, filepath.Join(dir, ".new-123"), []byte("half"))
	_ = os.Remove(filepath.Join(dir, "root.crt"))
	openCA(t, dir, certs.InternalOptions{})
	for name, want := range map[string]os.FileMode{".": 0o700, "root-key.pem": 0o600, "intermediate-key.pem": 0o600, "root.crt": 0o644} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want mode %v", name, info, err, want)
		}
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("a leftover of a crash is still there: %v", err)
	}
}

// TestMain lets the test binary open an authority as a process of its own.
func TestMain(m *testing.M) {
	if dir := os.Getenv("WEIR_TEST_OPEN_CA"); dir != "" {
		ca, err := certs.OpenInternal(dir, certs.InternalOptions{})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		cert, err := ca.Issue("localhost")
		fmt.Printf("%x %v %v", ca.Root().SerialNumber, verify(ca, cert, "localhost"), err)
		ca.Close()
		return
	}
	os.Exit(m.Run())
}

func TestOpenInternal_ProcessesThatStartTogetherShareOneRoot(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "ca")
	outs := make([]string, 4)
	var wg sync.WaitGroup
	for i := range outs {
		wg.Go(func() {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "WEIR_TEST_OPEN_CA="+dir)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("process %d: %v: %s", i, err, out)
			}
			outs[i] = string(out)
		})
	}
	wg.Wait()
	want := fmt.Sprintf("%x <nil> <nil>", openCA(t, dir, certs.InternalOptions{}).Root().SerialNumber)
	for i, out := range outs {
		if out != want {
			t.Errorf("process %d: root, verification, error: %s; want %s", i, out, want)
		}
	}
}
