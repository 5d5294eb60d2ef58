package main_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// imports is the import policy of weir. One line per package:
//
//	package: packages of ours; packages of others
//
// A package may import what its line names, and the standard library. A name of
// others covers everything below it. "test:" lines add what a package's tests
// may import beside that; every test may import its own package, the contract
// suites and goleak. A package without a line fails the test.
//
// Arrows point one way: cmd/weir -> edge -> the rooms below edge ->
// edge/exchange. Rooms do not know each other. To add an arrow is to change the
// shape of the house: ARCHITECTURE.md says why it has this one. Do not widen a
// line to make a build pass.
const imports = `
edge/exchange:
edge/exchange/exchangetest: edge/exchange

edge/route:
edge/listen:     ; golang.org/x/sys/unix github.com/pires/go-proxyproto github.com/coreos/go-systemd/v22
edge/http1:      edge/exchange; golang.org/x/sys/unix
edge/nethttp/xconnect:
edge/nethttp:    edge/exchange edge/nethttp/xconnect; golang.org/x/net/http2 golang.org/x/net/http/httpguts github.com/quic-go/quic-go github.com/quic-go/qpack
edge/static:     edge/exchange; golang.org/x/sys/unix
edge/reply:      edge/exchange
edge/modify:     edge/exchange
edge/access:     edge/exchange
edge/compress:   edge/exchange; github.com/klauspost/compress github.com/andybalholm/brotli
edge/cache:      edge/exchange
edge/upstream:   edge/exchange edge/http1 edge/nethttp
edge/proxy:      edge/exchange edge/upstream
edge/accesslog:  edge/exchange; github.com/DeRuina/timberjack
edge/metrics:    edge/exchange
edge:            edge/exchange edge/route edge/listen edge/http1 edge/nethttp; golang.org/x/net github.com/quic-go/quic-go

sdk/abi/proxywasm:
sdk/abi/httpwasm:
sdk/abi/ext:       sdk/abi/proxywasm
sdk/abi/gen:       sdk/abi/proxywasm
sdk/internal/host: sdk/abi/proxywasm
sdk/weir:          sdk/abi/proxywasm sdk/abi/ext sdk/internal/host
sdk/weirhttp:      sdk/weir
sdk/internal/argon2:
sdk/sdktest:       sdk/abi/proxywasm sdk/abi/ext sdk/internal/host sdk/internal/argon2 sdk/weir
sdk:
sdk/rust:
sdk/assemblyscript:
sdk/c:
sdk/templates/go/filter: sdk/weir
sdk/templates/go/module: sdk/weirhttp

filters:
filters/basicauth: sdk/weir
filters/cors:      sdk/weir
filters/echo:      sdk/weir
filters/headers:   sdk/weir
filters/module:    sdk/weir filters/basicauth filters/cors filters/echo filters/headers

examples/rewrite/guest:      sdk/weir
examples/forward-auth/guest: sdk/weir
examples/forward-auth/keeper:
examples/ab/guest:           sdk/weir
examples/llm/guest:          sdk/weir
examples/llm/model:
examples/module-go:                 sdk/weirhttp examples/module-go/board
examples/module-go/board:
examples/module-go/board/boardtest:
examples/module-go/serve:           examples/module-go/board

wasmhost/wasm:
wasmhost/meter:     wasmhost/wasm
wasmhost/vm:        wasmhost/meter wasmhost/wasm; github.com/tetratelabs/wazero golang.org/x/sys/unix
wasmhost/vmtest:    wasmhost/vm wasmhost/wasm
wasmhost/commons:
wasmhost/corpus:
wasmhost/guest:     edge/exchange wasmhost/vm wasmhost/commons sdk/abi/proxywasm
wasmhost/services:  sdk/abi/ext sdk/abi/proxywasm; golang.org/x/crypto/argon2 golang.org/x/crypto/bcrypt
wasmhost/proxywasm: edge/exchange wasmhost/guest wasmhost/commons wasmhost/vm wasmhost/wasm sdk/abi/proxywasm sdk/abi/ext; github.com/tetratelabs/wazero/api
wasmhost/httpwasm:  edge/exchange wasmhost/guest wasmhost/vm wasmhost/wasm sdk/abi/httpwasm; github.com/tetratelabs/wazero/api
wasmhost/cgi:       edge/exchange wasmhost/guest wasmhost/vm wasmhost/wasm
wasmhost:           edge/exchange wasmhost/guest wasmhost/commons wasmhost/vm wasmhost/wasm wasmhost/proxywasm wasmhost/httpwasm wasmhost/cgi wasmhost/services
wasmhost/trial:     edge/exchange wasmhost wasmhost/guest wasmhost/services sdk/abi/ext sdk/abi/proxywasm

edge/store:
edge/store/sqlite:    edge/store; modernc.org/sqlite
edge/store/redis:     edge/store; github.com/redis/go-redis/v9
edge/store/postgres:  edge/store; github.com/jackc/pgx/v5
edge/store/storetest: edge/store

certs/storage:
certs/rotate:    certs/storage
certs/demand:    ; golang.org/x/net/publicsuffix
certs/dns01:     ; github.com/libdns/libdns github.com/miekg/dns github.com/mholt/acmez/v3
certs/issuer:    certs/storage; github.com/mholt/acmez/v3
certs/certstest: certs/storage; github.com/letsencrypt/pebble/v2 github.com/miekg/dns github.com/libdns/libdns github.com/mholt/acmez/v3
certs:           certs/storage certs/issuer certs/demand; github.com/smallstep/truststore github.com/fsnotify/fsnotify

cmd/weir/config: ; go.yaml.in/yaml/v4
cmd/weir/project: sdk; github.com/fsnotify/fsnotify
cmd/weir:        *; *

edge/attack/clients:
edge/attack:     ; golang.org/x/net golang.org/x/sys/unix github.com/quic-go/quic-go github.com/quic-go/qpack

test: sdk/weir:            sdk/sdktest sdk/abi/proxywasm
test: sdk/sdktest:         sdk/abi/ext sdk/abi/proxywasm sdk/internal/host sdk/weir
test: sdk/weirhttp:        sdk/sdktest
test: sdk/internal/argon2: ; golang.org/x/crypto/argon2
test: sdk/rust:            sdk/abi/proxywasm; github.com/tetratelabs/wazero
test: sdk/c:               sdk/abi/proxywasm; github.com/tetratelabs/wazero
test: sdk/templates/go/filter: sdk/sdktest
test: examples/rewrite/guest:      sdk/sdktest
test: examples/forward-auth/guest: sdk/sdktest
test: examples/ab/guest:           sdk/sdktest
test: examples/llm/guest:          sdk/sdktest
test: filters/basicauth:   sdk/sdktest
test: filters/cors:        sdk/sdktest
test: filters/echo:        sdk/sdktest
test: filters/headers:     sdk/sdktest

test: wasmhost/corpus:     wasmhost/wasm
test: wasmhost/meter:      wasmhost/corpus; github.com/tetratelabs/wazero
test: wasmhost/vm:         wasmhost/vmtest
test: wasmhost/proxywasm:  wasmhost/vmtest edge edge/route; github.com/quic-go/quic-go
test: wasmhost/httpwasm:   wasmhost/vmtest edge edge/proxy edge/route edge/upstream; github.com/http-wasm/http-wasm-host-go github.com/quic-go/quic-go golang.org/x/net github.com/tetratelabs/wazero
test: wasmhost/cgi:        wasmhost/vmtest wasmhost/commons edge edge/route
test: wasmhost:            wasmhost/vmtest edge edge/route sdk/abi/proxywasm sdk/abi/httpwasm

test: certs/issuer:         certs/dns01; github.com/letsencrypt/pebble/v2 golang.org/x/net github.com/miekg/dns
test: certs/dns01:          ; github.com/letsencrypt/pebble/v2 github.com/letsencrypt/challtestsrv
test: certs:                certs/dns01 certs/rotate; github.com/mholt/acmez/v3

test: certs/rotate:         ; github.com/miekg/dns
test: edge/store:           edge/store/sqlite
test: edge/upstream:       edge
test: edge/proxy:          edge edge/http1 edge/nethttp edge/route edge/upstream; github.com/quic-go/quic-go golang.org/x/net
test: edge/cache:          edge edge/route
test: edge:                edge/static edge/reply; github.com/quic-go/quic-go golang.org/x/net
test: edge/nethttp:        ; github.com/quic-go/qpack
test: edge/attack/clients: ; github.com/quic-go/quic-go
`

