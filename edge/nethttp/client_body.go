package nethttp

import (
	"errors"
	"fmt"
	"io"

	"github.com/weirproxy/weir/edge/exchange"
)

var (
	errShortAnswer   = errors.New("response body shorter than announced")
	errLongAnswer    = errors.New("response body longer than announced")
	errForbiddenTail = errors.New("response trailer holds a field that frames or routes")
	errAnswerClosed  = errors.New("response body is closed")
)

// answerBody is a response's content, held to the length it announces. It is whole
// only when the upstream has ended its stream in order: the last announced byte is
// handed out together with that news.
type answerBody struct {
	x    *outgoing
	left int64 // -1: not announced
	err  error // sticky
}

// Read implements exchange.Body.
func (b *answerBody) Read(p []byte) (int, error) {
	if b.err != nil || len(p) == 0 {
		return 0, b.err
	}
	n, err := b.x.receive(p)
	if b.left >= 0 {
		if b.left -= int64(n); b.left < 0 {
			b.left, err = 0, errLongAnswer
		}
		switch {
		case b.left == 0 && err == nil:
			err = b.surplus()
		case b.left > 0 && err == io.EOF:
			err = errShortAnswer
		}
	}
	switch err {
	case nil:
		return n, nil
	case io.EOF:
		err = b.finish()
	}
	if err != io.EOF {
		err = b.x.fault(err)
		n = 0
	}
	b.err = err
	if err == io.EOF {
		b.x.endIfSent()
	}
	return n, err
}

// surplus waits for the end, where nothing else may come.
func (b *answerBody) surplus() error {
	var one [1]byte
	n, err := b.x.receive(one[:])
	if n > 0 {
		return errLongAnswer
	}
	return err
}

// finish takes the trailers over. They were checked for what HTTP/2 and HTTP/3 forbid.
func (b *answerBody) finish() error {
	for _, f := range b.x.wire.trailer() {
		keep, forbidden := exchange.TrailerFate(f.Name)
		switch {
		case forbidden:
			return errForbiddenTail
		case !keep:
			continue
		case hasUpper(f.Name):
			return errUpperCase
		}
		if err := b.x.resp.Trailer.Add(f.Name, f.Value); err != nil {
			return fmt.Errorf("response trailer: %w", err)
		}
	}
	return io.EOF
}

// Len implements exchange.Body.
func (b *answerBody) Len() int64 { return b.left }

// Buffered returns how many bytes can be read without waiting.
func (b *answerBody) Buffered() int {
	if b.err != nil || b.x.over.Load() {
		return 0
	}
	return b.x.wire.buffered()
}

// Close implements exchange.Body.
func (b *answerBody) Close() error {
	if b.err == nil {
		b.err = errAnswerClosed
	}
	b.x.end()
	return nil
}

// receive reads from the stream under the sweeper's eyes.
func (x *outgoing) receive(p []byte) (int, error) {
	now := x.client.sweeper.clock()
	x.watched.reading.Store(now)
	n, err := x.wire.read(p)
	x.watched.reading.Store(0)
	if n > 0 {
		x.watched.active.Store(x.client.sweeper.clock())
	}
	return n, err
}

// upstreamTunnel is the stream after an extended CONNECT was accepted (RFC 8441 §5,
// RFC 9220 §3).
type upstreamTunnel struct{ x *outgoing }

func (x *outgoing) tunnel() {
	x.watched.active.Store(x.client.sweeper.clock())
	x.watched.phase.Store(phaseTunnel)
	// From here who carries the bytes ends the tunnel: a client that has sent its last
	// byte is no client that has gone.
	x.unwatch()
	if x.timer != nil {
		x.timer.Stop() // of the call, which is over
	}
	x.resp.Header.Del("content-length")
	x.resp.Status, x.resp.Body, x.resp.Tunnel = 101, exchange.NoBody, upstreamTunnel{x}
}

// Read implements exchange.Tunnel.
func (t upstreamTunnel) Read(p []byte) (int, error) {
	n, err := t.x.receive(p)
	if err != nil && err != io.EOF {
		err = t.x.fault(err)
	}
	return n, err
}

// Write implements exchange.Tunnel.
func (t upstreamTunnel) Write(p []byte) (int, error) {
	if err := t.x.put(p, false); err != nil {
		return 0, t.x.fault(err)
	}
	return len(p), nil
}

// CloseWrite implements exchange.Tunnel.
func (t upstreamTunnel) CloseWrite() error {
	if err := t.x.put(nil, true); err != nil {
		return t.x.fault(err)
	}
	return nil
}

// Close implements exchange.Tunnel. It may be called while others read and write.
func (t upstreamTunnel) Close() error {
	t.x.end()
	return nil
}
