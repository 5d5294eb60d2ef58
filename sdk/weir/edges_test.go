package weir_test

import (
	"errors"
	"testing"
	"time"

	"github.com/weirproxy/weir/sdk/sdktest"
	"github.com/weirproxy/weir/sdk/weir"
)

func TestFetch_AnswerOfTwoReaders(t *testing.T) {
	t.Parallel()
	var first, second error
	h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		a, err := weir.Fetch("u", &weir.Call{})
		if err != nil {
			return nil, err
		}
		r.Transform(func(_ *weir.Writer, src *weir.Body) error {
			_, err := src.ReadAll(100) // until the other one waits for more
			_, second = a.Body.Chunk()
			return err
		})
		resp, err := next(r)
		if err != nil {
			return nil, err
		}
		resp.Transform(func(dst *weir.Writer, _ *weir.Body) error {
			var b []byte
			b, first = a.Body.ReadAll(1 << 20)
			_, err := dst.Write(b)
			return err
		})
		return resp, nil
	}))
	h.Upstream("u", func(*sdktest.Call) *sdktest.Answer {
		return &sdktest.Answer{Chunks: []string{"a", "b", "c"}, Pause: time.Second}
	})
	h.NextAtHead(func(*sdktest.Request) *sdktest.Answer { return &sdktest.Answer{Body: "x"} })
	x := h.Open(&sdktest.Request{Method: "POST"})
	x.Send("x")
	x.End()
	resp := x.Wait()
	if resp.Body != "abc" || first != nil || second == nil {
		t.Errorf("got %q; %v, %v", resp.Body, first, second)
	}
}

func TestFetch_ClosedWhileAnotherReads(t *testing.T) {
	t.Parallel()
	var got error
	h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		a, err := weir.Fetch("u", &weir.Call{})
		if err != nil {
			return nil, err
		}
		r.Transform(func(dst *weir.Writer, _ *weir.Body) error {
			_, got = a.Body.ReadAll(100)
			_, err := dst.WriteString("x")
			return err
		})
		resp, err := next(r)
		a.Close()
		return resp, err
	}))
	h.Upstream("u", func(*sdktest.Call) *sdktest.Answer {
		return &sdktest.Answer{Chunks: []string{"a", "b"}, Pause: time.Hour}
	})
	h.NextAtHead(func(*sdktest.Request) *sdktest.Answer { return &sdktest.Answer{Body: "y"} })
	same(t, "body", h.Post("/", "x").Body, "y")
	if !errors.Is(got, weir.ErrGone) || h.Now() > time.Minute {
		t.Errorf("after %v: %v", h.Now(), got)
	}
}

func TestClient_HasNoPort(t *testing.T) {
	t.Parallel()
	for client, want := range map[string]string{"192.0.2.1:5": "192.0.2.1", "[2001:db8::1]:5": "2001:db8::1", "2001:db8::": "2001:db8::", "192.0.2.1": "192.0.2.1"} {
		h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
			same(t, "client", r.Client(), want)
			return next(r)
		}))
		h.Do(&sdktest.Request{Client: client})
	}
}

func TestFetch_RoundsTimesUp(t *testing.T) {
	t.Parallel()
	both(t, func(r *weir.Request, _ weir.Next) (*weir.Response, error) {
		a, err := weir.Fetch("u", &weir.Call{Timeout: time.Microsecond})
		if err == nil && a.Status != 504 {
			t.Error("a microsecond was enough")
		}
		_, err = weir.Fetch("u", &weir.Call{Timeout: -time.Second})
		if err == nil {
			t.Error("less than no time was enough")
		}
		return weir.Reply(200, ""), nil
	}, func(t *testing.T, h *sdktest.Host) {
		h.Upstream("u", func(*sdktest.Call) *sdktest.Answer { return &sdktest.Answer{Delay: time.Second} })
		h.Get("/")
		if h.Now() > 100*time.Millisecond {
			t.Errorf("it took %v", h.Now())
		}
	})
}

