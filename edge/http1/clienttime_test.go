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

// piped runs a test on fake time with an upstream in memory.
func piped(t *testing.T, o ClientOptions, upstream func(c net.Conn), test func(t *testing.T, c *Client)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		transport := NewTransport()
		if o.Dial == nil {
			o.Dial = func(context.Context, *exchange.Call) (net.Conn, error) {
				ours, theirs := net.Pipe()
				go func() { defer theirs.Close(); upstream(theirs) }()
				return ours, nil
			}
		}
		test(t, transport.NewClient(o))
		transport.Close()
		time.Sleep(2 * time.Hour) // of the bubble, for upstreams that sleep
	})
}

// lasts fails unless d has passed since start, give or take two ticks and one to stop.
func lasts(t *testing.T, start time.Time, d time.Duration) {
	t.Helper()
	if took := time.Since(start); took < d || took > d+d/4*3 && took > d+3*time.Second {
		t.Errorf("took %v, want %v and little more", took, d)
	}
}

const okHead = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"

func mute(c net.Conn)  { io.Copy(io.Discard, c) }
func deaf(c net.Conn)  { io.ReadFull(c, make([]byte, 10)); time.Sleep(time.Hour) }
func stall(c net.Conn) { until(c, "\r\n\r\n"); io.WriteString(c, okHead+"abc"); mute(c) }

func TestClientTime_Limits(t *testing.T) {
	for _, tt := range []struct {
		name     string
		o        ClientOptions
		upstream func(net.Conn)
		call     func() *exchange.Call
		want     time.Duration
	}{
		{"head", ClientOptions{Head: 10 * time.Second}, mute, getCall, 10 * time.Second},
		{"head, short", ClientOptions{Head: 40 * time.Millisecond}, mute, getCall, 40 * time.Millisecond},
		{"body", ClientOptions{Idle: 10 * time.Second}, stall, getCall, 10 * time.Second},
		{"sending", ClientOptions{Idle: 10 * time.Second}, deaf, getCall, 10 * time.Second},
		{"deadline before the head", ClientOptions{}, mute, func() *exchange.Call {
			c := getCall()
			c.Deadline = time.Now().Add(300 * time.Millisecond)
			return c
		}, 300 * time.Millisecond},
		{"deadline in the body", ClientOptions{Idle: time.Hour}, stall, func() *exchange.Call {
			c := getCall()
			c.Deadline = time.Now().Add(20 * time.Second)
			return c
		}, 20 * time.Second},
		{"connect", ClientOptions{Connect: 5 * time.Second, Dial: func(ctx context.Context, _ *exchange.Call) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}, nil, getCall, 5 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			piped(t, tt.o, tt.upstream, func(t *testing.T, c *Client) {
				start := time.Now()
				_, _, _, err := do(c, tt.call())
				if statusOf(err) != 504 || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v, want 504", err)
				}
				lasts(t, start, tt.want)
				if s := c.Stats(); s.Open != 0 {
					t.Errorf("got %+v, want no connection", s)
				}
			})
		})
	}
}

// TestClientTime_OthersLimits: the sweeper looks less often while nobody has short
// limits, and calls that begin then have all of their time, too.
func TestClientTime_OthersLimits(t *testing.T) {
	dial := func(upstream func(net.Conn)) func(context.Context, *exchange.Call) (net.Conn, error) {
		return func(context.Context, *exchange.Call) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() { defer theirs.Close(); upstream(theirs) }()
			return ours, nil
		}
	}
	piped(t, ClientOptions{Head: 400 * time.Millisecond}, mute, func(t *testing.T, c *Client) {
		calm := c.transport.NewClient(ClientOptions{Dial: dial(func(c net.Conn) {
			until(c, "\r\n\r\n")
			io.WriteString(c, okHead+"0123456789")
			mute(c)
		})})
		if _, _, _, err := do(calm, getCall()); err != nil {
			t.Fatal(err)
		}
		for _, later := range []time.Duration{900 * time.Millisecond, 1700 * time.Millisecond, 600 * time.Millisecond} {
			time.Sleep(later)
			start := time.Now()
			if _, _, _, err := do(c, getCall()); statusOf(err) != 504 {
				t.Errorf("got %v, want 504", err)
			}
			lasts(t, start, 400*time.Millisecond)
		}
	})
}

// TestClientTime_LateFirstCall: the clock that limits go by begins with the first
// connection, not with the transport, which may have waited for days.
func TestClientTime_LateFirstCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		transport := NewTransport()
		c := transport.NewClient(ClientOptions{
			Head: time.Minute, Age: time.Hour, Keep: time.Minute,
			Dial: func(context.Context, *exchange.Call) (net.Conn, error) {
				ours, theirs := net.Pipe()
				go func() {
					defer theirs.Close()
					for until(theirs, "\r\n\r\n") {
						time.Sleep(5 * time.Second)
						io.WriteString(theirs, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
					}
				}()
				return ours, nil
			},
		})
		time.Sleep(3 * time.Hour)
		for range 2 {
			if status, _, _, err := do(c, getCall()); status != 200 || err != nil {
				t.Errorf("got %d, %v; want 200", status, err)
			}
		}
		if s := c.Stats(); s.Made != 1 {
			t.Errorf("got %+v, want one connection", s)
		}
		transport.Close()
		time.Sleep(time.Minute)
	})
}

