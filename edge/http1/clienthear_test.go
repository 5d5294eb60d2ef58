package http1

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// TestRelay_AnswersBeforeTheRequestIsWhole: the client gets the answer at once, whatever
// else of its body is waited for.
func TestRelay_AnswersBeforeTheRequestIsWhole(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"success": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
		"refusal": "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nhi",
		"interim": "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
		"pieces":  "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("y", 6000) + "\r\nContent-Length: 2\r\n\r\nhi",
	} {
		for _, framing := range []string{"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "Content-Length: 100000\r\n\r\nabc"} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				up := upstreamOf(t, func(c *net.TCPConn, heard io.Reader) {
					until(heard, "abc")
					io.WriteString(c, answer)
					io.Copy(io.Discard, heard)
				})
				c := dial(t, relay(t, clientOf(t, up.addr), nil))
				c.SetDeadline(time.Now().Add(20 * time.Second)) // else a failure would take the whole test's
				send(t, c, "POST / HTTP/1.1\r\nHost: x\r\n"+framing)
				for _, part := range strings.SplitAfter(answer, "\r\n\r\n") {
					line, _, _ := strings.Cut(part, "\r\n")
					if receive(t, c, line); strings.HasPrefix(line, "HTTP/") {
						until(c, "\r\n\r\n")
					}
				}
			})
		}
	}
}

// TestRelay_Conversation goes to and fro: neither side says more before it has heard the
// other.
func TestRelay_Conversation(t *testing.T) {
	t.Parallel()
	for _, over := range []string{"TCP", "TLS"} {
		t.Run(over, func(t *testing.T) {
			t.Parallel()
			upstream := echoing(t, over)
			c := dial(t, relay(t, upstream, nil))
			c.SetDeadline(time.Now().Add(30 * time.Second))
			for range 3 {
				send(t, c, postChunks)
				for i := range 20 {
					send(t, c, "4\r\nping\r\n")
					if i == 0 {
						if status := statusLine(t, c); status != "200" {
							t.Fatalf("got status %s", status)
						}
					}
					receive(t, c, "4\r\nping\r\n")
				}
				send(t, c, "0\r\n\r\n")
				receive(t, c, "0\r\nX-Echo: yes\r\n\r\n")
			}
			if s := upstream.Stats(); s.Made != 1 {
				t.Errorf("got %+v, want one connection", s)
			}
		})
	}
}

// TestRelay_ConversationAskedFor begins with 100 Continue: the answer does not end what
// has been asked for.
func TestRelay_ConversationAskedFor(t *testing.T) {
	t.Parallel()
	up := upstreamOf(t, func(c *net.TCPConn, heard io.Reader) {
		for _, turn := range [][2]string{
			{"\r\n\r\n", continueLine}, {"ping\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npong\r\n"},
			{"more\r\n", "4\r\nmore\r\n"}, {"0\r\n\r\n", "0\r\n\r\n"},
		} {
			until(heard, turn[0])
			io.WriteString(c, turn[1])
		}
		io.Copy(io.Discard, heard)
	})
	c := dial(t, relay(t, clientOf(t, up.addr), nil))
	c.SetDeadline(time.Now().Add(30 * time.Second))
	send(t, c, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
	receive(t, c, continueLine)
	send(t, c, "4\r\nping\r\n")
	if status := statusLine(t, c); status != "200" {
		t.Errorf("got status %s", status)
	}
	receive(t, c, "4\r\npong\r\n")
	send(t, c, "4\r\nmore\r\n")
	receive(t, c, "4\r\nmore\r\n")
	send(t, c, "0\r\n\r\n")
	receive(t, c, "0\r\n\r\n")
}

// waitingBody is a body that has one piece and then waits to be interrupted.
type waitingBody struct {
	piece  string
	causes chan error
}

func (b *waitingBody) Read(p []byte) (int, error) {
	if b.piece != "" {
		n := copy(p, b.piece)
		b.piece = b.piece[n:]
		return n, nil
	}
	return 0, <-b.causes
}
func (b *waitingBody) Len() int64            { return -1 }
func (b *waitingBody) Close() error          { return nil }
func (b *waitingBody) Buffered() int         { return len(b.piece) }
func (b *waitingBody) Interrupt(cause error) { b.causes <- cause }

func waitingCall() *exchange.Call {
	c := getCall()
	c.Method, c.Body = "POST", &waitingBody{piece: "abc", causes: make(chan error, 10)}
	return c
}

// TestClient_UpstreamLeavesMeanwhile: nobody waits for more of a body that nobody reads.
func TestClient_UpstreamLeavesMeanwhile(t *testing.T) {
	t.Parallel()
	for name, say := range map[string]string{"": "", "in its head": "HTTP/1.1 200 O", "in its body": "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhi"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := upstreamOf(t, func(c *net.TCPConn, heard io.Reader) {
				until(heard, "abc\r\n")
				io.WriteString(c, say)
			})
			c := clientOf(t, up.addr)
			if _, _, _, err := do(c, waitingCall()); statusOf(err) != 502 {
				t.Errorf("got %v, want 502", err)
			}
			if s := c.Stats(); s.Open != 0 {
				t.Errorf("got %+v, want no connection", s)
			}
		})
	}
}

// TestClientTime_EndsWhileTheBodyIsWaitedFor: a call's end is the end of that, too.
func TestClientTime_EndsWhileTheBodyIsWaitedFor(t *testing.T) {
	for _, head := range []string{"", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhi"} {
		upstream := func(c net.Conn) { until(c, "abc\r\n"); io.WriteString(c, head); mute(c) }
		t.Run("deadline "+head, func(t *testing.T) {
			piped(t, ClientOptions{}, upstream, func(t *testing.T, c *Client) {
				call, start := waitingCall(), time.Now()
				call.Deadline = start.Add(10 * time.Second)
				if _, _, _, err := do(c, call); statusOf(err) != 504 || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v, want 504", err)
				}
				lasts(t, start, 10*time.Second)
			})
		})
		t.Run("caller "+head, func(t *testing.T) {
			piped(t, ClientOptions{}, upstream, func(t *testing.T, c *Client) {
				ctx, leave := context.WithCancelCause(context.Background())
				time.AfterFunc(10*time.Second, func() { leave(exchange.ErrClientGone) })
				call, start := waitingCall(), time.Now()
				call.Caller = exchange.CallerOf(ctx)
				if _, _, _, err := do(c, call); !errors.Is(err, exchange.ErrClientGone) || statusOf(err) != 0 {
					t.Errorf("got %v, want %v", err, exchange.ErrClientGone)
				}
				lasts(t, start, 10*time.Second)
			})
		})
	}
}
