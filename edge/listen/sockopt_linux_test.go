package listen_test

import (
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/weirproxy/weir/edge/listen"
)

func sockopt(t *testing.T, c syscall.Conn, level, option int) int {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := raw.Control(func(fd uintptr) { n, err = syscall.GetsockoptInt(int(fd), level, option) }); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func keepAlive(t *testing.T, c *net.TCPConn) (idle int, on bool) {
	t.Helper()
	return sockopt(t, c, syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE), sockopt(t, c, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE) != 0
}

func receiveBuffer(t *testing.T, c *net.UDPConn) int {
	t.Helper()
	return sockopt(t, c, syscall.SOL_SOCKET, syscall.SO_RCVBUF) / 2
}

func TestOpener_NamesTheProcessThatHasThePort(t *testing.T) {
	t.Parallel()
	o := listen.NewOpener(listen.Options{})
	s, p, err := o.Pair("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = s.Close(), p.Close() }()
	want := fmt.Sprintf("(process %d)", os.Getpid())
	if _, err := o.Stream(s.Addr().String()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Stream on a taken port = %v; want %q in it", err, want)
	}
	if _, err := o.Packet(p.LocalAddr().String()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Packet on a taken port = %v; want %q in it", err, want)
	}
}

// Older kernels refuse keep-alive options on a Multipath TCP listener.
func TestOpener_ListensWithPlainTCP(t *testing.T) {
	t.Parallel()
	s := open(t, listen.NewOpener(listen.Options{}), "127.0.0.1:0")
	var d net.Dialer
	d.SetMultipathTCP(true)
	c, err := d.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	server, err := s.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	if multi, err := server.(*net.TCPConn).MultipathTCP(); multi || err != nil {
		t.Errorf("a client's Multipath TCP was taken up: %v, %v; want plain TCP", multi, err)
	}
}