func TestStore_WhatLivesLessThanAMillisecond(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, _ weir.Next) (*weir.Response, error) {
		if _, err := (weir.Store{}).Put("a", nil, weir.PutOptions{TTL: time.Microsecond}); err != nil {
			t.Error(err)
		}
		if _, err := (weir.Store{}).Put("b", nil, weir.PutOptions{TTL: -time.Second}); err == nil {
			t.Error("what had died was written")
		}
		return weir.Reply(200, ""), weir.Sleep(time.Second)
	}))
	h.Get("/")
	if got := h.StoredKeys(""); len(got) > 0 {
		t.Errorf("a second later there are still %q", got)
	}
}

func TestEvery_OfNoTime(t *testing.T) {
	t.Parallel()
	n := 0
	h := sdktest.New(t, sdktest.Configured(func(c *weir.Config) (weir.Filter, error) {
		c.Every(0, false, func() { n++ })
		return func(r *weir.Request, next weir.Next) (*weir.Response, error) { return next(r) }, nil
	}, ""))
	h.Advance(time.Second)
	if n == 0 || n > 1000 {
		t.Errorf("called %d times", n)
	}
}

func TestEvery_GoesOnWhenTooMuchIsUnderWay(t *testing.T) {
	t.Parallel()
	var n [3]int
	h := sdktest.New(t, sdktest.Limits(1<<20, 2), sdktest.Configured(func(c *weir.Config) (weir.Filter, error) {
		for i := range n {
			c.Every(time.Second, false, func() { n[i]++ })
		}
		return func(r *weir.Request, next weir.Next) (*weir.Response, error) { return next(r) }, nil
	}, ""))
	h.Advance(time.Minute)
	if n[0] < 50 || n[1] < 50 || n[2] < 50 {
		t.Errorf("called %d times", n)
	}
}

func TestEvery_OfDays(t *testing.T) {
	t.Parallel()
	n := 0
	h := sdktest.New(t, sdktest.Configured(func(c *weir.Config) (weir.Filter, error) {
		c.Every(49*time.Hour, false, func() { n++ })
		return func(r *weir.Request, next weir.Next) (*weir.Response, error) { return next(r) }, nil
	}, ""))
	h.Advance(99 * time.Hour)
	same(t, "called", n, 2)
}

func TestEvery_GivesUpAnswersItHasNotRead(t *testing.T) {
	t.Parallel()
	var last error
	n := 0
	h := sdktest.New(t, sdktest.Limits(1<<20, 4), sdktest.Configured(func(c *weir.Config) (weir.Filter, error) {
		c.Every(time.Second, false, func() {
			_, last = weir.Fetch("u", &weir.Call{})
			n++
		})
		return func(r *weir.Request, next weir.Next) (*weir.Response, error) { return next(r) }, nil
	}, ""))
	h.Upstream("u", func(*sdktest.Call) *sdktest.Answer { return &sdktest.Answer{Chunks: []string{"a", "b"}} })
	h.Advance(time.Minute)
	if n < 30 || last != nil {
		t.Errorf("called %d times: %v", n, last)
	}
}

func TestSleep_OfNoTimeWhenTheRequestIsOver(t *testing.T) {
	t.Parallel()
	var got error
	h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, _ weir.Next) (*weir.Response, error) {
		_ = weir.Sleep(time.Hour)
		got = weir.Sleep(0)
		return nil, got
	}))
	h.Begin(&sdktest.Request{}).Leave()
	if !errors.Is(got, weir.ErrGone) {
		t.Errorf("got %v", got)
	}
}

func TestNext_FromADetachedGoroutine(t *testing.T) {
	t.Parallel()
	var got error
	h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		err := r.Detach(func(d *weir.Detached) {
			d.Do(func() { _, got = next(r) })
		}, func() {})
		return weir.Reply(200, ""), err
	}))
	same(t, "status", h.Get("/").Status, 200)
	if got == nil {
		t.Error("no error")
	}
}

