package httpwasm_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	"github.com/weirproxy/weir/wasmhost/guest"
)

// echo tells what reached it, trailers and all.
func echo(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	w.Header().Set("X-Saw", fmt.Sprintf("%s %s %s length %d body %q %v trailer %v", r.Method, r.Host, r.RequestURI, r.ContentLength, b, err, r.Trailer))
	if strings.HasPrefix(r.URL.Path, "/trailer") {
		w.Header().Set("Trailer", "X-Sum")
		io.WriteString(w, "with a trailer")
		w.(http.Flusher).Flush()
		w.Header().Set("X-Sum", "1")
		return
	}
	io.WriteString(w, "upstream")
}

// TestOverTheWire has what only protocols show: framing and trailers, with an upstream
// behind and clients of all protocols before.
func TestOverTheWire(t *testing.T) {
	t.Parallel()
	s := serve(t, http.HandlerFunc(echo), probed(t, &guest.Plugin{}, ""))
	for _, tt := range []struct {
		name, method, path, body string
		fields                   []string
		status                   int
		got                      string
		length                   int64 // -2: not looked at
		saw                      string
		trailer                  string
	}{
		{"defect 1", "POST", "/", strings.Repeat("0123456789", 10), []string{"x-ask", "features|1;read|0|16"}, 200, "upstream", 8, `POST a.test / length 100 body "` + strings.Repeat("0123456789", 10) + `" <nil> trailer map[]`, ""},
		{"defect 2", "POST", "/", "0123456789", []string{"x-ask", "read|0|4|1"}, 200, "upstream", 8, `POST a.test / length 6 body "456789" <nil> trailer map[]`, ""},
		{"defect 3, longer", "GET", "/", "", []string{"x-ask", "features|2", "x-answer", "write|1|twenty_bytes_of_text"}, 200, "twenty_bytes_of_text", 20, `GET a.test / length 0 body "" <nil> trailer map[]`, ""},
		{"defect 3, shorter", "GET", "/", "", []string{"x-ask", "features|2", "x-answer", "write|1|two"}, 200, "two", 3, `GET a.test / length 0 body "" <nil> trailer map[]`, ""},
		{"request body replaced", "PUT", "/", "old", []string{"x-ask", "write|0|brand_new"}, 200, "upstream", 8, `PUT a.test / length 9 body "brand_new" <nil> trailer map[]`, ""},
		{"request body emptied", "POST", "/", "old", []string{"x-ask", "write|0|"}, 200, "upstream", 8, `POST a.test / length 0 body "" <nil> trailer map[]`, ""},
		{"defect 4", "POST", "/", "abc", []string{"x-ask", "set|2|x-a|1;add|2|x-a|2;set|2|x-b|3;remove|2|x-b;values|2|x-a"}, 200, "upstream", 8, `POST a.test / length -1 body "abc" <nil> trailer map[X-A:[1 2]]`, ""},
		{"trailers of a request without a body", "POST", "/", "", []string{"x-ask", "set|2|x-a|1"}, 200, "upstream", 8, `POST a.test / length -1 body "" <nil> trailer map[X-A:[1]]`, ""},
		{"defect 5", "GET", "/", "", []string{"x-ask", "set|0|Host|b.test"}, 200, "upstream", 8, `GET b.test / length 0 body "" <nil> trailer map[]`, ""},
		{"defect 6", "GET", "/", "", []string{"x-answer", "setstatus|418;remove|1|x-saw"}, 418, "upstream", 8, "", ""},
		{"trailers of the response", "GET", "/trailer", "", []string{"x-answer", "add|3|x-sum|2;set|3|x-mine|3"}, 200, "with a trailer", -1, `GET a.test /trailer length 0 body "" <nil> trailer map[]`, "map[X-Mine:[3] X-Sum:[1 2]]"},
		{"trailers of the response, read", "GET", "/trailer", "", []string{"x-answer", "features|2;values|3|x-sum"}, 200, "with a trailer", -1, `GET a.test /trailer length 0 body "" <nil> trailer map[]`, "map[X-Sum:[1]]"},
		{"trailers set before", "GET", "/", "", []string{"x-ask", "set|3|x-mine|3"}, 200, "upstream", -2, `GET a.test / length 0 body "" <nil> trailer map[]`, "map[X-Mine:[3]]"},
		{"own answer with trailers", "GET", "/", "", []string{"x-ask", "next|0;write|1|mine;set|3|x-mine|3"}, 200, "mine", -1, "", "map[X-Mine:[3]]"},
		{"trailers of an empty answer", "GET", "/", "", []string{"x-ask", "features|2", "x-answer", "read|1|100;write|1|;set|3|x-mine|3"}, 200, "", -1, `GET a.test / length 0 body "" <nil> trailer map[]`, "map[X-Mine:[3]]"},
		{"HEAD answered as GET", "HEAD", "/", "", []string{"x-ask", "setmethod|GET"}, 200, "", -2, `GET a.test / length 0 body "" <nil> trailer map[]`, ""},
		{"GET answered as HEAD", "GET", "/", "", []string{"x-ask", "setmethod|HEAD"}, 200, "", 0, `HEAD a.test / length 0 body "" <nil> trailer map[]`, ""},
		{"defect 7: no stack for clients", "GET", "/", "", []string{"x-ask", "trap"}, 500, "\x00", -2, "", ""},
		{"HEAD", "HEAD", "/", "", []string{"x-ask", "features|2", "x-answer", "read|1|10;write|1|unseen"}, 200, "", 6, `HEAD a.test / length 0 body "" <nil> trailer map[]`, ""},
	} {
		for _, p := range protocols {
			t.Run(tt.name+"/"+p, func(t *testing.T) {
				t.Parallel()
				c := s.client(t, p)
				for range 2 { // on one connection: the first answer has not spoilt it
					a := do(t, c, tt.method, tt.path, tt.body, tt.fields...)
					if tt.got == "\x00" {
						if a.StatusCode != tt.status || strings.Contains(a.body, "wasm") || strings.Contains(a.body, "runtime") || a.Header.Get("X-Request-Id") == "" {
							t.Errorf("got %d %q, want %d and an incident id alone", a.StatusCode, a.body, tt.status)
						}
						continue
					}
					if a.StatusCode != tt.status || a.body != tt.got || a.Header.Get("X-Saw") != tt.saw {
						t.Errorf("got %d %q, upstream saw %s\nwant %d %q, %s", a.StatusCode, a.body, a.Header.Get("X-Saw"), tt.status, tt.got, tt.saw)
					}
					if tt.length != -2 && a.ContentLength != tt.length {
						t.Errorf("content-length: got %d, want %d", a.ContentLength, tt.length)
					}
					if got := fmt.Sprint(a.Trailer); got != or(tt.trailer, "map[]") {
						t.Errorf("trailer: got %s, want %s", got, tt.trailer)
					}
				}
			})
		}
	}
}

