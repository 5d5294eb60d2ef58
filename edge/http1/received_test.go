package http1

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

const postChunks = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

// TestReceived_Pause interrupts reading after every byte that a client sends: nothing of
// the body is lost, whatever has come of a chunk, and the connection goes on.
func TestReceived_Pause(t *testing.T) {
	t.Parallel()
	const sent = "5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nx-t: 1\r\n\r\n"
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			t.Parallel()
			bodies, paused := make(chan exchange.Body, 1), make(chan struct{}, 1)
			c := tr.open(t, Options{Dispatcher: edge{handle: func(r *exchange.Request) (*exchange.Response, error) {
				bodies <- r.Body
				var got []byte
				p := make([]byte, 100)
				for {
					n, err := r.Body.Read(p)
					got = append(got, p[:n]...)
					switch {
					case err == exchange.ErrPause && n == 0:
						paused <- struct{}{}
					case err == io.EOF:
						resp := r.NewResponse(200)
						resp.SetBytes(fmt.Appendf(nil, "%s %s", got, r.Trailer.Get("x-t")))
						return resp, nil
					case err != nil:
						return nil, err
					}
				}
			}}})
			for range 2 {
				send(t, c, postChunks)
				body := (<-bodies).(exchange.Interrupter)
				for i := range len(sent) - 1 {
					send(t, c, sent[i:i+1])
					body.Interrupt(exchange.ErrPause)
					<-paused
				}
				send(t, c, sent[len(sent)-1:])
				receive(t, c, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhello! 1")
				body.Interrupt(exchange.ErrPause) // too late, and no harm
			}
		})
	}
}

// TestReceived_Interrupt ends a Read for good; what the client still sends is taken
// away, so that its next request is found.
func TestReceived_Interrupt(t *testing.T) {
	t.Parallel()
	enough := errors.New("enough")
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			t.Parallel()
			c := tr.open(t, Options{Dispatcher: edge{handle: func(r *exchange.Request) (*exchange.Response, error) {
				if r.Method == "GET" {
					return r.NewResponse(204), nil
				}
				if _, err := io.ReadFull(r.Body, make([]byte, 3)); err != nil {
					t.Errorf("read what was sent: %v", err)
				}
				r.ReadApart()
				read := make(chan error)
				go func() {
					_, err := r.Body.Read(make([]byte, 1))
					read <- err
				}()
				r.Body.(exchange.Interrupter).Interrupt(enough)
				if err := <-read; err != enough {
					t.Errorf("got %v, want %v", err, enough)
				}
				resp := r.NewResponse(200)
				resp.SetBytes([]byte("answer"))
				return resp, nil
			}}})
			for range 3 {
				send(t, c, postChunks+"3\r\nabc\r\n")
				receive(t, c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nanswer")
				send(t, c, "3\r\ndef\r\n0\r\n\r\n"+get)
				receive(t, c, "HTTP/1.1 204 No Content\r\n\r\n")
			}
		})
	}
}

// apart answers with a body that another goroutine makes of the request's, which it
// reads while the response is sent.
func apart(r *exchange.Request) (*exchange.Response, error) {
	r.Watch(constantly{})
	r.ReadApart()
	in, out := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, err := io.Copy(out, r.Body)
		out.CloseWithError(err)
	}()
	resp := r.NewResponse(200)
	resp.Body = exchange.NewBody(in, -1, func() error {
		in.Close()
		r.Body.(exchange.Interrupter).Interrupt(io.ErrClosedPipe)
		<-done
		r.Watch(nil)
		return nil
	})
	return resp, nil
}

type constantly struct{}

func (constantly) Interrupt(error) {}

// TestReadApart: one goroutine reads the request while another responds. What is wrong
// about that the race detector sees.
func TestReadApart(t *testing.T) {
	t.Parallel()
	for _, tr := range transports {
		for name, expect := range map[string]string{"": "", "expecting": "Expect: 100-continue\r\n"} {
			t.Run(tr.name+" "+name, func(t *testing.T) {
				t.Parallel()
				c := tr.open(t, Options{Dispatcher: edge{handle: apart}})
				for round := range 3 {
					send(t, c, strings.TrimSuffix(postChunks, "\r\n")+expect+"\r\n")
					// Both goroutines may want to speak first. Either does, and not both at once.
					status := statusLine(t, c)
					if expect != "" && status == "200" {
						return // too late for 100: the client need not send anything
					}
					if status == "100" {
						status = statusLine(t, c)
					}
					if status != "200" {
						t.Fatalf("round %d: got status %s", round, status)
					}
					for i := range 20 {
						piece := fmt.Sprintf("%02d", i)
						send(t, c, "2\r\n"+piece+"\r\n")
						receive(t, c, "2\r\n"+piece+"\r\n")
					}
					send(t, c, "0\r\n\r\n")
					receive(t, c, "0\r\n\r\n")
				}
			})
		}
	}
}

// statusLine reads a head and returns its status.
func statusLine(t *testing.T, c io.Reader) string {
	t.Helper()
	receive(t, c, "HTTP/1.1 ")
	status := make([]byte, 3)
	if _, err := io.ReadFull(c, status); err != nil || !until(c, "\r\n\r\n") {
		t.Fatalf("got %q, %v", status, err)
	}
	return string(status)
}

// TestReceived_PauseTakesNoTime: who interrupts does not wait for the client.
func TestReceived_PauseTakesNoTime(t *testing.T) {
	t.Parallel()
	took := make(chan time.Duration, 1)
	c := plainClient(t, Options{Timeouts: hour, Dispatcher: edge{handle: func(r *exchange.Request) (*exchange.Response, error) {
		start := time.Now()
		time.AfterFunc(10*time.Millisecond, func() { r.Body.(exchange.Interrupter).Interrupt(exchange.ErrPause) })
		if n, err := r.Body.Read(make([]byte, 1)); n != 0 || err != exchange.ErrPause {
			t.Errorf("got %d, %v, want %v", n, err, exchange.ErrPause)
		}
		took <- time.Since(start)
		return r.NewResponse(204), nil
	}}})
	send(t, c, postChunks)
	if d := <-took; d > 5*time.Second {
		t.Errorf("took %v", d)
	}
}
