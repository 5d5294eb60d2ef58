package trial

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/wasmhost"
	"github.com/weirproxy/weir/wasmhost/corpus"
	"github.com/weirproxy/weir/wasmhost/guest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// get is the case of a plain request.
func get(target string) Case {
	return Case{
		Name: target, Settings: wasmhost.Settings{Name: "p"}, Upstream: Answer{Status: 200},
		Request: Request{Method: "GET", Scheme: "http", Authority: "example.com", Target: target, Proto: exchange.HTTP11},
	}
}

func newRunner(t *testing.T, code []byte, o Options) *Runner {
	t.Helper()
	r, err := New(code, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func ran(t *testing.T, r *Runner, c Case) *Outcome {
	t.Helper()
	o, err := r.Run(t.Context(), &c)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// calling is a case of corpus's rust/call, which asks "auth" about each request.
func calling(answers ...Answer) Case {
	c := get("/")
	c.Settings.Grants.Upstreams = []string{"auth"}
	c.Callees = map[string][]Answer{"auth": answers}
	return c
}

func TestRun_CallsAreAnsweredByTheCase(t *testing.T) {
	t.Parallel()
	r := newRunner(t, corpus.Read(t, "rust/call"), Options{})
	post := "POST"
	for _, tt := range []struct {
		name    string
		answers []Answer
		status  int
		calls   int
		left    int // unanswered
	}{
		{"one", []Answer{{Status: 200, Body: Body{Text: "ada"}}}, 200, 1, 0},
		{"an error", []Answer{{Err: "no way"}}, 503, 1, 0},
		{"none", nil, 503, 1, 1},
		{"the first that fits", []Answer{{Status: 500, Match: &Message{Path: Text{Is: new("/other")}}}, {Status: 200, Match: &Message{Method: Text{Is: &post}}}}, 200, 1, 0},
		{"none that fits", []Answer{{Status: 200, Match: &Message{Path: Text{Is: new("/other")}}}}, 503, 1, 1},
		{"cut", []Answer{{Status: 200, Body: Body{Chunks: []string{"ad"}}, Cut: true}}, 503, 1, 0},
	} {
		o := ran(t, r, calling(tt.answers...))
		if o.Response.Status != tt.status || len(o.Calls) != tt.calls || len(o.unanswered) != tt.left {
			t.Errorf("%s: status %d, %d calls, %d unanswered, %v, log %v", tt.name, o.Response.Status, len(o.Calls), len(o.unanswered), o.Err, o.Log)
		}
	}
}

// TestStage_CallsAreInTheOrderOfTheGuest, though those that are under way at the same time
// may be made in any.
func TestStage_CallsAreInTheOrderOfTheGuest(t *testing.T) {
	t.Parallel()
	s := &stage{c: &Case{Callees: map[string][]Answer{"a": {{Status: 200}}, "b": {{Status: 200}}}}, used: map[*Answer]int{}, taken: func() int64 { return 0 }}
	var all []guest.Upstream
	for _, name := range []string{"a", "b", "b", "a"} {
		u, err := s.callee(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, u)
	}
	for _, i := range []int{3, 0, 1} { // and what was begun third came to no call
		if err := all[i].Do(&exchange.Call{Method: "GET", Target: "/", Body: exchange.NoBody}, &exchange.Response{}); err != nil {
			t.Fatal(err)
		}
	}
	var o Outcome
	s.tell(&o)
	var got string
	for _, c := range o.Calls {
		got += c.To
	}
	if got != "aba" {
		t.Errorf("got calls to %s", got)
	}
}

func TestRun_UpstreamsHaveToBeGranted(t *testing.T) {
	t.Parallel()
	c := calling(Answer{Status: 200})
	c.Settings.Grants.Upstreams = nil
	o := ran(t, newRunner(t, corpus.Read(t, "rust/call"), Options{}), c)
	if o.Response.Status != 500 || len(o.Calls) != 0 {
		t.Errorf("status %d, calls %v", o.Response.Status, o.Calls)
	}
}

func TestRun_EndsInTime(t *testing.T) {
	t.Parallel()
	r := newRunner(t, corpus.Read(t, "rust/call"), Options{})
	c := calling(Answer{Status: 200, Delay: 10 * time.Second})
	r.Compile(t.Context(), &c)
	began := time.Now()
	c.Timeout = 20 * time.Millisecond
	if o := ran(t, r, c); !o.Late || o.Response != nil || len(c.Check(o)) != 1 {
		t.Errorf("timeout: %+v, %+v", o, c.Check(o))
	}
	c.Timeout, c.Request.Leaves = 10*time.Second, 20*time.Millisecond
	if o := ran(t, r, c); o.Late || o.Response != nil || !errors.Is(o.Err, exchange.ErrClientGone) {
		t.Errorf("a client that leaves: %+v", o)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestRun_CasesShareNothingUnlessTheyAreTo(t *testing.T) {
	t.Parallel()
	code := corpus.Read(t, "go/metrics")
	const counter = "proxy_wasm_go.request_counter"
	for _, shared := range []bool{false, true} {
		r := newRunner(t, code, Options{Shared: shared})
		for i := range int64(3) {
			want := int64(1)
			if shared {
				want += i
			}
			if o := ran(t, r, get("/")); o.Metrics[counter] != want {
				t.Errorf("shared: %v: after %d cases it has counted %d, want %d", shared, i+1, o.Metrics[counter], want)
			}
		}
	}
}

func TestRun_CountsWhatARequestTakes(t *testing.T) {
	t.Parallel()
	r := newRunner(t, corpus.Read(t, "c/headers"), Options{})
	c := get("/")
	c.Request.Header = []exchange.Field{{Name: "x-user", Value: "ada"}}
	one, two := ran(t, r, c), ran(t, r, c)
	if one.Fuel != two.Fuel || one.Fuel < 100 || one.Memory != two.Memory || one.Memory < 64<<10 {
		t.Errorf("fuel %d and %d, memory %d and %d", one.Fuel, two.Fuel, one.Memory, two.Memory)
	}
	plain := ran(t, r, get("/"))
	if plain.Fuel >= one.Fuel {
		t.Errorf("without the field: fuel %d, with it %d", plain.Fuel, one.Fuel)
	}
}

func TestRun_RefusedIsNoError(t *testing.T) {
	t.Parallel()
	r := newRunner(t, corpus.Read(t, "rust/config"), Options{})
	c := get("/")
	o := ran(t, r, c)
	if o.Refused == nil || o.Response != nil {
		t.Fatalf("got %+v", o)
	}
	if all := c.Check(o); len(all) != 1 || all[0].What != "configuration" {
		t.Errorf("got %+v", all)
	}
	c.Expect.Refused = &Pattern{Re: regexp.MustCompile("proxy_on_configure")}
	if all := c.Check(o); len(all) != 0 {
		t.Errorf("got %+v", all)
	}
	c.Use = guest.Use{Config: []byte("a: b")}
	if all := c.Check(ran(t, r, c)); len(all) != 1 || all[0].Got != "the guest took it" {
		t.Errorf("got %+v", all)
	}
}

func TestRun_RequestsThatNoClientCouldSend(t *testing.T) {
	t.Parallel()
	r := newRunner(t, corpus.Read(t, "c/headers"), Options{})
	for name, change := range map[string]func(*Request){
		"target": func(q *Request) { q.Target = "a b" }, "host": func(q *Request) { q.Authority = "a b" },
		"field":   func(q *Request) { q.Header = []exchange.Field{{Name: "a", Value: "b\nc"}} },
		"trailer": func(q *Request) { q.Trailer = []exchange.Field{{Name: "a b", Value: "c"}} },
	} {
		c := get("/")
		change(&c.Request)
		if _, err := r.Run(t.Context(), &c); err == nil || !strings.HasPrefix(err.Error(), "make the request: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRead_AnswersErrorsAsTheEdgeDoes(t *testing.T) {
	t.Parallel()
	for status, err := range map[int]error{
		500: errors.New("x"),
		501: &exchange.Error{Status: 501},
		400: &exchange.Error{Fault: exchange.Client},
		502: &exchange.Error{Fault: exchange.Upstream},
		504: &exchange.Error{Fault: exchange.Upstream, Err: context.DeadlineExceeded},
	} {
		r := new(exchange.Request)
		q := get("/").Request
		if e := q.request(r, &client{ctx: t.Context()}); e != nil {
			t.Fatal(e)
		}
		if got, _ := read(r, nil, err); got.Status != status {
			t.Errorf("%v: status %d, want %d", err, got.Status, status)
		}
	}
}

func TestRead_TakesNoBodyWhereThereIsNone(t *testing.T) {
	t.Parallel()
	for method, status := range map[string]int{"HEAD": 200, "GET": http.StatusNoContent, "POST": http.StatusNotModified} {
		r, q := new(exchange.Request), get("/").Request
		q.Method = method
		if err := q.request(r, &client{ctx: t.Context()}); err != nil {
			t.Fatal(err)
		}
		resp := r.NewResponse(status)
		resp.Body = newContent(&Body{Text: "x"}, nil)
		if got, err := read(r, resp, nil); err != nil || len(got.Body) != 0 {
			t.Errorf("%s, %d: %q, %v", method, status, got.Body, err)
		}
	}
}

func TestNew_SaysWhatIsWrongWithAModule(t *testing.T) {
	t.Parallel()
	if _, err := New([]byte("(module)"), Options{}); err == nil || !strings.Contains(err.Error(), "not a WebAssembly module") {
		t.Errorf("got %v", err)
	}
}

func TestBench_TellsTheFilterFromTheRest(t *testing.T) {
	t.Parallel()
	for _, parallel := range []int{1, 3} {
		r := newRunner(t, corpus.Read(t, "rust/call"), Options{})
		c := calling(Answer{Status: 200, Body: Body{Text: "ada"}, Times: 1})
		v, err := r.Bench(t.Context(), &c, Pace{Time: 50 * time.Millisecond, Parallel: parallel})
		if err != nil {
			t.Fatal(err)
		}
		if v.Requests < 10 || v.Failed != 0 || v.With.Median <= v.Without.Median || v.Extra.Median <= 0 || v.Fuel < 500 || v.Memory == 0 || v.Instances < 1 || v.Start <= 0 {
			t.Errorf("got %+v", v)
		}
	}
}

func TestRun_WaitsForWhatComesLater(t *testing.T) {
	t.Parallel()
	r := newRunner(t, corpus.Read(t, "rust/queue"), Options{})
	c := get("/")
	c.Settings.VMID = "queue"
	o := ran(t, r, c)
	if len(o.Calls) != 0 || o.Response == nil {
		t.Fatalf("got %+v", o)
	}
	c.Expect.Log, c.Expect.Within = &Log{All: []Pattern{{Re: regexp.MustCompile("never")}}}, 50*time.Millisecond
	began := time.Now()
	if o = ran(t, r, c); time.Since(began) < 50*time.Millisecond || len(c.Check(o)) != 1 {
		t.Errorf("what never comes: after %v, %+v", time.Since(began), c.Check(o))
	}
}
