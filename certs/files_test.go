package certs_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/certs"
)

func TestLoadPair_ChecksWhatItReads(t *testing.T) {
	t.Parallel()
	root := issue(t, nil, "root", isCA)
	between := issue(t, root, "between", isCA)
	a, b := issue(t, between, "a.example", nil), issue(t, root, "b.example", nil)
	old := issue(t, root, "old.example", expired)
	early := issue(t, root, "early.example", func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) })
	noSAN := issue(t, root, "cn.example", func(c *x509.Certificate) { c.DNSNames = nil })
	damaged := bytes.Replace(between.certPEM(), []byte("M"), []byte("!"), 3)
	encrypted := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")})
	legacy := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"DEK-Info": "AES-256-CBC,00"}, Bytes: []byte("x")})
	both := bytes.Join([][]byte{a.certPEM(), between.certPEM(), a.keyPEM(t)}, nil)
	for _, c := range []struct {
		name      string
		cert, key []byte
		err, warn string
	}{
		{"chain", bytes.Join([][]byte{a.certPEM(), between.certPEM()}, nil), a.keyPEM(t), "", ""},
		{"one file", both, nil, "", ""},
		{"one file, damaged", append(bytes.Clone(both), damaged...), nil, "one is damaged", ""},
		{"one file, no certificate", a.keyPEM(t), nil, "there is no certificate", ""},
		{"text between", append([]byte("subject=a\n"), a.certPEM()...), a.keyPEM(t), "", ""},
		{"key of another", a.certPEM(), b.keyPEM(t), "do not belong together", ""},
		{"issuer first", bytes.Join([][]byte{between.certPEM(), a.certPEM()}, nil), a.keyPEM(t), "belongs to certificate 2 of the file: put that one first", ""},
		{"foreign issuer", bytes.Join([][]byte{b.certPEM(), between.certPEM()}, nil), b.keyPEM(t), "", "not the issuer"},
		{"expired", old.certPEM(), old.keyPEM(t), "", "expired on"},
		{"not yet valid", early.certPEM(), early.keyPEM(t), "", "clock right?"},
		{"no names", noSAN.certPEM(), noSAN.keyPEM(t), "", "subjectAltName"},
		{"swapped", a.keyPEM(t), a.certPEM(), "are cert and key swapped?", ""},
		{"key in the chain", both, b.keyPEM(t), "only certificates belong here", ""},
		{"damaged", bytes.Join([][]byte{a.certPEM(), damaged}, nil), a.keyPEM(t), "one is damaged", ""},
		{"cut", bytes.Join([][]byte{a.certPEM(), between.certPEM()[:200]}, nil), a.keyPEM(t), "one is damaged", ""},
		{"DER", a.cert.Raw, a.keyPEM(t), "not in PEM form", ""},
		{"no certificate in it", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}), a.keyPEM(t), "certificate 1", ""},
		{"empty", []byte("\n"), a.keyPEM(t), "empty", ""},
		{"huge", make([]byte, 5<<20), a.keyPEM(t), "larger than", ""},
		{"no key", a.certPEM(), a.certPEM(), "no private key", ""},
		{"encrypted key", a.certPEM(), encrypted, "openssl pkey", ""},
		{"old encrypted key", a.certPEM(), legacy, "openssl pkey", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := certs.NewFiles(certs.FilesOptions{Every: -1})
			defer f.Close()
			certPath := temp(t, c.cert)
			keyPath := certPath
			if c.key != nil {
				keyPath = temp(t, c.key)
			}
			p, err := f.LoadPair(certPath, keyPath)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("LoadPair = %v; want an error with %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatalf("LoadPair: %v", err)
			}
			defer p.Close()
			if p.Certificate().Leaf == nil {
				t.Error("Leaf is nil; want it parsed")
			}
			if got := strings.Join(p.Warnings(), "\n"); (c.warn == "") != (got == "") || !strings.Contains(got, c.warn) {
				t.Errorf("warnings = %q; want %q", got, c.warn)
			}
		})
	}
}

func TestLoadPair_MissingFileAndOpenKey(t *testing.T) {
	t.Parallel()
	f := certs.NewFiles(certs.FilesOptions{Every: -1})
	defer f.Close()
	a := issue(t, nil, "a.example", nil)
	cert, key := temp(t, a.certPEM()), temp(t, a.keyPEM(t))
	if _, err := f.LoadPair(cert, key+".gone"); !os.IsNotExist(unwrapAll(err)) {
		t.Errorf("LoadPair without a key file = %v; want not exist", err)
	}
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := f.LoadPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if got := strings.Join(p.Warnings(), "\n"); !strings.Contains(got, "chmod o-r") {
		t.Errorf("warnings for a key that all can read = %q; want chmod o-r", got)
	}
}

