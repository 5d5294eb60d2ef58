package weir_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/sdk/sdktest"
	"github.com/weirproxy/weir/sdk/weir"
)

// transforms is a filter that transforms both bodies.
func transforms(f func(dst *weir.Writer, src *weir.Body) error) weir.Filter {
	return func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		r.Transform(f)
		resp, err := next(r)
		if err == nil {
			resp.Transform(f)
		}
		return resp, err
	}
}

// bytewise cuts s into pieces of a byte each, and an empty one at the end.
func bytewise(s string) []string { return append(strings.Split(s, ""), "") }

func TestTransform_HoweverTheBodyComes(t *testing.T) {
	t.Parallel()
	const text = "so here we are"
	for name, chunks := range map[string][]string{
		"by bytes": bytewise(text), "in one piece": {text}, "in two": {text[:3], text[3:]},
		"empty": {}, "an empty piece": {""}, "empty ones between": {"", text[:1], "", text[1:], ""},
	} {
		for _, trailer := range []sdktest.Header{nil, sdktest.Fields("x-sum", "7")} {
			t.Run(name, func(t *testing.T) {
				both(t, transforms(upper), func(t *testing.T, h *sdktest.Host) {
					h.Next(func(*sdktest.Request) *sdktest.Answer {
						return &sdktest.Answer{Chunks: chunks, Trailer: trailer}
					})
					resp := h.Do(&sdktest.Request{Chunks: chunks, Trailer: trailer})
					want := strings.ToUpper(strings.Join(chunks, ""))
					same(t, "request", h.Requests()[0].Body, want)
					same(t, "request's trailer", h.Requests()[0].Trailer.Get("x-sum"), trailer.Get("x-sum"))
					same(t, "response", resp.Body, want)
					same(t, "response's trailer", resp.Trailer.Get("x-sum"), trailer.Get("x-sum"))
					quiet(t, h)
				})
			})
		}
	}
}

func TestTransform_OfAKnownLength(t *testing.T) {
	t.Parallel()
	both(t, transforms(func(dst *weir.Writer, src *weir.Body) error {
		all, err := src.ReadAll(100)
		if err != nil {
			return err
		}
		_, err = dst.Write(bytes.Repeat(all, 3))
		return err
	}), func(t *testing.T, h *sdktest.Host) {
		h.Next(func(*sdktest.Request) *sdktest.Answer { return &sdktest.Answer{Body: "down"} })
		resp := h.Post("/", "up")
		same(t, "request", h.Requests()[0].Body, "upupup")
		same(t, "response", resp.Body, "downdowndown")
		quiet(t, h)
	})
}

func TestTransform_GoesOnAsTheBodyDoes(t *testing.T) {
	t.Parallel()
	both(t, transforms(upper), func(t *testing.T, h *sdktest.Host) {
		x := h.Open(&sdktest.Request{Method: "POST"})
		for _, want := range []string{"A", "AB", "ABC"} {
			x.Send(strings.ToLower(want[len(want)-1:]))
			r, whole := x.Forwarded()
			same(t, "so far", r.Body, want)
			same(t, "whole", whole, false)
		}
		x.End(sdktest.Field("x-sum", "7"))
		r, whole := x.Forwarded()
		same(t, "trailer", r.Trailer.Get("x-sum"), "7")
		same(t, "whole", whole, true)
	})
}

func TestTransform_StopsEarly(t *testing.T) {
	t.Parallel()
	both(t, transforms(func(dst *weir.Writer, src *weir.Body) error {
		c, err := src.Chunk()
		if err == nil {
			_, err = dst.Write(c[:1])
		}
		return end(err)
	}), func(t *testing.T, h *sdktest.Host) {
		h.Next(func(*sdktest.Request) *sdktest.Answer { return &sdktest.Answer{Chunks: []string{"xy", "z", "w"}} })
		resp := h.Do(&sdktest.Request{Chunks: []string{"ab", "c", "d"}})
		same(t, "request", h.Requests()[0].Body, "a")
		same(t, "response", resp.Body, "x")
		quiet(t, h)
	})
}

