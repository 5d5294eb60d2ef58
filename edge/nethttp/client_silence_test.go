package nethttp

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/weirproxy/weir/edge/exchange"
)

// pipeClient returns a client in a bubble of time, whose upstream runs f.
func pipeClient(o ClientOptions, f func(*h2Peer)) *Client {
	ours, theirs := net.Pipe()
	o.Protocol = "h2c"
	o.Dial = func(context.Context, *exchange.Call) (net.Conn, error) { return ours, nil }
	p := &h2Peer{Conn: theirs, fr: http2.NewFramer(theirs, theirs)}
	go func() {
		io.ReadFull(theirs, make([]byte, len(http2.ClientPreface)))
		p.fr.ReadFrame() // SETTINGS
		p.fr.ReadFrame() // WINDOW_UPDATE
		p.fr.WriteSettings()
		f(p)
	}()
	return NewClient(o)
}

// A connection whose upstream has died without a word is found out by a ping, and its
// calls fail.
func TestClient_SilentUpstreamIsPinged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pings := make(chan time.Time, 10)
		c := pipeClient(ClientOptions{}, func(p *h2Peer) {
			for {
				f, err := p.fr.ReadFrame()
				if err != nil {
					return
				}
				if f, ok := f.(*http2.PingFrame); ok && !f.IsAck() {
					if pings <- time.Now(); len(pings) == 1 {
						p.fr.WritePing(true, f.Data)
					}
				}
			}
		})
		defer c.Close()
		began := time.Now()
		err := c.Do(newCall("GET", "/", nil), new(exchange.Response))
		if !errors.Is(err, errH2Silent) {
			t.Errorf("got %v, want %v", err, errH2Silent)
		}
		first, second := (<-pings).Sub(began), (<-pings).Sub(began)
		if first < pingAfter || first > pingAfter+3*time.Second || second-first < 4*pingAfter {
			t.Errorf("got pings after %v and %v, want %v and four times that later", first, second, pingAfter)
		}
		if took := time.Since(began); took > second+pingWait+3*time.Second {
			t.Errorf("took %v after a ping at %v", took, second)
		}
		synctest.Wait()
		if s := c.Stats(); s.Open != 0 {
			t.Errorf("got %+v, want no connection", s)
		}
	})
}

// An upstream that gives no room takes a body only so far, and no longer than Idle.
func TestClient_WindowStall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		got := make(chan int, 1)
		c := pipeClient(ClientOptions{Idle: 10 * time.Second}, func(p *h2Peer) {
			n := 0
			for {
				f, err := p.fr.ReadFrame()
				if err != nil {
					return
				}
				switch f := f.(type) {
				case *http2.DataFrame:
					n += len(f.Data())
				case *http2.RSTStreamFrame:
					got <- n
				}
			}
		})
		defer c.Close()
		began := time.Now()
		err := c.Do(newCall("POST", "/", exchange.NewBytes(make([]byte, 1<<20))), new(exchange.Response))
		if fault, ok := errors.AsType[*exchange.Error](err); !ok || fault.Status != 504 {
			t.Errorf("got %v, want 504", err)
		}
		if took := time.Since(began); took < 10*time.Second || took > 13*time.Second {
			t.Errorf("took %v, want 10 s", took)
		}
		if n := <-got; n != 65535 {
			t.Errorf("sent %d bytes and a reset, want the 65,535 of the first window", n)
		}
	})
}

// An upstream that stops reading its socket holds up nobody who gives up.
func TestClient_UpstreamReadsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := pipeClient(ClientOptions{}, func(*h2Peer) {})
		caller := newInformed()
		call := newCall("POST", "/", streamed(strings.NewReader(strings.Repeat("x", 1<<20))))
		call.Caller = caller
		time.AfterFunc(time.Second, caller.leave)
		began := time.Now()
		if err := c.Do(call, new(exchange.Response)); !errors.Is(err, exchange.ErrClientGone) {
			t.Errorf("got %v, want ErrClientGone", err)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("took %v, want 1 s", took)
		}
		c.Close()
		time.Sleep(2 * farewell) // of the bubble's time
		if s := c.Stats(); s.Open != 0 {
			t.Errorf("got %+v, want the connection cut", s)
		}
	})
}
