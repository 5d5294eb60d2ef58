package weir_test

import (
	"strings"
	"testing"

	"github.com/weirproxy/weir/sdk/sdktest"
	"github.com/weirproxy/weir/sdk/weir"
)

func TestPanic_IsLoggedWithTheLineOfTheFilter(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]weir.Filter{
		"at once": func(r *weir.Request, _ weir.Next) (*weir.Response, error) {
			var list []int
			return weir.Reply(list[len(r.Path())], ""), nil
		},
		"after waiting": func(*weir.Request, weir.Next) (*weir.Response, error) {
			_ = weir.Sleep(1)
			panic("out of order")
		},
		"in a transform": func(r *weir.Request, next weir.Next) (*weir.Response, error) {
			r.Transform(func(*weir.Writer, *weir.Body) error { panic("out of order") })
			return next(r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, failed := f, &failing{TB: t}
			h := sdktest.New(failed, sdktest.Filter(f))
			failed.run(func() { h.Post("/", "x") })
			if !strings.Contains(failed.text, "panics") || !strings.Contains(failed.text, "POST /") {
				t.Errorf("the test failed with %q", failed.text)
			}
			lines := h.Log()
			if len(lines) == 0 || !strings.Contains(lines[0].Text, "panic_test.go:") {
				t.Errorf("log: %q", lines)
			}
		})
	}
}
