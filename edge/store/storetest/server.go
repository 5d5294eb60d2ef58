//go:build unix

package storetest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// server is a process of ours that can be stopped, frozen and started again.
type server struct {
	t       testing.TB
	command func() *exec.Cmd
	answers func() error // nil as soon as it can be used
	quit    os.Signal    // has it end in order

	mu      sync.Mutex
	cmd     *exec.Cmd
	done    chan struct{} // closed when the process has ended
	output  bytes.Buffer
	writing sync.Mutex
}

// Write gathers what the process says.
func (s *server) Write(p []byte) (int, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.output.Write(p)
}

func (s *server) said() string {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.output.String()
}

// Start starts the server and waits until it answers. It ends with the test.
func (s *server) Start() {
	s.t.Helper()
	cmd := s.command()
	cmd.Stdout, cmd.Stderr = s, s
	cmd.SysProcAttr = diesWithUs(cmd.SysProcAttr)
	started, done := make(chan error), make(chan struct{})
	go func() {
		// The thread must not end before the process does.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(done)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	err := <-started
	if err != nil {
		s.t.Fatalf("start %s: %v", cmd.Path, err)
	}
	s.mu.Lock()
	s.cmd, s.done = cmd, done
	s.mu.Unlock()
	within(s.t, time.Minute, cmd.Path+" starts", func() bool {
		select {
		case <-done:
			s.t.Fatalf("%s ended: %s", cmd.Path, s.said())
		default:
		}
		err = s.answers()
		return err == nil
	})
}

// Stop ends the server in order, and waits for that.
func (s *server) Stop() { s.end(s.quit) }

// Kill ends the server at once.
func (s *server) Kill() { s.end(syscall.SIGKILL) }

func (s *server) end(sig os.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(sig)
	if sig != syscall.SIGKILL {
		_ = s.cmd.Process.Signal(syscall.SIGCONT)
	}
	select {
	case <-s.done:
	case <-time.After(30 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.done
	}
	s.cmd = nil
}

// Restart ends the server in order and starts it again, at the same place.
func (s *server) Restart() {
	s.t.Helper()
	s.Stop()
	s.Start()
}

// Pause freezes the server and its children: their connections stay, and nothing answers.
func (s *server) Pause() { s.signal(syscall.SIGSTOP) }

// Resume lets it go on.
func (s *server) Resume() { s.signal(syscall.SIGCONT) }

func (s *server) signal(sig syscall.Signal) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatalf("signal %v: %v", sig, err)
	}
	// The parent first: so it makes no child while we look.
	pid := strconv.Itoa(s.cmd.Process.Pid)
	children, _ := os.ReadFile(filepath.Join("/proc", pid, "task", pid, "children"))
	for field := range strings.FieldsSeq(string(children)) {
		if child, err := strconv.Atoi(field); err == nil {
			_ = syscall.Kill(child, sig)
		}
	}
}
