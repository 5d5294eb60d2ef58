package cache

import (
	"errors"
	"strings"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
)

// trusted makes a request come from a proxy that is believed.
func trusted(r *exchange.Request) { r.Trusted = true }

// TestPoison_WhatTrustedProxiesSayIsPartOfTheKey: the upstream is told it, and redirects
// by it.
func TestPoison_WhatTrustedProxiesSayIsPartOfTheKey(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-forwarded-prefix"} {
		f, o := newFilter(t, Options{}), &origin{body: "v", header: []string{"cache-control", "max-age=60"}}
		for i, c := range []struct {
			value   string
			trusted bool
			want    string
		}{
			{"", false, "v1"}, {"a", true, "v2"}, {"b", true, "v3"}, {"a", true, "v2"}, {"", true, "v1"},
			{"a", false, "v1"}, // dropped before the upstream
		} {
			var options []exchangetest.Option
			if c.value != "" {
				options = append(options, exchangetest.Field(name, c.value))
			}
			if c.trusted {
				options = append(options, trusted)
			}
			if got := get(t, f, o, "/", options...); string(got.Body) != c.want {
				t.Errorf("%s, request %d (%q, trusted %v): got %q, want %q", name, i, c.value, c.trusted, got.Body, c.want)
			}
		}
	}
}

// TestPoison_ResponsesThatDependOnTheClientAreNotKept: what weir itself tells the
// upstream of who asks is in no field of the client's that requests could be compared by.
func TestPoison_ResponsesThatDependOnTheClientAreNotKept(t *testing.T) {
	t.Parallel()
	for _, vary := range []string{"X-Forwarded-For", "X-Real-IP", "forwarded", "X-Request-Id", "Accept, x-forwarded-for"} {
		f, o := newFilter(t, Options{}), &origin{body: "v", header: []string{"cache-control", "max-age=60", "vary", vary}}
		if a, b := get(t, f, o, "/"), get(t, f, o, "/"); string(a.Body) == string(b.Body) {
			t.Errorf("Vary: %s: a second client got %q, which was the first one's", vary, b.Body)
		}
	}
}

// TestPoison_ClientsSpeakForNoSurrogate: what a client says that caches on the way can
// do, the upstream would answer everybody by.
func TestPoison_ClientsSpeakForNoSurrogate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		trusted bool
		want    string
	}{{false, `weir="Surrogate/1.0"`}, {true, `evil="ESI/1.0", weir="Surrogate/1.0"`}} {
		got := ""
		o := &origin{}
		o.answer = func(n int64, r *exchange.Request) (*exchange.Response, error) {
			got = r.Header.Joined("surrogate-capability")
			return o.respond(n, r), nil
		}
		r := exchangetest.NewRequest("GET", "/", exchangetest.Field("surrogate-capability", `evil="ESI/1.0"`), func(r *exchange.Request) { r.Trusted = c.trusted })
		exchangetest.Do(t, exchange.Chain(o, newFilter(t, Options{})), r)
		if got != c.want {
			t.Errorf("trusted %v: the upstream was told %q, want %q", c.trusted, got, c.want)
		}
		if was := r.Header.Joined("surrogate-capability"); was != `evil="ESI/1.0"` {
			t.Errorf("trusted %v: afterwards the request says %q", c.trusted, was)
		}
	}
}

// TestPoison_IgnoredParametersHideNoOther: some upstreams take ";" for "&".
func TestPoison_IgnoredParametersHideNoOther(t *testing.T) {
	t.Parallel()
	f, o := newFilter(t, Options{IgnoreQuery: []string{"utm_*"}}), &origin{body: "v", header: []string{"cache-control", "max-age=60"}}
	get(t, f, o, "/?utm_source=x;callback=evil")
	if got := get(t, f, o, "/?utm_source=x"); string(got.Body) != "v2" {
		t.Errorf("got %q, the answer for another callback", got.Body)
	}
	if got := get(t, f, o, "/"); string(got.Body) != "v2" {
		t.Errorf("got %q, want the same as with the ignored parameter", got.Body)
	}
}