// TestClientTime_DeadlinesAreNotEarly: who is told that time has run out must find it so.
func TestClientTime_DeadlinesAreNotEarly(t *testing.T) {
	piped(t, ClientOptions{}, mute, func(t *testing.T, c *Client) {
		for i := range time.Duration(200) {
			call := getCall()
			call.Deadline = time.Now().Add(50*time.Millisecond + 119*i*time.Microsecond)
			if _, _, _, err := do(c, call); statusOf(err) != 504 || time.Now().Before(call.Deadline) {
				t.Errorf("call %d: got %v, %v before the deadline", i, err, time.Until(call.Deadline))
				return
			}
			lasts(t, call.Deadline, 0)
		}
	})
}

// TestClientTime_SlowIsNotStalled: limits are for waiting, and for the upstream alone.
func TestClientTime_SlowIsNotStalled(t *testing.T) {
	piped(t, ClientOptions{Head: 10 * time.Second, Idle: 10 * time.Second}, func(c net.Conn) {
		until(c, "\r\n\r\n")
		time.Sleep(9 * time.Second)
		for _, b := range []byte(okHead + "0123456789")[len(okHead)-1:] {
			if b == '\n' {
				io.WriteString(c, okHead)
				continue
			}
			time.Sleep(9 * time.Second)
			c.Write([]byte{b})
		}
	}, func(t *testing.T, c *Client) {
		resp := new(exchange.Response)
		if err := c.Do(getCall(), resp); err != nil {
			t.Fatal(err)
		}
		p := make([]byte, 1)
		for i := range 10 {
			time.Sleep(time.Minute) // a client that takes its time
			if _, err := resp.Body.Read(p); err != nil && err != io.EOF || p[0] != byte('0'+i) {
				t.Fatalf("byte %d: got %q, %v", i, p, err)
			}
		}
	})
}

func TestClientTime_UnusedConnectionsAreClosed(t *testing.T) {
	serve := func(c net.Conn) {
		for until(c, "\r\n\r\n") {
			io.WriteString(c, okHead+"0123456789")
		}
	}
	t.Run("keep", func(t *testing.T) {
		piped(t, ClientOptions{Keep: 20 * time.Second}, serve, func(t *testing.T, c *Client) {
			do(c, getCall())
			time.Sleep(19 * time.Second)
			do(c, getCall())
			time.Sleep(19 * time.Second)
			if s := c.Stats(); s != (ClientStats{1, 1, 1}) {
				t.Errorf("before: got %+v", s)
			}
			time.Sleep(4 * time.Second)
			if s := c.Stats(); s != (ClientStats{0, 0, 1}) {
				t.Errorf("after: got %+v", s)
			}
		})
	})
	t.Run("age", func(t *testing.T) {
		piped(t, ClientOptions{Age: 20 * time.Second}, serve, func(t *testing.T, c *Client) {
			for range 10 {
				if _, _, _, err := do(c, getCall()); err != nil {
					t.Error(err)
				}
				time.Sleep(5 * time.Second)
			}
			if s := c.Stats(); s.Made < 2 || s.Made > 3 {
				t.Errorf("got %+v, want two or three connections", s)
			}
		})
	})
}

// TestClient_CallerLeaves: wherever a call is, it ends at once, without any time limit.
func TestClient_CallerLeaves(t *testing.T) {
	for name, tt := range map[string]struct {
		upstream func(net.Conn)
		call     func() *exchange.Call
		dial     func(context.Context, *exchange.Call) (net.Conn, error)
	}{
		"while connecting": {dial: func(ctx context.Context, _ *exchange.Call) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}},
		"while sending":     {upstream: deaf},
		"before the head":   {upstream: mute},
		"within the body":   {upstream: stall},
		"before everything": {upstream: mute},
	} {
		t.Run(name, func(t *testing.T) {
			piped(t, ClientOptions{Dial: tt.dial}, tt.upstream, func(t *testing.T, c *Client) {
				ctx, leave := context.WithCancelCause(context.Background())
				if name == "before everything" {
					leave(exchange.ErrClientGone)
				} else {
					time.AfterFunc(time.Minute, func() { leave(exchange.ErrClientGone) })
				}
				call, start := getCall(), time.Now()
				call.Caller = exchange.CallerOf(ctx)
				_, _, _, err := do(c, call)
				if !errors.Is(err, exchange.ErrClientGone) || statusOf(err) != 0 {
					t.Errorf("got %v, want %v", err, exchange.ErrClientGone)
				}
				if took := time.Since(start); took > time.Minute+10*time.Millisecond {
					t.Errorf("took %v", took)
				}
				if s := c.Stats(); s.Open != 0 {
					t.Errorf("got %+v, want no connection", s)
				}
			})
		})
	}
}

