package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestModuleGo_HandlersLearnThatClientsLeave: those who wait, write and read end, and
// leave nothing behind.
func TestModuleGo_HandlersLearnThatClientsLeave(t *testing.T) {
	t.Parallel()
	p := moduleProgram(t, 1)
	watch := p.h2(t)
	under := func() string {
		text, err := fetched(watch, "https://"+p.https+"/under")
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for _, proto := range []string{"h1", "h2", "h3"} {
		for _, path := range []string{"/wait", "/pour", "/take"} {
			l := p.leaver(t, proto)
			if proto == "h1" {
				l = p.leaver(t, "h1s")
			}
			ctx, leave := context.WithCancel(t.Context())
			r, w := io.Pipe()
			method, body := "GET", io.Reader(http.NoBody)
			if path == "/take" {
				method, body = "POST", r
			}
			req, err := http.NewRequestWithContext(ctx, method, l.url+path, body)
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() {
				resp, err := l.RoundTrip(req)
				if err == nil {
					_, err = io.ReadFull(resp.Body, make([]byte, 1))
					<-ctx.Done()
					resp.Body.Close()
				}
				ended <- err
			}()
			if path == "/take" {
				if _, err := w.Write(make([]byte, 100_000)); err != nil {
					t.Error(err)
				}
			}
			until(t, path+" to begin over "+proto, func() bool { return under() == "1" })
			leave()
			w.CloseWithError(context.Canceled)
			<-ended
			until(t, path+" to end over "+proto, func() bool { return under() == "0" })
			l.cut()
		}
	}
	said, _ := fetched(watch, "https://"+p.https+"/said/wait")
	if said != strings.Repeat("context canceled\n", 3) {
		t.Errorf("who waited says %q", said)
	}
	until(t, "streams to be forgotten", func() bool { return p.metric(t, "weir_plugin_streams"+plugin) == 0 })
}

// TestModuleGo_ReloadsWhileStreamsAreOpen: what has begun ends with the old instance, and
// new requests go to the new one.
func TestModuleGo_ReloadsWhileStreamsAreOpen(t *testing.T) {
	t.Parallel()
	p := moduleProgram(t, 1)
	client := p.h2(t)
	ctx, leave := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, "GET", "https://"+p.https+"/ticks", nil)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Scan()
	mine := strings.Fields(lines.Text())[0]
	conf, err := os.ReadFile(p.dir + "/weir.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p.configure(t, strings.ReplaceAll(string(conf), "logs: 10", "logs: 11"))
	if _, err := (adminClient{p.admin}).do("POST", "/reload"); err != nil {
		t.Fatal(err)
	}
	other, err := fetched(client, "https://"+p.https+"/instance")
	if err != nil || other == mine {
		t.Errorf("after a reload: instance %q, %v; want another than %q", other, err, mine)
	}
	for range 5 {
		if !lines.Scan() || !strings.HasPrefix(lines.Text(), mine+" ") {
			t.Fatalf("after a reload, the stream says %q, %v", lines.Text(), lines.Err())
		}
	}
	leave()
}

// TestModuleGo_ADeathIsThatOfItsInstance: a handler that takes all memory ends with all
// that its instance serves, and the next request finds another.
func TestModuleGo_ADeathIsThatOfItsInstance(t *testing.T) {
	t.Parallel()
	p := moduleProgram(t, 1)
	client := p.h2(t)
	resp, err := client.Get("https://" + p.https + "/ticks")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp, err := client.Get("https://" + p.https + "/die"); err == nil {
		if resp.Body.Close(); resp.StatusCode != 500 {
			t.Errorf("who dies answers %s", resp.Status)
		}
	}
	if _, err := io.Copy(io.Discard, resp.Body); err == nil {
		t.Error("a stream of an instance that has died ends as if it were whole")
	}
	until(t, "another instance", func() bool {
		text, err := fetched(client, "https://"+p.https+"/under")
		return err == nil && text == "0"
	})
}

// TestModuleGo_ManySlowClients: hundreds of clients that listen and hundreds that do not
// read hold streams, not instances: others are answered at once.
func TestModuleGo_ManySlowClients(t *testing.T) {
	t.Parallel()
	many := 500
	if testing.Short() || raced() {
		many = 50
	}
	p := moduleProgram(t, 2)
	// Instances whose memory is nearly full are replaced, once their streams have ended.
	conf, err := os.ReadFile(p.dir + "/weir.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p.configure(t, strings.ReplaceAll(string(conf), "logs: 10", "memory: 256MiB"))
	if _, err := (adminClient{p.admin}).do("POST", "/reload"); err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	var clients []*http.Client
	for range 1 + many/50 {
		clients = append(clients, p.h2(t))
	}
	quick := p.h2(t)
	for i := range 50 { // warm
		if _, err := fetched(quick, fmt.Sprintf("https://%s/much/%d", p.https, i*100)); err != nil {
			t.Fatal(err)
		}
	}
	open := func(path string, n int) (done func() int64) {
		var all sync.WaitGroup
		var heard atomic.Int64
		for i := range n {
			req, _ := http.NewRequestWithContext(ctx, "GET", "https://"+p.https+path, nil)
			resp, err := clients[i%len(clients)].Do(req)
			if err != nil {
				t.Fatal(err)
			}
			all.Go(func() {
				defer resp.Body.Close()
				if path == "/pour" {
					<-ctx.Done()
					return
				}
				for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
					heard.Add(1)
				}
			})
		}
		return heard.Load
	}
	memory := func() float64 { return p.metric(t, "weir_plugin_memory_bytes"+plugin) }
	cpu := func() time.Duration { return processTime(t, p.cmd.Process.Pid) }
	costs := func(what string, before float64) {
		began, spent := time.Now(), cpu()
		<-time.After(2 * time.Second)
		t.Logf("%s: %.1f KiB of guests' memory each, %.1f%% of a processor", what, (memory()-before)/float64(many)/1024,
			100*float64(cpu()-spent)/float64(time.Since(began)))
	}
	quickly := func(what string) {
		var longest, sum time.Duration
		const n = 50
		for range n {
			began := time.Now()
			if _, err := fetched(quick, "https://"+p.https+"/much/1000"); err != nil {
				t.Fatalf("%s: %v\n%s", what, err, p.tail())
			}
			took := time.Since(began)
			longest, sum = max(longest, took), sum+took
		}
		t.Logf("%s: others are answered in %v, %v at most", what, (sum / n).Round(10*time.Microsecond), longest.Round(10*time.Microsecond))
	}
	costs("nothing", memory())
	before := memory()
	open("/wait", many)
	costs("streams that wait", before)
	quickly("beside streams that wait")
	before = memory()
	heard := open("/beats", many)
	until(t, "all to be told", func() bool { return heard() >= int64(many) })
	if _, err := fetched(quick, "https://"+p.https+"/shout"); err != nil {
		t.Error(err)
	}
	if _, err := fetched(quick, "https://"+p.https+"/shout"); err != nil {
		t.Error(err)
	}
	until(t, "all to be told again", func() bool { return heard() >= int64(2*many) })
	costs("streams with tickers", before)
	before = memory()
	open("/pour", many)
	quickly("beside those who do not read")
	costs("streams that nobody reads", before)
	if n := p.metric(t, "weir_plugin_instances"+plugin); n != 2 {
		t.Errorf("%v instances, want 2\n%s", n, p.grep("guest failed"))
	}
	if n := p.metric(t, "weir_plugin_streams"+plugin); n != float64(3*many) {
		t.Errorf("%v streams, want %d\n%s", n, 3*many, p.grep("WARN", "ERROR"))
	}
	leave()
	until(t, "streams to be forgotten", func() bool { return p.metric(t, "weir_plugin_streams"+plugin) == 0 })
}

// processTime returns how much CPU a process has used.
func processTime(t testing.TB, pid int) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Skip("no /proc here: ", err)
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	var user, system int64
	fmt.Sscan(f[11], &user)
	fmt.Sscan(f[12], &system)
	return time.Duration(user+system) * 10 * time.Millisecond
}

// grep returns the first lines of the log that have one of words, and are not a request's.
func (p *program) grep(words ...string) string {
	var found []string
	for line := range strings.Lines(p.output()) {
		for _, w := range words {
			if strings.Contains(line, w) && len(found) < 5 {
				found = append(found, line[:min(len(line), 1500)])
			}
		}
	}
	return strings.Join(found, "")
}
