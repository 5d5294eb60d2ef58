package proxywasm

import (
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
)

func TestFilter_IsOne(t *testing.T) {
	t.Parallel()
	exchangetest.TestFilter(t, open(t, "").Filter)
}

func TestFilter_TellsTheGuestInOrder(t *testing.T) {
	t.Parallel()
	b := open(t, "")
	got := b.do(hello, "POST", "/a?b=c", exchangetest.Body("content"))
	if got.Status != 200 || string(got.Body) != "hello" || got.Len != 5 {
		t.Errorf("got %d %q of length %d, want 200 hello", got.Status, got.Body, got.Len)
	}
	b.heard("create 1 0", "create 2 1", "request_headers 5 0", "request_body 7 1",
		"response_headers 3 0", "response_body 5 1", "done", "log", "delete")
}

func TestFilter_ChangesHeads(t *testing.T) {
	t.Parallel()
	b := open(t, "request_headers replace 0 x-a b|request_headers add 0 X-C d|request_headers remove 0 x-old|"+
		"request_headers replace 0 :path /new?q|request_headers replace 0 :authority other.example|"+
		"response_headers replace 2 :status 418|response_headers add 2 x-teapot yes")
	var seen exchange.Header
	var target, authority string
	got := b.do(func(r *exchange.Request) (*exchange.Response, error) {
		seen.CopyFrom(&r.Header)
		target, authority = r.Target, r.Authority
		return hello(r)
	}, "GET", "/", exchangetest.Field("x-old", "1"))
	if seen.Get("x-a") != "b" || seen.Get("x-c") != "d" || seen.Has("x-old") {
		t.Errorf("the handler saw %v", seen)
	}
	if target != "/new?q" || authority != "other.example" {
		t.Errorf("the handler saw %s on %s, want /new?q on other.example", target, authority)
	}
	if got.Status != 418 || got.Header.Get("x-teapot") != "yes" || string(got.Body) != "hello" {
		t.Errorf("the client got %+v", got)
	}
}
