package main

import (
	"strings"
	"testing"

	"github.com/weirproxy/weir/sdk/sdktest"
)

func TestAB_VisitorsKeepTheirVariant(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Configured(configured, `{"b": 30}`))
	h.Next(func(r *sdktest.Request) *sdktest.Answer { return &sdktest.Answer{Body: r.Path} })
	const visitors = 2000
	count := map[string]int{}
	for range visitors {
		first := h.Get("/page?q=1")
		cookie, _, _ := strings.Cut(first.Header.Get("set-cookie"), ";")
		count[first.Body]++
		again := h.Get("/page?q=1", sdktest.Field("cookie", "other=1; "+cookie))
		if again.Body != first.Body || again.Header.Has("set-cookie") {
			t.Fatalf("first %q with %q, then %q", first.Body, cookie, again.Body)
		}
	}
	if a, b := count["/a/page?q=1"], count["/b/page?q=1"]; a+b != visitors || b < visitors/4 || b > visitors*2/5 {
		t.Errorf("of %d visitors %d got a and %d got b", visitors, a, b)
	}
	if resp := h.Get("/", sdktest.Field("cookie", "variant=../../secret")); !resp.Header.Has("set-cookie") {
		t.Error("a variant that there is not is kept")
	}
}
