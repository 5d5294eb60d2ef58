package clients

import (
	_ "embed"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

var (
	//go:embed wsserver.cjs
	wsServer []byte
	//go:embed wsclient.cjs
	wsClient []byte
	//go:embed wsclient3.py
	wsClient3 []byte
)

// Modules returns the directory of the npm packages that .ci/run installs, its
// node_modules. WEIR_NPM names another.
func Modules(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("WEIR_NPM")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		dir = filepath.Join(cache, "weir-ci", "npm", "node_modules")
	}
	if _, err := os.Stat(filepath.Join(dir, "ws")); err != nil {
		missing(t, "the npm package ws in "+dir)
	}
	return dir
}

// Node returns the Node.js that .ci/run installs as an npm package, or the system's,
// and the environment in which scripts find [Modules].
func Node(t testing.TB) (program string, env []string) {
	t.Helper()
	modules := Modules(t)
	env = []string{"NODE_PATH=" + modules, "NODE_NO_WARNINGS=1"}
	if own, _ := filepath.Glob(filepath.Join(modules, "node-*", "bin", "node")); len(own) == 1 {
		return own[0], env
	}
	return Find(t, "node", "nodejs"), env
}

// EchoWebSocket starts a WebSocket server over the npm package ws that echoes every
// message, and returns its address.
func EchoWebSocket(t testing.TB) (address string) {
	t.Helper()
	node, env := Node(t)
	p := Start(t, "", env, node, script(t, "wsserver.cjs", wsServer))
	return "127.0.0.1:" + strings.TrimPrefix(p.Line(t, "listening "), "listening ")
}

// WebSocket starts a WebSocket client: over the npm package ws for proto "h1" (an
// upgrade) and "h2" (RFC 8441), over aioquic and wsproto for "h3" (RFC 9220). It
// trusts the root certificates of the PEM file root alone, and talks to the https URL
// at address. With a count, it sends so many messages, has each come back as it went,
// and says "echoed". Without (0), it says "open", and then echoes each line it is told.
// It ends well after an orderly close alone.
func WebSocket(t testing.TB, proto, root, url, address string, count int) *Process {
	t.Helper()
	var number []string
	if count > 0 {
		number = []string{strconv.Itoa(count)}
	}
	if proto == "h3" {
		python := findAioquic(t)
		if _, _, err := run(t, nil, python, "-c", "import wsproto"); err != nil {
			missing(t, "wsproto (python3 -m pip install wsproto)")
		}
		return Start(t, "", nil, python, append([]string{script(t, "wsclient3.py", wsClient3), root, url, address}, number...)...)
	}
	node, env := Node(t)
	return Start(t, "", env, node, append([]string{script(t, "wsclient.cjs", wsClient), proto, root, url}, number...)...)
}

// script writes a script to where the test's things are.
func script(t testing.TB, name string, content []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