// TestHandler: a guest may be all that answers.
func TestHandler(t *testing.T) {
	t.Parallel()
	code, err := probe()
	if err != nil {
		t.Fatal(err)
	}
	h, free, err := open(t, code, &guest.Plugin{}).Handler(t.Context(), guest.Use{})
	if err != nil {
		t.Fatal(err)
	}
	defer free()
	r := exchangetest.NewRequest("POST", "/", tell("next|0;read|0|100;setstatus|201;write|1|made", "", exchangetest.Body("abc"))...)
	if res := exchangetest.Do(t, h, r); res.Status != 201 || string(res.Body) != "made" || res.Header.Get("x-asked") != "[abc]1;" || r.Record.Plugin != "test" {
		t.Errorf("got %d %q %q, plugin %q", res.Status, res.Body, res.Header.Get("x-asked"), r.Record.Plugin)
	}
	if res := exchangetest.Do(t, h, exchangetest.NewRequest("GET", "/", tell("next|1", "status")...)); res.Status != 404 || !strings.Contains(fmt.Sprint(res.Err), "nothing is behind it") {
		t.Errorf("with nobody behind: got %d %v, want 404, and why", res.Status, res.Err)
	}
	exchangetest.TestHandler(t, h, exchangetest.Ask{Method: "POST", Target: "/", Options: tell("next|0;read|0|3;write|1|made", "", exchangetest.Body("abc"))},
		exchangetest.Ask{Method: "HEAD", Target: "/", Options: tell("next|0;write|1|made;set|3|x|y", "")}, exchangetest.Ask{Method: "GET", Target: "/"})
}

