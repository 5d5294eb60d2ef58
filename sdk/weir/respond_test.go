package weir_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/sdk/sdktest"
	"github.com/weirproxy/weir/sdk/weir"
)

func TestRespond_IsSentAsItIsWritten(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, _ weir.Next) (*weir.Response, error) {
		w, err := r.Respond(201, weir.Field{Name: "X-A", Value: "1"})
		if err != nil {
			return nil, err
		}
		for _, s := range []string{"one ", "two ", "three"} {
			if _, err := w.WriteString(s); err != nil {
				return nil, err
			}
			if err := weir.Sleep(time.Second); err != nil {
				return nil, err
			}
		}
		return nil, w.Close(weir.Field{Name: "X-End", Value: "2"})
	}))
	x := h.Begin(&sdktest.Request{})
	same(t, "status at once", x.Response().Status, 201)
	same(t, "body at once", x.Response().Body, "one ")
	h.Advance(time.Second)
	same(t, "body after a second", x.Response().Body, "one two ")
	resp := x.Wait()
	same(t, "body", resp.Body, "one two three")
	same(t, "x-a", resp.Header.Get("x-a"), "1")
	same(t, "trailer", resp.Trailer.Get("x-end"), "2")
	same(t, "end", resp.End, 3*time.Second)
	quiet(t, h)
}

func TestRespond_IsSentWhenCompleteElsewhere(t *testing.T) {
	t.Parallel()
	both(t, func(r *weir.Request, _ weir.Next) (*weir.Response, error) {
		w, err := r.Respond(200)
		if err != nil {
			return nil, err
		}
		_, _ = w.Write([]byte("one "))
		_ = weir.Sleep(time.Second)
		_, err = w.Write([]byte("two"))
		return nil, err
	}, func(t *testing.T, h *sdktest.Host) {
		resp := h.Get("/")
		same(t, "status", resp.Status, 200)
		same(t, "body", resp.Body, "one two")
		quiet(t, h)
	})
}

func TestRespond_WaitsForTheClient(t *testing.T) {
	t.Parallel()
	wrote := 0
	h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, _ weir.Next) (*weir.Response, error) {
		w, err := r.Respond(200)
		if err != nil {
			return nil, err
		}
		for range 5 {
			if _, err := w.WriteString("x"); err != nil {
				return nil, err
			}
			wrote++
			if err := weir.Sleep(time.Second); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}))
	x := h.Begin(&sdktest.Request{})
	h.Advance(time.Second)
	same(t, "written", wrote, 2)
	x.Stall()
	h.Advance(time.Minute)
	same(t, "written while nobody reads", wrote, 2)
	same(t, "read", x.Response().Body, "xx")
	x.Resume()
	same(t, "written then", wrote, 3)
	same(t, "read then", x.Response().Body, "xxx")
	same(t, "body", x.Wait().Body, "xxxxx")
	quiet(t, h)
}

func TestRespond_ClientLeaves(t *testing.T) {
	t.Parallel()
	for _, stalled := range []bool{false, true} {
		var got, after error
		h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, _ weir.Next) (*weir.Response, error) {
			w, err := r.Respond(200)
			for err == nil {
				if _, err = w.WriteString("x"); err == nil {
					err = weir.Sleep(time.Second)
				}
			}
			_, got = w.WriteString("x")
			after = weir.Sleep(time.Second)
			return nil, err
		}))
		x := h.Begin(&sdktest.Request{})
		if stalled {
			x.Stall()
		}
		h.Advance(3 * time.Second)
		x.Leave()
		if !errors.Is(got, weir.ErrGone) || !errors.Is(after, weir.ErrGone) {
			t.Errorf("write: %v; sleep: %v", got, after)
		}
		same(t, "log lines", len(h.Log()), 0)
		quiet(t, h)
	}
}

func TestRespond_FailsInTheMiddle(t *testing.T) {
	t.Parallel()
	f := func(r *weir.Request, _ weir.Next) (*weir.Response, error) {
		w, err := r.Respond(200)
		if err != nil {
			return nil, err
		}
		_, _ = w.WriteString("half")
		return nil, errors.New("out of order")
	}
	h := sdktest.New(t, sdktest.Filter(f))
	resp := h.Get("/")
	if !errors.Is(resp.Cut, sdktest.ErrCut) || !h.Logged("error: answer request: out of order") {
		t.Errorf("it looks whole: %+v, %q", resp, h.Log())
	}
	h = sdktest.New(t, sdktest.Filter(f), sdktest.Plain())
	same(t, "status elsewhere", h.Get("/").Status, 500)
}

