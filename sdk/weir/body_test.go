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

// bodies are ways in which one comes.
var bodies = map[string][]string{
	"by bytes": bytewise("so here we are"), "one piece": {"so here we are"}, "two": {"so here", " we are"},
	"empty": {}, "an empty piece": {""},
}

func TestBody_ReadBeforeNextGoesOnUnchanged(t *testing.T) {
	t.Parallel()
	for name, chunks := range bodies {
		for _, trailer := range []sdktest.Header{nil, sdktest.Fields("x-sum", "7")} {
			t.Run(name, func(t *testing.T) {
				want := strings.Join(chunks, "")
				h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
					b, err := r.Body.ReadAll(1 << 10)
					same(t, "read", string(b), want)
					same(t, "error", err, nil)
					_, err = r.Body.Chunk()
					same(t, "error at the end", err, io.EOF)
					same(t, "trailer", r.Trailer.Get("x-sum"), trailer.Get("x-sum"))
					r.Header.Set("x-read", fmt.Sprint(len(b)))
					resp, err := next(r)
					if err != nil {
						return nil, err
					}
					b, err = resp.Body.ReadAll(1 << 10)
					same(t, "read of the response", string(b), want)
					same(t, "error of the response", err, nil)
					resp.Header.Set("x-read", fmt.Sprint(len(b)))
					return resp, nil
				}))
				h.Next(func(*sdktest.Request) *sdktest.Answer {
					return &sdktest.Answer{Chunks: chunks, Trailer: trailer}
				})
				resp := h.Do(&sdktest.Request{Chunks: chunks, Trailer: trailer})
				r := h.Requests()[0]
				same(t, "request", r.Body, want)
				same(t, "request's header", r.Header.Get("x-read"), fmt.Sprint(len(want)))
				same(t, "request's trailer", r.Trailer.Get("x-sum"), trailer.Get("x-sum"))
				same(t, "response", resp.Body, want)
				same(t, "response's header", resp.Header.Get("x-read"), fmt.Sprint(len(want)))
				same(t, "response's trailer", resp.Trailer.Get("x-sum"), trailer.Get("x-sum"))
				quiet(t, h)
			})
		}
	}
}

func TestBody_PartlyReadGoesOnAsAWhole(t *testing.T) {
	t.Parallel()
	for name, chunks := range bodies {
		t.Run(name, func(t *testing.T) {
			h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
				_, _ = r.Body.Chunk()
				resp, err := next(r)
				if err == nil {
					_, _ = resp.Body.Read(make([]byte, 1))
				}
				return resp, err
			}))
			h.Next(func(*sdktest.Request) *sdktest.Answer { return &sdktest.Answer{Chunks: chunks} })
			resp := h.Do(&sdktest.Request{Chunks: chunks})
			same(t, "request", h.Requests()[0].Body, strings.Join(chunks, ""))
			same(t, "response", resp.Body, strings.Join(chunks, ""))
			quiet(t, h)
		})
	}
}

func TestBody_ReadAndThenTransformed(t *testing.T) {
	t.Parallel()
	for name, chunks := range bodies {
		t.Run(name, func(t *testing.T) {
			h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
				_, _ = r.Body.Read(make([]byte, 1))
				r.Transform(upper)
				resp, err := next(r)
				if err == nil {
					_, _ = resp.Body.ReadAll(1 << 10)
					resp.Transform(upper)
				}
				return resp, err
			}))
			h.Next(func(*sdktest.Request) *sdktest.Answer { return &sdktest.Answer{Chunks: chunks} })
			resp := h.Do(&sdktest.Request{Chunks: chunks})
			want := strings.ToUpper(strings.Join(chunks, ""))
			same(t, "request", h.Requests()[0].Body, want)
			same(t, "response", resp.Body, want)
			quiet(t, h)
		})
	}
}

func TestBody_ReadAndThenReplaced(t *testing.T) {
	t.Parallel()
	for name, chunks := range bodies {
		t.Run(name, func(t *testing.T) {
			h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
				b, _ := r.Body.ReadAll(1 << 10)
				r.SetBody([]byte("<" + string(b) + ">"))
				resp, err := next(r)
				if err == nil {
					b, _ = resp.Body.ReadAll(1 << 10)
					resp.SetBody([]byte("[" + string(b) + "]"))
				}
				return resp, err
			}))
			h.Next(func(*sdktest.Request) *sdktest.Answer { return &sdktest.Answer{Chunks: chunks} })
			resp := h.Do(&sdktest.Request{Chunks: chunks})
			text := strings.Join(chunks, "")
			same(t, "request", h.Requests()[0].Body, "<"+text+">")
			same(t, "response", resp.Body, "["+text+"]")
			quiet(t, h)
		})
	}
}

