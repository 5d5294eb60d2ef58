package nethttp

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/net/http2"
)

const windowMost = 1<<31 - 1

var (
	errH2Window = errors.New("upstream sends more than it was allowed to")
	errH2Data   = errors.New("upstream sends DATA where none may be")
)

// take looks at one frame. An error ends the connection. mu is held.
func (h *h2Conn) take(f http2.Frame) error {
	h.heard, h.pinged = time.Now(), time.Time{}
	switch f := f.(type) {
	case *http2.MetaHeadersFrame:
		return h.headers(f)
	case *http2.DataFrame:
		return h.data(f)
	case *http2.SettingsFrame:
		if f.IsAck() {
			return h.nothing()
		}
		if err := h.settings(f); err != nil {
			return err
		}
		return h.nothing()
	case *http2.PingFrame:
		if f.IsAck() {
			h.pong(f.Data)
		} else {
			h.fr.WritePing(true, f.Data)
			h.say()
		}
		return h.nothing()
	case *http2.WindowUpdateFrame:
		return h.windowUpdate(f)
	case *http2.RSTStreamFrame:
		return h.reset(f)
	case *http2.GoAwayFrame:
		return h.goAway(f)
	case *http2.PushPromiseFrame: // SETTINGS said that there are none (RFC 9113 §8.4)
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	return h.nothing() // PRIORITY, and what this end does not know
}

// nothing counts a frame that brought no call further (security G5, G6, G7).
func (h *h2Conn) nothing() error {
	if h.vain++; h.vain > vainMost {
		return errH2Flood
	}
	return nil
}

// known returns the stream with that id; nil if it is over. A stream that never was
// is an error (RFC 9113 §5.1: idle).
func (h *h2Conn) known(id uint32) (*h2Stream, error) {
	if id%2 == 0 || id >= h.next {
		return nil, http2.ConnectionError(http2.ErrCodeProtocol)
	}
	return h.streams[id], nil
}

func (h *h2Conn) headers(f *http2.MetaHeadersFrame) error {
	s, err := h.known(f.StreamID)
	if s == nil || err != nil {
		return errors.Join(err, h.nothing())
	}
	h.alive()
	end := f.StreamEnded()
	switch {
	case f.Truncated:
		s.refuse(errHeadLong)
	case s.recvEnd:
		s.refuse(fmt.Errorf("header block after the stream's end: %w", errTailEnd))
	case s.gotHead:
		if !end || len(f.PseudoFields()) > 0 {
			s.refuse(errTailEnd)
			break
		}
		s.tail = f.Fields
	default:
		status := f.PseudoValue("status")
		s.gotHead = len(status) != 3 || status[0] != '1'
		if s.interim++; !s.gotHead && s.interim > interimMost {
			s.refuse(errManyInterim)
			break
		}
		s.heads = append(s.heads, f.Fields)
	}
	if end {
		s.ended()
	}
	s.cond.Broadcast()
	return nil
}

func (h *h2Conn) data(f *http2.DataFrame) error {
	s, err := h.known(f.StreamID)
	if err != nil {
		return err
	}
	size := int64(f.Length)
	if h.taken += size; h.taken > connWindow/4 {
		h.fr.WriteWindowUpdate(0, uint32(h.taken))
		h.taken = 0
		h.say()
	}
	if s == nil {
		return h.nothing() // it was reset, and the upstream has not heard of it
	}
	if size == 0 && !f.StreamEnded() {
		return h.nothing()
	}
	h.alive()
	s.gave += size
	switch {
	case !s.gotHead || s.recvEnd:
		s.refuse(errH2Data)
	case s.gave > streamWindow:
		s.refuse(errH2Window)
	default:
		s.in.Write(f.Data())
		s.returned += size - int64(len(f.Data())) // padding is nobody's to read
	}
	if f.StreamEnded() {
		s.ended()
	}
	s.cond.Broadcast()
	return nil
}

func (h *h2Conn) settings(f *http2.SettingsFrame) error {
	err := f.ForeachSetting(func(v http2.Setting) error {
		if err := v.Valid(); err != nil {
			return err
		}
		switch v.ID {
		case http2.SettingHeaderTableSize:
			h.enc.SetMaxDynamicTableSize(min(v.Val, 4<<10))
		case http2.SettingMaxConcurrentStreams:
			h.most = min(v.Val, streamsMost)
		case http2.SettingMaxFrameSize:
			h.frame = min(v.Val, 64<<10)
		case http2.SettingEnableConnectProtocol:
			h.connect = v.Val == 1
		case http2.SettingInitialWindowSize:
			more := int64(v.Val) - h.window
			h.window = int64(v.Val)
			for _, s := range h.streams {
				if s.room += more; s.room > windowMost {
					return http2.ConnectionError(http2.ErrCodeFlowControl)
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	h.fr.WriteSettingsAck()
	h.say()
	h.wakeSenders()
	return nil
}

func (h *h2Conn) windowUpdate(f *http2.WindowUpdateFrame) error {
	if f.StreamID == 0 {
		if h.room += int64(f.Increment); h.room > windowMost {
			return http2.ConnectionError(http2.ErrCodeFlowControl)
		}
		h.wakeSenders()
		return h.nothing()
	}
	s, err := h.known(f.StreamID)
	if s == nil || err != nil {
		return errors.Join(err, h.nothing())
	}
	if s.room += int64(f.Increment); s.room > windowMost {
		s.refuse(http2.ConnectionError(http2.ErrCodeFlowControl))
	}
	s.cond.Broadcast()
	return h.nothing()
}

// reset hears that the upstream has ended a stream. Only the code REFUSED_STREAM says
// that it has done nothing (RFC 9113 §8.7).
func (h *h2Conn) reset(f *http2.RSTStreamFrame) error {
	s, err := h.known(f.StreamID)
	if s == nil || err != nil {
		return errors.Join(err, h.nothing())
	}
	why := fmt.Errorf("upstream reset the stream: %v", f.ErrCode)
	if f.ErrCode == http2.ErrCodeRefusedStream {
		why = fmt.Errorf("%w: %v", errUnprocessed, f.ErrCode)
	}
	s.fail(why)
	h.forget(s)
	return nil
}

// goAway hears that no stream after the last one named was processed, and none may
// begin (RFC 9113 §6.8).
func (h *h2Conn) goAway(f *http2.GoAwayFrame) error {
	h.away = true
	for id, s := range h.streams {
		if id > f.LastStreamID {
			s.fail(fmt.Errorf("%w: %w (%v)", errUnprocessed, errH2Gone, f.ErrCode))
			h.forget(s)
		}
	}
	if len(h.streams) == 0 {
		return errRetired
	}
	return h.nothing()
}

// malformed resets a stream whose message x/net's framer has found to be so.
func (h *h2Conn) malformed(bad http2.StreamError) error {
	if s := h.streams[bad.StreamID]; s != nil {
		s.refuse(fmt.Errorf("malformed response: %w", bad))
		return nil
	}
	return h.nothing()
}