func TestRespond_ReadsTheRequestMeanwhile(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Limits(100, 64), sdktest.Filter(func(r *weir.Request, _ weir.Next) (*weir.Response, error) {
		w, err := r.Respond(200)
		for err == nil {
			var c []byte
			if c, err = r.Body.Chunk(); err == nil {
				_, err = w.Write(c)
			}
		}
		return nil, end(err)
	}))
	var chunks []string
	for range 50 {
		chunks = append(chunks, "0123456789")
	}
	resp := h.Do(&sdktest.Request{Chunks: chunks})
	same(t, "body", resp.Body, strings.Join(chunks, ""))
	x := h.Open(&sdktest.Request{Method: "POST"})
	x.Send("a")
	same(t, "echo", x.Response().Body, "a")
	x.Send("b")
	same(t, "echo", x.Response().Body, "ab")
	x.End()
	same(t, "done", x.Done(), true)
	quiet(t, h)
}

func TestRespond_AfterNext(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		resp, err := next(r)
		if err != nil {
			return nil, err
		}
		b, err := resp.Body.ReadAll(100)
		if err != nil {
			return nil, err
		}
		w, err := r.Respond(202)
		if err != nil {
			return nil, err
		}
		_, err = w.WriteString("instead of " + string(b))
		return nil, err
	}))
	h.Next(func(*sdktest.Request) *sdktest.Answer { return &sdktest.Answer{Chunks: []string{"th", "is"}} })
	resp := h.Get("/")
	same(t, "status", resp.Status, 202)
	same(t, "body", resp.Body, "instead of this")
	quiet(t, h)
}

func TestRespond_OnceOnly(t *testing.T) {
	t.Parallel()
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		w, err := r.Respond(200)
		if err != nil {
			return nil, err
		}
		if _, err := r.Respond(201); err == nil {
			t.Error("a second answer was begun")
		}
		if _, err := next(r); err == nil {
			t.Error("an answered request went on")
		}
		_, _ = w.WriteString("x")
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if _, err := w.WriteString("y"); err == nil {
			t.Error("written to a closed answer")
		}
		return nil, w.Close()
	}, func(t *testing.T, h *sdktest.Host) {
		resp := h.Get("/")
		same(t, "status", resp.Status, 200)
		same(t, "body", resp.Body, "x")
		quiet(t, h)
	})
}

func TestRespond_LengthHolds(t *testing.T) {
	t.Parallel()
	f := func(n int) weir.Filter {
		return func(r *weir.Request, _ weir.Next) (*weir.Response, error) {
			w, err := r.Respond(200, weir.Field{Name: "content-length", Value: "3"})
			if err == nil {
				_, err = w.WriteString(strings.Repeat("x", n))
			}
			return nil, err
		}
	}
	for n, cut := range map[int]bool{2: true, 3: false, 4: true} {
		resp := sdktest.New(t, sdktest.Filter(f(n))).Get("/")
		same(t, "cut", resp.Cut != nil, cut)
	}
}

func TestInform_ComesBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	f := func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		if err := r.Inform(103, weir.Field{Name: "Link", Value: "</a.css>; rel=preload"}); err != nil {
			return weir.Reply(501, err.Error()), nil
		}
		return next(r)
	}
	h := sdktest.New(t, sdktest.Filter(f))
	resp := h.Get("/")
	same(t, "status", resp.Status, 200)
	if len(resp.Informs) != 1 || resp.Informs[0].Status != 103 || resp.Informs[0].Header.Get("link") != "</a.css>; rel=preload" {
		t.Errorf("informs: %+v", resp.Informs)
	}
	resp = sdktest.New(t, sdktest.Filter(f), sdktest.Plain()).Get("/")
	same(t, "elsewhere", resp.Body, "inform: not supported here")
}

func TestInform_RefusesWhatIsNone(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		for _, status := range []int{0, 99, 101, 200, -1} {
			if err := r.Inform(status); err == nil {
				t.Errorf("informed with %d", status)
			}
		}
		return next(r)
	}))
	h.Get("/")
}
