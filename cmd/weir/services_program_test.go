package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/weirproxy/weir/edge/store/storetest"
)

// buildKeeper builds the guest of testdata/keeper into dir.
func buildKeeper(t *testing.T, dir string) {
	t.Helper()
	build := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", filepath.Join(dir, "keeper.wasm"), "./testdata/keeper")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the guest: %v\n%s", err, out)
	}
}

// keeperOf asks the guest of a program.
type keeperOf struct {
	testing.TB
	*program
	host string
}

// asks asks for something, with "name=value" pairs, and returns status and lines.
func (k keeperOf) asks(what string, pairs ...string) (int, []string) {
	k.Helper()
	query := url.Values{}
	for _, p := range pairs {
		name, value, _ := strings.Cut(p, "=")
		query.Set(name, value)
	}
	req, err := http.NewRequestWithContext(k.Context(), http.MethodGet, "http://"+k.http+what+"?"+query.Encode(), nil)
	if err != nil {
		k.Fatal(err)
	}
	req.Host = k.host
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		k.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		k.Fatal(err)
	}
	return resp.StatusCode, strings.Split(string(body), "\n")
}

// gets expects an answer of 200.
func (k keeperOf) gets(what string, pairs ...string) []string {
	k.Helper()
	status, lines := k.asks(what, pairs...)
	if status != 200 {
		k.Fatalf("%s %q: got %d, %q\n%s", what, pairs, status, lines, k.tail())
	}
	return lines
}

func (k keeperOf) fails(want int, saying, what string, pairs ...string) {
	k.Helper()
	if status, lines := k.asks(what, pairs...); status != want || !strings.Contains(lines[0], saying) {
		k.Errorf("%s %q: got %d, %q; want %d, %q", what, pairs, status, lines, want, saying)
	}
}

const keeperConfig = `
listen: {http: "${HTTP}"}
admin: "${ADMIN}"
%s
plugins:
  keeper:
    wasm: keeper.wasm
    grants:
      store: [shared]
      keys: {session: auto, own: {secret: {file: own.key}}, token: {ed25519: {file: ed.pem}}}
  other: {wasm: keeper.wasm, grants: {store: [shared, keeper], keys: {session: auto}}}
  small: {wasm: keeper.wasm, limits: {store: 2KiB}}
sites:
  keeper.test: {module: keeper}
  other.test: {module: other}
  small.test: {module: small}
  plain.test: {module: ./keeper.wasm}
`

// nodes starts two programs on one store.
func nodes(t *testing.T, store string) (a, b keeperOf) {
	t.Helper()
	dir := t.TempDir()
	buildKeeper(t, dir)
	write(t, dir, "own.key", strings.Repeat("k", 32)+"\n")
	der, err := x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed([]byte(strings.Repeat("e", 32))))
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "ed.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	keepCompiled(t, dir)
	conf := fmt.Sprintf(keeperConfig, store)
	first := startProgram(t, dir, conf)
	second := startProgram(t, dir, conf)
	return keeperOf{t, first, "keeper.test"}, keeperOf{t, second, "keeper.test"}
}

// TestServices_AreThoseOfAllNodes runs two programs with the store that there is without
// a word about it, a file, and with a server.
func TestServices_AreThoseOfAllNodes(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		a, b := nodes(t, "")
		if _, err := os.Stat(filepath.Join(a.dir, "data", storeFile)); err == nil {
			t.Error("there is a store before a guest has asked for one")
		}
		servicesOf(t, a, b)
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		r := storetest.StartRedis(t)
		a, b := nodes(t, "store: "+r.URL)
		servicesOf(t, a, b)
		r.Kill()
		a.fails(502, "the store does not answer", "/get", "key=k")
	})
}

func servicesOf(t *testing.T, a, b keeperOf) {
	a.fails(404, "there is no such entry", "/get", "key=k")
	version := a.gets("/put", "key=k", "value=v")[0]
	if got := b.gets("/get", "key=k"); got[0] != "v" || got[1] != version {
		t.Errorf("the other node got %q, want v, %s", got, version)
	}
	b.fails(409, "another version", "/put", "key=k", "value=w", "version=0")
	b.gets("/put", "key=k", "value=w", "version="+version)
	a.fails(409, "another version", "/put", "key=k", "value=x", "version="+version)
	a.fails(409, "another version", "/delete", "key=k", "version="+version)
	if got := a.gets("/get", "key=k"); got[0] != "w" {
		t.Errorf("got %q, want w", got)
	}
	a.gets("/delete", "key=k", "version="+a.gets("/get", "key=k")[1])
	a.gets("/delete", "key=k")
	b.fails(404, "there is no such entry", "/get", "key=k")

	a.gets("/put", "key=short", "value=v", "life=20ms")
	a.gets("/put", "key=long", "value=v", "life=1h")
	storetest.Eventually(t, "the short one is gone", func() bool {
		status, _ := b.asks("/get", "key=short")
		return status == 404
	})
	b.gets("/get", "key=long")

	for i := range 5 {
		a.gets("/put", "key=list/"+strconv.Itoa(i), "value=v")
	}
	if got := strings.Join(b.gets("/list", "key=list/", "after=list/1", "many=2"), " "); got != "list/2 list/3" {
		t.Errorf("listed %q", got)
	}
	spaces(t, a, b)
	room(t, a, b)
	keys(t, a, b)
	race(t, a, b)
}

