package headers_test

import (
	"strings"
	"testing"

	"github.com/weirproxy/weir/filters/headers"
	"github.com/weirproxy/weir/sdk/sdktest"
)

func TestHeaders_ChangesBothWays(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Configured(headers.New, `{
		"request":  {"set": {"x-from": "weir"}, "remove": "x-secret"},
		"response": {"remove": ["server"], "set": {"vary": ["a", "b"]}, "add": {"link": "</a>"}, "default": {"cache-control": "no-store", "x-own": "ours"}}
	}`))
	h.Next(func(r *sdktest.Request) *sdktest.Answer {
		if r.Header.Get("x-from") != "weir" || r.Header.Has("x-secret") || r.Header.Get("x-other") != "stays" {
			t.Errorf("the request arrives with\n%s", r.Header)
		}
		return &sdktest.Answer{Header: sdktest.Fields("server", "old", "vary", "c", "link", "</b>", "x-own", "theirs")}
	})
	got := h.Get("/", sdktest.Field("x-secret", "1"), sdktest.Field("x-from", "client"), sdktest.Field("x-other", "stays")).Header
	for name, want := range map[string]string{"server": "", "vary": "a|b", "link": "</b>|</a>", "cache-control": "no-store", "x-own": "theirs"} {
		if v := strings.Join(got.Values(name), "|"); v != want {
			t.Errorf("%s: got %q, want %q", name, v, want)
		}
	}
}

func TestHeaders_RefusesWhatCouldNotBeSent(t *testing.T) {
	t.Parallel()
	for config, want := range map[string]string{
		`{"request": {"set": {"a b": "c"}}}`:               "request.set.a b: is no name of a field",
		`{"response": {"add": {"a": "b\r\nc: d"}}}`:        "control characters",
		`{"response": {"sett": {}}}`:                       "response.sett: is not known here",
		`{"request": {"remove": [1]}}`:                     "request.remove[0]: is a number, want a text",
		`{"request": {"remove": ""}, "response": {"x":1}}`: "request.remove: \"\" is no name that could be sent; response.x: is not known here",
	} {
		h := sdktest.New(t, sdktest.Configured(headers.New, config))
		if err := h.Refused(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", config, err, want)
		}
	}
}

func TestHeaders_ListsOfValues(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Configured(headers.New, `{"response": {"set": {"a": ["1", "2"]}, "default": {"b": ["1", "2"], "c": ["3", "4"]}}}`))
	h.Next(func(*sdktest.Request) *sdktest.Answer {
		return &sdktest.Answer{Header: sdktest.Fields("a", "0", "c", "0")}
	})
	got := h.Get("/").Header
	for name, want := range map[string]string{"a": "1,2", "b": "1,2", "c": "0"} {
		if v := strings.Join(got.Values(name), ","); v != want {
			t.Errorf("%s: got %q, want %q", name, v, want)
		}
	}
}

func TestHeaders_RefusesWhatIsTheProtocols(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Content-Length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "keep-alive", ":path"} {
		for _, what := range []string{`"set": {"` + name + `": "1"}`, `"default": {"` + name + `": "1"}`} {
			if err := sdktest.New(t, sdktest.Configured(headers.New, `{"request": {`+what+`}}`)).Refused(); err == nil {
				t.Errorf("%s is taken", what)
			}
		}
	}
}