// testOnly lists packages that only tests may import.
var testOnly = []string{"wasmhost/vmtest", "wasmhost/corpus", "examples/module-go/board/boardtest", "edge/exchange/exchangetest", "edge/attack", "edge/attack/clients", "edge/store/storetest", "certs/certstest"}

// banned says what must never be reached from a package, over any number of steps.
var banned = []struct{ from, module, why string }{
	{"sdk/weir", "fmt", "what guests are built on stays small"},
	{"sdk/weir", "reflect", "what guests are built on stays small"},
	{"sdk/weir", "encoding/json", "what guests are built on stays small"},
	{"sdk/weir", "net/http", "what guests are built on stays small"},
	{"sdk/weirhttp", "github.com/tetratelabs/wazero", "guests know the SDK alone"},
	{"edge", "go.yaml.in/yaml", "the edge knows no configuration file"},
	{"edge", "github.com/alecthomas/kong", "the edge knows no command line"},
	{"edge", "github.com/caddyserver/certmagic", "certificates are certs' business"},
	{"edge", "github.com/tetratelabs/wazero", "the edge runs no guests"},
	{"edge", module + "/cmd", "arrows point down"},
	{"edge", module + "/edge/store", "the edge keeps nothing; cmd/weir opens stores"},
	{"edge", module + "/certs", "certs is a neighbour, wired by cmd/weir"},
	{"edge", module + "/wasmhost", "the edge runs no guests"},
	{"wasmhost", module + "/edge/http1", "of the edge, guests' host knows the seam alone"},
	{"certs", module + "/edge", "certs knows nobody"},
	{"certs", "github.com/caddyserver/certmagic", "see RATIONALE: its cache, retries and writes are what certs is about"},
	{"certs", "modernc.org/sqlite", "certs has a store by its own interface"},
	{"cmd/weir/config", module + "/edge", "configuration is plain data"},
}