// spaces: what a plugin keeps is its own, but for those that are granted it.
func spaces(t *testing.T, a, b keeperOf) {
	other, plain := b, a
	other.host, plain.host = "other.test", "plain.test"
	a.gets("/put", "key=mine", "value=v")
	other.fails(404, "", "/get", "key=mine")
	plain.fails(404, "", "/get", "key=mine")
	other.gets("/get", "key=mine", "space=keeper")
	a.fails(403, "add it to the plugin's grants: {store: [other]}", "/get", "key=mine", "space=other")
	plain.fails(403, "add it to the plugin's grants: {store: [keeper]}", "/get", "key=mine", "space=keeper")
	a.gets("/put", "key=k", "value=ours", "space=shared")
	if got := other.gets("/get", "key=k", "space=shared"); got[0] != "ours" {
		t.Errorf("got %q of what is shared", got)
	}
	plain.gets("/put", "key=k", "value=v")
	if got := strings.Join(plain.gets("/list", "many=1000"), " "); got != "k" {
		t.Errorf("a plugin in place has %q", got)
	}
}

// room: a part of the store that is full takes no more, on any node, until something goes.
func room(t *testing.T, a, b keeperOf) {
	a.host, b.host = "small.test", "small.test"
	kib := "value=" + strings.Repeat("x", 1000)
	a.gets("/put", "key=1", kib)
	b.gets("/put", "key=2", kib)
	a.fails(403, "limits.store", "/put", "key=3", kib)
	a.gets("/get", "key=2")
	a.gets("/delete", "key=2")
	storetest.Eventually(t, "there is room again", func() bool {
		status, _ := a.asks("/put", "key=3", kib)
		return status == 200
	})
}

// keys: what one node signs the other takes, of the same plugin.
func keys(t *testing.T, a, b keeperOf) {
	other := b
	other.host = "other.test"
	for key, algorithm := range map[string]string{"session": "HS256", "own": "HS256", "token": "EdDSA"} {
		signed := a.gets("/sign", "key="+key, "value=message")
		if signed[1] != algorithm {
			t.Errorf("%s signs by %s, want %s", key, signed[1], algorithm)
		}
		if got := b.gets("/verify", "key="+key, "value=message", "signature="+signed[0]); got[0] != "true" {
			t.Errorf("the other node does not take what was signed with %s", key)
		}
		if got := b.gets("/verify", "key="+key, "value=messages", "signature="+signed[0]); got[0] != "false" {
			t.Errorf("the other node takes another message with %s", key)
		}
	}
	signed := a.gets("/sign", "key=session", "value=message")[0]
	if got := other.gets("/verify", "key=session", "value=message", "signature="+signed); got[0] != "false" {
		t.Error("two plugins have the same key")
	}
	want := ed25519.Sign(ed25519.NewKeyFromSeed([]byte(strings.Repeat("e", 32))), []byte("message"))
	if got := a.gets("/sign", "key=token", "value=message")[0]; got != hex.EncodeToString(want) {
		t.Errorf("signed %s, want %x", got, want)
	}
	other.fails(403, "add it to the plugin's grants: {keys: {token: auto}}", "/sign", "key=token", "value=m")

	hash := a.gets("/hash", "value=hunter2")[0]
	if got := strings.Join(b.gets("/password", "key="+hash, "value=hunter2"), " "); got != "true false" {
		t.Errorf("the right password: %s", got)
	}
	if got := strings.Join(b.gets("/password", "key="+hash, "value=hunter3"), " "); got != "false false" {
		t.Errorf("a wrong password: %s", got)
	}
	a.fails(502, "neither", "/password", "key=plain", "value=plain")
}

// race has twenty clients count in one entry.
func race(t *testing.T, a, b keeperOf) {
	const clients, each = 20, 10
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen, lost := map[string]bool{}, 0
	for i := range clients {
		wg.Go(func() {
			k := []keeperOf{a, b}[i%2]
			for range each {
				status, got := k.asks("/add", "key=count")
				mu.Lock()
				if status != 200 || seen[got[0]] {
					t.Errorf("got %d, %q, twice: %v", status, got, seen[got[0]])
				} else {
					n, _ := strconv.Atoi(got[1])
					seen[got[0]], lost = true, lost+n
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if got := a.gets("/get", "key=count")[0]; got != strconv.Itoa(clients*each) {
		t.Errorf("counted %s, want %d", got, clients*each)
	}
	t.Logf("%d writes were tried again", lost)
}
