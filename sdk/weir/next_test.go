package weir_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/sdk/sdktest"
	"github.com/weirproxy/weir/sdk/weir"
)

func through(r *weir.Request, next weir.Next) (*weir.Response, error) { return next(r) }

func TestNext_LetsEverythingThrough(t *testing.T) {
	t.Parallel()
	both(t, through, func(t *testing.T, h *sdktest.Host) {
		h.Next(func(r *sdktest.Request) *sdktest.Answer {
			return &sdktest.Answer{Status: 201, Header: sdktest.Fields("x-a", "1"), Chunks: []string{"got ", r.Body}, Trailer: sdktest.Fields("x-end", "1")}
		})
		resp := h.Do(&sdktest.Request{
			Method: "PUT", Path: "/a?b=c", Authority: "weir.example", Header: sdktest.Fields("x-q", "2"),
			Chunks: []string{"one ", "two"}, Trailer: sdktest.Fields("x-sum", "7"),
		})
		same(t, "status", resp.Status, 201)
		same(t, "header", resp.Header.Get("x-a"), "1")
		same(t, "body", resp.Body, "got one two")
		same(t, "trailer", resp.Trailer.Get("x-end"), "1")
		r := h.Requests()[0]
		same(t, "method", r.Method, "PUT")
		same(t, "path", r.Path, "/a?b=c")
		same(t, "authority", r.Authority, "weir.example")
		same(t, "header", r.Header.Get("x-q"), "2")
		same(t, "body", r.Body, "one two")
		same(t, "trailer", r.Trailer.Get("x-sum"), "7")
		quiet(t, h)
	})
}

func TestNext_ChangesBothWays(t *testing.T) {
	t.Parallel()
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		r.SetMethod("PATCH")
		r.SetPath("/other" + r.Path())
		r.SetAuthority("other.example")
		r.Header.Add("X-Two", "a")
		r.Header.Add("x-two", "b")
		r.Header.Del("x-gone")
		resp, err := next(r)
		if err != nil {
			return nil, err
		}
		resp.Header.Set("X-Status", "was "+string(rune('0'+resp.Status()/100)))
		resp.SetStatus(418)
		return resp, nil
	}, func(t *testing.T, h *sdktest.Host) {
		resp := h.Get("/a", sdktest.Field("x-gone", "1"), sdktest.Field("X-Kept", "2"))
		same(t, "status", resp.Status, 418)
		same(t, "header", resp.Header.Get("x-status"), "was 2")
		r := h.Requests()[0]
		same(t, "request", r.Method+" "+r.Authority+r.Path, "PATCH other.example/other/a")
		same(t, "x-two", strings.Join(r.Header.Values("x-two"), ","), "a,b")
		same(t, "x-gone", r.Header.Has("x-gone"), false)
		same(t, "x-kept", r.Header.Get("x-kept"), "2")
		quiet(t, h)
	})
}

func TestReply_AnswersWithoutNext(t *testing.T) {
	t.Parallel()
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		resp := weir.Reply(403, "go away", weir.Field{Name: "X-Why", Value: "because"})
		resp.Details = "no_access"
		resp.Header.Add("set-cookie", "a=1")
		resp.Header.Add("set-cookie", "b=2")
		return resp, nil
	}, func(t *testing.T, h *sdktest.Host) {
		resp := h.Post("/", "unread")
		same(t, "status", resp.Status, 403)
		same(t, "body", resp.Body, "go away")
		same(t, "x-why", resp.Header.Get("x-why"), "because")
		same(t, "content-type", resp.Header.Get("content-type"), "text/plain")
		same(t, "cookies", strings.Join(resp.Header.Values("set-cookie"), ","), "a=1,b=2")
		same(t, "local", resp.Local, true)
		same(t, "details", resp.Details, "no_access")
		same(t, "requests", len(h.Requests()), 0)
		quiet(t, h)
	})
}

