package proxywasm

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	"github.com/weirproxy/weir/wasmhost/guest"
)

// soon has the stream that was called last go on, by a timer.
func soon(direction string) string {
	return "configure tick 1|tick stream|tick continue " + direction + "|"
}

// echo answers with the request's body.
func echo(r *exchange.Request) (*exchange.Response, error) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	resp := r.NewResponse(200)
	resp.SetBytes(b)
	return resp, nil
}

func TestPause_OfRequestHeadersHoldsTheRequest(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"1", "3", "4", "77"} {
		b := open(t, soon("0")+"tick replace 0 x-late yes|request_headers return "+action)
		var late string
		got := b.do(func(r *exchange.Request) (*exchange.Response, error) {
			late = r.Header.Get("x-late")
			return echo(r)
		}, "POST", "/", exchangetest.Body("content"))
		if got.Status != 200 || string(got.Body) != "content" || late != "yes" {
			t.Errorf("action %s: got %d %q, x-late %q, want 200 content yes", action, got.Status, got.Body, late)
		}
		said := strings.Join(b.says(), " ")
		if at := strings.Index(said, "request_body"); at < strings.Index(said, "tick") {
			t.Errorf("action %s: the body came before the head went on: %s", action, said)
		}
	}
}

func TestPause_IsOutdoneByContinueInTheCallback(t *testing.T) {
	t.Parallel()
	b := open(t, "request_headers continue 0|request_headers return 1|response_body continue 1|response_body return 1")
	if got := b.do(hello, "GET", "/"); got.Status != 200 || string(got.Body) != "hello" {
		t.Errorf("got %d %q, want 200 hello", got.Status, got.Body)
	}
}

func TestContinue_SavesNoLaterPause(t *testing.T) {
	t.Parallel()
	b := open(t, soon("0")+"request_headers continue 0|request_headers continue 0|request_headers continue 1|request_body return 1")
	got := b.do(echo, "POST", "/", exchangetest.Body("content"))
	if said := strings.Join(b.says(), " "); string(got.Body) != "content" || !strings.Contains(said, "tick") {
		t.Errorf("got %q without waiting: %s", got.Body, said)
	}
}

func TestPause_EndsWhenTheClientLeaves(t *testing.T) {
	t.Parallel()
	b := open(t, "request_headers return 1")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(exchange.ErrClientGone)
	got := b.do(hello, "GET", "/", exchangetest.Context(ctx))
	if got.Err != exchange.ErrClientGone {
		t.Errorf("got %v, want %v", got.Err, exchange.ErrClientGone)
	}
	b.heard("create 1 0", "create 2 1", "request_headers 4 1", "done", "log", "delete")
}

func TestPause_EndsAfterAWhile(t *testing.T) {
	t.Parallel()
	b := open(t, "request_headers return 1")
	b.patience = time.Millisecond
	if got := b.do(hello, "GET", "/"); got.Status != 500 {
		t.Errorf("got %d, want 500", got.Status)
	}
}

func TestPause_OfABodyCollectsIt(t *testing.T) {
	t.Parallel()
	b := open(t, "request_body return 1|request_body_end return 0|request_body_end buffer 0")
	r, w := io.Pipe()
	go func() {
		for _, s := range []string{"one,", "two,", "three"} {
			io.WriteString(w, s)
		}
		w.Close()
	}()
	got := b.do(echo, "POST", "/", func(q *exchange.Request) { q.Body = exchange.NewBody(r, -1, nil) },
		script("request_body return 1|request_body_end buffer 0|request_body_end continue 0"))
	if string(got.Body) != "one,two,three" {
		t.Errorf("got %q", got.Body)
	}
	b.heard("create 1 0", "create 2 1", "request_headers 5 0", "request_body 4 0", "request_body 8 0", "request_body 13 0",
		"request_body 13 1", `buffer "one,two,three" 0`, "response_headers 2 0", "response_body 13 1", "done", "log", "delete")
}

func TestPause_OfABodyMayDropOrHoldChunks(t *testing.T) {
	t.Parallel()
	send := func() exchangetest.Option {
		r, w := io.Pipe()
		go func() {
			io.WriteString(w, "one,")
			io.WriteString(w, "two")
			w.Close()
		}()
		return func(q *exchange.Request) { q.Body = exchange.NewBody(r, -1, nil) }
	}
	drop := open(t, "")
	got := drop.do(echo, "POST", "/", send(), script("request_body return 3|request_body_end continue 0"))
	if got.Status != 200 || len(got.Body) != 0 {
		t.Errorf("dropped: got %d %q, want nothing", got.Status, got.Body)
	}
	hold := open(t, soon("0"))
	got = hold.do(echo, "POST", "/", send(), script("request_body return 2"))
	if string(got.Body) != "one,two" {
		t.Errorf("held: got %q", got.Body)
	}
	if said := strings.Join(hold.says(), " "); !strings.Contains(said, "request_body 3 0") {
		t.Errorf("chunks were collected: %s", said)
	}
}

func TestPause_OfResponses(t *testing.T) {
	t.Parallel()
	b := open(t, soon("1")+"response_headers return 1|response_body return 1|tick replace 2 x-late yes")
	got := b.do(hello, "GET", "/")
	if got.Status != 200 || string(got.Body) != "hello" || got.Header.Get("x-late") != "yes" {
		t.Errorf("got %+v", got)
	}
}

// holding goes on calling for the body while the head is held.
func holding(p *guest.Plugin) { p.HoldHeaders = true }

func TestHoldHeaders_LetsTheBodyDecideOverTheHead(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"request_body_end return 0", "request_body_end continue 0"} {
		b := open(t, "", holding)
		var seen string
		got := b.do(func(r *exchange.Request) (*exchange.Response, error) {
			seen = r.Header.Get("x-sum")
			return echo(r)
		}, "POST", "/", exchangetest.Chunked("content"),
			script("request_headers return 1|request_body return 1|request_body_end replace 0 x-sum 7|request_body_end buffer 0|"+how))
		if string(got.Body) != "content" || seen != "7" || got.Status != 200 {
			t.Errorf("%s: got %d %q, x-sum %q, want 200 content 7", how, got.Status, got.Body, seen)
		}
	}
}

func TestHoldHeaders_MayReplyByTheBody(t *testing.T) {
	t.Parallel()
	b := open(t, "request_headers return 1|request_body return 1|request_body_end reply 403 forbidden", holding)
	long := strings.Repeat("x", 100<<10)
	got := b.do(func(*exchange.Request) (*exchange.Response, error) {
		t.Error("the handler was asked")
		return nil, exchange.ErrNotFound
	}, "POST", "/", exchangetest.Chunked(long))
	if got.Status != 403 || string(got.Body) != "forbidden" {
		t.Errorf("got %d %q, want 403 forbidden", got.Status, got.Body)
	}
}
