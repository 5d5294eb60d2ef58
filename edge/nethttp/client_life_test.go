package nethttp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weirproxy/weir/edge/exchange"
)

// It is not parallel: what it looks for are goroutines that are left.
func TestClient_LeavesNothing(t *testing.T) {
	before := goleak.IgnoreCurrent()
	for _, m := range upstreamModes {
		t.Run(m.name, func(t *testing.T) {
			c := NewClient(m.start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/wait" {
					w.WriteHeader(200)
					http.NewResponseController(w).Flush()
					<-r.Context().Done()
				}
				io.Copy(w, r.Body)
			})))
			for range 20 {
				read(t, do(t, c, newCall("POST", "/", streamed(strings.NewReader("abc")))))
			}
			busy := do(t, c, newCall("POST", "/wait", newWaits()))
			c.Close()
			if err := c.Do(newCall("GET", "/", nil), new(exchange.Response)); !errors.Is(err, errClientClosed) {
				t.Errorf("got %v after Close", err)
			}
			busy.Body.Close()
		})
	}
	if err := goleak.Find(before); err != nil {
		t.Error(err)
	}
}

func TestClient_KeepAndCloseIdle(t *testing.T) {
	t.Parallel()
	for _, m := range upstreamModes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			o := m.start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
			c := newTestClient(t, o)
			read(t, do(t, c, newCall("GET", "/", nil)))
			c.CloseIdle()
			eventually(t, "no connection", func() bool { return c.Stats().Open == 0 })

			o.Keep = 50 * time.Millisecond
			c = newTestClient(t, o)
			call := newCall("GET", "/", nil)
			read(t, do(t, c, call))
			if call.Attempt.Reused || call.Attempt.Connect == 0 {
				t.Errorf("got %+v for the first call", call.Attempt)
			}
			read(t, do(t, c, call))
			if !call.Attempt.Reused || call.Attempt.Connect != 0 || !call.Attempt.Answered || call.Attempt.Head == 0 {
				t.Errorf("got %+v for the second call", call.Attempt)
			}
			eventually(t, "no connection", func() bool { return c.Stats().Open == 0 })
			read(t, do(t, c, call))
			if s := c.Stats(); s.Made != 2 {
				t.Errorf("got %+v, want a second connection made", s)
			}
		})
	}
}

// eventually waits for what other goroutines bring about.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(10 * time.Second); !is(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited 10 s for %s", what)
		}
	}
}

func TestClient_ConnectFails(t *testing.T) {
	t.Parallel()
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	_, clientTLS := selfSigned(t)
	blocked := func(ctx context.Context, _ *exchange.Call) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	h2 := ClientOptions{Protocol: "h2", Dial: blocked, TLS: clientTLS}
	h3 := ClientOptions{Protocol: "h3", Address: silent.LocalAddr().String(), TLS: clientTLS}
	for _, o := range []ClientOptions{h2, h3} {
		c := newTestClient(t, o) // without a limit: the caller leaves
		caller := newInformed()
		call := newCall("GET", "/", nil)
		call.Caller = caller
		go func() {
			eventually(t, "a connection being made", func() bool {
				c.mu.Lock()
				defer c.mu.Unlock()
				return c.dialing != nil
			})
			caller.leave()
		}()
		if err := c.Do(call, new(exchange.Response)); !errors.Is(err, exchange.ErrClientGone) || call.Attempt.Written {
			t.Errorf("%s: got %v, %+v; want ErrClientGone", o.Protocol, err, call.Attempt)
		}
		o.Connect = 50 * time.Millisecond
		c = newTestClient(t, o)
		var wg sync.WaitGroup
		for range 5 { // one connects, others wait
			wg.Go(func() {
				call := newCall("GET", "/", nil)
				err := c.Do(call, new(exchange.Response))
				if fault, ok := errors.AsType[*exchange.Error](err); !ok || fault.Status != 504 || call.Attempt.Written || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s: got %v, %+v; want 504", o.Protocol, err, call.Attempt)
				}
			})
		}
		wg.Wait()
	}
	h2.Dial = func(context.Context, *exchange.Call) (net.Conn, error) { return nil, errors.New("refused") }
	err = newTestClient(t, h2).Do(newCall("GET", "/", nil), new(exchange.Response))
	if fault, ok := errors.AsType[*exchange.Error](err); !ok || fault.Status != 502 || fault.Title != "" {
		t.Errorf("got %v, want 502", err)
	}
}

