package main

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// manager stands in for systemd in one script: it hears notifications, passes
// sockets, and sends signals.
type manager struct {
	heard    chan string
	signaled *exec.Cmd // the process that got the last signal
}

type theManager struct{} // the key of a script's manager

func managerOf(ts *testscript.TestScript) *manager { return ts.Value(theManager{}).(*manager) }

// manager makes $NOTIFY_SOCKET.
func cmdManager(ts *testscript.TestScript, _ bool, _ []string) {
	path := ts.MkAbs("notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	ts.Check(err)
	ts.Defer(func() { c.Close() })
	// As systemd does: who does not read makes sd_notify(3) wait.
	heard := make(chan string, 10_000)
	go func() {
		buf := make([]byte, 4096)
		for n, err := c.Read(buf); err == nil; n, err = c.Read(buf) {
			heard <- string(buf[:n])
		}
	}()
	managerOf(ts).heard = heard
	ts.Setenv("NOTIFY_SOCKET", path)
}

// notified LINE waits for a notification with that line; what came before it is
// forgotten.
func cmdNotified(ts *testscript.TestScript, _ bool, args []string) {
	late := time.After(20 * time.Second)
	for {
		select {
		case text := <-managerOf(ts).heard:
			if slices.Contains(strings.Split(text, "\n"), args[0]) {
				return
			}
		case <-late:
			ts.Fatalf("notified %s: not in 20 s", args[0])
		}
	}
}

// signal NAME [TIMES] sends signals to the command in the background.
func cmdSignal(ts *testscript.TestScript, _ bool, args []string) {
	signals := map[string]os.Signal{"HUP": syscall.SIGHUP, "USR1": syscall.SIGUSR1, "TERM": syscall.SIGTERM, "QUIT": syscall.SIGQUIT}
	times := 1
	if len(args) > 1 {
		times, _ = strconv.Atoi(args[1])
	}
	all := ts.BackgroundCmds()
	if len(all) == 0 {
		ts.Fatalf("signal: nothing runs in the background")
	}
	c := all[len(all)-1]
	managerOf(ts).signaled = c
	for range times {
		ts.Check(c.Process.Signal(signals[args[0]]))
	}
}

// exitcode N compares the code of the process that got the last signal, after wait.
func cmdExitCode(ts *testscript.TestScript, _ bool, args []string) {
	c := managerOf(ts).signaled
	if got := strconv.Itoa(c.ProcessState.ExitCode()); got != args[0] {
		ts.Fatalf("%v: exit code %s, want %s", c.Args, got, args[0])
	}
}

// activate NAME COMMAND... runs a command with a socket that listens already, as a
// socket unit of that name would, asks it over the socket, and stops it.
func cmdActivate(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	ts.Check(err)
	defer f.Close()
	// The variable names the process that the sockets are for: itself.
	c := exec.Command("sh", "-c", `export LISTEN_PID=$$; exec "$@"`, "sh")
	c.Args = append(c.Args, args[1:]...)
	c.ExtraFiles = []*os.File{f}
	c.Dir = ts.MkAbs(".")
	c.Env = append(os.Environ(), "LISTEN_FDS=1", "LISTEN_FDNAMES="+args[0], "WEIR_DATA_DIR="+ts.Getenv("WEIR_DATA_DIR"))
	c.Stdout, c.Stderr = ts.Stdout(), ts.Stderr()
	ts.Check(c.Start())
	// No waiting: until the program accepts, the kernel keeps the connection.
	_, port, _ := net.SplitHostPort(l.Addr().String())
	cmdGet(ts, false, []string{"http://localhost:" + port + "/"})
	ts.Check(c.Process.Signal(syscall.SIGTERM))
	ts.Check(c.Wait())
}

// hold URL asks for something large and reads only the head: an exchange that does
// not end by itself.
func cmdHold(ts *testscript.TestScript, _ bool, args []string) {
	tr := new(http.Transport)
	resp, err := (&http.Client{Transport: tr}).Get(args[0])
	ts.Check(err)
	if resp.StatusCode != http.StatusOK {
		ts.Fatalf("hold %s: %s", args[0], resp.Status)
	}
	ts.Defer(func() { resp.Body.Close() })
}
