package http1

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// inBubble serves one in-memory connection on fake time and runs client with the
// other end. The test ends when both are done.
func inBubble(t *testing.T, o Options, client func(t *testing.T, s *Server, c net.Conn)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := NewServer(o)
		ours, theirs := net.Pipe()
		go s.ServeConn(theirs, nil, nil, &exchange.Conn{})
		client(t, s, ours)
		ours.Close()
		if err := s.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		time.Sleep(time.Minute) // of the bubble, for goroutines that sleep between writes
	})
}

// within fails unless d has passed since start, give or take two ticks.
func within(t *testing.T, s *Server, start time.Time, d time.Duration) {
	t.Helper()
	if took := time.Since(start); took < d || took > d+2*s.tick+time.Millisecond {
		t.Errorf("took %v, want %v and at most two ticks of %v more", took, d, s.tick)
	}
}

func send(t *testing.T, c io.Writer, s string) {
	t.Helper()
	if s == "" {
		return // an empty write to a pipe waits for a reader
	}
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatalf("send %q: %v", s, err)
	}
}

const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

func TestTime_SlowHeadIs408(t *testing.T) {
	inBubble(t, Options{Dispatcher: edge{handle: text(200, "")}}, func(t *testing.T, s *Server, c net.Conn) {
		start := time.Now()
		go func() {
			for _, b := range []byte("GET / HTTP/1.1\r\nHost: slow.example") {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		got, _ := io.ReadAll(c)
		if !strings.HasPrefix(string(got), "HTTP/1.1 408 ") || !strings.Contains(string(got), "Connection: close\r\n") {
			t.Errorf("got %q, want a 408 that closes", got)
		}
		within(t, s, start, 10*time.Second)
	})
}

func TestTime_IdleConnectionIsClosed(t *testing.T) {
	for name, first := range map[string]string{"new": "", "kept alive": get} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Options{Dispatcher: edge{handle: text(200, "")}}, func(t *testing.T, s *Server, c net.Conn) {
				if first != "" {
					send(t, c, first)
					receive(t, c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				}
				start := time.Now()
				if got, err := io.ReadAll(c); len(got) > 0 || err != nil {
					t.Errorf("got %q, %v; want a silent end", got, err)
				}
				within(t, s, start, 75*time.Second)
			})
		})
	}
}

