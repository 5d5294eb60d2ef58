package sdktest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/sdk/internal/host"
	"github.com/weirproxy/weir/sdk/sdktest"
)

// script is a guest that does what a test says, and notes how it is called.
type script struct {
	host.Guest // of nothing: what is not below is not called
	notes      []string
	head       func(s *script) abi.Action
	body       func(s *script, size int, end bool) abi.Action
}

func (s *script) note(format string, a ...any) { s.notes = append(s.notes, fmt.Sprintf(format, a...)) }

func (s *script) OnContextCreate(id, parent uint32) {}
func (s *script) OnVMStart(uint32, int) bool        { return true }
func (s *script) OnConfigure(uint32, int) bool      { return true }
func (s *script) OnTick(root uint32) {
	s.note("tick")
	host.SetTick(0)
	host.SetEffectiveContext(2)
	host.Continue(abi.Request)
}
func (s *script) OnDone(uint32) bool                  { return true }
func (s *script) OnLog(uint32)                        {}
func (s *script) OnDelete(uint32)                     {}
func (s *script) OnForeign(_, function uint32, n int) { s.note("foreign %d", function) }

func (s *script) OnRequestHeaders(_ uint32, n int, end bool) abi.Action {
	s.note("head %d %v", n, end)
	return s.head(s)
}

func (s *script) OnRequestBody(_ uint32, size int, end bool) abi.Action {
	b, _ := host.Buffer(abi.RequestBody, 0, size)
	s.note("body %s %v", b, end)
	if s.body == nil {
		return abi.Continue
	}
	return s.body(s, size, end)
}

func (s *script) OnRequestTrailers(_ uint32, n int) abi.Action {
	s.note("trailers %d", n)
	return abi.Continue
}

func (s *script) OnResponseHeaders(uint32, int, bool) abi.Action {
	_, st := host.Value(abi.RequestHeaders, ":path")
	s.note("response, and the request's path is %d", st)
	return abi.Continue
}
func (s *script) OnResponseBody(uint32, int, bool) abi.Action { return abi.Continue }

func goesOn(*script) abi.Action { return abi.Continue }

func TestRules(t *testing.T) {
	t.Parallel()
	trailer := sdktest.Fields("x-sum", "7")
	for _, c := range []struct {
		name    string
		options []sdktest.Option
		script  script
		trailer sdktest.Header
		want    string
		body    string
	}{
		{
			name: "a body goes on as it is shown", script: script{head: goesOn}, trailer: trailer,
			want: "head 4 false, body a false, body b false, trailers 1, response, and the request's path is 0", body: "ab",
		},
		{
			name: "what is paused is shown again with more", script: script{head: goesOn, body: func(_ *script, _ int, end bool) abi.Action {
				if end {
					return abi.Continue
				}
				return abi.StopAndBuffer
			}},
			want: "head 4 false, body a false, body ab true, response, and the request's path is 0", body: "ab",
		},
		{
			name: "nothing is shown of what has a paused head", options: []sdktest.Option{sdktest.Plain()},
			script: script{head: func(s *script) abi.Action {
				_, st := host.Foreign(ext.Hello, nil)
				s.note("hello %d", st)
				host.SetTick(1000)
				return abi.Pause
			}},
			want: "head 4 false, hello 1, tick, body a false, body b true, response, and the request's path is 2", body: "ab",
		},
		{
			name: "weir shows it to who asks, one at a time",
			script: script{head: func(*script) abi.Action {
				host.Foreign(ext.Body, ext.AppendUint(ext.AppendUint(nil, 0), ext.ShowMore))
				return abi.Pause
			}, body: func(_ *script, size int, end bool) abi.Action {
				if end {
					host.Replace(abi.RequestHeaders, "x-read", fmt.Sprint(size))
					return abi.Continue
				}
				host.Foreign(ext.Body, ext.AppendUint(ext.AppendUint(nil, 0), ext.ShowMore))
				return abi.Pause
			}},
			want: "head 4 false, body a false, body ab true, response, and the request's path is 0", body: "ab",
		},
		{
			name: "weir shows nothing more to who wants to see nothing", script: script{head: func(*script) abi.Action { return ext.ContinueUnseen }},
			want: "head 4 false, response, and the request's path is 0", body: "ab", trailer: trailer,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := c.script
			h := sdktest.New(t, append(c.options, sdktest.Guest(&s))...)
			h.Do(&sdktest.Request{Chunks: []string{"a", "b"}, Trailer: c.trailer})
			if got := strings.Join(s.notes, ", "); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if r := h.Requests()[0]; r.Body != c.body || r.Trailer.Get("x-sum") != c.trailer.Get("x-sum") {
				t.Errorf("request: %+v", r)
			}
			if w := h.Warnings(); len(w) > 0 {
				t.Errorf("warnings: %q", w)
			}
		})
	}
}

func TestRules_ContinueWhereNothingIsPaused(t *testing.T) {
	t.Parallel()
	s := script{head: goesOn, body: func(*script, int, bool) abi.Action {
		host.Continue(abi.Response)
		return abi.Continue
	}}
	h := sdktest.New(t, sdktest.Guest(&s))
	h.Post("/", "x")
	if w := h.Warnings(); len(w) != 1 || !strings.Contains(w[0], "continued a direction that is not paused") {
		t.Errorf("warnings: %q", w)
	}
}