func TestReply_CanBeChangedUntilItIsReturned(t *testing.T) {
	t.Parallel()
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		resp := weir.Reply(200, "a", weir.Field{Name: "x-a", Value: "1"})
		resp.SetStatus(resp.Status() + 1)
		resp.SetBody([]byte("b"))
		resp.Header.Set("X-A", "2")
		resp.Header.Del("x-none")
		return resp, nil
	}, func(t *testing.T, h *sdktest.Host) {
		resp := h.Get("/")
		same(t, "status", resp.Status, 201)
		same(t, "body", resp.Body, "b")
		same(t, "x-a", strings.Join(resp.Header.Values("x-a"), ","), "2")
	})
}

func TestReply_TakesThePlaceOfTheResponse(t *testing.T) {
	t.Parallel()
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		resp, err := next(r)
		if err == nil && resp.Status() == 404 {
			return weir.Reply(200, "found after all"), nil
		}
		return resp, err
	}, func(t *testing.T, h *sdktest.Host) {
		h.Next(func(*sdktest.Request) *sdktest.Answer { return &sdktest.Answer{Status: 404, Body: "no such thing"} })
		resp := h.Get("/")
		same(t, "status", resp.Status, 200)
		same(t, "body", resp.Body, "found after all")
	})
}

func TestRedirect_SendsTheClientElsewhere(t *testing.T) {
	t.Parallel()
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		return weir.Redirect(308, "https://"+r.Authority()+r.Path()), nil
	}, func(t *testing.T, h *sdktest.Host) {
		resp := h.Get("/a?b")
		same(t, "status", resp.Status, 308)
		same(t, "location", resp.Header.Get("location"), "https://example.com/a?b")
	})
}

func TestReply_ToGRPC(t *testing.T) {
	t.Parallel()
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		resp := weir.Reply(403, "no")
		resp.GRPC = 7
		return resp, nil
	}, func(t *testing.T, h *sdktest.Host) {
		resp := h.Post("/pkg.Svc/M", "x", sdktest.Field("content-type", "application/grpc"))
		same(t, "status", resp.Status, 200)
		same(t, "grpc-status", resp.Header.Get("grpc-status"), "7")
		same(t, "grpc-message", resp.Header.Get("grpc-message"), "no")
	})
}

func TestFilter_ErrorsAre500(t *testing.T) {
	t.Parallel()
	kept := map[string]*weir.Response{}
	for _, c := range []struct {
		name, log string
		f         weir.Filter
	}{
		{"before next", "out of order", func(*weir.Request, weir.Next) (*weir.Response, error) {
			return nil, errors.New("out of order")
		}},
		{"after next", "out of order", func(r *weir.Request, next weir.Next) (*weir.Response, error) {
			_, _ = next(r)
			return nil, errors.New("out of order")
		}},
		{"neither", "neither", func(*weir.Request, weir.Next) (*weir.Response, error) { return nil, nil }},
		{"another's", "another request", func(r *weir.Request, next weir.Next) (*weir.Response, error) {
			resp, err := next(r)
			if r.Path() == "/first" {
				kept["first"] = resp
				_ = weir.Sleep(time.Hour)
				return resp, err
			}
			return kept["first"], nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := sdktest.New(t, sdktest.Filter(c.f))
			if c.name == "another's" {
				h.Begin(&sdktest.Request{Path: "/first"})
			}
			resp := h.Get("/")
			same(t, "status", resp.Status, 500)
			if !h.Logged("error: filter request: ") || !h.Logged(c.log) {
				t.Errorf("log: %q", h.Log())
			}
		})
	}
}

func TestNext_OnceOnly(t *testing.T) {
	t.Parallel()
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		if _, err := next(r); err != nil {
			return nil, err
		}
		_, err := next(r)
		if err == nil {
			return nil, errors.New("it went on twice")
		}
		return weir.Reply(299, err.Error()), nil
	}, func(t *testing.T, h *sdktest.Host) {
		resp := h.Get("/")
		same(t, "status", resp.Status, 299)
		same(t, "requests", len(h.Requests()), 1)
	})
}