func unwrapAll(err error) error {
	for {
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return err
		}
		if _, isPath := err.(*os.PathError); isPath {
			return err
		}
		err = u.Unwrap()
	}
}

func TestPair_ReloadKeepsTheOldUntilTheNewIsGood(t *testing.T) {
	t.Parallel()
	first, second := issue(t, nil, "first", nil), issue(t, nil, "second", nil)
	gone := issue(t, nil, "gone", expired)
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "c"), filepath.Join(dir, "k")
	put(t, cert, first.certPEM())
	put(t, key, first.keyPEM(t))
	f := certs.NewFiles(certs.FilesOptions{Every: -1})
	defer f.Close()
	p, err := f.LoadPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, step := range []struct {
		do      string
		act     func()
		changed bool
		err     string
		serves  string
	}{
		{"nothing", func() {}, false, "", "first"},
		{"touch", func() { put(t, cert, first.certPEM()) }, false, "", "first"},
		{"half of a replacement", func() { put(t, cert, second.certPEM()) }, false, "do not belong together", "first"},
		{"still half", func() {}, false, "do not belong together", "first"},
		{"the other half", func() { put(t, key, second.keyPEM(t)) }, true, "", "second"},
		{"removed", func() { _ = os.Remove(key) }, false, "no such file", "second"},
		{"back", func() { put(t, key, second.keyPEM(t)) }, false, "", "second"},
		{"garbage", func() { put(t, cert, []byte("garbage")) }, false, "not in PEM form", "second"},
		{"an expired one", func() { put(t, cert, gone.certPEM()); put(t, key, gone.keyPEM(t)) }, false, "expired on", "second"},
		{"the first again", func() { put(t, cert, first.certPEM()); put(t, key, first.keyPEM(t)) }, true, "", "first"},
	} {
		step.act()
		changed, err := p.Reload()
		if changed != step.changed || (err == nil) != (step.err == "") || err != nil && !strings.Contains(err.Error(), step.err) {
			t.Errorf("%s: Reload = %v, %v; want %v, %q", step.do, changed, err, step.changed, step.err)
		}
		if got := leafOf(p.Certificate()); got != step.serves {
			t.Errorf("%s: serves %q; want %q", step.do, got, step.serves)
		}
		if got := p.Err(); (got == nil) != (err == nil) {
			t.Errorf("%s: Err = %v after Reload = %v", step.do, got, err)
		}
	}
}

// Tools that keep times (cp -p, rsync -t) leave files that look old.
func TestPair_ReloadSeesFilesOfTheSameTimeAndSize(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	aged := func(name string, b []byte) string {
		path := put(t, filepath.Join(dir, name), b)
		if err := os.Chtimes(path, time.Unix(1e9, 0), time.Unix(1e9, 0)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	a, b := issue(t, nil, "a", nil), issue(t, nil, "b", nil)
	for len(a.cert.Raw) != len(b.cert.Raw) { // signatures differ in length by a byte or two
		b = issue(t, nil, "b", nil)
	}
	cert, key := aged("c", a.certPEM()), aged("k", a.keyPEM(t))
	f := certs.NewFiles(certs.FilesOptions{Every: -1})
	defer f.Close()
	p, err := f.LoadPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	replace := func(path string, b []byte) {
		if err := os.Rename(aged("new", b), path); err != nil {
			t.Fatal(err)
		}
	}
	replace(cert, b.certPEM())
	for range 2 { // the second time nothing has changed, and it is as wrong as before
		if _, err := p.Reload(); err == nil || leafOf(p.Certificate()) != "a" {
			t.Fatalf("Reload of half a replacement = %v, serves %s; want an error, and a", err, leafOf(p.Certificate()))
		}
	}
	replace(key, b.keyPEM(t))
	if changed, err := p.Reload(); !changed || err != nil || leafOf(p.Certificate()) != "b" {
		t.Errorf("Reload = %v, %v, serves %s; want b", changed, err, leafOf(p.Certificate()))
	}
}

// The directory is replaced as a whole by a symlink, as Kubernetes does it.
func TestFiles_WatchSeesSymlinksSwapped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		version := func(name string) {
			m := issue(t, nil, name, nil)
			at := filepath.Join(dir, name)
			if err := os.Mkdir(at, 0o700); err != nil {
				t.Fatal(err)
			}
			put(t, filepath.Join(at, "tls.crt"), m.certPEM())
			put(t, filepath.Join(at, "tls.key"), m.keyPEM(t))
			if err := os.Symlink(at, filepath.Join(dir, "new")); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "..data")); err != nil {
				t.Fatal(err)
			}
		}
		version("first")
		for _, name := range []string{"tls.crt", "tls.key"} {
			if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		var log bytes.Buffer
		f := certs.NewFiles(certs.FilesOptions{Log: slog.New(slog.NewTextHandler(&log, nil))})
		defer f.Close()
		p, err := f.LoadPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		version("second")
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if got := leafOf(p.Certificate()); got != "second" {
			t.Errorf("serves %q after the swap; want second", got)
		}
		put(t, filepath.Join(dir, "second", "tls.crt"), []byte("broken"))
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if got, n := leafOf(p.Certificate()), strings.Count(log.String(), "certificate not reloaded"); got != "second" || n != 1 {
			t.Errorf("after a bad file: serves %q, %d reports; want second, 1\n%s", got, n, log.String())
		}
		f.Close()
	})
}

