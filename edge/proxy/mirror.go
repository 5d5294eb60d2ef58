package proxy

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

const (
	mirrorsAtOnce = 64               // copies under way; more are left out
	mirrorTime    = 30 * time.Second // for each of them
	mirrorRead    = 1 << 20          // of an answer, before the connection is given up instead
	mirrorBody    = 64 << 10
)

// mirror sends copies of calls to a pool.
type mirror struct {
	pool    pool
	percent float64
	most    int64         // bytes of body
	places  chan struct{} // as many as copies may be under way
}

func newMirror(o *Mirror) (*mirror, error) {
	switch {
	case o.Pool == nil:
		return nil, errors.New("mirror: has no pool")
	case o.Percent < 0 || o.Percent > 100 || o.Percent != o.Percent:
		return nil, fmt.Errorf("mirror %v percent: not from 0 to 100", o.Percent)
	case o.Body < 0:
		return nil, fmt.Errorf("mirror bodies of %d bytes: is negative", o.Body)
	}
	return &mirror{
		pool: o.Pool, percent: cmp.Or(o.Percent, 100), most: cmp.Or(o.Body, mirrorBody),
		places: make(chan struct{}, mirrorsAtOnce),
	}, nil
}

// copy has a copy of c sent, now or when its body has been read to its end. The copy
// has the credentials of the original: whoever configures a mirror wants it to see
// what the upstream sees. (That security P11 withholds them is for services that only
// help, such as for error pages.)
func (m *mirror) copy(c *exchange.Call) {
	n := c.Body.Len()
	if m.percent < 100 && rand.Float64()*100 >= m.percent || n > m.most || len(m.places) == cap(m.places) {
		return
	}
	double := &exchange.Call{
		Method: c.Method, Scheme: c.Scheme, Authority: c.Authority, Target: c.Target,
		Body: exchange.NoBody, Client: c.Client, Server: c.Server,
	}
	double.Header.CopyFrom(&c.Header)
	if n == 0 {
		m.send(double)
		return
	}
	if b, ok := c.Body.(*exchange.Bytes); ok {
		double.Body = exchange.NewBytes(append([]byte(nil), b.Rest()...))
		m.send(double)
		return
	}
	c.Body = &copied{Body: c.Body, mirror: m, double: double}
}

// send sends a copy in a goroutine of its own, unless there are too many already.
func (m *mirror) send(c *exchange.Call) {
	select {
	case m.places <- struct{}{}:
	default:
		return
	}
	c.Deadline = time.Now().Add(mirrorTime)
	go func() {
		defer func() { <-m.places }()
		resp := exchange.Response{Body: exchange.NoBody}
		if _, err := m.pool.Do(c, &resp); err != nil {
			return // nobody asked
		}
		_, _ = io.CopyN(io.Discard, resp.Body, mirrorRead)
		drop(&resp)
	}()
}

// copied is a body that is copied while it is read.
type copied struct {
	exchange.Body
	mirror *mirror
	double *exchange.Call // nil once it has been sent, or given up
	held   []byte
}

func (b *copied) Read(p []byte) (int, error) {
	n, err := b.Body.Read(p)
	if b.double == nil {
		return n, err
	}
	switch {
	case int64(len(b.held)+n) > b.mirror.most || err != nil && err != io.EOF && err != exchange.ErrPause:
		b.double, b.held = nil, nil
	default:
		b.held = append(b.held, p[:n]...)
		if err == io.EOF {
			b.double.Body = exchange.NewBytes(b.held)
			b.mirror.send(b.double)
			b.double = nil
		}
	}
	return n, err
}

// Buffered tells how much Read returns without waiting, as far as the body knows.
func (b *copied) Buffered() int {
	if inner, ok := b.Body.(interface{ Buffered() int }); ok {
		return inner.Buffered()
	}
	return 0
}
