package listen_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/weirproxy/weir/edge/listen"
)

// open opens a stream socket that the test closes.
func open(t testing.TB, o *listen.Opener, addr string) *listen.Socket {
	t.Helper()
	s, err := o.Stream(addr)
	if err != nil {
		t.Fatalf("Stream(%q): %v", addr, err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// talk sends a byte through the socket and back.
func talk(t testing.TB, s net.Listener, network, addr string) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		c, err := s.Accept()
		if err == nil {
			_, err = io.Copy(c, c)
			err = errors.Join(err, c.Close())
		}
		done <- err
	}()
	c, err := net.Dial(network, addr)
	if err != nil {
		t.Fatalf("dial %s %s: %v", network, addr, err)
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	if _, err := io.ReadFull(c, b); err != nil || b[0] != 'x' {
		t.Fatalf("echo over %s %s = %q, %v; want x", network, addr, b, err)
	}
	_ = c.Close()
	if err := <-done; err != nil {
		t.Fatalf("server side of %s %s: %v", network, addr, err)
	}
}

func TestOpener_TCPAddresses(t *testing.T) {
	t.Parallel()
	o := listen.NewOpener(listen.Options{})
	for _, c := range []struct{ addr, dial string }{
		{"127.0.0.1:0", "127.0.0.1"},
		{"localhost:0", "localhost"},
		{"[::1]:0", "::1"},
		{":0", "127.0.0.1"},
		{":0", "::1"},
		{"0.0.0.0:0", "127.0.0.1"},
	} {
		if strings.Contains(c.addr+c.dial, "::1") && !haveIPv6() {
			continue
		}
		s := open(t, o, c.addr)
		talk(t, s, "tcp", net.JoinHostPort(c.dial, port(s.Addr())))
	}
}

func TestOpener_IPv4WildcardIsIPv4Only(t *testing.T) {
	t.Parallel()
	if !haveIPv6() {
		t.Skip("no IPv6 loopback")
	}
	s := open(t, listen.NewOpener(listen.Options{}), "0.0.0.0:0")
	if a := s.Addr().(*net.TCPAddr).AddrPort().Addr(); !a.Is4() {
		t.Errorf("Stream(0.0.0.0:0) listens on %v; want an IPv4 address", a)
	}
}

func TestOpener_AcceptedConnectionsArePlainAndKeptAlive(t *testing.T) {
	t.Parallel()
	s := open(t, listen.NewOpener(listen.Options{}), "127.0.0.1:0")
	client, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	c, err := s.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		t.Fatalf("Accept gave %T; want *net.TCPConn, for sendfile", c)
	}
	if idle, on := keepAlive(t, tcp); !on || idle != 30 {
		t.Errorf("keep-alive of an accepted connection: on %v after %d s; want true after 30 s", on, idle)
	}
}

func TestOpener_SaysWhatToDoAboutErrors(t *testing.T) {
	t.Parallel()
	o := listen.NewOpener(listen.Options{})
	taken := open(t, o, "127.0.0.1:0").Addr().String()
	for _, c := range []struct {
		addr string
		is   error
		hint string
	}{
		{taken, syscall.EADDRINUSE, "listens there"},
		{"192.0.2.1:0", syscall.EADDRNOTAVAIL, "ip address"},
		{"unix:/nonexistent-directory/x.sock", syscall.ENOENT, "does not exist"},
		{"no-such-host.invalid:0", nil, "has no address"},
	} {
		s, err := o.Stream(c.addr)
		if err == nil {
			_ = s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.hint) || !strings.HasPrefix(err.Error(), "listen ") || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("Stream(%q) error = %v; want %v and %q", c.addr, err, c.is, c.hint)
		}
	}
}

func TestOpener_PairSharesThePort(t *testing.T) {
	t.Parallel()
	o := listen.NewOpener(listen.Options{})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			s, p, err := o.Pair("127.0.0.1:0")
			if err != nil {
				t.Errorf("Pair: %v", err)
				return
			}
			defer func() { _, _ = s.Close(), p.Close() }()
			if got, want := port(p.LocalAddr()), port(s.Addr()); got != want {
				t.Errorf("UDP port %s, TCP port %s; want the same", got, want)
			}
			if s.Key() != "127.0.0.1:0" || p.Key() != s.Key() {
				t.Errorf("keys %q and %q; want both as configured", s.Key(), p.Key())
			}
		})
	}
	wg.Wait()
}

func TestOpener_PairLeavesNothingOpenWhenUDPIsTaken(t *testing.T) {
	t.Parallel()
	o := listen.NewOpener(listen.Options{})
	s, p, err := o.Pair("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	addr := s.Addr().String()
	_ = s.Close()
	if _, _, err = o.Pair(addr); !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "udp") {
		t.Fatalf("Pair(%s) with UDP taken = %v; want address in use on udp", addr, err)
	}
	open(t, o, addr)
}