// TestFlight_NobodyJoinsWhatWasPurged: who comes after a purge gets nothing that the
// upstream said before it.
func TestFlight_NobodyJoinsWhatWasPurged(t *testing.T) {
	for _, change := range []struct {
		name string
		do   func(c *crowd)
	}{
		{"purge", func(c *crowd) { c.f.store.Purge(Selection{All: true}) }},
		{"POST", func(c *crowd) { ask(c.t, c.f, &origin{}, "POST", "/") }},
	} {
		t.Run(change.name, func(t *testing.T) {
			withCrowd(t, StoreOptions{}, func(c *crowd, n int64, r *exchange.Request) (*exchange.Response, error) {
				if n > 1 {
					return public(r, exchange.NewBody(strings.NewReader("new"), 3, nil)), nil
				}
				old := strings.Repeat("old ", 20<<10)
				return public(r, exchange.NewBody(&gated{strings.NewReader(old), c.proceed}, int64(len(old)), nil)), nil
			}, func(c *crowd) {
				c.come(2)
				change.do(c)
				c.come(1)
				close(c.proceed)
				c.done.Wait()
				if got := string(c.results[2].Body); got != "new" {
					t.Errorf("got %.8q, want what is new", got)
				}
				if got := len(c.results[1].Body); got != 80<<10 || c.results[1].Err != nil {
					t.Errorf("who came before got %d bytes, %v", got, c.results[1].Err)
				}
			})
		})
	}
}

// gated is a reader that waits before its first byte.
type gated struct {
	*strings.Reader
	gate chan struct{}
}

func (g *gated) Read(p []byte) (int, error) {
	<-g.gate
	return g.Reader.Read(p)
}

// TestFilter_ChangesAreOfWhatTheClientNamed: rules behind the cache may have the upstream
// asked for something else.
func TestFilter_ChangesAreOfWhatTheClientNamed(t *testing.T) {
	t.Parallel()
	f, o := newFilter(t, Options{}), &origin{body: "v", header: []string{"cache-control", "max-age=60"}}
	rewritten := exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		if err := r.SetTarget("/behind" + r.Target); err != nil {
			return nil, err
		}
		return o.Handle(r)
	})
	get(t, f, rewritten, "/a/b")
	get(t, f, rewritten, "/a/c")
	o.header = append(o.header, "location", "c")
	ask(t, f, rewritten, "POST", "/a/b")
	for _, target := range []string{"/a/b", "/a/c"} {
		if got := get(t, f, rewritten, target); !strings.Contains(got.Header.Get("cache-status"), "fwd=") {
			t.Errorf("%s: after a POST, got %q", target, got.Body)
		}
	}
}

// TestFilter_PurgedWhileItIsValidated: the upstream says that what is kept is good still,
// but it is kept no longer. The client gets it all the same.
func TestFilter_PurgedWhileItIsValidated(t *testing.T) {
	t.Parallel()
	s := newStore(t, StoreOptions{Dir: t.TempDir()})
	f, big := newFilter(t, Options{Store: s}), strings.Repeat("x", 2*spoolFrom)
	o := &origin{answer: func(n int64, r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(200)
		resp.Header.Append("cache-control", "no-cache")
		resp.Header.Append("etag", `"1"`)
		if r.Header.Get("if-none-match") == `"1"` {
			resp.Status = 304
			s.Purge(Selection{All: true})
			return resp, nil
		}
		resp.Body = exchange.NewBody(strings.NewReader(big), int64(len(big)), nil)
		return resp, nil
	}}
	for i := range 3 {
		if got := get(t, f, o, "/"); got.Err != nil || got.Status != 200 || string(got.Body) != big {
			t.Errorf("request %d: got %d, %d bytes, %v", i, got.Status, len(got.Body), got.Err)
		}
	}
}

