//go:build unix

package storetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/store"
)

// childEnv says to a test binary that it is the child of one, and where the store is.
const childEnv = "WEIR_STORETEST_CHILD"

// Child returns where the store of the parent is, if this process was started by [Spawn].
func Child() (place string, ok bool) { return os.LookupEnv(childEnv) }

// Process is a second process of the test binary.
type Process struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.Writer
	out *bufio.Reader
}

// Spawn starts the running test, alone, in a second process, whose [Child] is place. It
// is killed at the end of the test.
func Spawn(t *testing.T, place string) *Process {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.count=1")
	cmd.Env = append(os.Environ(), childEnv+"="+place)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return &Process{t: t, cmd: cmd, in: in, out: bufio.NewReader(out)}
}

// Tell writes a line to the process.
func (p *Process) Tell(line string) {
	p.t.Helper()
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		p.t.Fatalf("tell the other process: %v", err)
	}
}

// Hear reads lines until one begins with word, and returns the rest of it.
func (p *Process) Hear(word string) string {
	p.t.Helper()
	for {
		line, err := p.out.ReadString('\n')
		if err != nil {
			p.t.Fatalf("the other process ended before it said %q", word)
		}
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), word); ok {
			return strings.TrimSpace(rest)
		}
	}
}

// Signal sends a signal to the process.
func (p *Process) Signal(sig syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatalf("signal %v: %v", sig, err)
	}
}

// FrozenHolder tests that a process which is frozen beyond its lease cannot write when
// it goes on. place is not asked in the second process.
func FrozenHolder(t *testing.T, place func() string, open func(t testing.TB, place string) store.Engine) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	o := store.Options{Deadline: 20 * time.Second, Lease: 3 * time.Second}
	if at, ok := Child(); ok {
		s := store.New(open(t, at), o)
		defer s.Close()
		holder(ctx, s)
		return
	}
	at := place()
	s := store.New(open(t, at), o)
	defer s.Close()
	child := Spawn(t, at)
	child.Hear("held")
	_, err := s.TryLock(ctx, "l")
	if !errors.Is(err, store.ErrHeld) {
		t.Fatalf("lock of the other process: %v, want that it is held", err)
	}
	child.Signal(syscall.SIGSTOP)
	l, err := s.Lock(ctx, "l")
	if err != nil {
		t.Fatal(err)
	}
	held := l.Lease()
	if _, err := s.Commit(ctx, store.Batch{Held: &held, Ops: []store.Op{{Key: "k", Value: []byte("parent")}}}); err != nil {
		t.Fatal(err)
	}
	child.Tell("write")
	child.Signal(syscall.SIGCONT)
	if got := child.Hear("wrote"); got != "fenced" {
		t.Errorf("late write: %s, want that it is fenced", got)
	}
	child.Hear("lost")
	if e, err := s.Get(ctx, "k"); err != nil || string(e.Value) != "parent" {
		t.Errorf("value %q, %v; want the parent's", e.Value, err)
	}
	if err := l.Unlock(ctx); err != nil {
		t.Error(err)
	}
}

// holder is the second process of FrozenHolder.
func holder(ctx context.Context, s *store.Store) {
	l, err := s.Lock(ctx, "l")
	if err != nil {
		fmt.Println("error", err)
		return
	}
	held := l.Lease()
	_, err = s.Commit(ctx, store.Batch{Held: &held, Ops: []store.Op{{Key: "k", Value: []byte("child")}}})
	fmt.Println("held", err)
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	_, err = s.Commit(ctx, store.Batch{Held: &held, Ops: []store.Op{{Key: "k", Value: []byte("late")}}})
	if errors.Is(err, store.ErrFenced) {
		fmt.Println("wrote fenced")
	} else {
		fmt.Println("wrote", err)
	}
	<-l.Lost()
	fmt.Println("lost")
}