// allowance is one line of the table.
type allowance struct{ ours, others []string }

func (a allowance) allows(path string) bool {
	list, name := a.others, path
	if rest, ok := strings.CutPrefix(path, module+"/"); ok {
		return slices.Contains(a.ours, rest) || slices.Contains(a.ours, "*")
	}
	return slices.ContainsFunc(list, func(p string) bool {
		return p == "*" || name == p || strings.HasPrefix(name, p+"/")
	})
}

// parsePolicy reads the table: for code and, in the second map, for tests.
func parsePolicy(table string) (code, tests map[string]allowance, err error) {
	code, tests = map[string]allowance{}, map[string]allowance{}
	for line := range strings.Lines(table) {
		into := code
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "test:"); ok {
			into, line = tests, strings.TrimSpace(rest)
		}
		if line == "" {
			continue
		}
		name, list, ok := strings.Cut(line, ":")
		if _, twice := into[name]; !ok || twice {
			return nil, nil, fmt.Errorf("policy line %q: malformed or named twice", line)
		}
		ours, others, _ := strings.Cut(list, ";")
		into[name] = allowance{strings.Fields(ours), strings.Fields(others)}
	}
	return code, tests, nil
}

// judge returns what is wrong with the imports of p.
func judge(p *pkg, code, tests map[string]allowance) (wrong []string) {
	own, known := code[p.dir]
	if !known {
		return []string{p.dir + ": no line in the table of deps_test.go"}
	}
	extra := tests[p.dir]
	for _, f := range p.files {
		for _, path := range f.imports() {
			room := strings.TrimPrefix(path, module+"/")
			ok := isStd(path) || own.allows(path)
			if f.test {
				ok = ok || extra.allows(path) || room == p.dir || path == "go.uber.org/goleak" ||
					slices.Contains(testOnly, room) || room == "edge/exchange"
			} else if slices.Contains(testOnly, room) {
				ok = slices.Contains(testOnly, p.dir)
			}
			if !ok {
				wrong = append(wrong, fmt.Sprintf("%s: imports %s, which its line does not allow", f.name, path))
			}
		}
	}
	return wrong
}

