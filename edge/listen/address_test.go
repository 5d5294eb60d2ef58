package listen

import (
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestKey_NamesOneSocketInOneWay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{
		{":80", ":80"},
		{"[::]:80", ":80"},
		{"0.0.0.0:80", "0.0.0.0:80"},
		{"127.0.0.1:8080", "127.0.0.1:8080"},
		{"[::1]:443", "[::1]:443"},
		{"[0:0:0::1]:443", "[::1]:443"},
		{"[::ffff:127.0.0.1]:443", "127.0.0.1:443"},
		{"[fe80::1%eth0]:443", "[fe80::1%eth0]:443"},
		{"LocalHost:0", "localhost:0"},
		{"unix:/run/weir.sock", "unix:/run/weir.sock"},
		{"unix:/run//x/../weir.sock?mode=0660", "unix:/run/weir.sock"},
		{"unix:@weir", "unix:@weir"},
		{"systemd:web", "systemd:web"},
		{"fd:3", "fd:3"},
		{"fD:3", "fd:3"},
		{"Unix:/A", "unix:/A"},
	} {
		got, err := Key(c.in)
		if err != nil || got != c.want {
			t.Errorf("Key(%q) = %q, %v; want %q", c.in, got, err, c.want)
		}
		if again, err := Key(got); err != nil || again != got {
			t.Errorf("Key(%q) = %q, %v; want itself", got, again, err)
		}
	}
}

func TestKey_RefusesWithAHint(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, hint string }{
		{"", "write :PORT"},
		{"80", "did you mean :80?"},
		{"example.com", "write :PORT"},
		{":http", "not a number"},
		{":65536", "not a number"},
		{":-1", "not a number"},
		{"*:80", "leave it out"},
		{"::1:80", "write :PORT"},
		{"[::1:80", "write :PORT"},
		{"a b:80", "no IP address"},
		{"unix:", "write unix:/absolute/path"},
		{"unix:relative.sock", "write unix:/absolute/path"},
		{"unix:/", "write unix:/absolute/path"},
		{"unix:/x?mode=rw", "octal"},
		{"unix:/x?mode=7777", "octal"},
		{"unix:/x?mode=0", "octal"},
		{"unix:/x?m=0660", "octal"},
		{"unix:@x?mode=0660", "no mode"},
		{"unix:/a\x00b", "NUL"},
		{"unix:/" + strings.Repeat("x", 200), "at most 107"},
		{"systemd:", "FileDescriptorName"},
		{"systemd:a:b", "FileDescriptorName"},
		{"fd:", "from 3 on"},
		{"fd:1", "from 3 on"},
		{"fd:03", "from 3 on"},
		{"fD:0", "from 3 on"},
	} {
		got, err := Key(c.in)
		if err == nil || !strings.Contains(err.Error(), c.hint) {
			t.Errorf("Key(%q) = %q, %v; want an error with %q", c.in, got, err, c.hint)
		}
	}
}

func FuzzKey(f *testing.F) {
	for _, s := range []string{":80", "[::]:80", "unix:/a?mode=0660", "systemd:x", "fd:3", "localhost:1", "unix:@a", "[fe80::1%e]:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		key, err := Key(s)
		if err != nil {
			return
		}
		if again, err := Key(key); err != nil || again != key {
			t.Errorf("Key(%q) = %q, whose key is %q, %v", s, key, again, err)
		}
	})
}

// What root, or a machine with few limits, cannot provoke.
func TestExplain_SaysWhatToDo(t *testing.T) {
	t.Parallel()
	port80, socket := &address{port: 80}, &address{kind: kindUnix, path: "/run/weir/s"}
	for _, c := range []struct {
		a     *address
		errno syscall.Errno
		want  []string
	}{
		{port80, syscall.EACCES, []string{"listen tcp :80: permission denied: ", "CAP_NET_BIND_SERVICE", "setcap cap_net_bind_service=+ep /", "AmbientCapabilities=", "higher port"}},
		{port80, syscall.EMFILE, []string{"LimitNOFILE="}},
		{socket, syscall.EACCES, []string{"listen unix:/run/weir/s: permission denied: ", "directory"}},
		{port80, syscall.EIO, []string{"listen tcp :80: ", "input/output error"}},
	} {
		network := "tcp"
		if c.a.kind == kindUnix {
			network = ""
		}
		got := explain(c.a, network, &net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", c.errno)})
		for _, want := range c.want {
			if !strings.Contains(got.Error(), want) || !errors.Is(got, c.errno) {
				t.Errorf("explain(%v) = %q; want %q in it, and the cause", c.errno, got, want)
			}
		}
	}
}
