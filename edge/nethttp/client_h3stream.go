package nethttp

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/quic-go/qpack"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
	"golang.org/x/net/http2/hpack"

	"github.com/weirproxy/weir/edge/exchange"
)

// h3Stream is one call on an HTTP/3 connection. Who receives and who sends have
// their own halves; mu guards what both and cancel share.
type h3Stream struct {
	h   *h3Conn
	id  quic.StreamID
	str *quic.Stream

	r       *bufio.Reader
	left    uint64 // of the DATA frame that is being read
	tail    []hpack.HeaderField
	hasTail bool
	frame   []byte // what is being sent

	mu      sync.Mutex
	err     error // why it was cancelled
	recvEnd bool
	sentEnd bool
}

var errH3Cut = errors.New("upstream ended its stream within a frame") // security Q7

// open implements upstreamConn.
func (h *h3Conn) open(x *outgoing) (bool, error) {
	if x.call.Upgrade != "" {
		if err := h.mayConnect(x); err != nil {
			return false, err
		}
	}
	h.mu.Lock()
	if h.away || h.qc.Context().Err() != nil || len(h.streams) >= streamsFirst {
		h.mu.Unlock()
		return false, nil
	}
	str, err := h.qc.OpenStream() // never waits; fails where the upstream allows no more
	if err != nil {
		h.mu.Unlock()
		return false, nil
	}
	s := &h3Stream{h: h, id: str.StreamID(), str: str, r: bufio.NewReaderSize(str, 4<<10)}
	h.streams[s.id] = s
	reused := h.used
	h.used = true
	h.mu.Unlock()
	if err := x.began(s, reused); err != nil {
		s.cancel(err)
		s.done()
		return false, err
	}
	if err := s.sendHead(x.fields, x.bodiless()); err != nil {
		return false, x.fault(err)
	}
	return true, nil
}

// mayConnect waits for the SETTINGS that allow extended CONNECT (RFC 9220 §3).
func (h *h3Conn) mayConnect(x *outgoing) error {
	ctx, stop := x.connecting(h.client.o.Connect)
	defer stop()
	select {
	case <-h.greeted:
	case <-h.qc.Context().Done():
		return nil // open finds out
	case <-ctx.Done():
		return x.fault(context.Cause(ctx))
	}
	if !h.connect {
		return errNoConnect
	}
	return nil
}

// encoders of QPACK hold nothing between header blocks here.
var blocks = sync.Pool{New: func() any {
	b := new(block)
	b.enc = qpack.NewEncoder(&b.buf)
	return b
}}

type block struct {
	buf bytes.Buffer
	enc *qpack.Encoder
}

func (s *h3Stream) sendHead(fields func(func(name, value string, secret bool)), end bool) error {
	b := blocks.Get().(*block)
	defer blocks.Put(b)
	b.buf.Reset()
	fields(func(name, value string, _ bool) { b.enc.WriteField(qpack.HeaderField{Name: name, Value: value}) })
	b.enc.Close()
	s.frame = quicvarint.Append(s.frame[:0], h3Headers)
	s.frame = quicvarint.Append(s.frame, uint64(b.buf.Len()))
	s.frame = append(s.frame, b.buf.Bytes()...)
	if _, err := s.str.Write(s.frame); err != nil {
		return s.why(err)
	}
	if end {
		return s.closeSend()
	}
	return nil
}

func (s *h3Stream) closeSend() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err // ending it now would make a cut message whole
	}
	s.sentEnd = true
	return s.str.Close()
}

// why turns quic-go's errors into what calls need to know.
func (s *h3Stream) why(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if bad, ok := errors.AsType[*quic.StreamError](err); ok && bad.Remote &&
		bad.ErrorCode == quic.StreamErrorCode(http3.ErrCodeRequestRejected) {
		return fmt.Errorf("%w: %w", errUnprocessed, err)
	}
	return err
}

// head implements callStream.
func (s *h3Stream) head() ([]hpack.HeaderField, bool, error) {
	kind, n, err := s.next()
	if err == io.EOF {
		err = errH3Cut
	}
	if err == nil && kind != h3Headers {
		err = s.h.die(http3.ErrCodeFrameUnexpected, "DATA before HEADERS")
	}
	if err != nil {
		return nil, false, err
	}
	fields, err := s.fields(n)
	return fields, false, err
}

// next reads the header of the next frame that means something here; io.EOF is the end
// of the stream.
func (s *h3Stream) next() (kind, n uint64, err error) {
	for {
		if kind, n, err = readFrame(s.r); err != nil {
			if err != io.EOF {
				err = s.why(err)
			}
			return 0, 0, err
		}
		switch kind {
		case h3Data, h3Headers:
			return kind, n, nil
		case h3PushPromise:
			return 0, 0, s.h.die(http3.ErrCodeIDError, "PUSH_PROMISE without MAX_PUSH_ID")
		case h3CancelPush, h3Settings, h3GoAway, h3MaxPushID, 2, 6, 8, 9:
			return 0, 0, s.h.die(http3.ErrCodeFrameUnexpected, "frame that is not for a request's stream")
		}
		if err := skip(s.r, n); err != nil { // RFC 9114 §9: unknown frames are ignored
			return 0, 0, s.why(err)
		}
	}
}