// TestClient_CallerLeavesLate: who leaves after the answer harms nobody.
func TestClient_CallerLeavesLate(t *testing.T) {
	t.Parallel()
	ok := "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
	c := clientOf(t, upstreamOf(t, answers(ok, ok, ok)).addr)
	for range 3 {
		ctx, leave := context.WithCancel(t.Context())
		call := getCall()
		call.Caller = exchange.CallerOf(ctx)
		if _, body, _, err := do(c, call); body != "hi" || err != nil {
			t.Errorf("got %q, %v", body, err)
		}
		leave()
	}
	if s := c.Stats(); s.Made != 1 {
		t.Errorf("got %+v, want one connection", s)
	}
}

func TestTransport_Close(t *testing.T) {
	t.Parallel()
	reached := make(chan bool)
	up := upstreamOf(t, func(c *net.TCPConn, heard io.Reader) {
		if until(heard, "\r\n\r\n") {
			reached <- true
		}
		io.Copy(io.Discard, heard)
	})
	c := clientOf(t, up.addr)
	done := make(chan error)
	go func() {
		_, _, _, err := do(c, getCall())
		done <- err
	}()
	<-reached
	c.transport.Close()
	if err := <-done; !errors.Is(err, errClientClosed) {
		t.Errorf("got %v", err)
	}
	if _, _, _, err := do(c, getCall()); !errors.Is(err, errClientClosed) {
		t.Errorf("afterwards: got %v", err)
	}
	NewTransport().Close()
}

const switchingHead = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\nSec-X: 1\r\n\r\n"

func upgradeCall() *exchange.Call {
	c := getCall()
	c.Upgrade = "websocket"
	return c
}

func TestClient_Upgrade(t *testing.T) {
	t.Parallel()
	up := upstreamOf(t, func(c *net.TCPConn, heard io.Reader) {
		until(heard, "\r\n\r\n")
		io.WriteString(c, switchingHead+"early ")
		io.Copy(c, heard)
		io.WriteString(c, " late")
	})
	c := clientOf(t, up.addr)
	resp := new(exchange.Response)
	if err := c.Do(upgradeCall(), resp); err != nil || resp.Status != 101 || resp.Tunnel == nil || resp.Header.Get("sec-x") != "1" {
		t.Fatalf("got %d, %v, %+v", resp.Status, err, resp.Header)
	}
	if s := c.Stats(); s != (ClientStats{1, 0, 1}) {
		t.Errorf("open: got %+v", s)
	}
	content := strings.Repeat("message ", 50_000)
	go func() {
		io.Copy(resp.Tunnel, strings.NewReader(content))
		resp.Tunnel.CloseWrite()
	}()
	got, err := io.ReadAll(resp.Tunnel)
	if want := "early " + content + " late"; err != nil || string(got) != want {
		t.Errorf("got %d bytes, %v; want %d", len(got), err, len(want))
	}
	resp.Tunnel.Close()
	if s := c.Stats(); s.Open != 0 {
		t.Errorf("closed: got %+v", s)
	}
	if head := up.said(0); !strings.HasPrefix(head, "GET /x?y HTTP/1.1\r\nHost: up.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n") {
		t.Errorf("got %q", head[:min(len(head), 200)])
	}
}

func TestClient_UpgradeIsBelievedOnlyAsAsked(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answer string
		status int
	}{
		"declined":       {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200},
		"other protocol": {"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", 0},
		"two protocols":  {"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n\r\n", 0},
		"no protocol":    {"HTTP/1.1 101 S\r\nConnection: Upgrade\r\n\r\n", 0},
		"no connection":  {"HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n", 0},
		"with a length":  {"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n\r\n", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := clientOf(t, upstreamOf(t, answers(tt.answer)).addr)
			status, _, resp, err := do(c, upgradeCall())
			if status != tt.status || (statusOf(err) == 502) != (tt.status == 0) || resp.Tunnel != nil {
				t.Errorf("got %d, %v", status, err)
			}
		})
	}
}

func TestClientTime_IdleTunnel(t *testing.T) {
	piped(t, ClientOptions{Tunnel: 10 * time.Second, Idle: time.Second, Head: time.Second, Keep: time.Second}, func(c net.Conn) {
		until(c, "\r\n\r\n")
		io.WriteString(c, switchingHead)
		for range 5 {
			time.Sleep(8 * time.Second)
			c.Write([]byte("x"))
		}
		mute(c)
	}, func(t *testing.T, c *Client) {
		call, resp := upgradeCall(), new(exchange.Response)
		call.Deadline = time.Now().Add(20 * time.Second) // for the call, not for what it leads to
		if err := c.Do(call, resp); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		got, err := io.ReadAll(resp.Tunnel)
		if string(got) != "xxxxx" || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %q, %v", got, err)
		}
		lasts(t, start, 50*time.Second)
		resp.Tunnel.Close()
	})
}
