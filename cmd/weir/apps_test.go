package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirproxy/weir/edge/attack/clients"
)

const verdaccioConf = `
storage: ./storage
auth: {htpasswd: {file: ./htpasswd}}
uplinks: {}
packages:
  '@*/*': {access: $all, publish: $authenticated}
  '**': {access: $all, publish: $authenticated}
max_body_size: 100mb
log: {type: stdout, format: pretty, level: warn}
`

// verdaccio starts a package registry and returns its address.
func verdaccio(t *testing.T) string {
	t.Helper()
	node, env := clients.Node(t)
	modules := clients.Modules(t)
	dir := t.TempDir()
	write(t, dir, "config.yaml", verdaccioConf)
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	address := "127.0.0.1:" + port
	p := clients.Start(t, dir, append(env, "HOME="+dir), node, filepath.Join(modules, "verdaccio", "bin", "verdaccio"), "--config", "config.yaml", "--listen", address)
	p.Line(t, "http address")
	return address
}

// npm runs npm with a home of its own, in which it trusts the internal CA alone,
// and knows one registry.
func (p *program) npm(t *testing.T, home, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), clients.Find(t, "npm"), args...)
	cmd.Dir = dir
	for _, e := range os.Environ() {
		if name := strings.ToLower(e); !strings.HasPrefix(name, "npm_config_") && !strings.Contains(name, "_proxy=") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	cmd.Env = append(cmd.Env, "HOME="+home, "npm_config_cafile="+p.root(), "npm_config_registry=https://"+p.https+"/",
		"npm_config_update_notifier=false", "npm_config_audit=false", "npm_config_fund=false")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("npm %q: %v\n%s\n%s", args, err, out, p.tail())
	}
	return string(out)
}

// TestApps_NPMPublishesAndInstalls: the path of a scoped package has an encoded slash,
// and the registry builds links by the host and the scheme that it is told.
func TestApps_NPMPublishesAndInstalls(t *testing.T) {
	t.Parallel()
	clients.Find(t, "npm")
	p := startProgram(t, t.TempDir(), strings.ReplaceAll(`
listen: {https: "${HTTPS}"}
admin: "${ADMIN}"
log: {format: json}
sites:
  localhost:
    proxy: REGISTRY
    raw_path: true
    compress: true
`, "REGISTRY", verdaccio(t)))
	home := t.TempDir()
	user := clients.Curl(t, p.root(), "-X", "PUT", "-H", "Content-Type: application/json", "-d", `{"name":"river","password":"over-the-weir"}`,
		"https://"+p.https+"/-/user/org.couchdb.user:river")
	var login struct{ Token string }
	if err := json.Unmarshal([]byte(user), &login); err != nil || login.Token == "" {
		t.Fatalf("login: %v, %s", err, user)
	}
	write(t, home, ".npmrc", "//"+p.https+"/:_authToken="+login.Token+"\n")
	blob := make([]byte, 3<<20)
	rand.Read(blob)
	for _, name := range []string{"@weir/stream", "plain-stream"} {
		dir := filepath.Join(home, "packages", name)
		write(t, dir, "package.json", fmt.Sprintf(`{"name": %q, "version": "1.2.3", "main": "index.js"}`, name))
		write(t, dir, "blob.txt", base64.StdEncoding.EncodeToString(blob))
		write(t, dir, "index.js", "module.exports = "+fmt.Sprintf("%q", name)+"\n")
		p.npm(t, home, dir, "publish", "--access", "public")
	}
	app := filepath.Join(home, "app")
	write(t, app, "package.json", `{"name": "app", "private": true}`)
	p.npm(t, home, app, "install", "@weir/stream", "plain-stream")
	for _, name := range []string{"@weir/stream", "plain-stream"} {
		got, err := os.ReadFile(filepath.Join(app, "node_modules", name, "blob.txt"))
		if want := base64.StdEncoding.EncodeToString(blob); err != nil || string(got) != want {
			t.Errorf("%s installed with %d bytes, %v, want the %d that were published", name, len(got), err, len(want))
		}
	}
	lock, err := os.ReadFile(filepath.Join(app, "package-lock.json"))
	if want := "https://" + p.https + "/@weir/stream/-/stream-1.2.3.tgz"; err != nil || !bytes.Contains(lock, []byte(want)) {
		t.Errorf("the lock file names no %s, %v:\n%s", want, err, lock)
	}
	if !p.logged("HTTP/1.1 /@weir%2Fstream 201") && !p.logged("HTTP/1.1 /@weir%2fstream 201") {
		t.Errorf("no scoped package was published over an encoded slash: %q", p.accessLines())
	}
}

const eventPage = `<!doctype html><title>events</title><script>
const seen = [], events = new EventSource("/events")
events.addEventListener("tick", event => {
	seen.push({n: event.data, at: performance.now()})
	fetch("/seen/" + event.data, {method: "POST"})
})
events.addEventListener("end", () => { events.close(); window.done = JSON.stringify(seen) })
</script>`

// ticker is an upstream that sends an event only when the page says that it has seen
// the one before: whoever holds back an event holds back all.
func ticker(t *testing.T, events int) string {
	t.Helper()
	seen := make(chan string, events)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, eventPage)
	})
	mux.HandleFunc("POST /seen/{n}", func(w http.ResponseWriter, r *http.Request) { seen <- r.PathValue("n") })
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for n := range events {
			fmt.Fprintf(w, "event: tick\ndata: %d\n\n", n)
			http.NewResponseController(w).Flush()
			select {
			case got := <-seen:
				if got != fmt.Sprint(n) {
					t.Errorf("the page saw event %s after %d was sent", got, n)
				}
			case <-r.Context().Done():
				t.Errorf("the stream was cut before the page saw event %d", n)
				return
			}
		}
		fmt.Fprint(w, "event: end\ndata: .\n\n")
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.Listener.Addr().(*net.TCPAddr).String()
}

// TestApps_ChromiumSeesEventByEvent shows that weir holds back no event of a stream,
// compressed or not, over HTTP/2 and HTTP/3.
func TestApps_ChromiumSeesEventByEvent(t *testing.T) {
	t.Parallel()
	const events = 50
	for _, quic := range []bool{false, true} {
		proto := map[bool]string{false: "HTTP/2.0", true: "HTTP/3.0"}[quic]
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			p := startProgram(t, t.TempDir(), strings.ReplaceAll(`
listen: {https: "${HTTPS}"}
admin: "${ADMIN}"
log: {format: json}
sites: {localhost: {proxy: TICKER, compress: true}}
`, "TICKER", ticker(t, events)))
			browser := clients.NewChromium(t, p.root())
			browser.QUIC = quic
			var seen []struct {
				N  string
				At float64
			}
			got := browser.Open(t, "https://"+p.https+"/").Eval(t, "window.done")
			if err := json.Unmarshal([]byte(got), &seen); err != nil || len(seen) != events {
				t.Fatalf("the page saw %d events, %v, want %d", len(seen), err, events)
			}
			var longest float64
			for i, e := range seen {
				if e.N != fmt.Sprint(i) || i > 0 && e.At <= seen[i-1].At {
					t.Errorf("event %d is %s at %v ms, after %v", i, e.N, e.At, seen[max(0, i-1)])
				}
				longest = max(longest, e.At-seen[max(0, i-1)].At)
			}
			t.Logf("%d events in %.0f ms, there and back %.1f ms at most", events, seen[events-1].At-seen[0].At, longest)
			if !p.logged(proto + " /events 200") {
				t.Errorf("no events over %s: %q", proto, p.accessLines())
			}
		})
	}
}