// TestFilter_FileLostBeforeItIsValidated: then there is nothing to validate.
func TestFilter_FileLostBeforeItIsValidated(t *testing.T) {
	t.Parallel()
	s := newStore(t, StoreOptions{Dir: t.TempDir()})
	f, big := newFilter(t, Options{Store: s}), strings.Repeat("x", 2*spoolFrom)
	o := &origin{answer: func(n int64, r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(200)
		resp.Header.Append("cache-control", "no-cache")
		resp.Header.Append("etag", `"1"`)
		if r.Header.Has("if-none-match") {
			t.Error("asked whether it is good still")
		}
		resp.Body = exchange.NewBody(strings.NewReader(big), int64(len(big)), nil)
		return resp, nil
	}}
	get(t, f, o, "/")
	s.mu.RLock()
	s.disk.remove([]string{s.newest.file})
	s.mu.RUnlock()
	if got := get(t, f, o, "/"); got.Err != nil || string(got.Body) != big {
		t.Errorf("got %d, %d bytes, %v", got.Status, len(got.Body), got.Err)
	}
}

// TestPoison_OneRequestFailsForItselfAlone: a request that the upstream cannot bear does
// not keep others, who wait for the same, from their answer.
func TestPoison_OneRequestFailsForItselfAlone(t *testing.T) {
	withCrowd(t, StoreOptions{}, func(c *crowd, _ int64, r *exchange.Request) (*exchange.Response, error) {
		err := patiently(r, c.proceed)
		if r.Header.Has("x-poison") {
			err = &exchange.Error{Fault: exchange.Upstream, Err: errors.New("connection reset")}
		}
		if err != nil {
			return nil, err
		}
		return public(r, exchange.NewBody(strings.NewReader("hello"), 5, nil)), nil
	}, func(c *crowd) {
		c.come(1, exchangetest.Field("x-poison", "1"))
		c.come(9)
		close(c.proceed)
		c.done.Wait()
		for i, r := range c.results {
			if (r.Err != nil) != (i == 0) {
				t.Errorf("request %d: got %q, %v", i, r.Body, r.Err)
			}
		}
		if got := c.o.asked.Load(); got > 10 || c.f.store.Stats().Entries != 1 {
			t.Errorf("upstream asked %d times, kept %d", got, c.f.store.Stats().Entries)
		}
	})
}

// TestPoison_RefusalsPushNothingOut: that one client is refused says nothing about what
// others may have.
func TestPoison_RefusalsPushNothingOut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		kept   bool
	}{{400, true}, {401, true}, {403, true}, {429, true}, {431, true}, {404, false}, {410, false}, {200, false}, {301, false}} {
		f, o := newFilter(t, Options{}), &origin{body: "v", header: []string{"cache-control", "max-age=60"}}
		get(t, f, o, "/")
		o.status, o.header = c.status, []string{"cache-control", "no-store"}
		get(t, f, o, "/", exchangetest.Field("cache-control", "no-cache"))
		if got := get(t, f, o, "/"); (string(got.Body) == "v1") != c.kept {
			t.Errorf("after a %d for somebody: got %q", c.status, got.Body)
		}
	}
}

// TestFilter_ValidationForgetsNoVary: a 304 may say less of what the response depends on,
// or be told more on its way.
func TestFilter_ValidationForgetsNoVary(t *testing.T) {
	t.Parallel()
	f, o := newFilter(t, Options{}), &origin{body: "v"}
	o.answer = func(n int64, r *exchange.Request) (*exchange.Response, error) {
		resp := o.respond(n, r)
		resp.Header.Append("cache-control", "no-cache")
		resp.Header.Append("etag", `"1"`)
		if r.Header.Has("if-none-match") {
			resp.Status, resp.Body = 304, exchange.NoBody
			resp.Header.Append("vary", "X-Canary, accept-language")
			return resp, nil
		}
		resp.Header.Append("vary", "Accept-Language")
		return resp, nil
	}
	for range 3 {
		get(t, f, o, "/", exchangetest.Field("accept-language", "de"))
	}
	got := get(t, f, o, "/", exchangetest.Field("accept-language", "de"))
	if vary := got.Header.Joined("vary"); string(got.Body) != "v1" || vary != "Accept-Language, X-Canary" {
		t.Errorf("after validations: got %q, Vary %q", got.Body, vary)
	}
	if got := get(t, f, o, "/", exchangetest.Field("accept-language", "fr")); string(got.Body) == "v1" {
		t.Errorf("for another language: got %q", got.Body)
	}
}