func TestTake_OfAResponseThatGoesOn(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		resp, err := next(r)
		if err != nil {
			return nil, err
		}
		resp.Body.Take()
		_, _ = resp.Body.Chunk()
		return resp, nil
	}))
	h.Next(func(*sdktest.Request) *sdktest.Answer { return &sdktest.Answer{Chunks: []string{"a", "b"}} })
	resp := h.Get("/")
	if resp.Status == 200 && resp.Cut == nil {
		t.Errorf("half of it looks whole: %+v", resp)
	}
}

func TestReply_OfNoStatus(t *testing.T) {
	t.Parallel()
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		if r.Path() == "/zero" {
			return &weir.Response{}, nil
		}
		return weir.Reply(200, "", weir.Field{Name: "a b", Value: "c\n"}), nil
	}, func(t *testing.T, h *sdktest.Host) {
		for _, path := range []string{"/zero", "/field"} {
			resp := h.Get(path)
			t.Logf("%s: %+v %v", path, resp, h.Log())
			if resp.Cut != nil {
				t.Errorf("%s: %+v", path, resp)
			}
		}
	})
}

func TestTransform_SetTooLateIsSaid(t *testing.T) {
	t.Parallel()
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		resp, err := next(r)
		r.SetBody([]byte("too late"))
		return resp, err
	}, func(t *testing.T, h *sdktest.Host) {
		h.Post("/", "x")
		if len(h.Warnings()) == 0 && len(h.Log()) == 0 {
			t.Error("nobody is told")
		}
	})
}

func TestFetch_AnsweredWhenTheRequestIsOver(t *testing.T) {
	t.Parallel()
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		if r.Path() != "/wait" {
			return next(r)
		}
		_, err := weir.Fetch("u", &weir.Call{})
		if !errors.Is(err, weir.ErrGone) {
			t.Errorf("fetch: %v", err)
		}
		if _, err = weir.Fetch("u", &weir.Call{}); !errors.Is(err, weir.ErrGone) {
			t.Errorf("another: %v", err)
		}
		return nil, err
	}, func(t *testing.T, h *sdktest.Host) {
		h.Upstream("u", nil)
		for range 60 {
			h.Begin(&sdktest.Request{Path: "/wait"}).Leave()
		}
		x := h.Begin(&sdktest.Request{Path: "/other"})
		for _, c := range h.Calls() {
			if !c.Cancelled() {
				c.Answer(&sdktest.Answer{Body: "late"})
			}
		}
		same(t, "status", x.Wait().Status, 200)
		same(t, "calls", len(h.Calls()), 60)
		same(t, "lines in the log", len(h.Log()), 0)
	})
}

func TestRespond_AndAReplyBesides(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, _ weir.Next) (*weir.Response, error) {
		w, err := r.Respond(200)
		if err != nil {
			return nil, err
		}
		_, err = w.WriteString("this")
		return weir.Reply(500, "that"), err
	}))
	same(t, "body", h.Get("/").Body, "this")
	if !h.Logged("has returned an answer") {
		t.Errorf("nobody is told that one was left out: %q", h.Log())
	}
}

// An instance that has served many keeps nothing of them.
func TestInstance_KeepsNothing(t *testing.T) {
	t.Parallel()
	try := func(options ...sdktest.Option) {
		h := sdktest.New(t, append(options, sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
			r.Transform(upper)
			_, _ = weir.Fetch("u", &weir.Call{Timeout: time.Second})
			_ = weir.Sleep(time.Millisecond)
			resp, err := next(r)
			if err == nil {
				resp.Transform(upper)
			}
			return resp, err
		}))...)
		h.Upstream("u", func(*sdktest.Call) *sdktest.Answer { return &sdktest.Answer{Chunks: []string{"a", "b"}} })
		for range 50 {
			h.Post("/", "x")
			h.Begin(&sdktest.Request{Method: "POST", Body: "x"}).Leave()
		}
		h.Advance(time.Minute)
		if w := h.Waiting(); len(w) > 0 {
			t.Errorf("still waits for %q", w)
		}
	}
	try()
	try(sdktest.Plain())
}
