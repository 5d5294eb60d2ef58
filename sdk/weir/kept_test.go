package weir_test

import (
	"errors"
	"testing"
	"time"

	"github.com/weirproxy/weir/sdk/sdktest"
	"github.com/weirproxy/weir/sdk/weir"
)

// What a filter keeps of one request must not become another client's, whose stream may
// have taken the place of the first.

// keeper keeps what it is given for the path /keep, and has try use it for others.
func keeper(keep, try weir.Filter) weir.Filter {
	return func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		if r.Path() == "/keep" {
			return keep(r, next)
		}
		return try(r, next)
	}
}

func TestKept_RequestIsGone(t *testing.T) {
	t.Parallel()
	var kept *weir.Request
	var header weir.Header
	var onward weir.Next
	both(t, keeper(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		kept, header, onward = r, r.Header, next
		return next(r)
	}, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		same(t, "path of a request that is over", kept.Path(), "")
		same(t, "field of a request that is over", kept.Header.Get("x-secret"), "")
		same(t, "field of its header", header.Get("x-secret"), "")
		kept.Header.Set("x-of", "another")
		header.Set("x-of", "another")
		kept.SetPath("/another")
		kept.SetBody([]byte("another"))
		if _, err := kept.Respond(418); !errors.Is(err, weir.ErrGone) {
			t.Errorf("respond: %v", err)
		}
		if err := kept.SetProperty([]byte("x"), "a"); !errors.Is(err, weir.ErrGone) {
			t.Errorf("set property: %v", err)
		}
		if _, err := kept.Body.Chunk(); !errors.Is(err, weir.ErrGone) {
			t.Errorf("read body: %v", err)
		}
		if _, err := onward(kept); !errors.Is(err, weir.ErrGone) {
			t.Errorf("next: %v", err)
		}
		return next(r)
	}), func(t *testing.T, h *sdktest.Host) {
		h.Post("/keep", "first")
		h.Post("/other", "second", sdktest.Field("x-secret", "1"))
		got := h.Requests()[len(h.Requests())-1]
		if got.Path != "/other" || got.Body != "second" || got.Header.Has("x-of") {
			t.Errorf("went on as %+v", got)
		}
	})
}

func TestKept_ResponseIsGone(t *testing.T) {
	t.Parallel()
	var kept *weir.Response
	both(t, keeper(func(r *weir.Request, next weir.Next) (resp *weir.Response, err error) {
		kept, err = next(r)
		return kept, err
	}, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		resp, err := next(r)
		same(t, "status of a response that is over", kept.Status(), 0)
		kept.Header.Set("x-of", "another")
		kept.SetBody([]byte("another"))
		kept.Transform(upper)
		if _, err := kept.Body.Chunk(); !errors.Is(err, weir.ErrGone) {
			t.Errorf("read body: %v", err)
		}
		return resp, err
	}), func(t *testing.T, h *sdktest.Host) {
		h.Next(func(*sdktest.Request) *sdktest.Answer { return &sdktest.Answer{Body: "mine"} })
		h.Get("/keep")
		if resp := h.Get("/other"); resp.Body != "mine" || resp.Header.Has("x-of") {
			t.Errorf("got %+v", resp)
		}
	})
}

func TestKept_ReturnedForAnother(t *testing.T) {
	t.Parallel()
	var kept *weir.Response
	h := sdktest.New(t, sdktest.Filter(keeper(func(r *weir.Request, next weir.Next) (resp *weir.Response, err error) {
		kept, err = next(r)
		return kept, err
	}, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		_, err := next(r)
		return kept, err
	})))
	h.Get("/keep")
	same(t, "status", h.Get("/other").Status, 500)
}

func TestKept_WriterIsGone(t *testing.T) {
	t.Parallel()
	for name, keep := range map[string]func(r *weir.Request, kept **weir.Writer, next weir.Next) (*weir.Response, error){
		"of an answer": func(r *weir.Request, kept **weir.Writer, _ weir.Next) (_ *weir.Response, err error) {
			*kept, err = r.Respond(200)
			return nil, err
		},
		"of a transform": func(r *weir.Request, kept **weir.Writer, next weir.Next) (*weir.Response, error) {
			resp, err := next(r)
			resp.Transform(func(dst *weir.Writer, _ *weir.Body) error { *kept = dst; return nil })
			return resp, err
		},
	} {
		var kept *weir.Writer
		h := sdktest.New(t, sdktest.Filter(keeper(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
			return keep(r, &kept, next)
		}, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
			if r.Path() == "/respond" {
				w, err := r.Respond(200)
				if _, err := kept.WriteString("another's"); !errors.Is(err, weir.ErrGone) {
					t.Errorf("%s: write: %v", name, err)
				}
				_ = kept.Close()
				_, _ = w.WriteString("mine")
				return nil, err
			}
			resp, err := next(r)
			resp.Transform(func(dst *weir.Writer, src *weir.Body) error {
				if _, err := kept.WriteString("another's"); !errors.Is(err, weir.ErrGone) {
					t.Errorf("%s: write: %v", name, err)
				}
				_, err := dst.WriteString("mine")
				return err
			})
			return resp, err
		})))
		h.Next(func(*sdktest.Request) *sdktest.Answer { return &sdktest.Answer{Body: "whatever"} })
		h.Get("/keep")
		same(t, name+", after it", h.Get("/respond").Body, "mine")
		h.Get("/keep")
		same(t, name+", after it", h.Get("/transform").Body, "mine")
	}
}

func TestKept_DetachedIsGone(t *testing.T) {
	t.Parallel()
	use, used := make(chan struct{}), make(chan error, 1)
	h := sdktest.New(t, sdktest.Filter(keeper(func(r *weir.Request, _ weir.Next) (*weir.Response, error) {
		r.Body.Take()
		err := r.Detach(func(d *weir.Detached) {
			go func() { // stays behind
				<-use
				d.Do(func() {
					_, err := r.Body.Chunk()
					used <- errors.Join(err, weir.Sleep(time.Second))
				})
			}()
		}, func() {})
		return weir.Reply(200, ""), err
	}, func(r *weir.Request, _ weir.Next) (*weir.Response, error) {
		r.Body.Take()
		err := r.Detach(func(d *weir.Detached) {
			close(use)
			if err := <-used; !errors.Is(err, weir.ErrGone) {
				t.Errorf("what was left behind: %v", err)
			}
		}, func() {})
		if err != nil {
			return nil, err
		}
		b, err := r.Body.ReadAll(100)
		return weir.Reply(200, string(b)), err
	})))
	h.Get("/keep")
	same(t, "body", h.Post("/other", "mine").Body, "mine")
}
