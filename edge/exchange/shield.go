package exchange

import (
	"context"
	"sync"
)

// Shield stands between a client and the calls that are made for its request, where
// others may wait for the same answer: it decides whether the client's leaving ends
// them. It is used for one request and must not be copied. Its methods may be called
// from any goroutine.
type Shield struct {
	leave func(cause error) (end bool)

	mu     sync.Mutex // held while w is interrupted
	w      Interrupter
	cause  error // why calls are over; nil while they are not
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// Shield puts s in front of r: from now on Context ends, and those who Watch are
// interrupted, only when s ends. leave is asked when the client has gone, perhaps at
// once; it must not block, and says whether that is to end s. The shield holds until
// the exchange is over.
func (r *Request) Shield(s *Shield, leave func(cause error) (end bool)) {
	s.leave = leave
	r.shield = s
	r.stream.Watch(s)
}

// Interrupt implements Interrupter: the client has gone.
func (s *Shield) Interrupt(cause error) {
	if s.leave(cause) {
		s.End(cause)
	}
}

// End ends what is going on behind the shield. Only the first call counts.
func (s *Shield) End(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause != nil {
		return
	}
	s.cause = cause
	if w := s.w; w != nil {
		s.w = nil
		w.Interrupt(cause) // under the lock, so that watch(nil) waits for it
	}
	if s.cancel != nil {
		s.cancel(cause)
	}
}

func (s *Shield) watch(w Interrupter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.w = w
	if w != nil && s.cause != nil {
		s.w = nil
		w.Interrupt(s.cause)
	}
}

func (s *Shield) context() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx == nil {
		s.ctx, s.cancel = context.WithCancelCause(context.Background())
		if s.cause != nil {
			s.cancel(s.cause)
		}
	}
	return s.ctx
}
