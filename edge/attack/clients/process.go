package clients

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// Process is a program that runs beside a test and speaks in lines: what it prints,
// on either output, is read by Line. Use it from one goroutine.
type Process struct {
	name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines chan string // closed when its outputs have ended
	ended chan error  // one result, when it is over

	mu  sync.Mutex
	log strings.Builder // all lines; guarded by mu
}

// Start runs a program, whose environment is the test's and env, in dir ("" for the
// test's). When the test is over it is killed, unless it has ended by itself.
func Start(t testing.TB, dir string, env []string, name string, args ...string) *Process {
	t.Helper()
	p := &Process{name: name, cmd: exec.Command(name, args...), lines: make(chan string, 1024), ended: make(chan error, 1)}
	p.cmd.Dir, p.cmd.Env = dir, append(os.Environ(), env...)
	p.cmd.WaitDelay = 2 * time.Second
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = in, in
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	ownGroup(p.cmd)
	err = p.cmd.Start()
	in.Close()
	if err != nil {
		t.Fatal(err)
	}
	go p.read(out)
	go func() { p.ended <- p.cmd.Wait() }()
	t.Cleanup(func() {
		select {
		case <-p.ended: // its number may be another's by now
		default:
			killGroup(p.cmd)
			<-p.ended
		}
	})
	return p
}

// read hands on lines as long as somebody wants them, and keeps all.
func (p *Process) read(out *os.File) {
	defer out.Close()
	defer close(p.lines)
	for in := bufio.NewReader(out); ; {
		line, err := in.ReadString('\n')
		p.mu.Lock()
		p.log.WriteString(line)
		p.mu.Unlock()
		if line != "" {
			select {
			case p.lines <- strings.TrimRight(line, "\r\n"):
			default: // nobody reads them
			}
		}
		if err != nil {
			return
		}
	}
}

// Output returns all that the program has printed so far.
func (p *Process) Output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// Line returns the next line with part in it; those before are skipped.
func (p *Process) Line(t testing.TB, part string) string {
	t.Helper()
	timeout := time.NewTimer(timeLimit)
	defer timeout.Stop()
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				t.Fatalf("%s ended and never said %q:\n%s", p.name, part, p.Output())
			}
			if strings.Contains(line, part) {
				return line
			}
		case <-timeout.C:
			t.Fatalf("%s has not said %q in %v:\n%s", p.name, part, timeLimit, p.Output())
		}
	}
}

// Say writes a line to the program's input.
func (p *Process) Say(t testing.TB, line string) {
	t.Helper()
	if _, err := io.WriteString(p.stdin, line+"\n"); err != nil {
		t.Fatalf("say %q to %s: %v\n%s", line, p.name, err, p.Output())
	}
}

// End ends the program's input and waits for it to end well, within a minute.
func (p *Process) End(t testing.TB) {
	t.Helper()
	p.stdin.Close()
	timeout := time.NewTimer(timeLimit)
	defer timeout.Stop()
	select {
	case err := <-p.ended:
		p.ended <- err
		if err != nil {
			t.Errorf("%s ended with %v:\n%s", p.name, err, p.Output())
		}
	case <-timeout.C:
		t.Errorf("%s has not ended in %v:\n%s", p.name, timeLimit, p.Output())
	}
}
