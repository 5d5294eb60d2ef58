package echo_test

import (
	"strings"
	"testing"

	"github.com/weirproxy/weir/filters/echo"
	"github.com/weirproxy/weir/sdk/sdktest"
)

func TestEcho_AnswersWithTheRequest(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Configured(echo.New, `{"header": {"x-a": "b"}}`))
	resp := h.Post("/path?q=1", "some words", sdktest.Field("x-c", "d"))
	if resp.Status != 200 || !strings.HasPrefix(resp.Body, "POST /path?q=1\nhost: ") || !strings.Contains(resp.Body, "\nx-c: d\n") || !strings.HasSuffix(resp.Body, "\n\nsome words") {
		t.Errorf("got %d %q", resp.Status, resp.Body)
	}
	if resp.Header.Get("x-a") != "b" || resp.Header.Get("content-security-policy") != "sandbox" {
		t.Errorf("got\n%s", resp.Header)
	}
	if len(h.Requests()) != 0 {
		t.Error("the request went on")
	}
}

func TestEcho_AnswersWithTheBodyAlone(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Configured(echo.New, `{"body": true, "status": 201}`))
	resp := h.Post("/", strings.Repeat("<b>", 100_000), sdktest.Field("content-type", "text/html"))
	if resp.Status != 201 || len(resp.Body) != 300_000 || resp.Header.Get("content-type") != "text/html" || resp.Header.Get("content-security-policy") != "sandbox" {
		t.Errorf("got %d, %d bytes\n%s", resp.Status, len(resp.Body), resp.Header)
	}
	if err := sdktest.New(t, sdktest.Configured(echo.New, `{"status": 99}`)).Refused(); err == nil {
		t.Error("status 99 is taken")
	}
}

func TestEcho_GivesAFieldOneValue(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Configured(echo.New, `{"header": {"Content-Type": "text/csv", "x-a": ["1", "2"]}}`))
	got := h.Get("/").Header
	if v := got.Values("content-type"); len(v) != 1 || v[0] != "text/csv" || len(got.Values("x-a")) != 2 {
		t.Errorf("got\n%s", got)
	}
	if err := sdktest.New(t, sdktest.Configured(echo.New, `{"header": {"a b": "1"}}`)).Refused(); err == nil {
		t.Error("a field that cannot be sent is taken")
	}
}