func TestContract(t *testing.T) {
	t.Parallel()
	for _, config := range []string{"", "features 7"} {
		exchangetest.TestFilter(t, probed(t, &guest.Plugin{}, config))
		exchangetest.TestFilter(t, probed(t, &guest.Plugin{}, config), exchangetest.Ask{Method: "POST", Target: "/",
			Options: tell("read|0|4;set|1|x-a|b;set|3|x-t|u", "read|1|10;setstatus|201", exchangetest.Chunked("some content"))})
	}
}

// TestConfig: a guest that refuses its configuration says why, and takes nothing down.
func TestConfig(t *testing.T) {
	t.Parallel()
	code, err := probe()
	if err != nil {
		t.Fatal(err)
	}
	p := &guest.Plugin{}
	g := open(t, code, p)
	if _, _, err := g.Filter(t.Context(), guest.Use{Config: []byte("bad idea")}); err == nil || !strings.Contains(err.Error(), "config: idea") || !strings.Contains(err.Error(), "exit code 3") {
		t.Errorf("got %v, want what the guest said, and its exit code", err)
	}
	var free []func()
	for range 2 { // an old snapshot and a new one
		_, f, err := g.Filter(t.Context(), guest.Use{Config: []byte("good")})
		if err != nil {
			t.Fatal(err)
		}
		free = append(free, f)
	}
	g.Trim()
	if n, live := p.Counters.Started.Load(), p.Counters.Instances.Load(); n != 1 || live != 1 {
		t.Errorf("two uses of one configuration: %d instances started, %d alive; want 1", n, live)
	}
	for _, f := range free {
		f()
		f()
	}
	if n := p.Counters.Instances.Load(); n != 0 {
		t.Errorf("after the last use: %d instances are alive", n)
	}
}

// TestFresh: with isolation of requests, no guest has seen another request.
func TestFresh(t *testing.T) {
	t.Parallel()
	p := &guest.Plugin{Fresh: true}
	h := exchange.Chain(exchange.HandlerFunc(plain), probed(t, p, ""))
	for range 3 {
		res := exchangetest.Do(t, h, exchangetest.NewRequest("GET", "/", tell("count", "count")...))
		if got := res.Header.Get("x-asked") + res.Header.Get("x-answered"); got != "1;2;context 0 error 0" {
			t.Errorf("got %q, want counts from 1", got)
		}
	}
}

// TestSoak asks many times at once: no instance is lost, none is made for nothing.
func TestSoak(t *testing.T) {
	t.Parallel()
	rounds := 100_000
	if testing.Short() || raceEnabled {
		rounds = 4_000
	}
	p := &guest.Plugin{}
	p.Limits.Instances = 8
	h := exchange.Chain(exchange.HandlerFunc(plain), probed(t, p, "features 3"))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for n := range rounds / 8 {
				var res *exchangetest.Result
				if n%1000 == 999 {
					res = exchangetest.Do(t, h, exchangetest.NewRequest("GET", "/", tell("trap", "")...))
				} else {
					res = exchangetest.Do(t, h, exchangetest.NewRequest("POST", "/", tell("read|0|3", "read|1|100", exchangetest.Body("abc"))...))
				}
				if want := or(boolInt(n%1000 == 999)*500, 200); res.Status != want {
					t.Errorf("request %d: got %d %v, want %d", n, res.Status, res.Err, want)
					return
				}
			}
		})
	}
	group.Wait()
	traps := int64(0)
	for n := range p.Counters.Traps {
		traps += p.Counters.Traps[n].Load()
	}
	if n := p.Counters.Started.Load(); n > 8+traps {
		t.Errorf("%d instances were started, for 8 at a time and %d traps", n, traps)
	}
}
