package listen_test

import (
	"errors"
	"net"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/weirproxy/weir/edge/listen"
)

func TestSocket_StopKeepsTheSocketAndItsQueue(t *testing.T) {
	t.Parallel()
	o := listen.NewOpener(listen.Options{})
	for _, addr := range []string{"127.0.0.1:0", "unix:" + filepath.Join(t.TempDir(), "s")} {
		s := open(t, o, addr)
		served := make(chan error)
		serve := func() {
			served <- s.Serve(func(c net.Conn) { _ = c.Close() }, func(error) {})
		}
		go serve()
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		if err := <-served; err != nil {
			t.Errorf("%s: Serve after Stop = %v; want nil", addr, err)
		}
		if _, err := s.Accept(); !errors.Is(err, listen.ErrStopped) {
			t.Errorf("%s: Accept after Stop = %v; want ErrStopped", addr, err)
		}
		queued, err := net.Dial(s.Addr().Network(), s.Addr().String())
		if err != nil {
			t.Fatalf("%s: dial while stopped: %v; want the kernel to queue it", addr, err)
		}
		defer func() { _ = queued.Close() }()
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		c, err := s.Accept()
		if err != nil {
			t.Fatalf("%s: Accept after Start = %v; want the queued connection", addr, err)
		}
		_ = c.Close()
		go serve()
		_ = s.Close()
		if err := <-served; !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: Serve after Close = %v; want net.ErrClosed", addr, err)
		}
	}
}

func TestServe_SurvivesErrorsOfOneConnection(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		goes bool
	}{
		{syscall.EMFILE, true},
		{syscall.ECONNABORTED, true},
		{syscall.EPROTO, true},
		{syscall.EINVAL, false},
		{errors.New("unknown"), false},
	} {
		reports := 0
		err := listen.ServeFlaky(&net.OpError{Op: "accept", Err: c.err}, func(error) { reports++ })
		if c.goes && (reports != 1 || !errors.Is(err, net.ErrClosed)) {
			t.Errorf("after %v: %d reports, then %v; want one, and to go on until closed", c.err, reports, err)
		}
		if !c.goes && (reports != 0 || !errors.Is(err, c.err)) {
			t.Errorf("after %v: %d reports, then %v; want to end with it", c.err, reports, err)
		}
	}
}

func BenchmarkAccept(b *testing.B) {
	s := open(b, listen.NewOpener(listen.Options{}), "127.0.0.1:0")
	b.ReportAllocs()
	for b.Loop() {
		client, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		c, err := s.Accept()
		if err != nil {
			b.Fatal(err)
		}
		_ = client.(*net.TCPConn).SetLinger(0) // no port left in TIME_WAIT
		_, _ = client.Close(), c.Close()
	}
}
