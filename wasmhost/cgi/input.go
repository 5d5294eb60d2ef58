package cgi

import (
	"bytes"
	"errors"
	"io"
	"net/http"

	"github.com/weirproxy/weir/edge/exchange"
)

// small is up to what length content is read before a program is started, which need
// not live while a client is slow, then.
const small = 64 << 10

// input is the content of a request: in memory, or still to come.
type input struct {
	memory []byte
	body   exchange.Body // nil: memory has it all
}

var errUnannounced = errors.New("content of no announced length is longer than the plugin's limit for bodies")

// take reads what has to be in memory, and sets the length. Programs want to know the
// length before (CONTENT_LENGTH, RFC 3875 §4.1.2), and nearly all read nothing without:
// so content of unknown length is read first, up to limit, and what is longer refused.
func (a *ask) take(r *exchange.Request, limit int64) error {
	n := r.Body.Len()
	switch {
	case n == 0:
		return nil
	case n > small:
		a.length, a.content.body = n, r.Body
		r.ReadApart()
		return nil
	case n > 0:
		a.content.memory = make([]byte, n)
		_, err := io.ReadFull(r.Body, a.content.memory)
		a.length = n
		return err
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(io.LimitReader(r.Body, limit+1)); err != nil {
		return err
	}
	if int64(b.Len()) > limit {
		return &exchange.Error{Fault: exchange.Client, Status: http.StatusRequestEntityTooLarge, Err: errUnannounced}
	}
	a.content.memory, a.length = b.Bytes(), int64(b.Len())
	return nil
}

// Read is the guest's reading of standard input. It may wait for the client, who is not
// the guest's fault.
func (n *run) Read(p []byte) (int, error) {
	if n.content.body == nil {
		if len(n.content.memory) == 0 {
			return 0, io.EOF
		}
		k := copy(p, n.content.memory)
		n.content.memory = n.content.memory[k:]
		return k, nil
	}
	if !n.pause(&n.reading) {
		return 0, errStopped
	}
	k, err := n.content.body.Read(p)
	n.resume(&n.reading)
	if err != nil && err != io.EOF {
		n.mu.Lock()
		n.lost = err
		n.mu.Unlock()
	}
	return k, err
}