func TestClient_ExpectContinue(t *testing.T) {
	t.Parallel()
	refused := make(chan struct{}, len(upstreamModes))
	eachUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(417)
			http.NewResponseController(w).Flush()
			select {
			case <-refused:
			case <-r.Context().Done():
			}
			return
		}
		io.Copy(w, r.Body)
	}, func(t *testing.T, c *Client) {
		call := newCall("POST", "/", exchange.NewBytes([]byte("abc")))
		call.Expect = true
		if got := read(t, do(t, c, call)); got != "abc" {
			t.Errorf("got %q", got)
		}
		call = newCall("POST", "/no", newWaits()) // is never read
		call.Expect = true
		resp := do(t, c, call)
		within(t, resp.Body.(*answerBody).x.sending, "the sender to see that its body is not wanted")
		refused <- struct{}{}
		if read(t, resp); resp.Status != 417 {
			t.Errorf("got %d, want 417", resp.Status)
		}
	})
}

// A response that nobody reads holds up no other on the same connection.
func TestClient_SlowReaderHoldsUpNobody(t *testing.T) {
	t.Parallel()
	eachUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Write(make([]byte, 4<<20))
	}, func(t *testing.T, c *Client) {
		var slow []*exchange.Response
		for range 30 {
			slow = append(slow, do(t, c, newCall("GET", "/", nil)))
		}
		if got := len(read(t, do(t, c, newCall("GET", "/", nil)))); got != 4<<20 {
			t.Errorf("got %d bytes", got)
		}
		for _, resp := range slow {
			resp.Body.Close()
		}
		if s := c.Stats(); s.Made != 1 {
			t.Errorf("got %+v, want one connection", s)
		}
	})
}

// Many calls at once, of all kinds, some broken off.
func TestClient_ManyAtOnce(t *testing.T) {
	t.Parallel()
	eachUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, r.Body)
	}, func(t *testing.T, c *Client) {
		var wg sync.WaitGroup
		for i := range 30 {
			wg.Go(func() {
				for j := range 10 {
					want := bytes.Repeat([]byte(fmt.Sprint(i, j, " ")), 1+i*j*20)
					body := exchange.Body(exchange.NewBytes(want))
					if j%2 == 0 {
						body = streamed(bytes.NewReader(want))
					}
					resp := new(exchange.Response)
					if err := c.Do(newCall("POST", "/", body), resp); err != nil {
						t.Errorf("call %d %d: %v", i, j, err)
						return
					}
					if j%5 == 4 {
						io.ReadFull(resp.Body, make([]byte, 1))
						resp.Body.Close()
						continue
					}
					got, err := io.ReadAll(resp.Body)
					resp.Body.Close()
					if err != nil || !bytes.Equal(got, want) {
						t.Errorf("call %d %d: got %d bytes of another's or not all, %v; want %d", i, j, len(got), err, len(want))
					}
				}
			})
		}
		wg.Wait()
		eventually(t, "idle connections", func() bool { s := c.Stats(); return s.Idle == s.Open })
	})
}

// gRPC's answer in one header block.
func TestClient_TrailersOnly(t *testing.T) {
	t.Parallel()
	c := newTestClient(t, h2Script(t, []step{tailed(":status", "200", "content-type", "application/grpc", "grpc-status", "12")}))
	resp := do(t, c, newCall("POST", "/s/m", newWaits(), "te", "trailers"))
	if resp.Header.Get("grpc-status") != "12" || resp.Body.Len() != 0 {
		t.Errorf("got %v, length %d", resp.Header, resp.Body.Len())
	}
	read(t, resp)
}

func TestSecurity_P3_G14_CallsAreChecked(t *testing.T) {
	t.Parallel()
	c := newTestClient(t, ClientOptions{Protocol: "h2c", Dial: func(context.Context, *exchange.Call) (net.Conn, error) {
		t.Error("a connection is made")
		return nil, io.EOF
	}})
	for _, tt := range [][4]string{
		{"CONNECT", "https", "a", "/"}, {"", "https", "a", "/"}, {"G T", "https", "a", "/"}, {"GET", "ftp", "a", "/"},
		{"GET", "https", "", "/"}, {"GET", "https", "a b", "/"}, {"GET", "https", "u@a", "/"}, {"GET", "https", "a\r\nx: y", "/"},
		{"GET", "https", "a", ""}, {"GET", "https", "a", "x"}, {"GET", "https", "a", "/ x"}, {"GET", "https", "a", "/\r\nx: y"},
		{"GET", "https", "a", "http://b/"}, {"GET", "https", "a", "/\x7f"}, {"GET", "https", "a", "/\x00"},
	} {
		call := &exchange.Call{Method: tt[0], Scheme: tt[1], Authority: tt[2], Target: tt[3], Body: exchange.NoBody}
		if err := c.Do(call, new(exchange.Response)); err == nil || call.Attempt.Written {
			t.Errorf("%q: got %v, %+v", tt, err, call.Attempt)
		}
	}
}