func TestNext_NobodyAnswers(t *testing.T) {
	t.Parallel()
	var got error
	f := func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		resp, err := next(r)
		got = err
		return resp, err
	}
	h := sdktest.New(t, sdktest.Filter(f))
	h.Next(func(*sdktest.Request) *sdktest.Answer { return &sdktest.Answer{Err: errors.New("connection refused")} })
	same(t, "status", h.Get("/").Status, 502)
	if !errors.Is(got, weir.ErrGone) {
		t.Errorf("next: %v", got)
	}
	h = sdktest.New(t, sdktest.Filter(f), sdktest.Plain())
	h.Next(func(*sdktest.Request) *sdktest.Answer { return &sdktest.Answer{Err: errors.New("connection refused")} })
	same(t, "status", h.Get("/").Status, 503)
	same(t, "next", got, nil)
}

func TestNext_ClientLeaves(t *testing.T) {
	t.Parallel()
	for _, plain := range []bool{false, true} {
		var got error
		o := []sdktest.Option{sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
			_, got = next(r)
			_, again := next(r)
			if !errors.Is(again, weir.ErrGone) {
				t.Errorf("next again: %v", again)
			}
			return nil, got
		})}
		if plain {
			o = append(o, sdktest.Plain())
		}
		h := sdktest.New(t, o...)
		h.Next(func(*sdktest.Request) *sdktest.Answer { return nil })
		x := h.Begin(&sdktest.Request{})
		x.Leave()
		if !errors.Is(got, weir.ErrGone) {
			t.Errorf("next: %v", got)
		}
		same(t, "log lines", len(h.Log()), 0)
		if !errors.Is(x.Response().Cut, sdktest.ErrCut) {
			t.Errorf("response: %v", x.Response().Cut)
		}
	}
}

func TestRequest_IsOverWhenTheFilterHasReturned(t *testing.T) {
	t.Parallel()
	var kept *weir.Request
	var then weir.Next
	h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		if kept == nil {
			kept, then = r, next
			return next(r)
		}
		same(t, "header of before", kept.Header.Get("x-a"), "")
		kept.Header.Set("x-other", "1")
		if _, err := then(kept); !errors.Is(err, weir.ErrGone) {
			t.Errorf("next of before: %v", err)
		}
		if _, err := next(kept); !errors.Is(err, weir.ErrGone) {
			t.Errorf("next with the request of before: %v", err)
		}
		if _, err := kept.Respond(200); !errors.Is(err, weir.ErrGone) {
			t.Errorf("answer to a request of before: %v", err)
		}
		return next(r)
	}))
	h.Next(func(*sdktest.Request) *sdktest.Answer {
		return &sdktest.Answer{Chunks: []string{"a", "b"}, Pause: time.Second}
	})
	h.Begin(&sdktest.Request{Header: sdktest.Fields("x-a", "1")})
	h.Get("/second")
	same(t, "x-other", h.Requests()[1].Header.Get("x-other"), "")
}

func TestManyRequests_AreAnsweredInAnyOrder(t *testing.T) {
	t.Parallel()
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		mine := r.Path()
		resp, err := next(r)
		if err == nil {
			resp.Header.Set("x-mine", mine)
		}
		return resp, err
	}, func(t *testing.T, h *sdktest.Host) {
		h.Next(func(*sdktest.Request) *sdktest.Answer { return nil })
		const n = 300 // more than what an instance keeps the memory of
		var all []*sdktest.Exchange
		for i := range n {
			all = append(all, h.Begin(&sdktest.Request{Path: fmt.Sprint("/", i)}))
		}
		for i := range n {
			x := all[(i*7)%n]
			x.Answer(&sdktest.Answer{})
			r, _ := x.Forwarded()
			same(t, "x-mine", x.Wait().Header.Get("x-mine"), r.Path)
		}
	})
}
