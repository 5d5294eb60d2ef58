package certstest

import (
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// forwarder is a port on loopback, of both families, whose connections are led to
// another port of the same address.
type forwarder struct {
	port   int
	target atomic.Int64 // 0: connections are closed
	came   atomic.Int64
	work   sync.WaitGroup
}

// Serve leads validators to the ports of who is to answer challenges. It may be
// called again; 0 leaves a port as it is. Only where Options named no ports.
func (c *CA) Serve(httpPort, tlsPort int) {
	c.t.Helper()
	for i, port := range []int{httpPort, tlsPort} {
		switch {
		case port == 0:
		case c.ports[i] == nil:
			c.t.Fatal("Serve: the authority was given fixed ports")
		default:
			c.ports[i].target.Store(int64(port))
		}
	}
}

func newForwarder(t testing.TB) *forwarder {
	t.Helper()
	v4, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &forwarder{port: v4.Addr().(*net.TCPAddr).Port}
	listeners := []net.Listener{v4}
	// Without IPv6 on this machine no name has an address that would lead there.
	if v6, err := net.Listen("tcp6", net.JoinHostPort("::1", strconv.Itoa(f.port))); err == nil {
		listeners = append(listeners, v6)
	}
	for _, l := range listeners {
		f.work.Go(func() { f.accept(l) })
	}
	t.Cleanup(func() {
		for _, l := range listeners {
			l.Close()
		}
		f.work.Wait()
	})
	return f
}

func (f *forwarder) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		f.came.Add(1)
		f.work.Go(func() { f.carry(conn) })
	}
}

func (f *forwarder) carry(conn net.Conn) {
	defer conn.Close()
	// A validator gives up after 15 s.
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	port := f.target.Load()
	if port == 0 {
		return
	}
	host, _, err := net.SplitHostPort(conn.LocalAddr().String())
	if err != nil {
		return
	}
	onward, err := net.DialTimeout("tcp", net.JoinHostPort(host, strconv.FormatInt(port, 10)), 10*time.Second)
	if err != nil {
		return
	}
	defer onward.Close()
	onward.SetDeadline(time.Now().Add(20 * time.Second))
	f.work.Go(func() {
		io.Copy(onward, conn)
		onward.(*net.TCPConn).CloseWrite()
	})
	io.Copy(conn, onward)
}
