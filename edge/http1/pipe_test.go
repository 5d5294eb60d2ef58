package http1

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// hour makes the sweeper too slow to notice anything.
var hour = Timeouts{Head: time.Hour, Idle: time.Hour, BodyIdle: time.Hour, BodyGrace: time.Hour, Write: time.Hour, Linger: time.Hour}

// halfPipe is net.Pipe with a sending half that can be closed, as TCP has it.
type halfPipe struct {
	net.Conn
	in *io.PipeReader
}

func (p halfPipe) Read(b []byte) (int, error) { return p.in.Read(b) }

// converse serves one connection in memory. The client's bytes arrive size at a
// time and then end; everything that comes back is returned.
func converse(t *testing.T, o Options, size int, send string) string {
	t.Helper()
	s := NewServer(o)
	client, server := net.Pipe()
	in, out := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.ServeConn(halfPipe{server, in}, nil, nil, &exchange.Conn{})
		in.Close()
	}()
	go func() {
		defer out.Close()
		for b := []byte(send); len(b) > 0; {
			n := min(size, len(b))
			if _, err := out.Write(b[:n]); err != nil {
				return
			}
			b = b[n:]
		}
	}()
	got, _ := io.ReadAll(client)
	<-done
	s.Shutdown(context.Background())
	return string(got)
}
