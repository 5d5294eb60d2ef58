package nethttp

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/weirproxy/weir/edge/exchange"
)

// h2Stream is one call on an HTTP/2 connection. The connection's lock guards it.
type h2Stream struct {
	h    *h2Conn
	id   uint32
	cond sync.Cond // of who receives and who sends

	heads   [][]hpack.HeaderField // header blocks to be read
	gotHead bool                  // the final one has come
	interim int
	in      bytes.Buffer // what of the body has not been read
	tail    []hpack.HeaderField

	gave, returned int64 // bytes received and not given back; bytes of those that may be
	room           int64 // what the upstream lets us send
	waits          bool  // a sender waits
	recvEnd        bool
	sentEnd        bool
	err            error // the stream was reset
}

var errNoConnect = &exchange.Error{Fault: exchange.Upstream, Status: 502,
	Err: errors.New("upstream offers no extended CONNECT (RFC 8441, RFC 9220): it cannot switch protocols")}

// open implements upstreamConn.
func (h *h2Conn) open(x *outgoing) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.away || len(h.streams)+h.resets >= int(h.most) || h.next > windowMost {
		return false, nil
	}
	if x.call.Upgrade != "" && !h.connect {
		return false, errNoConnect
	}
	s := &h2Stream{h: h, id: h.next, room: h.window, sentEnd: x.bodiless()}
	s.cond.L = &h.mu
	if err := x.began(s, h.next > 1); err != nil {
		return false, err
	}
	h.next += 2
	h.streams[s.id] = s
	h.block.Reset()
	x.fields(func(name, value string, secret bool) {
		h.enc.WriteField(hpack.HeaderField{Name: name, Value: value, Sensitive: secret})
	})
	s.sendBlock(s.sentEnd)
	return true, nil
}

// sendBlock sends what the encoder has written, in frames of the size allowed.
func (s *h2Stream) sendBlock(end bool) {
	h := s.h
	block := h.block.Bytes()
	piece := block[:min(len(block), int(h.frame))]
	block = block[len(piece):]
	h.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: s.id, BlockFragment: piece, EndStream: end, EndHeaders: len(block) == 0})
	for len(block) > 0 {
		piece = block[:min(len(block), int(h.frame))]
		block = block[len(piece):]
		h.fr.WriteContinuation(s.id, len(block) == 0, piece)
	}
	h.say()
}

// head implements callStream.
func (s *h2Stream) head() ([]hpack.HeaderField, bool, error) {
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	for len(s.heads) == 0 {
		if s.err != nil {
			return nil, false, s.err
		}
		s.cond.Wait()
	}
	fields := s.heads[0]
	s.heads = s.heads[1:]
	return fields, s.recvEnd && len(s.heads) == 0 && s.in.Len() == 0 && s.tail == nil, nil
}

// read implements callStream.
func (s *h2Stream) read(p []byte) (int, error) {
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	for s.in.Len() == 0 {
		switch {
		case s.recvEnd:
			return 0, io.EOF
		case s.err != nil:
			return 0, s.err
		}
		s.cond.Wait()
	}
	n, _ := s.in.Read(p)
	if s.returned += int64(n); s.returned > streamWindow/4 && !s.recvEnd && s.err == nil {
		s.h.fr.WriteWindowUpdate(s.id, uint32(s.returned))
		s.gave -= s.returned
		s.returned = 0
		s.h.say()
	}
	return n, nil
}

// buffered implements callStream.
func (s *h2Stream) buffered() int {
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	return s.in.Len()
}

// trailer implements callStream.
func (s *h2Stream) trailer() []hpack.HeaderField {
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	return s.tail
}

var errSentAll = errors.New("stream has been ended")

// send implements callStream.
func (s *h2Stream) send(p []byte, end bool) error {
	h := s.h
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		for s.err == nil && !s.sentEnd && (h.out.Len() > outMost || len(p) > 0 && (s.room <= 0 || h.room <= 0)) {
			s.waits = true
			s.cond.Wait()
		}
		s.waits = false
		switch {
		case s.err != nil:
			return s.err
		case s.sentEnd:
			return errSentAll
		}
		n := int(min(int64(len(p)), s.room, h.room, int64(h.frame)))
		if len(p) == 0 {
			n = 0
		}
		s.put(p[:n], end && n == len(p))
		if p = p[n:]; len(p) == 0 {
			return nil
		}
	}
}

// put sends one DATA frame. mu is held, and there is room.
func (s *h2Stream) put(p []byte, end bool) {
	s.room -= int64(len(p))
	s.h.room -= int64(len(p))
	s.h.fr.WriteData(s.id, end, p)
	s.h.vain = 0
	s.h.say()
	if end {
		s.finished()
	}
}

// trySend implements callStream.
func (s *h2Stream) trySend(p []byte) bool {
	h := s.h
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.err != nil || s.sentEnd || int64(len(p)) > min(s.room, h.room, int64(h.frame)) || h.out.Len() > outMost {
		return false
	}
	s.put(p, true)
	return true
}

// sendTrailer implements callStream.
func (s *h2Stream) sendTrailer(t *exchange.Header) error {
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.h.block.Reset()
	for name, value := range t.All() {
		if keep, _ := exchange.TrailerFate(name); keep {
			s.h.enc.WriteField(hpack.HeaderField{Name: name, Value: value})
		}
	}
	if s.h.block.Len() == 0 {
		s.h.fr.WriteData(s.id, true, nil)
		s.h.say()
	} else {
		s.sendBlock(true)
	}
	s.finished()
	return nil
}

// finished notes that this side has ended, ended that the other has. mu is held.
func (s *h2Stream) finished() {
	if s.sentEnd = true; s.recvEnd {
		s.h.forget(s)
	}
}

func (s *h2Stream) ended() {
	if s.err != nil {
		return // what broke a rule is not whole
	}
	if s.recvEnd = true; s.sentEnd {
		s.h.forget(s)
	}
}

// fail ends the stream without telling the upstream. mu is held.
func (s *h2Stream) fail(err error) {
	if s.err == nil {
		s.err = err
	}
	s.cond.Broadcast()
}

// refuse resets a stream on which the upstream has broken a rule. mu is held.
func (s *h2Stream) refuse(err error) { s.reset(err, http2.ErrCodeProtocol) }

func (s *h2Stream) reset(err error, code http2.ErrCode) {
	if s.err == nil && s.h.err == nil && !(s.recvEnd && s.sentEnd) {
		s.h.fr.WriteRSTStream(s.id, code)
		s.h.vain -= inFlight
		if !s.recvEnd {
			s.h.countReset()
		}
		s.h.say()
	}
	s.recvEnd = false
	s.fail(err)
	s.h.forget(s)
}

// cancel implements callStream.
func (s *h2Stream) cancel(err error) {
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	s.reset(err, http2.ErrCodeCancel)
}

// done implements callStream.
func (s *h2Stream) done() {
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	code := http2.ErrCodeCancel
	if s.recvEnd {
		code = http2.ErrCodeNo
	}
	if !s.recvEnd || !s.sentEnd {
		s.reset(errRetired, code)
	}
	s.in = bytes.Buffer{}
}