func TestOpener_PacketWarnsOnceOfSmallBuffers(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	o := listen.NewOpener(listen.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	small := false
	for range 3 {
		p, err := o.Packet("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		small = receiveBuffer(t, p.UDPConn) < 7<<20
		_ = p.Close()
	}
	want := 0
	if small {
		want = 1
	}
	if got := strings.Count(log.String(), "small UDP buffers"); got != want {
		t.Errorf("%d warnings of small buffers (small: %v); want %d:\n%s", got, small, want, log.String())
	}
}

func TestOpener_PacketRefusesUnix(t *testing.T) {
	t.Parallel()
	_, err := listen.NewOpener(listen.Options{}).Packet("unix:/tmp/x.sock")
	if err == nil || !strings.Contains(err.Error(), "HTTP/3") {
		t.Errorf("Packet(unix:...) = %v; want an error that names HTTP/3", err)
	}
}

func TestUnix_ModeAndRemovalAtClose(t *testing.T) {
	t.Parallel()
	onlyUnix(t)
	o := listen.NewOpener(listen.Options{})
	path := filepath.Join(t.TempDir(), "s")
	s := open(t, o, "unix:"+path+"?mode=0660")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Fatalf("mode of the socket = %v, %v; want 0660", info, err)
	}
	talk(t, s, "unix", path)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("after Close the socket is still there: %v", err)
	}
}

func TestUnix_DeadSocketIsReplacedALivingOneIsNot(t *testing.T) {
	t.Parallel()
	onlyUnix(t)
	o := listen.NewOpener(listen.Options{})
	path := filepath.Join(t.TempDir(), "s")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	_ = dead.Close()
	s := open(t, o, "unix:"+path)
	probed := make(chan struct{})
	go func() { // the second opening asks whether anybody is there
		defer close(probed)
		if c, err := s.Accept(); err == nil {
			_ = c.Close()
		}
	}()
	if _, err := o.Stream("unix:" + path); !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "answers") {
		t.Errorf("second Stream on a living socket = %v; want address in use", err)
	}
	<-probed
	talk(t, s, "unix", path)
}

func TestUnix_FilesThatAreNoSocketsStay(t *testing.T) {
	t.Parallel()
	onlyUnix(t)
	path := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(path, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := listen.NewOpener(listen.Options{}).Stream("unix:" + path)
	if err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("Stream over a regular file = %v; want an error", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "data" {
		t.Errorf("the file is now %q, %v; want it untouched", b, err)
	}
}

func TestUnix_CloseLeavesAnothersSocket(t *testing.T) {
	t.Parallel()
	onlyUnix(t)
	o := listen.NewOpener(listen.Options{})
	path := filepath.Join(t.TempDir(), "s")
	first := open(t, o, "unix:"+path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	second := open(t, o, "unix:"+path)
	_ = first.Close()
	talk(t, second, "unix", path)
}

func TestUnix_OneWinsTheRaceForADeadSocket(t *testing.T) {
	t.Parallel()
	onlyUnix(t)
	dir := t.TempDir()
	for i := range 100 {
		path := filepath.Join(dir, strconv.Itoa(i))
		dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		dead.SetUnlinkOnClose(false)
		_ = dead.Close()
		var mu sync.Mutex
		var won []*listen.Socket
		var wg sync.WaitGroup
		start := make(chan struct{})
		for range 4 {
			wg.Go(func() {
				<-start
				if s, err := listen.NewOpener(listen.Options{}).Stream("unix:" + path); err == nil {
					mu.Lock()
					won = append(won, s)
					mu.Unlock()
				}
			})
		}
		close(start)
		wg.Wait()
		if len(won) != 1 {
			t.Fatalf("%d of 4 opened the same socket; want 1", len(won))
		}
		_ = won[0].Close()
	}
}

func TestUnix_AbstractSocketHasNoFile(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("abstract sockets are Linux's")
	}
	name := "@weir-test-" + filepath.Base(t.TempDir()) + port(open(t, listen.NewOpener(listen.Options{}), "127.0.0.1:0").Addr())
	s := open(t, listen.NewOpener(listen.Options{}), "unix:"+name)
	talk(t, s, "unix", name)
}

func onlyUnix(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("modes and removal of socket files are unix's")
	}
}

func haveIPv6() bool {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		return false
	}
	_ = l.Close()
	return true
}

func port(a net.Addr) string {
	_, p, _ := net.SplitHostPort(a.String())
	return p
}
