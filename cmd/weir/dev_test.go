package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/attack/clients"
)

// developing is a weir dev in a process of its own, and what it has said.
type developing struct {
	*begun
	url   string
	cmd   *exec.Cmd
	lines chan string
	all   strings.Builder
}

// develop starts weir dev in the project's directory.
func develop(t *testing.T, p *begun, flags ...string) *developing {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	d := &developing{begun: p, url: "https://localhost:" + port, lines: make(chan string, 1000)}
	d.cmd = exec.Command(clients.Find(t, "weir"), append([]string{"dev", "--from", "localhost:" + port}, flags...)...)
	d.cmd.Dir, d.cmd.Env = p.dir, append(os.Environ(), p.env...)
	out, err := d.cmd.StderrPipe()
	if err == nil {
		err = d.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(d.lines)
		for in := bufio.NewScanner(out); in.Scan(); {
			d.lines <- in.Text()
		}
	}()
	t.Cleanup(func() { d.end(t) })
	return d
}

// end stops it, as Ctrl-C does, and looks at what it leaves.
func (d *developing) end(t *testing.T) {
	t.Helper()
	d.cmd.Process.Signal(syscall.SIGINT)
	for line := range d.lines {
		d.all.WriteString(line + "\n")
	}
	if err := d.cmd.Wait(); err != nil {
		t.Errorf("weir dev ended with %v:\n%s", err, d.all.String())
	}
	if left, _ := filepath.Glob(filepath.Join(d.dir, "..", "weir-dev-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// hear waits for a line with each of these parts, in this order.
func (d *developing) hear(t *testing.T, parts ...string) {
	t.Helper()
	timeout := time.NewTimer(2 * time.Minute)
	defer timeout.Stop()
	for _, part := range parts {
		for line := ""; !strings.Contains(line, part); {
			var ok bool
			select {
			case line, ok = <-d.lines:
				d.all.WriteString(line + "\n")
			case <-timeout.C:
			}
			if !ok {
				t.Fatalf("weir dev has not said %q:\n%s", part, d.all.String())
			}
		}
	}
}

// write changes a file of the project as an editor does.
func (d *developing) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(d.dir, name)
	if err := os.WriteFile(path+"~", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+"~", path); err != nil {
		t.Fatal(err)
	}
}

func (d *developing) client() *http.Client {
	// What answers is looked at here, not who.
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
}

// asks has some clients ask without a pause until stop is called. Every answer has to be
// that of a version at least as new as the newest was when it was asked.
func (d *developing) asks(t *testing.T, newest *atomic.Int64) (stop func() int64) {
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	var asked atomic.Int64
	for range 3 {
		clients.Go(func() {
			client := d.client()
			defer client.CloseIdleConnections()
			pace := time.NewTicker(5 * time.Millisecond) // the compiler is to have some of the machine
			defer pace.Stop()
			for ; ctx.Err() == nil; <-pace.C {
				oldest, got := newest.Load(), int64(-1)
				resp, err := client.Get(d.url + "/")
				if err != nil {
					t.Errorf("a request failed: %v", err)
					return
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				asked.Add(1)
				if _, err := fmt.Sscanf(resp.Header.Get("x-hello"), "v%d", &got); err != nil || got < oldest || resp.StatusCode != 200 {
					t.Errorf("got %s with x-hello %q, want 200 and v%d at least", resp.Status, resp.Header.Get("x-hello"), oldest)
					return
				}
			}
		})
	}
	return func() int64 { cancel(); clients.Wait(); return asked.Load() }
}

// TestDev_SwapsUnderLoad changes a filter's source again and again, breaks it and mends
// it, and changes what it is configured with, while clients ask: no request fails, and
// none is answered by what was there before.
func TestDev_SwapsUnderLoad(t *testing.T) {
	t.Parallel()
	p := begin(t, "go", false)
	source := func(version int, more string) string {
		return fmt.Sprintf(`package main

import "github.com/weirproxy/weir/sdk/weir"

func init() {
	weir.RegisterConfigured(func(c *weir.Config) (weir.Filter, error) {
		c.String("greeting", "")
		return hello, nil
	})
}

func hello(r *weir.Request, next weir.Next) (*weir.Response, error) {
	resp, err := next(r)
	if err == nil {
		resp.Header.Set("x-hello", "v%d")
	}
	%s
	return resp, err
}

func main() {}
`, version, more)
	}
	write(t, p.dir, "main.go", source(0, ""))
	write(t, p.dir, "cases.yaml", "cases: [{request: GET /, expect: {response: {header: {x-hello: {matches: '^v[0-9]$'}}}}}]\n")
	d := develop(t, p)
	d.hear(t, "a filter in Go", d.url, "built", "1 of 1 pass")
	var newest atomic.Int64
	stop := d.asks(t, &newest)
	defer stop()
	times := 3
	if raced() { // which compiles guests many times slower
		times = 1
	}
	for n := 1; n <= times; n++ {
		d.write(t, "main.go", source(n, ""))
		d.hear(t, "change  main.go", "built", "1 of 1 pass")
		newest.Store(int64(n))
	}
	d.write(t, "main.go", source(9, "undefined()"))
	d.hear(t, "undefined: undefined", "does not compile, the last good build goes on")
	d.write(t, "config.json", `{"greeting": "hello"}`)
	d.hear(t, "change  config.json", "taken up")
	d.write(t, "config.json", `{"gretting": "hello"}`)
	d.hear(t, "gretting", "does not take its configuration, the last good build goes on")
	os.Remove(filepath.Join(d.dir, "config.json"))
	d.hear(t, "taken up")
	d.write(t, "main.go", source(4, ""))
	d.hear(t, "built", "1 of 1 pass")
	newest.Store(4)
	d.write(t, "cases.yaml", "cases: [{request: GET /, expect: 404}]\n")
	d.hear(t, "change  cases.yaml", "response status", "1 of 1 case failed")
	asked := stop()
	t.Logf("%d requests, none failed", asked)
	if asked < 100 {
		t.Errorf("%d requests are no load", asked)
	}
	d.write(t, "main.go", source(5, "for { newest++ }")+"\nvar newest int\n")
	d.hear(t, "built")
	client := d.client()
	defer client.CloseIdleConnections()
	resp, err := client.Get(d.url + "/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 500 {
		t.Errorf("got %s of an endless loop", resp.Status)
	}
	d.hear(t, "failed  guest failed in proxy_on_response_headers: it computed for more than 20ms", "main.hello")
	d.write(t, "main.go", source(6, `panic("no such user")`))
	d.hear(t, "built", "panic: no such user", "main.hello(", "main.go:", "1 of 1 case failed") // by the case that asks
}

// TestDev_TellsClientsWhatIsWrong: where nothing has been built yet, they get what the
// compiler says, and the module as soon as there is one.
func TestDev_TellsClientsWhatIsWrong(t *testing.T) {
	t.Parallel()
	p := begin(t, "go", false)
	good, err := os.ReadFile(filepath.Join(p.dir, "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, p.dir, "main.go", "package main\n\nfunc main() { oops() }\n")
	d := develop(t, p, "--no-test")
	d.hear(t, "it does not compile")
	client := d.client()
	defer client.CloseIdleConnections()
	get := func() (int, string, http.Header) {
		resp, err := client.Get(d.url + "/")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body), resp.Header
	}
	status, body, head := get()
	if status != 503 || !strings.Contains(body, "stamp-it does not compile") || !strings.Contains(body, "undefined: oops") || head.Get("refresh") == "" {
		t.Errorf("got %d, %v\n%s\nwant 503 and what the compiler says", status, head, body)
	}
	d.write(t, "main.go", string(good))
	d.hear(t, "built")
	if status, body, head := get(); status != 200 || head.Get("x-hello") != "from stamp-it" {
		t.Errorf("got %d, %v\n%s\nwant the filter's", status, head, body)
	}
}

// TestDev_BuildsWhereFilesNeverRest: something keeps writing to the project's directory,
// and each change would break off the build that has begun.
func TestDev_BuildsWhereFilesNeverRest(t *testing.T) {
	t.Parallel()
	p := begin(t, "go", false)
	ctx, rest := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	writing.Go(func() {
		pace := time.NewTicker(100 * time.Millisecond)
		defer pace.Stop()
		for n := 0; ctx.Err() == nil; n++ {
			if err := os.WriteFile(filepath.Join(p.dir, "measured.csv"), fmt.Append(nil, n), 0o644); err != nil {
				t.Error(err)
			}
			<-pace.C
		}
	})
	defer writing.Wait()
	defer rest()
	d := develop(t, p, "--no-test")
	d.hear(t, "change  measured.csv", "built")
}

// TestDev_TakesAConfigurationUp that is written only when the guest has asked for it: where
// it was refused before, nothing has been served yet.
func TestDev_TakesAConfigurationUp(t *testing.T) {
	t.Parallel()
	p := begin(t, "go", false)
	write(t, p.dir, "main.go", `package main

import "github.com/weirproxy/weir/sdk/weir"

func init() {
	weir.RegisterConfigured(func(c *weir.Config) (weir.Filter, error) {
		user := c.String("user", "")
		if user == "" {
			c.Fail("user", "who is it?")
		}
		return func(*weir.Request, weir.Next) (*weir.Response, error) { return weir.Reply(200, user), nil }, nil
	})
}

func main() {}
`)
	d := develop(t, p, "--no-test")
	d.hear(t, "the guest refuses its configuration; it said: configuration refused: user: who is it?", "config.json", "it does not take its configuration")
	d.write(t, "config.json", `{"usr": "ada"}`)
	d.hear(t, "usr: is not known here", "it does not take its configuration")
	d.write(t, "config.json", `{"user": "ada"}`)
	d.hear(t, "built")
	client := d.client()
	defer client.CloseIdleConnections()
	resp, err := client.Get(d.url + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "ada" {
		t.Errorf("got %q, %v", body, err)
	}
}
