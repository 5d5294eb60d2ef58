package edge

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/http1"
	"github.com/weirproxy/weir/edge/nethttp"
	"github.com/weirproxy/weir/edge/static"
)

// besiegedEnv makes the test binary be the server under siege: in a process of its
// own, so that what it spends can be told from what its attackers spend.
const besiegedEnv = "WEIR_TEST_BESIEGED"

func TestMain(m *testing.M) {
	if setup := os.Getenv(besiegedEnv); setup != "" {
		if err := serveBesieged(setup, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// patience is how long a server puts up with its clients.
type patience struct {
	Handshake, Head, Idle, Stall, Grace time.Duration // zero: the default
	Rate                                int
}

var (
	usual = patience{}
	// short is enough for a healthy client on a busy machine.
	short = patience{
		Handshake: 2 * time.Second, Head: 2 * time.Second, Idle: 3 * time.Second,
		Stall: 2 * time.Second, Grace: 2 * time.Second, Rate: 240,
	}
)

func (p patience) options() Options {
	return Options{
		Handshake: p.Handshake,
		Timeouts: http1.Timeouts{
			Head: p.Head, Idle: p.Idle, BodyIdle: p.Stall, BodyGrace: p.Grace, BodyRate: p.Rate, Write: p.Stall,
		},
		Streams: nethttp.Options{Header: p.Head, Idle: p.Idle, Stall: p.Stall, BodyGrace: p.Grace, BodyRate: p.Rate},
	}
}

// bigFile is more than sockets buffer on either side: who does not read it is waited for.
const bigFile = 64 << 20

// vitals are what a server's process has at a moment.
type vitals struct {
	Goroutines, Connections, Files int
	Memory                         uint64 // bytes of heap and stacks in use
	Resident                       uint64 // bytes of RAM, as the kernel counts; 0 where /proc is missing
	Refused, FailedHandshakes      int64
}

// serveBesieged is the server's end of the line between test and server: it writes a
// line when it serves, then one with its vitals for every line it reads, and one
// more after its shutdown when there is no more to read.
func serveBesieged(setup string, in io.Reader, out io.Writer) error {
	var p patience
	if err := json.Unmarshal([]byte(setup), &p); err != nil {
		return err
	}
	s := New(p.options())
	root, err := startBesieged(s)
	if err != nil {
		return err
	}
	say := json.NewEncoder(out)
	addrs := s.Addrs()
	if err := say.Encode([]string{addrs[0].String(), addrs[1].String(), string(root)}); err != nil {
		return err
	}
	for lines := bufio.NewScanner(in); lines.Scan(); {
		if lines.Text() == "collect" {
			runtime.GC()
		}
		if err := say.Encode(vitalsOf(s)); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		return err
	}
	return say.Encode(vitalsOf(s))
}

// startBesieged serves a small page and a large file, and returns the root certificate.
func startBesieged(s *Server) ([]byte, error) {
	dir, err := os.MkdirTemp("", "weir-siege")
	if err != nil {
		return nil, err
	}
	err = os.WriteFile(filepath.Join(dir, "index.html"), []byte(strings.Repeat("<p>hello\n", 100)), 0o600)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "big"), nil, 0o600)
	}
	if err == nil {
		err = os.Truncate(filepath.Join(dir, "big"), bigFile)
	}
	if err != nil {
		return nil, err
	}
	files, err := static.New(static.Options{Root: dir})
	if err != nil {
		return nil, err
	}
	t := new(testing.T) // the fixtures fail through it, which ends this process
	ca := newAuthority(t)
	conf := BaseTLS()
	conf.Certificates = []tls.Certificate{ca.issue(t, "a.test")}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw}), s.Apply(&Snapshot{
		Listeners: []Listener{{Address: "127.0.0.1:0"}, {Address: "127.0.0.1:0", Secure: true, HTTP3: true}},
		Routes:    table(t, map[string]*Route{"a.test /*": {Handler: files}, "default /*": {Handler: files}, "a.test /upload": {Handler: swallow}}),
		TLS:       func(*tls.ClientHelloInfo) (Security, error) { return Security{Config: conf}, nil },
		Closers:   []func(){func() { files.Close(); os.RemoveAll(dir) }},
	})
}

// swallow reads the body to its end, as who waits for slow clients has to.
var swallow = exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	return text("swallowed").Handle(r)
})

func vitalsOf(s *Server) vitals {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	stats := s.Stats()
	v := vitals{
		Goroutines: runtime.NumGoroutine(), Connections: stats.Connections, Memory: m.HeapInuse + m.StackInuse,
		Refused: stats.Refused, FailedHandshakes: stats.FailedHandshakes,
	}
	if files, err := os.ReadDir("/proc/self/fd"); err == nil {
		v.Files = len(files)
	}
	if statm, err := os.ReadFile("/proc/self/statm"); err == nil {
		var size, pages uint64
		fmt.Sscan(string(statm), &size, &pages)
		v.Resident = pages * uint64(os.Getpagesize())
	}
	return v
}

// fortress is the test's end of the line.
type fortress struct {
	plain, secure string // addresses
	ca            *authority

	mu    sync.Mutex // one question at a time
	ask   io.WriteCloser
	heard *json.Decoder
}

func newFortress(t *testing.T, p patience) *fortress {
	t.Helper()
	setup, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), besiegedEnv+"="+string(setup))
	cmd.Stderr = os.Stderr
	f := &fortress{ca: &authority{pool: x509.NewCertPool()}}
	if f.ask, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f.heard = json.NewDecoder(out)
	t.Cleanup(func() {
		var last vitals
		f.ask.Close()
		err := f.heard.Decode(&last)
		if waited := cmd.Wait(); err != nil || waited != nil {
			t.Errorf("the server did not end in order: %v, %v", err, waited)
		}
		if last.Connections != 0 || last.Goroutines > 3 {
			t.Errorf("after Shutdown: %+v, want no connections, and the goroutine of main and what the runtime has", last)
		}
	})
	var hello [3]string
	if err := f.heard.Decode(&hello); err != nil {
		t.Fatalf("start the server: %v", err)
	}
	f.plain, f.secure = hello[0], hello[1]
	f.ca.pool.AppendCertsFromPEM([]byte(hello[2]))
	return f
}

// vitals asks the server how it is. It fails the test if the server does not say.
func (f *fortress) vitals(t *testing.T, how string) vitals {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	var v vitals
	if _, err := io.WriteString(f.ask, how+"\n"); err != nil {
		t.Errorf("ask the server: %v", err)
	} else if err := f.heard.Decode(&v); err != nil {
		t.Errorf("ask the server: %v", err)
	}
	return v
}
