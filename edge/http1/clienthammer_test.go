package http1

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// moody answers each request with its own target as the body, in one of many ways,
// most of which are wrong.
func moody(c net.Conn) {
	r := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		early := rand.IntN(4) == 0
		if !early {
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				return
			}
		}
		id := req.URL.Path
		whole := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(id), id)
		again := true
		switch rand.IntN(12) {
		case 0: // another answer, to nobody
			_, _ = io.WriteString(c, whole+strings.Replace(whole, id, strings.Repeat("x", len(id)), 1))
		case 1: // the last one
			_, _ = io.WriteString(c, whole)
			again = false
		case 2: // cut
			_, _ = io.WriteString(c, whole[:rand.IntN(len(whole))])
			again = false
		case 3: // cut by a reset
			_, _ = io.WriteString(c, whole[:rand.IntN(len(whole))])
			if tcp, ok := c.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0)
			}
			again = false
		case 4:
			_, _ = fmt.Fprintf(c, "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\nX-T: 1\r\n\r\n", len(id), id)
		case 5: // in two pieces
			at := rand.IntN(len(whole))
			_, _ = io.WriteString(c, whole[:at])
			runtime.Gosched()
			_, _ = io.WriteString(c, whole[at:])
		case 6:
			_, _ = fmt.Fprintf(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: %d\r\n\r\n%s", len(id), id)
		case 7: // ends with the connection
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"+id)
			again = false
		default:
			_, _ = io.WriteString(c, whole)
		}
		if !again {
			return
		}
		if early {
			_, _ = io.Copy(io.Discard, req.Body)
		}
	}
}

// leaver is a caller who leaves at some time.
type leaver struct {
	mu   sync.Mutex
	w    exchange.Interrupter
	left bool
}

func (l *leaver) Watch(w exchange.Interrupter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.w = w; w != nil && l.left {
		l.w = nil
		w.Interrupt(exchange.ErrClientGone)
	}
}

func (l *leaver) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left = true
	if w := l.w; w != nil {
		l.w = nil
		w.Interrupt(exchange.ErrClientGone)
	}
}

func (l *leaver) Inform(int, *exchange.Header) error { return nil }

// TestClient_Hammer has many callers, patient or not, share the connections of an
// upstream that does everything wrong: nobody gets what was not meant for them, and
// nothing is left behind.
func TestClient_Hammer(t *testing.T) {
	t.Parallel()
	for _, over := range []string{"plain", "TLS"} {
		t.Run(over, func(t *testing.T) {
			t.Parallel()
			server, client := tlsPair(t)
			up := upstreamOf(t, func(c *net.TCPConn, _ io.Reader) {
				if over == "plain" {
					moody(c)
					return
				}
				secure := tls.Server(c, server)
				moody(secure)
				secure.Close()
			})
			c := clientOf(t, up.addr, func(o *ClientOptions) {
				if over == "TLS" {
					o.TLS = client
				}
				o.Head, o.Idle, o.Keep = time.Second, time.Second, 50*time.Millisecond
				o.Connect, o.MaxIdle = 5*time.Second, 4
			})
			var callers sync.WaitGroup
			for n := range 12 {
				callers.Go(func() {
					for i := range 80 {
						hammerOnce(t, c, fmt.Sprintf("/%02d-%03d", n, i))
					}
				})
			}
			callers.Wait()
			waitFor(t, func() bool { s := c.Stats(); return s.Open == 0 && s.Idle == 0 })
			if s := c.Stats(); s.Made > 12*80 {
				t.Errorf("%+v for %d calls", s, 12*80)
			}
		})
	}
}

func hammerOnce(t *testing.T, c *Client, id string) {
	caller := new(leaver)
	call := getCall()
	call.Target, call.Caller = id, caller
	switch rand.IntN(4) {
	case 0:
		call.Method, call.Body = "POST", exchange.NewBytes(make([]byte, rand.IntN(200<<10)))
	case 1:
		call.Method, call.Body = "POST", exchange.NewBody(strings.NewReader(strings.Repeat("b", rand.IntN(100<<10))), -1, nil)
	}
	if rand.IntN(8) == 0 {
		call.Deadline = time.Now().Add(time.Duration(rand.IntN(5000)) * time.Microsecond)
	}
	if rand.IntN(8) == 0 {
		timer := time.AfterFunc(time.Duration(rand.IntN(5000))*time.Microsecond, caller.leave)
		defer timer.Stop()
	}
	var resp exchange.Response
	err := c.Do(call, &resp)
	switch {
	case err == nil:
	case statusOf(err) != 0, errors.Is(err, exchange.ErrClientGone):
		return
	default:
		t.Errorf("%s: %v", id, err)
		return
	}
	defer resp.Body.Close()
	if rand.IntN(8) == 0 {
		return
	}
	got, err := io.ReadAll(resp.Body)
	if err == nil && string(got) != id {
		t.Errorf("%s got %d %q: what was not meant for it", id, resp.Status, got)
	}
	if err != nil && statusOf(err) == 0 && !errors.Is(err, exchange.ErrClientGone) {
		t.Errorf("%s: %v", id, err)
	}
}
