package weir_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/sdk/sdktest"
	"github.com/weirproxy/weir/sdk/weir"
)

// fetches is a filter that answers with what an upstream does.
func fetches(c *weir.Call) weir.Filter {
	return func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		a, err := weir.Fetch("users", c)
		if err != nil {
			return weir.Reply(502, err.Error()), nil
		}
		b, err := a.Body.ReadAll(1 << 10)
		if err != nil {
			return weir.Reply(502, err.Error()), nil
		}
		return weir.Reply(a.Status, string(b), weir.Field{Name: "x-a", Value: a.Header.Get("X-A")},
			weir.Field{Name: "x-end", Value: a.Trailer.Get("X-End")}), nil
	}
}

func TestFetch_BringsTheAnswer(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]*sdktest.Answer{
		"whole":     {Status: 201, Header: sdktest.Fields("x-a", "1"), Body: "hello"},
		"in pieces": {Status: 201, Header: sdktest.Fields("X-A", "1"), Chunks: []string{"he", "", "llo"}, Trailer: sdktest.Fields("x-end", "2")},
		"slowly":    {Status: 201, Header: sdktest.Fields("X-A", "1"), Chunks: []string{"he", "llo"}, Delay: time.Second, Pause: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, fetches(&weir.Call{
				Method: "PUT", Path: "/me?x", Authority: "users.example", Header: []weir.Field{{Name: "X-B", Value: "3"}},
				Body: []byte("ask"), Timeout: 10 * time.Second,
			}), func(t *testing.T, h *sdktest.Host) {
				h.Upstream("users", func(*sdktest.Call) *sdktest.Answer { return answer })
				resp := h.Get("/")
				same(t, "status", resp.Status, 201)
				same(t, "body", resp.Body, "hello")
				same(t, "header", resp.Header.Get("x-a"), "1")
				same(t, "trailer", resp.Header.Get("x-end"), answer.Trailer.Get("x-end"))
				c := h.Calls()[0]
				same(t, "call", c.Upstream+": "+c.Method+" "+c.Authority+c.Path, "users: PUT users.example/me?x")
				same(t, "call's header", c.Header.String(), "x-b: 3\n")
				same(t, "call's body", c.Body, "ask")
				same(t, "call's time", c.Timeout, 10*time.Second)
				same(t, "cancelled", c.Cancelled(), false)
				quiet(t, h)
			})
		})
	}
}

func TestFetch_HasDefaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		call *weir.Call
		want string
	}{{&weir.Call{}, "GET /"}, {&weir.Call{Body: []byte("x")}, "POST /"}, {nil, "GET /"}} {
		both(t, fetches(c.call), func(t *testing.T, h *sdktest.Host) {
			h.Upstream("users", func(*sdktest.Call) *sdktest.Answer { return &sdktest.Answer{} })
			same(t, "status", h.Get("/").Status, 200)
			same(t, "call", h.Calls()[0].Method+" "+h.Calls()[0].Path, c.want)
		})
	}
}

func TestFetch_ComesAsItIsRead(t *testing.T) {
	t.Parallel()
	var seen []string
	h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		from := weir.Now()
		a, err := weir.Fetch("users", &weir.Call{})
		if err != nil {
			return nil, err
		}
		seen = append(seen, fmt.Sprint("head ", weir.Now().Sub(from)))
		for {
			c, err := a.Body.Chunk()
			if err == io.EOF {
				return next(r)
			}
			if err != nil {
				return nil, err
			}
			seen = append(seen, fmt.Sprint(string(c), " ", weir.Now().Sub(from)))
		}
	}))
	h.Upstream("users", func(*sdktest.Call) *sdktest.Answer {
		return &sdktest.Answer{Delay: time.Second, Chunks: []string{"a", "b", "c"}, Pause: time.Second}
	})
	h.Get("/")
	same(t, "seen", strings.Join(seen, ", "), "head 1s, a 1s, b 2s, c 3s")
	same(t, "waiting", len(h.Waiting()), 0)
}

