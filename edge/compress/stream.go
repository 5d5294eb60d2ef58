package compress

import (
	"io"

	"github.com/weirproxy/weir/edge/exchange"
)

// readSize is how much of the source is compressed at a time.
const readSize = 32 << 10

// stream is a body that is compressed as it is read.
type stream struct {
	src    exchange.Body
	coders *coders
	g      *engine // nil once the source has ended or the stream is closed
	rest   []byte  // of g.out, or of what g left
	flush  flusher // nil: the length is known, so nobody waits for parts of it
	err    error
}

// newStream returns nil if there are too many.
func (f *Filter) newStream(src exchange.Body, e encoding) *stream {
	if f.coders.streams.Add(1) > f.streams {
		f.coders.streams.Add(-1)
		return nil
	}
	s := &stream{src: src, coders: &f.coders}
	if src.Len() < 0 {
		s.g = f.coders.get(e, work{thorough: f.once, live: true})
		s.flush = s.g.encoder.(flusher)
	} else {
		s.g = f.coders.get(e, work{thorough: f.once})
	}
	if s.g.in == nil {
		s.g.in = make([]byte, readSize)
	}
	return s
}

// Len implements [exchange.Body].
func (s *stream) Len() int64 { return -1 }

// Read implements [exchange.Body].
func (s *stream) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(s.rest) == 0 {
		if s.err != nil {
			s.release()
			return 0, s.err
		}
		s.g.out = s.g.out[:0]
		s.err = s.fill()
		s.rest = s.g.out
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// fill compresses what one Read of the source gives. A cut source leaves the
// compressed body without its end mark, and the error is passed on.
func (s *stream) fill() error {
	n, err := s.src.Read(s.g.in)
	if n > 0 {
		if _, err := s.g.Write(s.g.in[:n]); err != nil {
			return err
		}
	}
	switch {
	case err == io.EOF:
		if err := s.g.encoder.Close(); err != nil {
			return err
		}
	case err == nil && n > 0 && s.flush != nil:
		// The next Read may wait for long: first send what there is.
		return s.flush.Flush()
	}
	return err
}

// Close implements [exchange.Body].
func (s *stream) Close() error {
	s.err = io.ErrClosedPipe
	s.release()
	return s.src.Close()
}

func (s *stream) release() {
	if s.g != nil {
		s.coders.put(s.g)
		s.coders.streams.Add(-1)
		s.g, s.rest = nil, nil
	}
}
