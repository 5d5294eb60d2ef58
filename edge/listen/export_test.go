package listen

import (
	"net"
	"time"
)

// flaky is a listener whose first Accept fails and whose second finds it closed.
type flaky struct {
	first error
	n     int
}

func (f *flaky) Accept() (net.Conn, error) {
	if f.n++; f.n == 1 {
		return nil, f.first
	}
	return nil, net.ErrClosed
}
func (f *flaky) Close() error                { return nil }
func (f *flaky) Addr() net.Addr              { return nil }
func (f *flaky) SetDeadline(time.Time) error { return nil }

// ServeFlaky runs Serve on a listener whose first Accept fails with err.
func ServeFlaky(err error, report func(error)) error {
	return newSocket("", &flaky{first: err}, nil).Serve(func(net.Conn) {}, report)
}

// Remembered counts the clients that g keeps.
func (g *Gate) Remembered() (n int) {
	for i := range g.shards {
		n += len(g.shards[i].clients)
	}
	return n
}

// Maps counts the shards of g that hold memory.
func (g *Gate) Maps() (n int) {
	for i := range g.shards {
		if g.shards[i].clients != nil {
			n++
		}
	}
	return n
}
