package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weirproxy/weir/cmd/weir/config"
)

// TestFilterRun_Grants: what options grant is what the configuration of their meaning does.
func TestFilterRun_Grants(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	put := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	secret := put("secret", strings.Repeat("s", 32))
	private := put("private.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	module := put("it.wasm", "\x00asm\x01\x00\x00\x00")
	flags := guestFlags{
		Store: []string{"users", "carts"}, Key: []string{"session", "shared=" + secret, "token=" + private},
		Env: []string{"MODE=a: b"}, URL: []string{"https://api.example.com"}, Upstream: []string{"users=127.0.0.1:9000"},
	}
	text, err := flags.configuration("http://localhost:8080", "it", module, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse("it", []byte(text), config.Options{Dir: dir, ReadFile: os.ReadFile})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	g := c.Plugins[0].Grants
	if !slices.Equal(g.Store, []string{"users", "carts"}) {
		t.Errorf("store: %q", g.Store)
	}
	var keys []string
	for _, k := range g.Keys {
		kind := "auto"
		switch {
		case k.Secret != "":
			kind = "secret"
		case k.Ed25519 != "":
			kind = "ed25519"
		}
		keys = append(keys, k.Name+" "+kind)
	}
	if want := []string{"session auto", "shared secret", "token ed25519"}; !slices.Equal(keys, want) {
		t.Errorf("keys: %q, want %q", keys, want)
	}
	if len(g.Env) != 1 || len(g.URLs) != 1 || len(g.Upstreams) != 1 {
		t.Errorf("the others: %q, %q, %q", g.Env, g.URLs, g.Upstreams)
	}
	for bad, flags := range map[string]guestFlags{
		"--key =x: want NAME, or NAME=FILE":     {Key: []string{"=x"}},
		"--key x=: want NAME, or NAME=FILE":     {Key: []string{"x="}},
		"--key x=/nowhere: open /nowhere: no s": {Key: []string{"x=/nowhere"}},
		"--env MODE: want NAME=VALUE":           {Env: []string{"MODE"}},
		"--upstream =x: want NAME=URL":          {Upstream: []string{"=x"}},
	} {
		if _, err := flags.configuration("http://localhost:8080", "it", module, nil); err == nil || !strings.HasPrefix(err.Error(), bad) {
			t.Errorf("got %v, want %s", err, bad)
		}
	}
}