// TestSecurity_P13_BodyThatNeverComes holds for a GET, too.
func TestSecurity_P13_BodyThatNeverComes(t *testing.T) {
	inBubble(t, Options{Dispatcher: edge{handle: describe}}, func(t *testing.T, s *Server, c net.Conn) {
		start := time.Now()
		send(t, c, "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
		got, _ := io.ReadAll(c)
		if !strings.HasPrefix(string(got), "HTTP/1.1 408 ") {
			t.Errorf("got %q, want 408", got)
		}
		within(t, s, start, 10*time.Second) // the grace, since nothing at all came
	})
}

func TestTime_BodyBelowTheRateIs408(t *testing.T) {
	inBubble(t, Options{Dispatcher: edge{handle: describe}}, func(t *testing.T, s *Server, c net.Conn) {
		start := time.Now()
		go func() {
			io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
			time.Sleep(s.tick / 2) // between the ticks: who comes first in one instant is anybody's guess
			for {
				if _, err := io.WriteString(c, strings.Repeat("x", 100)); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		got, _ := io.ReadAll(c)
		if !strings.HasPrefix(string(got), "HTTP/1.1 408 ") {
			t.Errorf("got %q, want 408", got)
		}
		within(t, s, start, 10*time.Second)
	})
}

func TestTime_BodyAtTheRateIsRead(t *testing.T) {
	inBubble(t, Options{Dispatcher: edge{handle: describe}}, func(t *testing.T, s *Server, c net.Conn) {
		send(t, c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 30000\r\n\r\n")
		for range 100 {
			send(t, c, strings.Repeat("x", 300))
			time.Sleep(time.Second)
		}
		receive(t, c, "HTTP/1.1 200 OK\r\n")
		go io.Copy(io.Discard, c)
		synctest.Wait()
	})
}

// TestTime_SlowHandlerIsNotTheClientsFault: the time a handler takes between two
// reads does not count against the client's rate.
func TestTime_SlowHandlerIsNotTheClientsFault(t *testing.T) {
	slow := exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		p := make([]byte, 10)
		for {
			if _, err := io.ReadFull(r.Body, p); err == io.EOF {
				return r.NewResponse(200), nil
			} else if err != nil {
				return nil, err
			}
			time.Sleep(40 * time.Second)
		}
	})
	inBubble(t, Options{Dispatcher: edge{handle: slow}}, func(t *testing.T, s *Server, c net.Conn) {
		send(t, c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\n\r\n"+strings.Repeat("x", 30))
		receive(t, c, "HTTP/1.1 200 OK\r\n")
		go io.Copy(io.Discard, c)
		synctest.Wait()
	})
}

func TestTime_BodyThatStallsAfterAFastStart(t *testing.T) {
	inBubble(t, Options{Dispatcher: edge{handle: describe}}, func(t *testing.T, s *Server, c net.Conn) {
		send(t, c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
		send(t, c, strings.Repeat("x", 100_000))
		start := time.Now()
		got, _ := io.ReadAll(c)
		if !strings.HasPrefix(string(got), "HTTP/1.1 408 ") {
			t.Errorf("got %q, want 408", got)
		}
		within(t, s, start, 30*time.Second)
	})
}

func TestTime_ReaderThatStalls(t *testing.T) {
	results := make(chan error, 1)
	inBubble(t, Options{Dispatcher: edge{text(200, strings.Repeat("x", 1<<20)), results}}, func(t *testing.T, s *Server, c net.Conn) {
		send(t, c, get)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if len(results) > 0 {
			t.Errorf("Respond returned %v before 30 s were over", <-results)
		}
		time.Sleep(2 * s.tick)
		synctest.Wait()
		select {
		case err := <-results:
			if !errors.Is(err, exchange.ErrClientGone) {
				t.Errorf("Respond returned %v, want %v", err, exchange.ErrClientGone)
			}
		default:
			t.Error("Respond still waits after 32 s")
		}
	})
}

// TestTime_SlowReaderIsServed: who takes a piece every 20 s makes progress.
func TestTime_SlowReaderIsServed(t *testing.T) {
	const size = 2 << 20
	inBubble(t, Options{Dispatcher: edge{handle: text(200, strings.Repeat("x", size))}}, func(t *testing.T, s *Server, c net.Conn) {
		send(t, c, get)
		p := make([]byte, largePiece)
		for n := 0; n < size; {
			got, err := io.ReadFull(c, p[:min(len(p), size-n)])
			if err != nil {
				t.Fatalf("after %d bytes: %v", n, err)
			}
			n += got
			time.Sleep(20 * time.Second)
		}
	})
}

func TestTime_NegativeMeansNever(t *testing.T) {
	o := Options{Dispatcher: edge{handle: text(200, "")}, Timeouts: Timeouts{Head: -1, Idle: -1}}
	inBubble(t, o, func(t *testing.T, s *Server, c net.Conn) {
		time.Sleep(time.Hour)
		send(t, c, get[:10])
		time.Sleep(time.Hour)
		send(t, c, get[10:])
		receive(t, c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	})
}

// TestTime_WaitingConnectionHoldsNoBuffers looks at the connection's state: after
// two ticks without a request the memory of exchanges is gone, and a request that
// comes later is served all the same.
func TestTime_WaitingConnectionHoldsNoBuffers(t *testing.T) {
	inBubble(t, Options{Dispatcher: edge{handle: text(200, "")}}, func(t *testing.T, s *Server, c net.Conn) {
		for range 3 {
			send(t, c, get)
			receive(t, c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			time.Sleep(3 * s.tick)
			synctest.Wait()
			s.mu.Lock()
			ours := s.conns[0]
			s.mu.Unlock()
			if p, _ := ours.doing(); p != phaseParked || ours.work != nil {
				t.Fatalf("phase %d, work %v; want %d and no work", p, ours.work, phaseParked)
			}
		}
	})
}

func TestShutdown_ClosesWaitingConnectionsAtOnce(t *testing.T) {
	for name, wait := range map[string]time.Duration{"idle": 0, "parked": 10 * time.Second} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Options{Dispatcher: edge{handle: text(200, "")}}, func(t *testing.T, s *Server, c net.Conn) {
				send(t, c, get)
				receive(t, c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				time.Sleep(wait)
				synctest.Wait()
				start := time.Now()
				if err := s.Shutdown(context.Background()); err != nil {
					t.Errorf("Shutdown: %v", err)
				}
				if took := time.Since(start); took > 0 {
					t.Errorf("Shutdown took %v", took)
				}
				if got, err := io.ReadAll(c); len(got) > 0 || err != nil {
					t.Errorf("got %q, %v; want the end", got, err)
				}
			})
		})
	}
}

func TestShutdown_AnswersWhatHasBegun(t *testing.T) {
	for name, split := range map[string]int{"in the head": 10, "in the handler": len(get)} {
		t.Run(name, func(t *testing.T) {
			slow := exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
				time.Sleep(5 * time.Second)
				return r.NewResponse(200), nil
			})
			inBubble(t, Options{Dispatcher: edge{handle: slow}}, func(t *testing.T, s *Server, c net.Conn) {
				send(t, c, get[:split])
				synctest.Wait()
				ended := make(chan error, 1)
				go func() { ended <- s.Shutdown(context.Background()) }()
				synctest.Wait()
				send(t, c, get[split:])
				receive(t, c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
				if err := <-ended; err != nil {
					t.Errorf("Shutdown: %v", err)
				}
			})
		})
	}
}

func TestShutdown_CutsWhenItsContextEnds(t *testing.T) {
	causes := make(chan error, 1)
	endless := exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		<-r.Context().Done()
		causes <- context.Cause(r.Context())
		return nil, r.Context().Err()
	})
	inBubble(t, Options{Dispatcher: edge{handle: endless}}, func(t *testing.T, s *Server, c net.Conn) {
		send(t, c, get)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown returned %v, want %v", err, context.DeadlineExceeded)
		}
		synctest.Wait()
		if cause := <-causes; cause != errServerClosed {
			t.Errorf("the context ended with %v, want %v", cause, errServerClosed)
		}
	})
}