// isStd tells whether path belongs to the standard library: its first element
// has no dot. "C" would break the promise of one static binary.
func isStd(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".") && path != "C"
}

// TestHouse_Imports reads the files themselves rather than asking the go
// command, so that files for other systems are held to the table as well.
func TestHouse_Imports(t *testing.T) {
	t.Parallel()
	code, tests, err := parsePolicy(imports)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range readHouse(t) {
		for _, w := range judge(p, code, tests) {
			t.Error(w)
		}
	}
}

func TestHouse_BannedDependencies(t *testing.T) {
	t.Parallel()
	closures := map[string][]string{}
	for _, b := range banned {
		if !hasCode(t, b.from) {
			continue
		}
		if closures[b.from] == nil {
			closures[b.from] = closure(t, b.from)
		}
		for _, path := range closures[b.from] {
			if path == b.module || strings.HasPrefix(path, b.module+"/") {
				t.Errorf("%s reaches %s: %s", b.from, path, b.why)
			}
		}
	}
}

// closure asks the go command for everything that dir's package is built from.
func closure(t *testing.T, dir string) []string {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", module+"/"+dir)
	if strings.HasPrefix(dir, "sdk/") { // as guests are built
		cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list -deps %s: %v\n%s", dir, err, stderr.String())
	}
	return strings.Fields(string(out))
}

// TestHouse_PolicyCatches shows that the table's rules bite.
func TestHouse_PolicyCatches(t *testing.T) {
	t.Parallel()
	code, tests, err := parsePolicy("a: b; x.org/y\nb:\ntest: a: c; x.org/z\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, dir, path string
		test            bool
		want            int
	}{
		{"allowed room", "a", module + "/b", false, 0},
		{"room not named", "b", module + "/a", false, 1},
		{"room for tests only", "a", module + "/c", false, 1},
		{"room for tests", "a", module + "/c", true, 0},
		{"package below an allowed module", "a", "x.org/y/z", false, 0},
		{"module that only starts alike", "a", "x.org/yz", false, 1},
		{"unknown package", "c", "fmt", false, 1},
		{"standard library", "b", "net/http", false, 0},
		{"cgo", "a", "C", false, 1},
		{"contract suite in code", "a", module + "/edge/exchange/exchangetest", false, 1},
		{"contract suite in tests", "a", module + "/edge/exchange/exchangetest", true, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			src := fmt.Sprintf("package p\nimport _ %q\n", tt.path)
			p := &pkg{dir: tt.dir, files: []*file{parseFile(t, "p.go", src, tt.test)}}
			if got := judge(p, code, tests); len(got) != tt.want {
				t.Errorf("judge(%s imports %s) = %q, want %d faults", tt.dir, tt.path, got, tt.want)
			}
		})
	}
	for _, table := range []string{"a", "a:\na:"} {
		if _, _, err := parsePolicy(table); err == nil {
			t.Errorf("parsePolicy(%q) accepted it, want an error", table)
		}
	}
}
