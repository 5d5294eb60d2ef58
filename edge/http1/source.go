package http1

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/weirproxy/weir/edge/exchange"
)

// drain reads what is left of a body that nobody wanted, if that is not much, so
// that the next request can be found.
func (c *conn) drain(b *body) bool {
	if c.expecting || b.Len() > drainMax || !b.reopen() || c.flush() != nil || !c.enter(phaseLinger) {
		return false
	}
	c.draining = true
	c.interruption.Store(nil)
	p := c.server.pieces.Get().(*[]byte)
	defer c.server.pieces.Put(p)
	for n := 0; n <= drainMax; {
		got, err := b.Read(*p)
		if n += got; err != nil {
			return err == io.EOF
		}
	}
	return false
}

// source is where a request's body comes from: the connection, waiting included.
type source conn

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	c := (*conn)(s)
	if err := c.allowBody(); err != nil {
		return 0, err
	}
	if c.interruption.Load() != nil {
		return 0, errInterrupted
	}
	if !c.draining && !c.enter(phaseBody) {
		return 0, errOver
	}
	_, began := c.doing()
	for {
		n, err := c.rw.Read(p)
		switch {
		case n > 0:
			err = nil
		case err == nil:
			continue
		case err == io.EOF:
			err = &refBodyCut.err
		case !errors.Is(err, os.ErrDeadlineExceeded):
			err = goneReading(err)
		case c.awake():
			if c.interruption.Load() == nil {
				continue
			}
			err = errInterrupted
		case c.draining || !c.revive():
			return 0, errOver
		default:
			if !c.apart { // else finish sees that it has failed
				c.closing = true
			}
			return 0, &refBodySlow.err
		}
		if !c.draining {
			c.bodyGot.Add(int64(n))
			c.bodyWait.Add(c.server.clock.Load() - began)
			c.arrived()
		}
		return n, err
	}
}

func goneReading(err error) error {
	return fmt.Errorf("read request body: %w: %w", exchange.ErrClientGone, err)
}

// allowBody does what must be done before waiting for a body: earlier responses
// and the 100 Continue that the client waits for are sent (RFC 9110 §10.1.1).
func (c *conn) allowBody() error {
	if c.apart {
		return c.allowApart()
	}
	if !c.expecting {
		return c.flush()
	}
	c.expecting = false
	out, at := c.work.out, len(c.work.out)
	if c.responded {
		if at = c.headAt; at < 0 {
			return nil // the final head has left: an interim one would come too late
		}
	}
	c.work.out, c.headAt = out[:0], -1
	return c.write(slices.Concat(out[:at], []byte(continueLine), out[at:]), nil)
}