func TestServeConn_AfterShutdownRefuses(t *testing.T) {
	t.Parallel()
	s := NewServer(Options{Dispatcher: edge{handle: text(200, "")}})
	s.Close()
	ours, theirs := net.Pipe()
	s.ServeConn(theirs, nil, nil, &exchange.Conn{})
	if _, err := ours.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("read: %v, want %v", err, io.EOF)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown after Close: %v", err)
	}
}

// TestTime_EmptyLineDoesNotBeginAHead: after the empty line that RFC 9112 §2.2
// forgives, a connection waits as it did before.
func TestTime_EmptyLineDoesNotBeginAHead(t *testing.T) {
	inBubble(t, Options{Dispatcher: edge{handle: text(200, "")}}, func(t *testing.T, s *Server, c net.Conn) {
		send(t, c, "\r")
		send(t, c, "\n")
		time.Sleep(30 * time.Second)
		send(t, c, get)
		receive(t, c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	})
}

// TestEnter_NeverUndoesAnEnd: an end that comes while a connection turns to something
// else must not give way to an earlier, milder one, which revive could undo.
func TestEnter_NeverUndoesAnEnd(t *testing.T) {
	t.Parallel()
	c := &conn{server: NewServer(Options{Dispatcher: edge{handle: describe}})}
	c.state.Store(uint64(phaseExpired))
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				c.enter(phaseWrite)
			}
		}
	}()
	defer func() { close(stop); <-done }()
	for range 100_000 {
		c.state.Store(uint64(phaseExpired))
		c.state.Store(uint64(phaseCut))
		for range 20 {
			if p, _ := c.doing(); p != phaseCut {
				t.Fatalf("a connection that was cut is in phase %d, want %d", p, phaseCut)
			}
		}
	}
}
