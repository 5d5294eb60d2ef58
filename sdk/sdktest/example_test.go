package sdktest_test

import (
	"fmt"
	"time"

	"github.com/weirproxy/weir/sdk/sdktest"
	"github.com/weirproxy/weir/sdk/weir"
)

// hello is the filter that is tested.
func hello(r *weir.Request, next weir.Next) (*weir.Response, error) {
	resp, err := next(r)
	if err == nil {
		resp.Header.Set("x-hello", "from Go")
	}
	return resp, err
}

// A test makes a host, sends a request, and looks at what the client has got. In a test,
// New gets its testing.T.
func Example() {
	h := sdktest.New(nil, sdktest.Filter(hello))
	resp := h.Get("/")
	fmt.Println(resp.Status, resp.Header.Get("x-hello"))
	// Output: 200 from Go
}

// What is behind the filter, and what it calls, are functions of the test's.
func ExampleHost_Upstream() {
	whoAsks := func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		a, err := weir.Fetch("users", &weir.Call{Path: "/me"})
		if err != nil {
			return weir.Reply(502, "nobody knows who asks"), nil
		}
		name, err := a.Body.ReadAll(1 << 10)
		if err != nil {
			return nil, err
		}
		r.Header.Set("x-user", string(name))
		return next(r)
	}

	h := sdktest.New(nil, sdktest.Filter(whoAsks))
	h.Upstream("users", func(c *sdktest.Call) *sdktest.Answer {
		return &sdktest.Answer{Body: "ada", Delay: 30 * time.Millisecond}
	})
	h.Next(func(r *sdktest.Request) *sdktest.Answer {
		return &sdktest.Answer{Body: "hello " + r.Header.Get("x-user")}
	})
	resp := h.Get("/")
	fmt.Println(resp.Body, "after", resp.At)
	// Output: hello ada after 30ms
}

// An exchange goes on step by step, as the test says.
func ExampleHost_Open() {
	upper := func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		r.Transform(func(dst *weir.Writer, src *weir.Body) error {
			for {
				c, err := src.Chunk()
				if err != nil {
					return nil // the end
				}
				for i := range c {
					if 'a' <= c[i] && c[i] <= 'z' {
						c[i] -= 'a' - 'A'
					}
				}
				if _, err := dst.Write(c); err != nil {
					return err
				}
			}
		})
		return next(r)
	}

	h := sdktest.New(nil, sdktest.Filter(upper))
	x := h.Open(&sdktest.Request{Method: "POST", Chunks: []string{"one "}})
	r, _ := x.Forwarded()
	fmt.Printf("%q\n", r.Body)
	x.Send("two")
	r, _ = x.Forwarded()
	fmt.Printf("%q\n", r.Body)
	x.End()
	fmt.Println(x.Wait().Status)
	// Output:
	// "ONE "
	// "ONE TWO"
	// 200
}

// A host that knows nothing of weir shows what a filter can do elsewhere.
func ExamplePlain() {
	counts := func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		if _, err := (weir.Store{}).Put("last", []byte(r.Path()), weir.PutOptions{}); err != nil {
			weir.LogWarn(err.Error())
		}
		return next(r)
	}
	h := sdktest.New(nil, sdktest.Filter(counts), sdktest.Plain())
	fmt.Println(h.Get("/a").Status)
	fmt.Println(h.Log()[0])
	// Output:
	// 200
	// warn: put last: not supported here
}
