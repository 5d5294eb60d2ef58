package exchange

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

// ends records what a follower is told.
type ends []error

func (e *ends) Ended(err error) { *e = append(*e, err) }

// flaky reads s and then fails with err.
func flaky(s string, err error) Body {
	return NewBody(io.MultiReader(strings.NewReader(s), failing{err}), -1, nil)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestFollow_TellsTheEndOnce(t *testing.T) {
	t.Parallel()
	cut := errors.New("cut")
	for _, c := range []struct {
		name string
		body Body
		read bool
		want error
	}{
		{"read to the end", NewBody(strings.NewReader("abc"), 3, nil), true, nil},
		{"cut", flaky("ab", cut), true, cut},
		{"closed before the end", NewBody(strings.NewReader("abc"), 3, nil), false, nil},
		{"none", NoBody, true, nil},
		{"in memory", NewBytes([]byte("abc")), true, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got ends
			r := Response{Status: 200, Body: c.body}
			r.Follow(&got)
			if c.read {
				_, _ = io.ReadAll(r.Body)
			}
			r.Body.Close()
			r.Body.Close()
			if len(got) != 1 || got[0] != c.want {
				t.Errorf("told %v, want [%v]", got, c.want)
			}
		})
	}
}

func TestFollow_AllocatesNothing(t *testing.T) {
	var r Response
	var told count
	body := NewBody(strings.NewReader("abc"), 3, nil)
	if n := testing.AllocsPerRun(100, func() {
		r.Body = body
		r.Follow(&told)
		r.Body.Close()
	}); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
	if told == 0 {
		t.Error("nobody was told")
	}
}

type count int

func (c *count) Ended(error) { *c++ }

// interrupted notes why it was.
type interrupted struct{ cause error }

func (i *interrupted) Interrupt(cause error) { i.cause = cause }

func TestCallerOf_TellsAtOnceWhatIsOver(t *testing.T) {
	t.Parallel()
	cause := errors.New("over")
	ctx, cancel := context.WithCancelCause(t.Context())
	c := CallerOf(ctx)
	var before, after interrupted
	c.Watch(&before)
	c.Watch(nil)
	cancel(cause)
	c.Watch(&after)
	c.Watch(nil)
	if before.cause != nil || after.cause != cause {
		t.Errorf("told %v before and %v after the end, want nil and %v", before.cause, after.cause, cause)
	}
}