func TestTransform_MakesMoreThanItReads(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Filter(transforms(func(dst *weir.Writer, src *weir.Body) error {
		for i := 0; ; i++ {
			c, err := src.Chunk()
			if err != nil {
				_, _ = dst.WriteString("end")
				return end(err)
			}
			if _, err := dst.Write(bytes.Repeat(c, 100_000)); err != nil {
				return err
			}
		}
	})))
	h.Next(func(*sdktest.Request) *sdktest.Answer { return &sdktest.Answer{Chunks: []string{"a", "b", "c"}} })
	resp := h.Do(&sdktest.Request{Chunks: []string{"x", "", "y"}})
	same(t, "request", len(h.Requests()[0].Body), 200_003)
	same(t, "response", len(resp.Body), 300_003)
	same(t, "its end", resp.Body[300_000:], "end")
}

func TestTransform_WaitsInTheMiddle(t *testing.T) {
	t.Parallel()
	both(t, transforms(func(dst *weir.Writer, src *weir.Body) error {
		for {
			c, err := src.Chunk()
			if err != nil {
				return end(err)
			}
			a, err := weir.Fetch("words", &weir.Call{Path: "/" + string(c)})
			if err != nil {
				return err
			}
			word, err := a.Body.ReadAll(100)
			if err != nil {
				return err
			}
			if err := weir.Sleep(time.Second); err != nil {
				return err
			}
			if _, err := dst.Write(word); err != nil {
				return err
			}
		}
	}), func(t *testing.T, h *sdktest.Host) {
		h.Upstream("words", func(c *sdktest.Call) *sdktest.Answer {
			return &sdktest.Answer{Body: "<" + c.Path[1:] + ">", Delay: 10 * time.Millisecond}
		})
		h.Next(func(*sdktest.Request) *sdktest.Answer {
			return &sdktest.Answer{Chunks: []string{"x", "y", "z"}, Pause: 300 * time.Millisecond}
		})
		resp := h.Do(&sdktest.Request{Chunks: []string{"a", "b"}, Trailer: sdktest.Fields("x-sum", "7")})
		got := h.Requests()[0].Body
		if got != "<a><b>" && got != "<ab>" && h.Requests()[0].Trailer.Get("x-sum") == "7" {
			t.Errorf("request: %q", got)
		}
		if got := resp.Body; strings.NewReplacer("<", "", ">", "").Replace(got) != "xyz" {
			t.Errorf("response: %q", got)
		}
		quiet(t, h)
	})
}

func TestTransform_FailsInTheMiddle(t *testing.T) {
	t.Parallel()
	fails := func(dst *weir.Writer, src *weir.Body) error {
		c, err := src.Chunk()
		if err != nil {
			return err
		}
		_, _ = dst.Write(c)
		if _, err = src.Chunk(); err != nil {
			return err
		}
		return errors.New("out of order")
	}
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		if r.Path() == "/request" {
			r.Transform(fails)
		}
		resp, err := next(r)
		if err == nil && r.Path() != "/request" {
			resp.Transform(fails)
		}
		return resp, err
	}, func(t *testing.T, h *sdktest.Host) {
		h.Next(func(*sdktest.Request) *sdktest.Answer { return &sdktest.Answer{Chunks: []string{"a", "b", "c"}} })
		for _, path := range []string{"/request", "/response"} {
			resp := h.Do(&sdktest.Request{Path: path, Chunks: []string{"a", "b", "c"}})
			if !errors.Is(resp.Cut, sdktest.ErrCut) {
				t.Errorf("%s: it was not cut: %+v", path, resp)
			}
		}
		same(t, "requests that came whole", len(h.Requests()), 1)
		same(t, "logged", h.Logged("error: transform body: out of order"), true)
	})
}

func TestTransform_ClientLeaves(t *testing.T) {
	t.Parallel()
	var got error
	both(t, transforms(func(dst *weir.Writer, src *weir.Body) error {
		_, got = src.ReadAll(100)
		if _, err := dst.Write([]byte("x")); !errors.Is(err, weir.ErrGone) {
			t.Errorf("write: %v", err)
		}
		return got
	}), func(t *testing.T, h *sdktest.Host) {
		x := h.Open(&sdktest.Request{Method: "POST", Chunks: []string{"a"}})
		x.Leave()
		if !errors.Is(got, weir.ErrGone) {
			t.Errorf("read: %v", got)
		}
		same(t, "log lines", len(h.Log()), 0)
	})
}

