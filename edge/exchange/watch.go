package exchange

import (
	"context"
	"sync"
)

// Watching is the Watch of a stream or caller that has a context. The zero Watching
// is ready.
type Watching struct {
	mu   sync.Mutex // held while w is interrupted
	w    Interrupter
	stop func() bool
}

// Watch has w interrupted when ctx ends, as Caller.Watch says.
func (s *Watching) Watch(ctx context.Context, w Interrupter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop != nil {
		s.stop()
		s.stop = nil
	}
	if s.w = w; w == nil || ctx.Done() == nil {
		return
	}
	if ctx.Err() != nil { // at once, so that who only looks need not wait
		s.w = nil
		w.Interrupt(context.Cause(ctx))
		return
	}
	s.stop = context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.w == w {
			s.w = nil
			w.Interrupt(context.Cause(ctx))
		}
	})
}

// CallerOf returns a Caller that loses interest when ctx ends.
func CallerOf(ctx context.Context) Caller { return &caller{ctx: ctx} }

type caller struct {
	ctx      context.Context
	watching Watching
}

func (c *caller) Watch(w Interrupter)       { c.watching.Watch(c.ctx, w) }
func (c *caller) Inform(int, *Header) error { return nil }
