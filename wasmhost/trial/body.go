package trial

import (
	"errors"
	"io"
	"strings"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

var errCut = &exchange.Error{Fault: exchange.Upstream, Err: errors.New("the body broke off, as the case says")}

// content is a body that a case sends. One Read gives one chunk at most.
type content struct {
	chunks []string
	size   int64 // what is left, or -1
	pause  time.Duration
	cut    bool
	ended  func() // where trailers come
	wake   chan error
	begun  bool
	rest   string
	block  string // some repetitions of a text
	blocks int    // how often it comes again
}

// block is about how much of a long text is in memory.
const block = 64 << 10

// newContent makes the body that b says. It ends with ended, unless it is cut.
func newContent(b *Body, ended func()) *content {
	c := &content{chunks: b.Chunks, size: -1, ended: ended, wake: make(chan error, 1)}
	if b.Chunks != nil {
		return c
	}
	c.begun = true
	times := max(b.Times, 1)
	if c.size = int64(len(b.Text)) * int64(times); c.size == 0 {
		return c
	}
	inBlock := max(1, min(times, block/len(b.Text)))
	c.block, c.blocks = strings.Repeat(b.Text, inBlock), times/inBlock
	c.rest = c.block[:len(b.Text)*(times%inBlock)]
	return c
}

// Read implements exchange.Body.
func (c *content) Read(p []byte) (int, error) {
	if c.rest == "" {
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	if c.size >= 0 {
		c.size -= int64(n)
	}
	return n, nil
}

// next makes the next chunk what is read, once its time has come.
func (c *content) next() error {
	for c.rest == "" {
		if c.blocks > 0 {
			c.blocks, c.rest = c.blocks-1, c.block
			return nil
		}
		if len(c.chunks) == 0 {
			if c.cut {
				return errCut
			}
			if c.ended != nil {
				c.ended()
				c.ended = nil
			}
			return io.EOF
		}
		if c.begun && c.pause > 0 {
			if err := wait(c.pause, c.wake); err != nil {
				return err
			}
		}
		c.begun, c.rest, c.chunks = true, c.chunks[0], c.chunks[1:]
	}
	return nil
}

// wait waits so long, unless somebody has it end before.
func wait(d time.Duration, wake <-chan error) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case err := <-wake:
		return err
	}
}

// Interrupt implements exchange.Interrupter.
func (c *content) Interrupt(cause error) {
	select {
	case c.wake <- cause:
	default: // somebody else has been first
	}
}

// Buffered is how many bytes can be read without waiting.
func (c *content) Buffered() int {
	if c.rest == "" && !c.begun && len(c.chunks) > 0 {
		return len(c.chunks[0])
	}
	return len(c.rest)
}

// Len implements exchange.Body.
func (c *content) Len() int64 {
	if c.size == 0 && c.cut {
		return 1 // more was announced than comes
	}
	return c.size
}

// Close implements exchange.Body.
func (c *content) Close() error { return nil }

// mostKept bounds what is kept of a body that comes.
const mostKept = 64 << 20

// keep reads a body to its end, and keeps its beginning.
func (g *Got) keep(b io.Reader) {
	g.Body, g.Err = io.ReadAll(io.LimitReader(b, mostKept))
	if g.Size = int64(len(g.Body)); g.Err == nil && g.Size == mostKept {
		var more int64
		more, g.Err = io.Copy(io.Discard, b)
		g.Size += more
	}
}
