package http1

import (
	"bytes"
	"errors"
	"io"

	"github.com/weirproxy/weir/edge/exchange"
)

// body is the content of a message that is being received: so many bytes, or
// chunks. It implements exchange.Body.
type body struct {
	in      *input
	limits  *Limits
	head    *head            // memory for parsing the trailer
	trailer *exchange.Header // where the trailer goes
	got     *int64           // counts content
	state   bodyState
	left    int64 // of the body, or of this chunk
	ext     int   // extension bytes so far
	err     error // once it has failed
}

type bodyState uint8

const (
	bodyDone bodyState = iota // all of it has been read
	bodyLength
	chunkSize
	chunkData
	chunkEnd
	chunkTrailer
	bodyToEnd // of the connection
)

var errBodyClosed = errors.New("read request body: closed")

// start makes b the body that f announces.
func (b *body) start(f *framing) {
	b.left, b.ext, b.err, b.state = 0, 0, nil, bodyDone
	switch {
	case f.chunked:
		b.state = chunkSize
	case f.length > 0:
		b.state, b.left = bodyLength, f.length
	}
}

// startToEnd makes b a body that ends with the connection, as responses may
// (RFC 9112 §6.3).
func (b *body) startToEnd() { b.state = bodyToEnd }

// Len implements exchange.Body.
func (b *body) Len() int64 {
	switch b.state {
	case bodyDone, bodyLength:
		return b.left
	}
	return -1
}

// Read implements exchange.Body. A body that is cut short ends in
// io.ErrUnexpectedEOF; one that is malformed in an *exchange.Error. The last bytes
// of a body of known length come together with io.EOF.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.next(p)
	*b.got += int64(n)
	if err != nil && err != io.EOF && err != errStill && err != errInterrupted {
		b.err = err
	}
	return n, err
}

func (b *body) next(p []byte) (int, error) {
	for {
		switch b.state {
		case bodyDone:
			return 0, io.EOF
		case bodyLength, chunkData:
			return b.content(p)
		case bodyToEnd:
			n, err := b.in.read(p)
			if err == io.EOF {
				b.state = bodyDone
			}
			return n, err
		case chunkEnd:
			if line, err := b.in.line(0, refChunkEnd); err != nil || len(line) > 0 {
				return 0, chunkEndError(err)
			}
			b.state = chunkSize
		case chunkSize:
			if err := b.chunk(); err != nil {
				return 0, err
			}
		case chunkTrailer:
			if err := b.readTrailer(); err != nil {
				return 0, err
			}
			b.state = bodyDone
		}
	}
}

func chunkEndError(err error) error {
	if err == &refBareLF.err || err == nil {
		return &refChunkEnd.err
	}
	return err
}

// content reads what is left of the body or of the chunk.
func (b *body) content(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := b.in.read(p)
	b.left -= int64(n)
	switch {
	case err != nil:
		return n, cut(err)
	case b.left > 0:
	case b.state == chunkData:
		b.state = chunkEnd
	default:
		b.state = bodyDone
		return n, io.EOF
	}
	return n, nil
}

// chunk reads a chunk-size line. Extensions are skipped, and bounded in all: a
// client must not make us read a multiple of its content (security G4).
func (b *body) chunk() error {
	line, err := b.in.line(b.limits.ChunkLine, refChunkLine)
	if err != nil {
		return err
	}
	size, extensions, bad := parseChunkLine(line)
	if bad != nil {
		return &bad.err
	}
	if b.ext += extensions; b.ext > b.limits.Extensions {
		return &refExtensions.err
	}
	b.left, b.state = size, chunkData
	if size == 0 {
		b.state = chunkTrailer
	}
	return nil
}

// readTrailer reads the trailer section up to its empty line.
func (b *body) readTrailer() error {
	for seen := 0; ; {
		rest := b.in.rest()
		if len(rest) >= 2 && rest[0] == '\r' && rest[1] == '\n' {
			b.in.skip(2)
			return nil
		}
		if complete(rest, seen) {
			break
		}
		if len(rest) > b.limits.Trailer {
			return &refTrailerBig.err
		}
		if len(rest) > seen {
			if bad := refusePart(rest, seen, &Limits{Line: b.limits.Trailer, Header: b.limits.Trailer}); bad != nil {
				return &bad.err
			}
		}
		seen = len(rest)
		if err := b.in.fill(); err != nil {
			return cut(err)
		}
	}
	rest := b.in.rest()
	end, bad := b.head.parseFields(rest, 0, b.limits.TrailerFields)
	if bad == nil && end > b.limits.Trailer {
		bad = refTrailerBig
	}
	if bad != nil {
		return &bad.err
	}
	bad = b.keepTrailer(string(rest[:end]))
	b.in.skip(end)
	if bad != nil {
		return &bad.err
	}
	return nil
}

func (b *body) keepTrailer(text string) *refusal {
	for _, s := range b.head.spans {
		name := text[s.name:s.nameEnd]
		keep, forbidden := exchange.TrailerFate(name)
		if forbidden {
			return refTrailerFrame
		}
		if keep {
			b.trailer.Append(name, text[s.value:s.valueEnd])
		}
	}
	return nil
}

// Buffered returns how many bytes can be read without waiting.
func (b *body) Buffered() int {
	rest := b.in.rest()
	switch b.state {
	case bodyLength, chunkData:
		return int(min(b.left, int64(len(rest))))
	case bodyToEnd:
		return len(rest)
	case chunkEnd:
		rest = bytes.TrimPrefix(rest, []byte("\r\n"))
		fallthrough
	case chunkSize:
		if i := bytes.IndexByte(rest, '\n'); i > 0 {
			if size, _, bad := parseChunkLine(rest[:i-1]); bad == nil {
				return int(min(size, int64(len(rest)-i-1)))
			}
		}
	}
	return 0
}

// Close implements exchange.Body. The rest is not read here: whether that is
// worth while is the connection's business.
func (b *body) Close() error {
	if b.err == nil && b.state != bodyDone {
		b.err = errBodyClosed
	}
	return nil
}

// finished tells whether all of the body has been read, so that the next message
// begins where reading stopped.
func (b *body) finished() bool { return b.state == bodyDone }

// reopen lets the connection drain a body that its reader has closed. It fails
// where reading had failed.
func (b *body) reopen() bool {
	if b.err == errBodyClosed {
		b.err = nil
	}
	return b.err == nil
}