func TestFiles_SharesPairsAndForgetsThem(t *testing.T) {
	t.Parallel()
	a := issue(t, nil, "a", nil)
	cert, key := temp(t, a.certPEM()), temp(t, a.keyPEM(t))
	f := certs.NewFiles(certs.FilesOptions{Every: -1})
	defer f.Close()
	var pairs [3]*certs.Pair
	for i := range pairs {
		p, err := f.LoadPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		if pairs[i] = p; i == 1 {
			pairs[0].Close()
			pairs[1].Close()
		}
	}
	if pairs[0] != pairs[1] || pairs[1] == pairs[2] {
		t.Errorf("pairs %p %p %p; want the first two shared, and a new one when both were closed", pairs[0], pairs[1], pairs[2])
	}
	put(t, cert, []byte("broken"))
	if _, err := f.LoadPair(cert, key); err == nil {
		t.Error("LoadPair of a pair in use whose file broke = nil; want the error, so that the reload is refused")
	}
}

func TestPair_Hammer(t *testing.T) {
	t.Parallel()
	a, b := issue(t, nil, "a", nil), issue(t, nil, "b", nil)
	cert, key := temp(t, a.certPEM()), temp(t, a.keyPEM(t))
	f := certs.NewFiles(certs.FilesOptions{Every: time.Millisecond})
	defer f.Close()
	p, err := f.LoadPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 50 {
			m := []*maker{a, b}[i%2]
			put(t, cert, m.certPEM())
			put(t, key, m.keyPEM(t))
			_, _ = p.Reload()
		}
	})
	for range 2 {
		wg.Go(func() {
			for range 2000 {
				c := p.Certificate()
				if !c.PrivateKey.(*ecdsa.PrivateKey).PublicKey.Equal(c.Leaf.PublicKey) {
					t.Error("leaf and key do not match")
				}
			}
		})
	}
	wg.Wait()
}

func FuzzLoadPair(f *testing.F) {
	a, ca := issue(f, nil, "a", nil), issue(f, nil, "ca", isCA)
	f.Add(a.certPEM(), a.keyPEM(f))
	f.Add(append(a.certPEM(), ca.certPEM()...), a.keyPEM(f))
	f.Add(a.keyPEM(f), a.certPEM())
	f.Fuzz(func(t *testing.T, cert, key []byte) {
		dir := t.TempDir()
		files := certs.NewFiles(certs.FilesOptions{Every: -1})
		p, err := files.LoadPair(put(t, filepath.Join(dir, "c"), cert), put(t, filepath.Join(dir, "k"), key))
		if err == nil && (p.Certificate().Leaf == nil || p.Certificate().PrivateKey == nil) {
			t.Errorf("cert %q and key %q load without one of them", cert, key)
		}
	})
}

func BenchmarkPairCertificate(b *testing.B) {
	a := issue(b, nil, "a", nil)
	f := certs.NewFiles(certs.FilesOptions{Every: -1})
	defer f.Close()
	p, err := f.LoadPair(temp(b, a.certPEM()), temp(b, a.keyPEM(b)))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		p.Certificate()
	}
}
