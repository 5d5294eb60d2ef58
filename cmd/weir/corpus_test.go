package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/weirproxy/weir/wasmhost/corpus"
)

// guestCase is a guest that others wrote, how a site uses it, and what its author says
// that it does. The site is called after the guest, and has a certificate of weir's.
type guestCase struct {
	guest string // of the corpus
	name  string // tells apart several cases of one guest; may be empty
	// plugin are the settings of the plugin beside wasm, as YAML of one line.
	plugin string
	// module says that the guest answers; else it stands before an upstream that tells
	// what it sees.
	module bool
	files  map[string]string // in the directory that plugin calls DIR
	test   func(*testing.T, *asker)
}

// plugs is the name of the case's plugin.
func (c guestCase) plugs() string {
	return strings.NewReplacer("/", "-", "_", "-").Replace(strings.Trim(c.guest+"-"+c.name, "-"))
}

// host is the name of the case's site.
func (c guestCase) host() string { return c.plugs() + ".test" }

// startGuests runs weir with a site for each case.
func startGuests(t *testing.T, cases []guestCase) *program {
	t.Helper()
	dir := t.TempDir()
	var b strings.Builder
	fmt.Fprintf(&b, "listen: {http: \"${HTTP}\", https: \"${HTTPS}\"}\nadmin: \"${ADMIN}\"\nlog: {format: json}\nupstreams:\n")
	for name, address := range guestUpstreams(t) {
		fmt.Fprintf(&b, "  %s: {to: %q}\n", name, address)
	}
	b.WriteString("plugins:\n")
	for _, c := range cases {
		for name, content := range c.files {
			write(t, dir, name, content)
		}
		fmt.Fprintf(&b, "  %s: {wasm: %q", c.plugs(), corpus.File(t, c.guest))
		if c.plugin != "" {
			fmt.Fprintf(&b, ", %s", strings.ReplaceAll(c.plugin, "DIR", dir))
		}
		b.WriteString("}\n")
	}
	b.WriteString("sites:\n")
	for _, c := range cases {
		use := fmt.Sprintf("filters: [%s]\n    proxy: {upstream: app}", c.plugs())
		if c.module {
			use = fmt.Sprintf("module: {use: %s}", c.plugs())
		}
		fmt.Fprintf(&b, "  %s:\n    tls: internal\n    %s\n", c.host(), use)
	}
	keepCompiled(t, dir)
	return startProgram(t, dir, b.String())
}

// keepCompiled lets programs of several tests, and of several runs, share what they have
// compiled: some guests take a processor many seconds, and minutes under the race detector.
func keepCompiled(t *testing.T, dir string) {
	t.Helper()
	kept, err := corpus.Cache()
	if err != nil {
		t.Fatal(err)
	}
	kept = filepath.Join(kept, "compiled")
	data := filepath.Join(dir, "data")
	for _, d := range []string{kept, data} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(kept, filepath.Join(data, "wasm-cache")); err != nil {
		t.Fatal(err)
	}
}

// testGuests asks each case's site over each protocol.
func testGuests(t *testing.T, p *program, cases []guestCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.host(), func(t *testing.T) {
			for _, a := range p.askers(t, c.host()) {
				t.Run(a.proto, func(t *testing.T) {
					c.test(t, a)
					if t.Failed() {
						t.Logf("weir's log of it:\n%s", p.linesAbout(c.plugs()))
					}
				})
			}
		})
	}
}

// linesAbout returns what weir has logged last of a plugin.
func (p *program) linesAbout(plugin string) string {
	var lines []string
	for line := range strings.Lines(p.output()) {
		if strings.Contains(line, `"plugin":"`+plugin+`"`) && !strings.Contains(line, `"guest says"`) {
			lines = append(lines, line[:min(len(line), 1000)])
		}
	}
	return strings.Join(lines[max(0, len(lines)-10):], "")
}

// awaitOutput waits until weir has written text to its log.
func (p *program) awaitOutput(t *testing.T, text string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 500 {
		if strings.Contains(p.output(), text) {
			return
		}
		<-tick.C
	}
	t.Errorf("weir has not logged %q:\n%s", text, p.tail())
}

// asker asks one site over one protocol.
type asker struct {
	p           *program
	proto, host string
	transport   http.RoundTripper
}

// askers are one for each protocol, over TLS.
func (p *program) askers(t *testing.T, host string) (list []*asker) {
	t.Helper()
	conf := &tls.Config{RootCAs: p.pool(t)}
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, p.udp())
	}
	h1 := &http.Transport{TLSClientConfig: conf.Clone(), DialContext: dial}
	h2 := &http.Transport{TLSClientConfig: conf.Clone(), DialContext: dial, ForceAttemptHTTP2: true}
	h3 := &http3.Transport{TLSClientConfig: conf.Clone(), Dial: func(ctx context.Context, _ string, tc *tls.Config, qc *quic.Config) (*quic.Conn, error) {
		return quic.DialAddrEarly(ctx, p.udp(), tc, qc)
	}}
	t.Cleanup(func() {
		h1.CloseIdleConnections()
		h2.CloseIdleConnections()
		h3.Close()
	})
	for proto, transport := range map[string]http.RoundTripper{"h1": h1, "h2": h2, "h3": h3} {
		list = append(list, &asker{p, proto, host, transport})
	}
	return list
}

// answer is what a client got.
type answer struct {
	status int
	header http.Header
	body   string
	seen   sighting // what the upstream was asked, if the body tells
}

// do asks. fields are names and values by turns. A request without a body has an empty
// one. The path may be of a form that clients would not send.
func (a *asker) do(t *testing.T, method, path, body string, fields ...string) answer {
	t.Helper()
	got, err := a.try(t.Context(), method, path, body, fields...)
	if err != nil {
		t.Fatalf("%s %s over %s: %v", method, path, a.proto, err)
	}
	return got
}

func (a *asker) try(ctx context.Context, method, path, body string, fields ...string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute) // Coraza under the race detector takes its time
	defer cancel()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, "https://"+a.host+"/", content)
	if err != nil {
		return answer{}, err
	}
	if req.URL, err = url.Parse("https://" + a.host + path); err != nil {
		return answer{}, err
	}
	for i := 0; i+1 < len(fields); i += 2 {
		req.Header.Add(fields[i], fields[i+1])
	}
	resp, err := a.transport.RoundTrip(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	got := answer{status: resp.StatusCode, header: resp.Header, body: string(data)}
	if resp.Header.Get("Content-Type") == seenType {
		json.Unmarshal(data, &got.seen) // what does not hold is seen by those who look
	}
	return got, err
}

// expect compares one fact.
func expect[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}
