package weir_test

import (
	"errors"
	"testing"
	"time"

	"github.com/weirproxy/weir/sdk/sdktest"
	"github.com/weirproxy/weir/sdk/weir"
)

// A gRPC stream: trailers go by a transform, and an answer of trailers alone has no body
// to transform.
func TestTransform_OfGRPC(t *testing.T) {
	t.Parallel()
	both(t, transforms(upper), func(t *testing.T, h *sdktest.Host) {
		h.Next(func(r *sdktest.Request) *sdktest.Answer {
			if r.Path == "/only" {
				return &sdktest.Answer{Header: sdktest.Fields("content-type", "application/grpc", "grpc-status", "5")}
			}
			if r.Body != "ASK" || r.Trailer.Get("x-end") != "1" {
				t.Errorf("went on as %+v", r)
			}
			return &sdktest.Answer{Chunks: []string{"a", "b"}, Trailer: sdktest.Fields("grpc-status", "0")}
		})
		resp := h.Do(&sdktest.Request{Method: "POST", Chunks: []string{"a", "sk"}, Trailer: sdktest.Fields("x-end", "1")})
		if resp.Body != "AB" || resp.Trailer.Get("grpc-status") != "0" {
			t.Errorf("got %+v", resp)
		}
		resp = h.Do(&sdktest.Request{Method: "POST", Path: "/only", Chunks: []string{"x"}})
		if resp.Body != "" || resp.Header.Get("grpc-status") != "5" || resp.Cut != nil {
			t.Errorf("got %+v", resp)
		}
		quiet(t, h)
	})
}

// Read before it goes on, then transformed, with trailers; and set while it is read.
func TestTransform_AfterAllWasRead(t *testing.T) {
	t.Parallel()
	for _, trailer := range []sdktest.Header{nil, sdktest.Fields("x-end", "1")} {
		for _, chunks := range [][]string{{}, {""}, {"a"}, {"a", "b"}, {"a", "", "b", ""}} {
			want := ""
			for _, c := range chunks {
				want += c
			}
			for name, change := range map[string]func(r *weir.Request, resp *weir.Response){
				"set": func(r *weir.Request, resp *weir.Response) {
					if resp == nil {
						r.SetBody([]byte("request"))
					} else {
						resp.SetBody([]byte("response"))
					}
				},
				"set to nothing": func(r *weir.Request, resp *weir.Response) {
					if resp == nil {
						r.SetBody(nil)
					} else {
						resp.SetBody(nil)
					}
				},
			} {
				h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
					b, err := r.Body.ReadAll(100)
					same(t, "request", string(b), want)
					if err != nil {
						return nil, err
					}
					change(r, nil)
					resp, err := next(r)
					if err != nil {
						return nil, err
					}
					b, err = resp.Body.ReadAll(100)
					same(t, "response", string(b), want)
					change(r, resp)
					return resp, err
				}))
				h.Next(func(r *sdktest.Request) *sdktest.Answer {
					if name == "set" && r.Body != "request" || name != "set" && r.Body != "" || r.Trailer.Get("x-end") != trailer.Get("x-end") {
						t.Errorf("%s, %q: went on as %+v", name, chunks, r)
					}
					return &sdktest.Answer{Chunks: chunks, Trailer: trailer}
				})
				resp := h.Do(&sdktest.Request{Method: "POST", Chunks: chunks, Trailer: trailer})
				if name == "set" && resp.Body != "response" || name != "set" && resp.Body != "" || resp.Trailer.Get("x-end") != trailer.Get("x-end") || resp.Cut != nil {
					t.Errorf("%s, %q: got %+v", name, chunks, resp)
				}
				quiet(t, h)
			}
		}
	}
}

// What a transform waits for outlives the filter, and ends with the stream.
func TestTransform_WaitsWhenTheClientLeaves(t *testing.T) {
	t.Parallel()
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		resp, err := next(r)
		if err == nil {
			resp.Transform(func(dst *weir.Writer, src *weir.Body) error {
				_, _ = src.Chunk()
				if err := weir.Sleep(time.Hour); !errors.Is(err, weir.ErrGone) {
					t.Errorf("sleep: %v", err)
				}
				if _, err := src.Chunk(); !errors.Is(err, weir.ErrGone) {
					t.Errorf("read: %v", err)
				}
				_, err := dst.WriteString("x")
				if !errors.Is(err, weir.ErrGone) {
					t.Errorf("write: %v", err)
				}
				return err
			})
		}
		return resp, err
	}, func(t *testing.T, h *sdktest.Host) {
		h.Next(func(*sdktest.Request) *sdktest.Answer { return &sdktest.Answer{Chunks: []string{"a", "b"}} })
		x := h.Begin(&sdktest.Request{})
		x.Leave()
		same(t, "lines in the log", len(h.Log()), 0)
	})
}

// A transform that fails when nothing has gone on, and with something in hand.
func TestTransform_FailsLate(t *testing.T) {
	t.Parallel()
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		resp, err := next(r)
		if err == nil {
			resp.Transform(func(dst *weir.Writer, src *weir.Body) error {
				_, _ = src.ReadAll(100)
				_, _ = dst.WriteString("half")
				return errors.New("out of order")
			})
		}
		return resp, err
	}, func(t *testing.T, h *sdktest.Host) {
		h.Next(func(*sdktest.Request) *sdktest.Answer { return &sdktest.Answer{Chunks: []string{"a", "b"}} })
		if resp := h.Get("/"); resp.Cut == nil {
			t.Errorf("it looks whole: %+v", resp)
		}
	})
}

// A panic in a transform is the instance's death, not silence.
func TestTransform_Panics(t *testing.T) {
	t.Parallel()
	f := &failing{TB: t}
	f.run(func() {
		h := sdktest.New(f, sdktest.Filter(transforms(func(*weir.Writer, *weir.Body) error { panic("out of order") })))
		h.Post("/", "x")
	})
	if !f.failed {
		t.Error("nobody notices")
	}
}

// What does not fit is said to be what it is.
func TestTransform_OfMoreAtOnceThanTheLimit(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		resp, err := next(r)
		if err == nil {
			resp.SetBody(make([]byte, 2<<20))
		}
		return resp, err
	}))
	h.Next(func(*sdktest.Request) *sdktest.Answer { return &sdktest.Answer{Body: "x"} })
	if resp := h.Get("/"); resp.Cut == nil && resp.Status == 200 || !h.Logged("2097152 bytes at once, which is more than the plugin's limits.body") {
		t.Errorf("got %d, %q", resp.Status, h.Log())
	}
}
