package main

import (
	"strings"
	"testing"
	"time"
)

// TestModuleGo_OnAHostThatIsNotWeir: a module answers there, too, with whole answers, as
// long as a request has no body. Goroutines go on when the host ticks.
func TestModuleGo_OnAHostThatIsNotWeir(t *testing.T) {
	t.Parallel()
	h := newBare(t, goGuest(t, "cmd/weir/testdata/modgo"), "")
	ticked := func() {
		t.Helper()
		for until := time.Now().Add(10 * time.Second); h.reply == nil; {
			if h.ticks == 0 {
				t.Fatal("the guest wants no ticks, and has not answered")
			}
			if time.Now().After(until) {
				t.Fatal("no answer for ten seconds")
			}
			<-time.After(time.Duration(h.ticks) * time.Millisecond)
			h.now += uint64(h.ticks) * 1e6
			h.enter("proxy_on_tick", 1)
		}
	}
	for i, c := range []struct {
		path   string
		status uint32
		body   string
	}{
		{"/status/201?body=made", 201, "made"},
		{"/none", 200, ""},
		{"/much/100000", 200, strings.Repeat("0123456789abcde\n", 6250)},
		{"/hints", 200, "done"},
		{"/trailers?body", 200, "content"},
		{"/panic/early", 500, "Internal Server Error\n"},
		{"/nap", 200, "nap 0\nnap 1\nnap 2\n"},
		{"/nowhere", 404, "404 page not found\n"},
	} {
		id := uint64(2 + i)
		if a := h.request(id, c.path, 1); a != 1 && h.reply == nil {
			t.Errorf("%s: action %d, want to pause", c.path, a)
		}
		if ticked(); h.reply.status != c.status || h.reply.body != c.body {
			t.Errorf("%s: got %d, %d bytes %.40q", c.path, h.reply.status, len(h.reply.body), h.reply.body)
		}
		h.enter("proxy_on_delete", id)
	}
	t.Run("many at once", func(t *testing.T) {
		h.request(100, "/wait", 1)
		if h.reply != nil {
			t.Fatalf("who waits has answered: %+v", h.reply)
		}
		h.request(101, "/under", 1)
		if ticked(); h.reply.body != "1" {
			t.Errorf("%q wait, want 1", h.reply.body)
		}
		h.enter("proxy_on_delete", 101)
		h.enter("proxy_on_delete", 100) // its client has left
		h.request(102, "/under", 1)
		if ticked(); h.reply.body != "0" {
			t.Errorf("%q wait, want 0", h.reply.body)
		}
		h.enter("proxy_on_delete", 102)
	})
	t.Run("a body", func(t *testing.T) {
		h.request(200, "/read", 0)
		if ticked(); !strings.Contains(h.reply.body, "not supported here") {
			t.Errorf("got %q", h.reply.body)
		}
		h.enter("proxy_on_delete", 200)
	})
	if h.ticks != 0 {
		h.enter("proxy_on_tick", 1)
	}
	if h.ticks != 0 {
		t.Errorf("ticks every %d ms, and nobody waits", h.ticks)
	}
}
