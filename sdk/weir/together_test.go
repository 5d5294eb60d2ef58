package weir_test

import (
	"errors"
	"testing"
	"time"

	"github.com/weirproxy/weir/sdk/sdktest"
	"github.com/weirproxy/weir/sdk/weir"
)

// asks fetches from an upstream, and returns the body.
func asks(upstream string, text *string, err *error) func() {
	return func() {
		var a *weir.Answer
		if a, *err = weir.Fetch(upstream, nil); *err != nil {
			return
		}
		var b []byte
		b, *err = a.Body.ReadAll(100)
		*text = string(b)
	}
}

// slow has two upstreams, one of which sends its body in pieces.
func slow(h *sdktest.Host) {
	h.Upstream("a", func(*sdktest.Call) *sdktest.Answer { return &sdktest.Answer{Body: "ada", Delay: 3 * time.Second} })
	h.Upstream("b", func(*sdktest.Call) *sdktest.Answer {
		return &sdktest.Answer{Chunks: []string{"go", "ld"}, Delay: time.Second, Pause: 2 * time.Second}
	})
}

func TestTogether_WaitsForTheSlowest(t *testing.T) {
	t.Parallel()
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		var name, plan string
		var err1, err2, err3 error
		weir.Together(
			asks("a", &name, &err1),
			func() { weir.Together(asks("b", &plan, &err2), func() { err3 = weir.Sleep(time.Second) }) },
			func() {},
		)
		if err := errors.Join(err1, err2, err3); err != nil {
			return nil, err
		}
		r.Header.Set("x-user", name+" "+plan)
		return next(r)
	}, func(t *testing.T, h *sdktest.Host) {
		slow(h)
		for i := range 3 {
			began := h.Now()
			resp := h.Get("/")
			same(t, "status", resp.Status, 200)
			same(t, "field", h.Requests()[i].Header.Get("x-user"), "ada gold")
			if took := h.Now() - began; took < 3*time.Second || took > 3*time.Second+100*time.Millisecond {
				t.Errorf("it took %v, want 3s", took)
			}
		}
		quiet(t, h)
	})
}

// TestTogether_EndsWithTheRequest: whatever was under way learns that it is over, and all
// of it before what has waited for that.
func TestTogether_EndsWithTheRequest(t *testing.T) {
	t.Parallel()
	var order []string
	h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		part := func(name string) func() {
			return func() {
				if err := weir.Sleep(time.Hour); errors.Is(err, weir.ErrGone) {
					order = append(order, name)
				}
			}
		}
		weir.Together(part("1"), func() {
			weir.Together(part("2"), part("3"))
			order = append(order, "2 and 3")
		})
		order = append(order, "all")
		return next(r)
	}))
	x := h.Begin(&sdktest.Request{})
	same(t, "waiting", len(h.Waiting()), 3)
	x.Leave()
	if got := len(order); got != 5 || order[4] != "all" {
		t.Errorf("got %q, want all last", order)
	}
	same(t, "waiting", len(h.Waiting()), 0)
}

// TestTogether_LeavesAnswersOpen: their bodies may be read afterwards, in the background too.
func TestTogether_LeavesAnswersOpen(t *testing.T) {
	t.Parallel()
	var got []string
	h := sdktest.New(t, sdktest.Configured(func(c *weir.Config) (weir.Filter, error) {
		c.Every(time.Minute, false, func() {
			var a, b *weir.Answer
			weir.Together(
				func() { a, _ = weir.Fetch("a", nil) },
				func() { b, _ = weir.Fetch("b", nil) },
			)
			for _, answer := range []*weir.Answer{a, b} {
				text, err := answer.Body.ReadAll(100)
				if err != nil {
					t.Error(err)
				}
				got = append(got, string(text))
			}
		})
		return func(r *weir.Request, next weir.Next) (*weir.Response, error) { return next(r) }, nil
	}, ""))
	slow(h)
	h.Advance(2 * time.Minute)
	if len(got) < 2 || got[0] != "ada" || got[1] != "gold" {
		t.Errorf("got %q", got)
	}
}

func TestTogether_RunsWhereNothingIsWaitedFor(t *testing.T) {
	t.Parallel()
	n, err := 0, error(nil)
	sdktest.New(t, sdktest.Configured(func(*weir.Config) (weir.Filter, error) {
		weir.Together(func() { n++ }, func() { err = weir.Sleep(time.Second) }, func() { n++ })
		return func(r *weir.Request, next weir.Next) (*weir.Response, error) { return next(r) }, nil
	}, ""))
	same(t, "functions", n, 2)
	if !errors.Is(err, weir.ErrNoRequest) {
		t.Errorf("got %v", err)
	}
}
