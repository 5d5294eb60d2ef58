package http1

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// told is an Interrupter that remembers.
type told chan error

func (c told) Interrupt(cause error) { c <- cause }

// TestGone_WatcherIsToldAtOnce, whether the client closes, resets or ends its sending
// half, and whether it does before anybody watches or after.
func TestGone_WatcherIsToldAtOnce(t *testing.T) {
	t.Parallel()
	leave := map[string]func(*net.TCPConn){
		"closes":      func(c *net.TCPConn) { c.Close() },
		"resets":      func(c *net.TCPConn) { c.SetLinger(0); c.Close() },
		"half closes": func(c *net.TCPConn) { c.CloseWrite() },
	}
	for name, leave := range leave {
		for _, before := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				gone, ready, causes := make(chan struct{}), make(chan struct{}), make(chan error, 1)
				addr, _ := serve(t, Options{Timeouts: hour, Dispatcher: edge{handle: func(r *exchange.Request) (*exchange.Response, error) {
					if before {
						close(ready)
						<-gone
					}
					w := make(told, 1)
					r.Watch(w)
					if !before {
						close(ready)
					}
					causes <- <-w
					r.Watch(nil)
					return r.NewResponse(200), nil
				}}})
				c := dial(t, addr)
				send(t, c, get)
				<-ready
				start := time.Now()
				leave(c)
				close(gone)
				if cause := <-causes; cause != exchange.ErrClientGone {
					t.Errorf("interrupted by %v, want %v", cause, exchange.ErrClientGone)
				}
				t.Logf("told after %v", time.Since(start))
			})
		}
	}
}

// TestGone_OnlyWhoAsks: an exchange that does not watch is answered, although its
// client has closed its sending half; one that does on the same connection is told.
func TestGone_OnlyWhoAsks(t *testing.T) {
	t.Parallel()
	half, causes := make(chan struct{}), make(chan error, 1)
	var served atomic.Int32
	addr, _ := serve(t, Options{Timeouts: hour, Dispatcher: edge{handle: func(r *exchange.Request) (*exchange.Response, error) {
		switch served.Add(1) {
		case 1: // watches, and nothing happens
			w := make(told, 1)
			r.Watch(w)
			r.Watch(nil)
			if len(w) > 0 {
				t.Errorf("told %v of a client that is there", <-w)
			}
		case 2:
			<-half
		case 3:
			<-r.Context().Done()
			causes <- context.Cause(r.Context())
		}
		return r.NewResponse(204), nil
	}}})
	c := dial(t, addr)
	send(t, c, get)
	receive(t, c, "HTTP/1.1 204 No Content\r\n\r\n")
	send(t, c, get+get)
	c.CloseWrite()
	close(half)
	receive(t, c, "HTTP/1.1 204 No Content\r\n\r\n")
	if cause := <-causes; cause != exchange.ErrClientGone {
		t.Errorf("the context ended with %v, want %v", cause, exchange.ErrClientGone)
	}
	io.Copy(io.Discard, c)
}

// fragile must not be interrupted once it has been let go.
type fragile struct {
	t     *testing.T
	alive atomic.Bool
}

func (f *fragile) Interrupt(error) {
	if !f.alive.Load() {
		f.t.Error("interrupted after Watch(nil) had returned")
	}
}

// TestGone_NobodyIsToldAfterwards races clients that leave against Watch(nil).
func TestGone_NobodyIsToldAfterwards(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t, Options{Dispatcher: edge{handle: func(r *exchange.Request) (*exchange.Response, error) {
		for range 20 {
			f := &fragile{t: t}
			f.alive.Store(true)
			r.Watch(f)
			r.Watch(nil)
			f.alive.Store(false)
		}
		return r.NewResponse(204), nil
	}}})
	for range 300 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		send(t, c, get+get)
		c.Close()
	}
}

// TestWatch_DoesNotAllocate, but for the first of a connection.
func TestWatch_DoesNotAllocate(t *testing.T) {
	allocs := make(chan float64, 1)
	addr, _ := serve(t, Options{Dispatcher: edge{handle: func(r *exchange.Request) (*exchange.Response, error) {
		w := &fragile{t: t}
		w.alive.Store(true)
		allocs <- testing.AllocsPerRun(100, func() { r.Watch(w); r.Watch(nil) })
		return r.NewResponse(204), nil
	}}})
	c := dial(t, addr)
	send(t, c, get)
	if n := <-allocs; n != 0 {
		t.Errorf("%v allocations per Watch, want 0", n)
	}
	receive(t, c, "HTTP/1.1 204 No Content\r\n\r\n")
}

// TestGone_FallsBackToTheSweeper where there is no descriptor to be had.
func TestGone_FallsBackToTheSweeper(t *testing.T) {
	t.Parallel()
	ready, causes := make(chan struct{}), make(chan error, 1)
	addr, s := serve(t, Options{Timeouts: Timeouts{Head: 40 * time.Millisecond}, Dispatcher: edge{handle: func(r *exchange.Request) (*exchange.Response, error) {
		w := make(told, 1)
		r.Watch(w)
		close(ready)
		causes <- <-w
		return r.NewResponse(200), nil
	}}})
	s.departures.close()
	c := dial(t, addr)
	send(t, c, get)
	<-ready
	c.Close()
	if cause := <-causes; cause != exchange.ErrClientGone {
		t.Errorf("interrupted by %v, want %v", cause, exchange.ErrClientGone)
	}
}

// BenchmarkWatch is BenchmarkServe/plain with a handler that watches its client, as
// proxying does.
func BenchmarkWatch(b *testing.B) {
	addr, _ := serve(b, Options{Dispatcher: watching{}})
	roundTrips(b, dial(b, addr), 1, answerSize)
}

type watching struct{ constant }

func (watching) Interrupt(error) {}

func (w watching) Dispatch(r *exchange.Request) {
	r.Watch(w)
	r.Watch(nil)
	w.constant.Dispatch(r)
}

// BenchmarkGone measures from a client's close to the interrupt.
func BenchmarkGone(b *testing.B) {
	ready, causes := make(chan struct{}), make(chan error, 1)
	addr, _ := serve(b, Options{Timeouts: hour, Dispatcher: edge{handle: func(r *exchange.Request) (*exchange.Response, error) {
		w := make(told, 1)
		r.Watch(w)
		ready <- struct{}{}
		causes <- <-w
		return r.NewResponse(204), nil
	}}})
	for b.Loop() {
		b.StopTimer()
		c, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		io.WriteString(c, get)
		<-ready
		b.StartTimer()
		c.Close()
		<-causes
	}
}