func TestTransform_WorksAsReader(t *testing.T) {
	t.Parallel()
	both(t, transforms(func(dst *weir.Writer, src *weir.Body) error {
		if n, err := src.Read(nil); n != 0 || err != nil {
			t.Errorf("read of nothing: %d, %v", n, err)
		}
		_, err := io.Copy(dst, src)
		return err
	}), func(t *testing.T, h *sdktest.Host) {
		resp := h.Do(&sdktest.Request{Chunks: []string{"ab", "c"}})
		same(t, "request", h.Requests()[0].Body, "abc")
		same(t, "response", resp.Body, "")
		quiet(t, h)
	})
}

func TestSetBody_TakesThePlace(t *testing.T) {
	t.Parallel()
	sets := func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		r.SetBody([]byte("other"))
		resp, err := next(r)
		if err == nil {
			resp.SetBody([]byte("another"))
		}
		return resp, err
	}
	for name, chunks := range map[string][]string{"pieces": {"a", "b", "c"}, "by bytes": bytewise("abc"), "one": {"abc"}, "empty": {}} {
		t.Run(name, func(t *testing.T) {
			both(t, sets, func(t *testing.T, h *sdktest.Host) {
				h.Next(func(*sdktest.Request) *sdktest.Answer { return &sdktest.Answer{Chunks: chunks} })
				resp := h.Do(&sdktest.Request{Chunks: chunks})
				same(t, "request", h.Requests()[0].Body, "other")
				same(t, "response", resp.Body, "another")
				quiet(t, h)
			})
		})
	}
	t.Run("none", func(t *testing.T) {
		h := sdktest.New(t, sdktest.Filter(sets))
		resp := h.Get("/")
		same(t, "request", h.Requests()[0].Body, "other")
		same(t, "response", resp.Body, "another")
		quiet(t, h)
	})
	t.Run("HEAD", func(t *testing.T) {
		h := sdktest.New(t, sdktest.Filter(sets))
		resp := h.Do(&sdktest.Request{Method: "HEAD"})
		same(t, "response", resp.Body, "")
	})
	t.Run("trailers", func(t *testing.T) {
		h := sdktest.New(t, sdktest.Filter(sets))
		h.Do(&sdktest.Request{Chunks: []string{}, Trailer: sdktest.Fields("x-sum", "7")})
		same(t, "request", h.Requests()[0].Body, "other")
		same(t, "trailer", h.Requests()[0].Trailer.Get("x-sum"), "7")
	})
}

func TestSetBody_WhereThereIsNoneNeedsWeir(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Plain(), sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		resp, err := next(r)
		if err == nil {
			resp.SetBody([]byte("another"))
		}
		return resp, err
	}))
	resp := h.Get("/")
	same(t, "body", resp.Body, "")
	if !h.Logged("error: ") {
		t.Errorf("nothing says that there is no body: %q", h.Log())
	}
}

// A host that is not weir lets a body be changed only while it shows some of it.
func TestTransform_EndsWithTrailersElsewhere(t *testing.T) {
	t.Parallel()
	foot := func(dst *weir.Writer, src *weir.Body) error {
		_, err := io.Copy(dst, src)
		if err == nil {
			_, err = dst.WriteString("foot")
		}
		return err
	}
	both(t, transforms(foot), func(t *testing.T, h *sdktest.Host) {
		resp := h.Do(&sdktest.Request{Chunks: []string{"a"}, Trailer: sdktest.Fields("x-sum", "7")})
		if len(h.Requests()) == 0 { // better than one whose end is missing
			if !errors.Is(resp.Cut, sdktest.ErrCut) || !h.Logged("error: ") {
				t.Errorf("request lost: %+v, %q", resp, h.Log())
			}
			return
		}
		same(t, "request", h.Requests()[0].Body, "afoot")
	})
}

func TestTransform_BothWaysAtOnce(t *testing.T) {
	t.Parallel()
	both(t, transforms(upper), func(t *testing.T, h *sdktest.Host) {
		h.NextAtHead(func(r *sdktest.Request) *sdktest.Answer {
			same(t, "body at the head", r.Body, "")
			return &sdktest.Answer{Chunks: []string{"x", "y"}, Pause: time.Second}
		})
		x := h.Open(&sdktest.Request{Method: "POST"})
		x.Send("a")
		same(t, "response", x.Response().Body, "X")
		x.Send("b")
		r, whole := x.Forwarded()
		same(t, "request", r.Body, "AB")
		same(t, "whole", whole, false)
		x.End()
		h.Advance(time.Second)
		same(t, "at", h.Now(), time.Second)
		same(t, "response", x.Response().Body, "XY")
		same(t, "done", x.Done(), true)
		quiet(t, h)
	})
}