func TestFetch_Fails(t *testing.T) {
	t.Parallel()
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		_, err := weir.Fetch("users", &weir.Call{})
		if !errors.Is(err, weir.ErrBroken) {
			t.Errorf("error: %v", err)
		}
		return next(r)
	}, func(t *testing.T, h *sdktest.Host) {
		h.Upstream("users", func(*sdktest.Call) *sdktest.Answer {
			return &sdktest.Answer{Err: errors.New("connection refused"), Delay: time.Second}
		})
		resp := h.Get("/")
		same(t, "status", resp.Status, 200)
		same(t, "time", resp.At, time.Second)
	})
}

func TestFetch_BreaksOff(t *testing.T) {
	t.Parallel()
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		a, err := weir.Fetch("users", &weir.Call{})
		if err == nil {
			_, err = a.Body.ReadAll(100)
			_, again := a.Body.Chunk()
			if again == nil {
				t.Error("it was read on")
			}
		}
		if !errors.Is(err, weir.ErrBroken) {
			t.Errorf("error: %v", err)
		}
		return next(r)
	}, func(t *testing.T, h *sdktest.Host) {
		h.Upstream("users", func(*sdktest.Call) *sdktest.Answer {
			return &sdktest.Answer{Chunks: []string{"a", "b"}, Cut: true}
		})
		h.Get("/")
		same(t, "waiting", len(h.Waiting()), 0)
	})
}

func TestFetch_TakesTooLong(t *testing.T) {
	t.Parallel()
	f := func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		a, err := weir.Fetch("users", &weir.Call{Timeout: 1500 * time.Millisecond})
		if err != nil {
			return weir.Reply(599, err.Error()), nil
		}
		return weir.Reply(a.Status, ""), nil
	}
	h := sdktest.New(t, sdktest.Filter(f))
	h.Upstream("users", nil)
	resp := h.Get("/")
	same(t, "status", resp.Status, 599)
	same(t, "time", resp.At, 1500*time.Millisecond)
	// Envoy answers in the upstream's place.
	h = sdktest.New(t, sdktest.Filter(f), sdktest.Plain())
	h.Upstream("users", nil)
	same(t, "status elsewhere", h.Get("/").Status, 504)
}

func TestFetch_IsNotGranted(t *testing.T) {
	t.Parallel()
	f := func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		_, err := weir.Fetch("users", &weir.Call{})
		if err == nil {
			return nil, nil
		}
		if errors.Is(err, weir.ErrDenied) {
			return weir.Reply(403, err.Error()), nil
		}
		return weir.Reply(400, err.Error()), nil
	}
	resp := sdktest.New(t, sdktest.Filter(f)).Get("/")
	same(t, "status", resp.Status, 403)
	if !strings.HasPrefix(resp.Body, `fetch users: not granted: "users" is not granted`) {
		t.Errorf("error: %q", resp.Body)
	}
	same(t, "status elsewhere", sdktest.New(t, sdktest.Filter(f), sdktest.Plain()).Get("/").Status, 400)
}

func TestFetch_TooManyAtOnce(t *testing.T) {
	t.Parallel()
	var last error
	h := sdktest.New(t, sdktest.Limits(1<<20, 2), sdktest.Filter(func(*weir.Request, weir.Next) (*weir.Response, error) {
		_, last = weir.Fetch("users", &weir.Call{})
		return weir.Reply(502, ""), nil
	}))
	h.Upstream("users", nil)
	h.Begin(&sdktest.Request{})
	h.Begin(&sdktest.Request{})
	resp := h.Get("/")
	same(t, "status", resp.Status, 502)
	if !errors.Is(last, weir.ErrBusy) {
		t.Errorf("error: %v", last)
	}
}

func TestFetch_IsCancelledWhenTheClientLeaves(t *testing.T) {
	t.Parallel()
	var got error
	f := func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		a, err := weir.Fetch("users", &weir.Call{})
		if err == nil {
			_, err = a.Body.ReadAll(100)
		}
		got = err
		if _, again := weir.Fetch("users", &weir.Call{}); !errors.Is(again, weir.ErrGone) {
			t.Errorf("fetch again: %v", again)
		}
		return nil, err
	}
	both(t, f, func(t *testing.T, h *sdktest.Host) {
		h.Upstream("users", nil)
		x := h.Begin(&sdktest.Request{})
		x.Leave()
		if !errors.Is(got, weir.ErrGone) {
			t.Errorf("fetch: %v", got)
		}
		same(t, "calls", len(h.Calls()), 1)
		h.Calls()[0].Answer(&sdktest.Answer{}) // nobody cares
	})
	h := sdktest.New(t, sdktest.Filter(f))
	h.Upstream("users", func(*sdktest.Call) *sdktest.Answer {
		return &sdktest.Answer{Chunks: []string{"a", "b"}, Pause: time.Minute}
	})
	x := h.Begin(&sdktest.Request{})
	h.Advance(time.Second)
	x.Leave()
	same(t, "cancelled while its body was read", h.Calls()[0].Cancelled(), true)
	same(t, "waiting", len(h.Waiting()), 0)
}

