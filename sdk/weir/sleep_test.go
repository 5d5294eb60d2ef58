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

func TestSleep_WaitsAsLongAsItSays(t *testing.T) {
	t.Parallel()
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		from := weir.Now()
		for _, d := range []time.Duration{time.Second, 0, -time.Second, 50 * time.Millisecond} {
			if err := weir.Sleep(d); err != nil {
				return nil, err
			}
		}
		slept := weir.Now().Sub(from)
		resp, err := next(r)
		if err == nil {
			resp.Header.Set("x-slept", slept.String())
		}
		return resp, err
	}, func(t *testing.T, h *sdktest.Host) {
		resp := h.Get("/")
		got, _ := time.ParseDuration(resp.Header.Get("x-slept"))
		if got < 1050*time.Millisecond || got > 1100*time.Millisecond {
			t.Errorf("slept: %v", got)
		}
		same(t, "at", resp.At, got)
	})
}

func TestSleep_OfManyAtOnce(t *testing.T) {
	t.Parallel()
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		d, err := time.ParseDuration(r.Path()[1:])
		if err == nil {
			err = weir.Sleep(d)
		}
		return weir.Reply(200, ""), err
	}, func(t *testing.T, h *sdktest.Host) {
		var all []*sdktest.Exchange
		for _, d := range []time.Duration{3, 1, 2, 1, 5} {
			all = append(all, h.Begin(&sdktest.Request{Path: "/" + (d * time.Second).String()}))
		}
		all[4].Leave()
		h.Advance(1100 * time.Millisecond)
		var done strings.Builder
		for _, x := range all {
			done.WriteString(fmt.Sprint(x.Done(), " "))
		}
		same(t, "done after a second", done.String(), "false true false true true ")
		same(t, "last", all[0].Wait().Status, 200)
		h.Advance(time.Hour) // ticks have stopped, or this would take long
	})
}

func TestSleep_ClientLeaves(t *testing.T) {
	t.Parallel()
	var got error
	both(t, func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		got = weir.Sleep(time.Hour)
		return nil, got
	}, func(t *testing.T, h *sdktest.Host) {
		x := h.Begin(&sdktest.Request{})
		h.Advance(time.Minute)
		x.Leave()
		if !errors.Is(got, weir.ErrGone) {
			t.Errorf("sleep: %v", got)
		}
		same(t, "waiting", len(h.Waiting()), 0)
	})
}

func TestSleep_OutsideOfRequests(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Configured(func(*weir.Config) (weir.Filter, error) { return nil, weir.Sleep(1) }, ""))
	if err := h.Refused(); err == nil || !strings.Contains(err.Error(), weir.ErrNoRequest.Error()) {
		t.Errorf("refused: %v", err)
	}
}

func TestEvery_RunsInTheBackground(t *testing.T) {
	t.Parallel()
	for _, now := range []bool{false, true} {
		for _, plain := range []bool{false, true} {
			var at []time.Duration
			var start time.Time
			options := []sdktest.Option{sdktest.Configured(func(c *weir.Config) (weir.Filter, error) {
				start = weir.Now()
				c.Every(time.Second, now, func() {
					at = append(at, weir.Now().Sub(start))
					_ = weir.Sleep(500 * time.Millisecond)
				})
				return through, nil
			}, "")}
			if plain {
				options = append(options, sdktest.Plain())
			}
			h := sdktest.New(t, options...)
			h.Advance(4100 * time.Millisecond)
			same(t, "status", h.Get("/").Status, 200)
			var got strings.Builder
			for _, d := range at {
				got.WriteString(d.Round(100*time.Millisecond).String() + " ")
			}
			want := "1s 2.5s 4s "
			if now {
				want = "0s 1.5s 3s "
			}
			same(t, "at", got.String(), want)
		}
	}
}

func TestEvery_MayCallWhatWaits(t *testing.T) {
	t.Parallel()
	var got string
	h := sdktest.New(t, sdktest.Configured(func(c *weir.Config) (weir.Filter, error) {
		c.Every(time.Minute, true, func() {
			a, err := weir.Fetch("rules", &weir.Call{})
			if err == nil {
				var b []byte
				if b, err = a.Body.ReadAll(100); err == nil {
					got = string(b)
				}
			}
			if err != nil {
				weir.LogWarn(err.Error())
			}
		})
		return through, nil
	}, ""))
	h.Advance(time.Second)
	same(t, "before it is granted", h.Logged("warn: fetch rules: not granted"), true)
	h.Upstream("rules", func(*sdktest.Call) *sdktest.Answer { return &sdktest.Answer{Chunks: []string{"a", "b"}} })
	h.Advance(time.Minute)
	same(t, "rules", got, "ab")
}