func TestBody_ReadAllHasALimit(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		if _, err := r.Body.ReadAll(5); err != nil {
			return weir.Reply(413, err.Error()), nil
		}
		return next(r)
	}))
	same(t, "of the limit", h.Post("/", "12345").Status, 200)
	resp := h.Do(&sdktest.Request{Chunks: []string{"1234", "56", "never sent"}})
	same(t, "above it", resp.Status, 413)
	same(t, "message", resp.Body, "read body: it is longer than 5 bytes")
}

func TestBody_IsBoundedByTheHost(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Limits(100, 64), sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		_, _ = r.Body.ReadAll(1 << 20)
		return next(r)
	}))
	same(t, "status", h.Do(&sdktest.Request{Chunks: []string{strings.Repeat("x", 60), strings.Repeat("x", 60), "x"}}).Status, 413)
}

func TestBody_BeforeNextNeedsWeir(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Plain(), sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		_, err := r.Body.Chunk()
		if !errors.Is(err, weir.ErrUnsupported) {
			t.Errorf("request: %v", err)
		}
		resp, err := next(r)
		if err == nil {
			if _, err := resp.Body.Chunk(); !errors.Is(err, weir.ErrUnsupported) {
				t.Errorf("response: %v", err)
			}
		}
		return resp, err
	}))
	h.Next(func(*sdktest.Request) *sdktest.Answer { return &sdktest.Answer{Body: "down"} })
	resp := h.Post("/", "up")
	same(t, "request", h.Requests()[0].Body, "up")
	same(t, "response", resp.Body, "down")
	quiet(t, h)
}

func TestBody_OfNoneIsEmptyEverywhere(t *testing.T) {
	t.Parallel()
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		same(t, "Empty", r.Body.Empty(), true)
		b, err := r.Body.ReadAll(10)
		same(t, "body", len(b), 0)
		same(t, "error", err, nil)
		return next(r)
	}, func(t *testing.T, h *sdktest.Host) { h.Get("/") })
}

func TestBody_AfterItHasGoneOn(t *testing.T) {
	t.Parallel()
	var got error
	h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		resp, err := next(r)
		_, got = r.Body.Chunk()
		return resp, err
	}))
	h.Post("/", "x")
	if !errors.Is(got, weir.ErrLate) {
		t.Errorf("read of a body that has gone on: %v", got)
	}
	quiet(t, h)
}

func TestBody_ClientLeaves(t *testing.T) {
	t.Parallel()
	var got error
	h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		_, got = r.Body.ReadAll(1 << 10)
		return nil, got
	}))
	h.Open(&sdktest.Request{Method: "POST", Chunks: []string{"a"}}).Leave()
	if !errors.Is(got, weir.ErrGone) {
		t.Errorf("read: %v", got)
	}
	same(t, "log lines", len(h.Log()), 0)
}

func TestBody_BreaksOff(t *testing.T) {
	t.Parallel()
	var got error
	h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		resp, err := next(r)
		if err == nil {
			_, got = resp.Body.ReadAll(1 << 10)
		}
		return resp, err
	}))
	h.Next(func(*sdktest.Request) *sdktest.Answer { return &sdktest.Answer{Chunks: []string{"a", "b"}, Cut: true} })
	resp := h.Get("/")
	if !errors.Is(got, weir.ErrGone) || !errors.Is(resp.Cut, sdktest.ErrCut) {
		t.Errorf("read: %v; response: %+v", got, resp)
	}
}

func TestTake_ReadsABodyOfAnyLength(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Limits(1000, 64), sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		r.Body.Take()
		n := 0
		for {
			c, err := r.Body.Chunk()
			if err != nil {
				if _, late := next(r); late == nil {
					t.Error("a request went on whose body was taken")
				}
				return weir.Reply(200, fmt.Sprint(n)), end(err)
			}
			n += len(c)
			if err := weir.Sleep(time.Millisecond); err != nil {
				return nil, err
			}
		}
	}))
	var chunks []string
	for range 100 {
		chunks = append(chunks, strings.Repeat("x", 100))
	}
	resp := h.Do(&sdktest.Request{Chunks: chunks})
	same(t, "body", resp.Body, "10000")
	same(t, "time", resp.End, 100*time.Millisecond)
	same(t, "requests", len(h.Requests()), 0)
	quiet(t, h)
}

func TestTake_AfterSomeWasRead(t *testing.T) {
	t.Parallel()
	for name, chunks := range bodies {
		t.Run(name, func(t *testing.T) {
			h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
				first, _ := r.Body.Chunk()
				r.Body.Take()
				rest, err := r.Body.ReadAll(1 << 10)
				return weir.Reply(200, string(first)+string(rest)), err
			}))
			same(t, "body", h.Do(&sdktest.Request{Chunks: chunks}).Body, strings.Join(chunks, ""))
			quiet(t, h)
		})
	}
}