func TestFetch_IsClosedEarly(t *testing.T) {
	t.Parallel()
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		a, err := weir.Fetch("users", &weir.Call{})
		if err != nil {
			return nil, err
		}
		a.Close()
		a.Close()
		return next(r)
	}, func(t *testing.T, h *sdktest.Host) {
		h.Upstream("users", func(*sdktest.Call) *sdktest.Answer {
			return &sdktest.Answer{Chunks: []string{"a", "b"}, Pause: time.Minute}
		})
		same(t, "status", h.Get("/").Status, 200)
		same(t, "waiting", len(h.Waiting()), 0)
	})
}

func TestFetch_WhatIsNotReadIsGivenUpWithTheRequest(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		if _, err := weir.Fetch("users", &weir.Call{}); err != nil {
			return nil, err
		}
		return next(r)
	}))
	h.Upstream("users", func(*sdktest.Call) *sdktest.Answer { return &sdktest.Answer{Chunks: []string{"a", "b"}} })
	same(t, "status", h.Get("/").Status, 200)
	if w := h.Waiting(); len(w) > 0 {
		t.Errorf("still there: %q", w)
	}
}

func TestFetch_InATransformOfWhatTheFilterHasFetched(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		a, err := weir.Fetch("users", &weir.Call{})
		if err != nil {
			return nil, err
		}
		resp, err := next(r)
		if err == nil {
			resp.Transform(func(dst *weir.Writer, src *weir.Body) error {
				_, err := io.Copy(dst, a.Body)
				return err
			})
		}
		return resp, err
	}))
	h.Upstream("users", func(*sdktest.Call) *sdktest.Answer {
		return &sdktest.Answer{Chunks: []string{"a", "b", "c"}, Pause: time.Second}
	})
	h.Next(func(*sdktest.Request) *sdktest.Answer { return &sdktest.Answer{Chunks: []string{"x", "y"}} })
	same(t, "body", h.Get("/").Body, "abc")
	same(t, "waiting", len(h.Waiting()), 0)
	quiet(t, h)
}

func TestFetch_ManyAtOnceInAnyOrder(t *testing.T) {
	t.Parallel()
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		path := r.Path()
		a, err := weir.Fetch("users", &weir.Call{Path: path})
		if err != nil {
			return nil, err
		}
		b, err := a.Body.ReadAll(10)
		same(t, "path", r.Path(), path)
		return weir.Reply(200, string(b)), err
	}, func(t *testing.T, h *sdktest.Host) {
		h.Upstream("users", nil)
		const n = 50
		var all []*sdktest.Exchange
		for i := range n {
			all = append(all, h.Begin(&sdktest.Request{Path: fmt.Sprint("/", i)}))
		}
		for i := range n {
			c := h.Calls()[(i*7)%n]
			c.Answer(&sdktest.Answer{Body: c.Path})
		}
		for i, x := range all {
			same(t, "body", x.Wait().Body, fmt.Sprint("/", i))
		}
	})
}

func TestFetch_OutsideOfRequests(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Configured(func(*weir.Config) (weir.Filter, error) {
		_, err := weir.Fetch("users", &weir.Call{})
		if !errors.Is(err, weir.ErrNoRequest) {
			t.Errorf("fetch: %v", err)
		}
		_, err = weir.Store{}.Get("a")
		return nil, err
	}, ""))
	if err := h.Refused(); err == nil || !strings.Contains(err.Error(), "get a: there is no request to wait") {
		t.Errorf("refused: %v", err)
	}
}
