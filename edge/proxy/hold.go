package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

// awaitEnd reads a body that is said to be empty. Over HTTP/2 and HTTP/3 content may
// follow all the same, and such a request must not be passed on (RFC 9113 §8.1.1,
// security P1); of other lengths, the upstream sees that they were not kept to.
func awaitEnd(b exchange.Body) error {
	var one [1]byte
	switch n, err := b.Read(one[:]); {
	case n > 0:
		return errNotEmpty
	case err != nil && err != io.EOF:
		return fmt.Errorf("read request body: %w", err)
	}
	return nil
}

var errNotEmpty = exchange.Reason(http.StatusBadRequest, "body longer than announced")

// holdRequest reads the body of c into memory if it has no more than most bytes, so
// that it can be sent again. Of a larger one, what was read goes before the rest.
func holdRequest(c *exchange.Call, most int64) error {
	if n := c.Body.Len(); n == 0 || n > most {
		return nil
	}
	if _, ok := c.Body.(*exchange.Bytes); ok {
		return nil
	}
	held, whole, err := hold(c.Body, most)
	if err != nil {
		return fmt.Errorf("read request body: %w", err)
	}
	c.Expect = false // it is here
	if whole {
		c.Body = exchange.NewBytes(held)
	} else {
		c.Body = &resumed{head: held, rest: c.Body}
	}
	return nil
}

// holdResponse does the same for the body of resp, which frees the upstream, unless
// its pieces are wanted as they come.
func holdResponse(resp *exchange.Response, most int64) error {
	body := resp.Body
	if n := body.Len(); n == 0 || n > most || isLive(&resp.Header) {
		return nil
	}
	if _, ok := body.(*exchange.Bytes); ok {
		return nil
	}
	held, whole, err := hold(body, most)
	switch {
	case err != nil:
		return err
	case !whole:
		resp.Body = &resumed{head: held, rest: body}
		return nil
	case resp.Trailer.Len() > 0: // a length would leave no place for them
		resp.Body = exchange.NewBody(bytes.NewReader(held), -1, body.Close)
		return nil
	}
	resp.SetBytes(held)
	return body.Close()
}

// isLive tells of responses that clients read event by event. X-Accel-Buffering is how
// applications tell nginx so.
func isLive(h *exchange.Header) bool {
	return strings.HasPrefix(h.Get("content-type"), "text/event-stream") || isGRPC(h) ||
		strings.EqualFold(h.Get("x-accel-buffering"), "no")
}

// hold reads up to most bytes, and tells whether they are all there is. The buffer grows
// with what comes: a length that is announced is only that.
func hold(b exchange.Body, most int64) (held []byte, whole bool, err error) {
	size := b.Len() + 1 // one more, to see the end
	if size == 0 {
		size = 4 << 10
	}
	held = make([]byte, 0, min(size, most+1, 64<<10))
	for int64(len(held)) <= most {
		if len(held) == cap(held) {
			held = append(held, 0)[:len(held)]
		}
		n, err := b.Read(held[len(held):min(int64(cap(held)), most+1)])
		held = held[:len(held)+n]
		if err == io.EOF {
			return held, int64(len(held)) <= most, nil
		}
		if err != nil {
			return nil, false, err
		}
	}
	return held, false, nil
}

// resumed is a body of which some has been read.
type resumed struct {
	head []byte
	rest exchange.Body
}

func (b *resumed) Read(p []byte) (int, error) {
	if len(b.head) == 0 {
		return b.rest.Read(p)
	}
	n := copy(p, b.head)
	b.head = b.head[n:]
	return n, nil
}

func (b *resumed) Len() int64 {
	n := b.rest.Len()
	if n >= 0 {
		n += int64(len(b.head))
	}
	return n
}

// Buffered tells how much Read returns without waiting.
func (b *resumed) Buffered() int { return len(b.head) }

func (b *resumed) Close() error {
	b.head = nil
	return b.rest.Close()
}
