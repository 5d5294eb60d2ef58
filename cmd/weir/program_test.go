package main

import (
	"bufio"
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program is a weir in a process of its own: the one that testscript.Main puts on
// the PATH, which is this test binary under the program's name.
type program struct {
	http, https, admin string // addresses; those of https are localhost's
	dir                string // of weir.yaml and of what it names
	cmd                *exec.Cmd
	killed             bool

	mu  sync.Mutex
	log strings.Builder // what it wrote to stderr; guarded by mu
}

// startProgram runs weir with a configuration that says ${HTTP}, ${HTTPS} and
// ${ADMIN} for its addresses, and waits until it serves. It is stopped, in order,
// when the test is over.
func startProgram(t testing.TB, dir, conf string) *program {
	t.Helper()
	p := &program{dir: dir}
	for _, address := range []*string{&p.http, &p.https, &p.admin} {
		port, err := freePort()
		if err != nil {
			t.Fatal(err)
		}
		*address = "127.0.0.1:" + port
	}
	p.start(t, conf)
	p.https = strings.Replace(p.https, "127.0.0.1", "localhost", 1)
	return p
}

// start runs the program, with more variables in its environment if there are any, and
// waits until it serves.
func (p *program) start(t testing.TB, conf string, env ...string) {
	t.Helper()
	p.configure(t, conf)
	p.cmd = exec.Command("weir", "run", "-c", filepath.Join(p.dir, "weir.yaml"))
	p.cmd.Env = append(os.Environ(), "WEIR_DATA_DIR="+filepath.Join(p.dir, "data"), "HTTP="+p.http, "HTTPS="+p.https, "ADMIN="+p.admin)
	p.cmd.Env = append(p.cmd.Env, env...)
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	serving, ended := make(chan bool, 1), make(chan bool)
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			p.mu.Lock()
			p.log.WriteString(lines.Text() + "\n")
			p.mu.Unlock()
			if strings.Contains(lines.Text(), `"msg":"serving`) {
				select {
				case serving <- true:
				default:
				}
			}
		}
	}()
	t.Cleanup(func() {
		p.cmd.Process.Signal(syscall.SIGTERM)
		<-ended
		if err := p.cmd.Wait(); err != nil && !p.killed {
			t.Errorf("weir ended with %v:\n%s", err, p.tail())
		}
	})
	select {
	case <-serving:
	case <-ended:
		t.Fatalf("weir did not start:\n%s", p.tail())
	case <-time.After(5 * time.Minute): // under the race detector, compiling guests takes minutes
		t.Fatalf("weir serves nothing after five minutes:\n%s", p.tail())
	}
}

// kill ends the program as a crash of its machine would.
func (p *program) kill(t testing.TB) {
	t.Helper()
	p.killed = true
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
}

// configure writes the configuration that the next start or reload reads.
func (p *program) configure(t testing.TB, conf string) {
	t.Helper()
	next := filepath.Join(p.dir, "next.yaml")
	if err := os.WriteFile(next, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(p.dir, "weir.yaml")); err != nil {
		t.Fatal(err)
	}
}

// output returns what the program has written to stderr so far.
func (p *program) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

func (p *program) tail() string {
	out := p.output()
	return out[max(0, len(out)-4000):]
}

// root returns the path of the internal CA's certificate.
func (p *program) root() string { return filepath.Join(p.dir, "data", "ca", "root.crt") }

func (p *program) pool(t testing.TB) *x509.CertPool {
	t.Helper()
	pem, err := os.ReadFile(p.root())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return pool
}

// write puts a file below the program's directory.
func write(t testing.TB, dir, name, content string) {
	t.Helper()
	name = filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// metric asks the admin listener for one number.
func (p *program) metric(t testing.TB, name string) (value float64) {
	t.Helper()
	text, err := adminClient{p.admin}.do("GET", "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			if _, err := fmt.Sscan(rest, &value); err != nil {
				t.Fatalf("metric %s: %v", line, err)
			}
			return value
		}
	}
	t.Fatalf("no metric %s in\n%s", name, text)
	return 0
}
