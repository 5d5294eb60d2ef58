//go:build unix

package listen_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/weirproxy/weir/edge/listen"
)

// TestMain lets the test binary be the child of socket activation: in a process
// of its own, since descriptors and LISTEN_PID belong to processes.
func TestMain(m *testing.M) {
	if steps := os.Getenv("WEIR_TEST_CHILD"); steps != "" {
		child(steps)
		return
	}
	os.Exit(m.Run())
}

// child runs steps ("stream systemd:web; close; packet fd:4") and prints what
// came of each.
func child(steps string) {
	_ = os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid())) // systemd knows it after fork
	o := listen.NewOpener(listen.Options{})
	var out []string
	var last interface{ Close() error }
	for step := range strings.SplitSeq(steps, "; ") {
		verb, addr, _ := strings.Cut(step, " ")
		var err error
		switch verb {
		case "stream":
			var s *listen.Socket
			if s, err = o.Stream(addr); err == nil {
				err = answer(s)
				last = s
			}
		case "packet":
			last, err = o.Packet(addr)
		case "pair":
			var s *listen.Socket
			var p *listen.PacketSocket
			if s, p, err = o.Pair(addr); err == nil {
				_, _ = s.Close(), p.Close()
			}
		case "close":
			err = last.Close()
		case "env":
			for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
				if v, set := os.LookupEnv(name); set {
					err = errors.Join(err, fmt.Errorf("%s=%s", name, v))
				}
			}
		}
		out = append(out, fmt.Sprint(err))
	}
	_ = json.NewEncoder(os.Stdout).Encode(out)
}

// answer lets one client in; the parent queued it before we began.
func answer(s *listen.Socket) error {
	c, err := s.Accept()
	if err != nil {
		return err
	}
	_, err = c.Write([]byte("hello"))
	return errors.Join(err, c.Close())
}

// activate starts a child with these sockets as fd 3 and on.
func activate(t *testing.T, names, steps string, files ...*os.File) []string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "WEIR_TEST_CHILD="+steps, "LISTEN_FDS="+strconv.Itoa(len(strings.Split(names, ":"))), "LISTEN_FDNAMES="+names)
	cmd.ExtraFiles = files
	cmd.Stderr = os.Stderr
	b, err := cmd.Output()
	if err != nil {
		t.Fatalf("child: %v", err)
	}
	var out []string
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatalf("child said %q: %v", b, err)
	}
	return out
}

func tcpFile(t *testing.T, clients int) *os.File {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	for range clients {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	return fileOf(t, l.(*net.TCPListener))
}

func udpFile(t *testing.T) *os.File {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return fileOf(t, c.(*net.UDPConn))
}

func fileOf(t *testing.T, s interface{ File() (*os.File, error) }) *os.File {
	t.Helper()
	f, err := s.File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestInherited_SocketsByNameAndNumber(t *testing.T) {
	t.Parallel()
	plain, err := os.Open("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = plain.Close() }()
	type step struct{ do, want string } // want "" is success
	for _, c := range []struct {
		name, names string
		files       []*os.File
		steps       []step
	}{
		{"by name, once, and again after closing", "web", []*os.File{tcpFile(t, 2)}, []step{
			{"env", ""},
			{"stream systemd:web", ""},
			{"stream systemd:web", "fd 3 is in use"},
			{"stream fd:3", "fd 3 is in use"},
			{"close", ""},
			{"close", "use of closed"},
			{"stream fd:3", ""},
		}},
		{"TCP and UDP under one name", "web:web", []*os.File{udpFile(t), tcpFile(t, 1)}, []step{
			{"pair systemd:web", ""},
			{"packet systemd:web", ""},
			{"stream systemd:web", ""},
		}},
		{"ambiguous names", "web:web", []*os.File{tcpFile(t, 0), tcpFile(t, 1)}, []step{
			{"stream systemd:web", "write fd:3 and fd:4"},
			{"stream fd:4", ""},
		}},
		{"wrong names and kinds", "web:dns", []*os.File{tcpFile(t, 0), udpFile(t)}, []step{
			{"stream systemd:nope", "it passed web (stream), dns (datagram)"},
			{"stream systemd:dns", "no stream socket of that name"},
			{"packet systemd:web", "no datagram socket of that name"},
			{"stream fd:4", "no stream socket that listens"},
			{"stream fd:99", "no descriptor 99 was inherited"},
		}},
		{"a file is no socket", "web:log", []*os.File{tcpFile(t, 0), plain}, []step{
			{"stream systemd:log", "it passed web (stream), log (other)"},
			{"stream fd:4", "no stream socket that listens, but other"},
		}},
		{"inherited without systemd's names", "web", []*os.File{tcpFile(t, 0), tcpFile(t, 1)}, []step{
			{"stream fd:4", ""},
			{"stream fd:4", "in use"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var steps []string
			for _, s := range c.steps {
				steps = append(steps, s.do)
			}
			got := activate(t, c.names, strings.Join(steps, "; "), c.files...)
			for i, s := range c.steps {
				if s.want == "" && got[i] != "<nil>" || !strings.Contains(got[i], s.want) {
					t.Errorf("step %d, %s: %s; want %q", i, s.do, got[i], s.want)
				}
			}
		})
	}
}

func TestInherited_OwnDescriptorsAreOutOfReach(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var addr string
	_ = raw.Control(func(fd uintptr) { addr = fmt.Sprintf("fd:%d", fd) })
	if s, err := listen.NewOpener(listen.Options{}).Stream(addr); err == nil || !strings.Contains(err.Error(), "inherited") {
		t.Errorf("Stream(%s), a socket of this process = %v, %v; want an error", addr, s, err)
	}
}
