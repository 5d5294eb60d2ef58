package exchange

import (
	"io"
	"sync"
)

// Follower is told of the end of a response's body, once: err is nil where it was
// read to its proper end, or closed before; else what Body.Read returned.
type Follower interface {
	Ended(err error)
}

// Follow has f told when r's body ends, or its Tunnel. A body that is in memory has
// ended already. It costs no memory of its own for bodies, and is for one follower.
func (r *Response) Follow(f Follower) {
	if r.Tunnel != nil {
		r.Tunnel = &followedTunnel{Tunnel: r.Tunnel, follower: f}
		return
	}
	if _, ok := r.Body.(*Bytes); ok || r.Body == NoBody {
		f.Ended(nil)
		return
	}
	r.follow = followed{r.Body, f}
	r.Body = &r.follow
}

// followed is part of a Response, so that following a body allocates nothing.
type followed struct {
	Body
	follower Follower
}

func (b *followed) Read(p []byte) (int, error) {
	n, err := b.Body.Read(p)
	switch err {
	case nil:
	case io.EOF:
		b.end(nil)
	default:
		b.end(err)
	}
	return n, err
}

// Buffered is 0 where the body cannot tell: heads are not held back then.
func (b *followed) Buffered() int {
	if body, ok := b.Body.(interface{ Buffered() int }); ok {
		return body.Buffered()
	}
	return 0
}

func (b *followed) Close() error {
	err := b.Body.Close()
	b.end(nil)
	return err
}

func (b *followed) end(err error) {
	if f := b.follower; f != nil {
		b.follower = nil
		f.Ended(err)
	}
}

// followedTunnel keeps what lets io.Copy hand the work to the kernel. Either
// direction may close it.
type followedTunnel struct {
	Tunnel
	follower Follower
	once     sync.Once
}

func (t *followedTunnel) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, t.Tunnel) }

func (t *followedTunnel) ReadFrom(r io.Reader) (int64, error) { return io.Copy(t.Tunnel, r) }

func (t *followedTunnel) Close() error {
	err := t.Tunnel.Close()
	t.once.Do(func() { t.follower.Ended(nil) })
	return err
}
