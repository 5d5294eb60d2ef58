package http1

import (
	"errors"
	"io"

	"github.com/weirproxy/weir/edge/exchange"
)

// received is the body of a request, as handlers see it: one whose reading can be
// interrupted, without harm to the connection or to who reads on.
type received conn

var (
	_ exchange.Body        = (*received)(nil)
	_ exchange.Interrupter = (*received)(nil)
)

// errInterrupted says that conn.interruption holds the reason.
var errInterrupted = errors.New("read request body: interrupted")

// Read implements exchange.Body.
func (r *received) Read(p []byte) (int, error) {
	n, err := r.work.body.Read(p)
	switch err {
	case errInterrupted:
		err = *r.interruption.Swap(nil)
	case io.EOF:
		r.ended.Store(true)
	}
	return n, err
}

// Len implements exchange.Body.
func (r *received) Len() int64 { return r.work.body.Len() }

// Buffered returns how much can be read without waiting.
func (r *received) Buffered() int { return r.work.body.Buffered() }

// Close implements exchange.Body.
func (r *received) Close() error { return r.work.body.Close() }

// Interrupt implements exchange.Interrupter. One that comes while nothing is read, or
// together with what was waited for, is for the next Read that would wait.
func (r *received) Interrupt(cause error) {
	r.interruption.Store(&cause)
	(*conn)(r).wake()
}

// ReadApart makes c ready for a goroutine that reads the body while another responds.
// What both look at is guarded by speak from now on; what was held back has left when
// the caller was watched.
func (c *conn) ReadApart() { c.apart = true }

// allowApart is allowBody for that goroutine.
func (c *conn) allowApart() error {
	c.speak.Lock()
	defer c.speak.Unlock()
	if !c.expecting || c.responded {
		return nil
	}
	c.expecting = false
	if _, err := c.rw.Write([]byte(continueLine)); err != nil {
		return goneReading(err)
	}
	return nil
}
