package exchange

import (
	"context"
	"errors"
	"testing"
)

// told notes how it was interrupted.
type told struct{ causes []error }

func (w *told) Interrupt(cause error) { w.causes = append(w.causes, cause) }

func TestShield_DecidesWhatLeavingMeans(t *testing.T) {
	t.Parallel()
	for _, end := range []bool{true, false} {
		ctx, leave := context.WithCancelCause(t.Context())
		r, s, asked := NewBackground(ctx, new(Request)), new(Shield), make(chan error, 1)
		r.Shield(s, func(cause error) bool { asked <- cause; return end })
		w, behind := new(told), r.Context()
		r.Watch(w)

		leave(ErrClientGone)
		if got := <-asked; got != ErrClientGone {
			t.Errorf("end %v: leave was told %v, want %v", end, got, ErrClientGone)
		}
		if end {
			<-behind.Done()
		} else if behind.Err() != nil {
			t.Errorf("context ended with the client: %v", behind.Err())
		}
		r.Watch(nil) // waits for an interruption that is going on
		if got := len(w.causes); (got == 1) != end {
			t.Errorf("end %v: interrupted %d times", end, got)
		}
	}
}

func TestShield_EndsLateWatchersAtOnce(t *testing.T) {
	t.Parallel()
	r, s, why := NewBackground(t.Context(), new(Request)), new(Shield), errors.New("enough")
	r.Shield(s, func(error) bool { return false })
	s.End(why)
	s.End(errors.New("later"))
	w := new(told)
	r.Watch(w)
	if len(w.causes) != 1 || w.causes[0] != why {
		t.Errorf("interrupted with %v, want once with %v", w.causes, why)
	}
	if got := context.Cause(r.Context()); got != why {
		t.Errorf("context ended with %v, want %v", got, why)
	}
	r.Reset(new(Conn), &background{caller{ctx: t.Context()}})
	if r.Context().Err() != nil {
		t.Error("shield outlived its exchange")
	}
}

func TestResponse_SetSharedReleasesOnce(t *testing.T) {
	t.Parallel()
	released := 0
	resp := new(Response)
	resp.SetShared([]byte("abc"), func() { released++ })
	resp.Body.Close()
	resp.Body.Close()
	if released != 1 {
		t.Errorf("released %d times, want once", released)
	}
}