// readFrame reads the type and length of a frame. io.EOF comes only before it.
func readFrame(r *bufio.Reader) (kind, n uint64, err error) {
	if _, err := r.Peek(1); err != nil {
		return 0, 0, err
	}
	if kind, err = quicvarint.Read(r); err == nil {
		n, err = quicvarint.Read(r)
	}
	if err == io.EOF {
		err = errH3Cut
	}
	return kind, n, err
}

func skip(r *bufio.Reader, n uint64) error {
	for n > 0 {
		k, err := r.Discard(int(min(n, 1<<20)))
		if n -= uint64(k); err == io.EOF {
			return errH3Cut
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fields reads and decodes a header block of n bytes. The size is counted as
// RFC 9114 §4.2.2 does, decoded, before more of it is decoded (security Q1, Q2).
func (s *h3Stream) fields(n uint64) ([]hpack.HeaderField, error) {
	most := s.h.client.o.HeaderBytes
	if n > uint64(most) {
		return nil, errHeadLong
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(s.r, b); err != nil {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			err = errH3Cut
		}
		return nil, s.why(err)
	}
	decode := new(qpack.Decoder).Decode(b)
	fields := make([]hpack.HeaderField, 0, 16)
	for {
		f, err := decode()
		if err == io.EOF {
			return fields, nil
		}
		if err != nil { // RFC 9204 §6: an error of the connection
			return nil, s.h.die(http3.ErrCodeQPACKDecompressionFailed, "QPACK: "+err.Error())
		}
		if most -= len(f.Name) + len(f.Value) + 32; most < 0 {
			return nil, errHeadLong
		}
		fields = append(fields, hpack.HeaderField{Name: f.Name, Value: f.Value})
	}
}

// read implements callStream.
func (s *h3Stream) read(p []byte) (int, error) {
	for s.left == 0 {
		kind, n, err := s.next()
		switch {
		case err == io.EOF:
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.err != nil {
				return 0, s.err
			}
			s.recvEnd = true
			return 0, io.EOF
		case err != nil:
			return 0, err
		case s.hasTail:
			return 0, s.h.die(http3.ErrCodeFrameUnexpected, "frame after the trailers")
		case kind == h3Data:
			s.left = n
			continue
		}
		if s.tail, err = s.fields(n); err != nil {
			return 0, err
		}
		s.hasTail = true
	}
	n, err := s.r.Read(p[:min(uint64(len(p)), s.left)])
	switch s.left -= uint64(n); {
	case n > 0:
		return n, nil
	case err == io.EOF:
		return 0, errH3Cut
	case err != nil:
		return 0, s.why(err)
	}
	return 0, nil
}

// buffered implements callStream.
func (s *h3Stream) buffered() int { return int(min(uint64(s.r.Buffered()), s.left)) }

// trailer implements callStream.
func (s *h3Stream) trailer() []hpack.HeaderField { return s.tail }

// send implements callStream.
func (s *h3Stream) send(p []byte, end bool) error {
	if len(p) > 0 {
		s.frame = quicvarint.Append(s.frame[:0], h3Data)
		s.frame = quicvarint.Append(s.frame, uint64(len(p)))
		s.frame = append(s.frame, p...)
		if _, err := s.str.Write(s.frame); err != nil {
			return s.why(err)
		}
	}
	if end {
		return s.closeSend()
	}
	return nil
}

// trySend implements callStream.
func (s *h3Stream) trySend(p []byte) bool {
	s.frame = quicvarint.Append(s.frame[:0], h3Data)
	s.frame = quicvarint.Append(s.frame, uint64(len(p)))
	s.frame = append(s.frame, p...)
	return s.str.TryWriteAll(s.frame) == nil && s.closeSend() == nil
}

// sendTrailer implements callStream.
func (s *h3Stream) sendTrailer(t *exchange.Header) error {
	return s.sendHead(func(f func(string, string, bool)) {
		for name, value := range t.All() {
			if keep, _ := exchange.TrailerFate(name); keep {
				f(name, value, false)
			}
		}
	}, true)
}

// cancel implements callStream.
func (s *h3Stream) cancel(err error) {
	s.mu.Lock()
	again := s.err != nil
	if !again {
		s.err = err
	}
	s.mu.Unlock()
	if again {
		return
	}
	s.str.CancelRead(quic.StreamErrorCode(http3.ErrCodeRequestCanceled))
	s.str.CancelWrite(quic.StreamErrorCode(http3.ErrCodeRequestCanceled))
}

// done implements callStream.
func (s *h3Stream) done() {
	s.mu.Lock()
	if s.err == nil {
		s.err = errRetired
		if !s.sentEnd {
			s.str.CancelWrite(quic.StreamErrorCode(http3.ErrCodeRequestCanceled))
		}
	}
	s.mu.Unlock()
	// No more is wanted; where all has been read, this does nothing.
	s.str.CancelRead(quic.StreamErrorCode(http3.ErrCodeRequestCanceled))
	s.h.forget(s)
}
