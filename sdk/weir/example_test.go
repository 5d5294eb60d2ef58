package weir_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/weirproxy/weir/sdk/sdktest"
	"github.com/weirproxy/weir/sdk/weir"
)

// run sends one request through a filter, as a test would, and prints the response.
func run(f weir.Filter, r *sdktest.Request, answer *sdktest.Answer) {
	h := sdktest.New(nil, sdktest.Filter(f))
	h.Next(func(*sdktest.Request) *sdktest.Answer { return answer })
	h.Upstream("users", func(c *sdktest.Call) *sdktest.Answer { return &sdktest.Answer{Body: "ada"} })
	resp := h.Do(r)
	fmt.Print(resp.Status, "\n", resp.Header, resp.Body, "\n")
}

func Example() {
	hello := func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		resp, err := next(r)
		if err == nil {
			resp.Header.Set("x-hello", "from Go")
		}
		return resp, err
	}
	run(hello, &sdktest.Request{}, &sdktest.Answer{Status: 204})
	// Output:
	// 204
	// content-length: 0
	// x-hello: from Go
}

func ExampleReply() {
	members := func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		if _, ok := r.Cookie("session"); !ok {
			return weir.Reply(401, "log in first"), nil
		}
		return next(r)
	}
	run(members, &sdktest.Request{}, &sdktest.Answer{})
	// Output:
	// 401
	// content-type: text/plain
	// content-length: 12
	// log in first
}

func ExampleFetch() {
	whoAsks := func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		a, err := weir.Fetch("users", &weir.Call{Path: "/me", Timeout: time.Second})
		if err != nil {
			return weir.Reply(502, "nobody knows who asks"), nil
		}
		name, err := a.Body.ReadAll(1 << 10)
		if err != nil {
			return nil, err
		}
		return weir.Reply(200, "hello "+string(name)), nil
	}
	run(whoAsks, &sdktest.Request{}, nil)
	// Output:
	// 200
	// content-type: text/plain
	// content-length: 9
	// hello ada
}

func ExampleResponse_Transform() {
	shout := func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		resp, err := next(r)
		if err != nil {
			return nil, err
		}
		resp.Transform(func(dst *weir.Writer, src *weir.Body) error {
			for {
				c, err := src.Chunk()
				if err == io.EOF {
					return nil
				}
				if err != nil {
					return err
				}
				if _, err := dst.WriteString(strings.ToUpper(string(c))); err != nil {
					return err
				}
			}
		})
		return resp, nil
	}
	run(shout, &sdktest.Request{}, &sdktest.Answer{Chunks: []string{"hear, ", "hear"}})
	// Output:
	// 200
	// HEAR, HEAR
}

func ExampleRequest_Respond() {
	counts := func(r *weir.Request, _ weir.Next) (*weir.Response, error) {
		w, err := r.Respond(200, weir.Field{Name: "content-type", Value: "text/event-stream"})
		if err != nil {
			return nil, err
		}
		for _, n := range []string{"1", "2"} {
			if err := w.WriteEvent(weir.Event{Data: n}); err != nil {
				return nil, err // the client has gone
			}
			if err := weir.Sleep(time.Second); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
	run(counts, &sdktest.Request{}, nil)
	// Output:
	// 200
	// content-type: text/event-stream
	// data: 1
	//
	// data: 2
}

func ExampleBody_ReadAll() {
	// What is read before next goes on unchanged.
	checks := func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		body, err := r.Body.ReadAll(1 << 20)
		if err != nil {
			return weir.Reply(413, "too long"), nil
		}
		if strings.Contains(string(body), "<script") {
			return weir.Reply(400, "no scripts, please"), nil
		}
		return next(r)
	}
	run(checks, &sdktest.Request{Chunks: []string{"a <scr", "ipt>"}}, &sdktest.Answer{})
	// Output:
	// 400
	// content-type: text/plain
	// content-length: 18
	// no scripts, please
}

func ExampleStore() {
	counts := func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		var s weir.Store
		e, err := s.Get("visits")
		if err != nil && !errors.Is(err, weir.ErrNotFound) {
			return nil, err
		}
		// Nobody else may have counted meanwhile.
		o := weir.PutOptions{If: e.Version, IfAbsent: e.Version == 0}
		if _, err := s.Put("visits", append(e.Value, 'I'), o); err != nil {
			return nil, err
		}
		return weir.Reply(200, string(e.Value)+"I"), nil
	}
	h := sdktest.New(nil, sdktest.Filter(counts))
	h.Get("/")
	h.Get("/")
	fmt.Println(h.Get("/").Body)
	// Output: III
}

func ExampleRegisterNamed() {
	weir.RegisterNamed("headers", func(c *weir.Config) (weir.Filter, error) {
		name := c.String("header", "x-hello")
		value := c.String("value", "from Go")
		return func(r *weir.Request, next weir.Next) (*weir.Response, error) {
			r.Header.Set(name, value)
			return next(r)
		}, nil
	})

	h := sdktest.New(nil, sdktest.Registered("headers", `{"header": "x-a", "valeu": "typo"}`))
	fmt.Println(h.Refused())
	// Output: configuration refused: valeu: is not known here; known are header, value
}

func ExampleConfig_Every() {
	blocked := map[string]bool{}
	blocks := func(c *weir.Config) (weir.Filter, error) {
		c.Every(time.Minute, true, func() {
			a, err := weir.Fetch("users", &weir.Call{Path: "/blocked"})
			if err != nil {
				weir.LogWarn("read who is blocked: " + err.Error())
				return
			}
			if name, err := a.Body.ReadAll(1 << 10); err == nil {
				blocked[string(name)] = true
			}
		})
		return func(r *weir.Request, next weir.Next) (*weir.Response, error) {
			if blocked[r.Query("user")] {
				return weir.Reply(403, ""), nil
			}
			return next(r)
		}, nil
	}
	h := sdktest.New(nil, sdktest.Configured(blocks, ""))
	h.Upstream("users", func(*sdktest.Call) *sdktest.Answer { return &sdktest.Answer{Body: "eve"} })
	h.Advance(time.Minute)
	fmt.Println(h.Get("/?user=eve").Status, h.Get("/?user=ada").Status)
	// Output: 403 200
}
