package exchange

import (
	"errors"
	"io"
)

// Tunnel is one end of a connection that has left HTTP behind: after a 101
// (RFC 9110 §7.8), or after an extended CONNECT was accepted (RFC 8441, RFC 9220).
// Read and Write may go on at the same time, on one goroutine each. Closing ends
// both.
type Tunnel interface {
	io.ReadWriteCloser
	// CloseWrite tells the other end that nothing more will be sent.
	CloseWrite() error
}

// Splice carries bytes between two tunnels until both directions have ended, or one
// has failed, and closes both. It returns how much a and b sent. An end that was
// closed in order, on both sides, is no error. It runs one goroutine besides its own.
func Splice(a, b Tunnel) (fromA, fromB int64, err error) {
	back := make(chan error, 1)
	go func() {
		var err error
		fromB, err = carry(a, b)
		back <- err
	}()
	fromA, err = carry(b, a)
	err = errors.Join(err, <-back)
	a.Close()
	b.Close()
	return fromA, fromB, err
}

// carry copies from src to dst. A failure of either ends both for good, so that the
// other direction does not wait for ever.
func carry(dst, src Tunnel) (n int64, err error) {
	failed := true
	defer func() {
		if failed {
			src.Close()
			dst.Close()
		}
	}()
	n, err = io.Copy(dst, src)
	if err == nil {
		err = dst.CloseWrite()
	}
	failed = err != nil
	return n, err
}
