package httpwasm_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	"github.com/weirproxy/weir/wasmhost/guest"
)

// probe is the guest in testdata/probe, which does what requests tell it to.
var probe = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "probe")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "probe.wasm")
	build := exec.Command("go", "build", "-buildmode=c-shared", "-o", file, ".")
	build.Dir = filepath.Join("testdata", "probe")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build probe: %w\n%s", err, out)
	}
	return os.ReadFile(file)
})

func probed(t testing.TB, p *guest.Plugin, config string) exchange.Filter {
	t.Helper()
	code, err := probe()
	if err != nil {
		t.Fatal(err)
	}
	return filter(t, code, p, config)
}

// seen is what reached the handler behind the guest.
type seen struct {
	method, target, authority, body string
	header, trailer                 exchange.Header
	length                          int64
	err                             error
	calls                           int
}

// next notes what reaches it, and answers.
func (s *seen) next(answer func(*exchange.Request) (*exchange.Response, error)) exchange.Handler {
	return exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		s.calls++
		s.method, s.target, s.authority, s.length = r.Method, r.Target, r.Authority, r.Body.Len()
		s.header.CopyFrom(&r.Header)
		var b strings.Builder
		_, s.err = io.Copy(&b, r.Body)
		s.body = b.String()
		s.trailer.CopyFrom(&r.Trailer)
		return answer(r)
	})
}

// plain answers 200 "upstream" with a field.
func plain(r *exchange.Request) (*exchange.Response, error) {
	resp := r.NewResponse(200)
	resp.Header.Append("x-from", "upstream")
	resp.SetBytes([]byte("upstream"))
	return resp, nil
}

// tell are the options that tell the probe what to do.
func tell(ask, answer string, more ...exchangetest.Option) []exchangetest.Option {
	all := []exchangetest.Option{exchangetest.Field("x-ask", ask)}
	if answer != "" {
		all = append(all, exchangetest.Field("x-answer", answer))
	}
	return append(all, more...)
}

func lines(h *exchange.Header) string {
	var b strings.Builder
	for name, value := range h.All() {
		if name != "x-ask" && name != "x-answer" {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	return b.String()
}

// TestProbe has a row for every function and rule of the ABI. Rows for defects of the
// reference host that are not weir's say so.
func TestProbe(t *testing.T) {
	t.Parallel()
	type options = []exchangetest.Option
	body, field := exchangetest.Body, exchangetest.Field
	for _, tt := range []struct {
		name, config, target string
		options              options
		asked, answered      string // what the probe says
		status               int
		got                  string // the client's body
		header               string // a line of the client's header
		method               string // what the next handler sees; "": GET, or POST with a body
		uri, sent, field     string
		authority            string
	}{
		{name: "config", config: "some config", options: tell("config", ""), asked: "some config;"},
		{name: "no config", options: tell("config;count", ""), asked: "1;"},
		{name: "facts", target: "https://example.com:8443/a%20b?c=%26", options: tell("method;uri;proto;addr", ""),
			asked: "GET;/a%20b?c=%26;HTTP/1.1;192.0.2.1:50000;", uri: "/a%20b?c=%26"},
		{name: "method", options: tell("setmethod|PATCH;method", ""), asked: "PATCH;", method: "PATCH"},
		{name: "uri", target: "/x?y", options: tell("seturi|/%26a?b=%20;uri", ""), asked: "/%26a?b=%20;", uri: "/%26a?b=%20"},
		{name: "empty uri", target: "/x?y", options: tell("seturi|;uri", ""), asked: "/;", uri: "/"},
		{name: "names", options: tell("names|0", "", field("X-One", "1"), field("x-one", "2")), asked: "3:host,x-ask,x-one,;"},
		{name: "names with a body", options: tell("names|0;values|0|Content-Length", "", body("abc")), asked: "3:host,x-ask,content-length,;3;", sent: "abc"},
		{name: "values", options: tell("values|0|x-one;values|0|X-ONE;values|0|x-none", "", field("x-one", "1"), field("x-one", "2")), asked: "1,2;1,2;"},
		{name: "host", options: tell("values|0|Host", ""), asked: "example.com;"},
		{name: "set", options: tell("set|0|X-One|~new~;values|0|x-one", "", field("x-one", "1"), field("x-one", "2")), asked: "new;", field: "x-one: new\n"},
		{name: "add", options: tell("add|0|X-One|3;values|0|x-one", "", field("x-one", "1")), asked: "1,3;", field: "x-one: 1\nx-one: 3\n"},
		{name: "remove", options: tell("remove|0|X-One;values|0|x-one;names|0", "", field("x-one", "1"), field("x-one", "2")), asked: "2:host,x-ask,;"},
		{name: "framing is not the guest's", options: tell("set|0|content-length|7;set|0|transfer-encoding|chunked;set|0|connection|x;set|1|connection|close;set|1|content-length|99", "names|1"),
			asked: "", answered: "2:x-from,content-length,;context 0 error 0", got: "upstream"},

		{name: "status before", options: tell("status;setstatus|202;status;next|0", ""), asked: "200;202;", status: 202, got: "\x00"},
		{name: "own answer", options: tell("next|0;setstatus|403;set|1|x-why|because;write|1|no;write|1|t you", ""), status: 403, got: "not you", header: "x-why: because\n"},
		{name: "next is any number but 0", options: tell("next|2|7", "count"), answered: "1;context 7 error 0"},
		{name: "body read before there is one", options: tell("read|1|10;write|1|abc;read|1|10", ""), asked: "[]1;[]1;", got: "abcupstream"},

		{name: "defect 1: a buffered request reaches the next handler whole", config: "features 1", options: tell("read|0|16", "", body(strings.Repeat("0123456789", 10))),
			asked: "[" + strings.Repeat("0123456789", 10) + "]1;", sent: strings.Repeat("0123456789", 10)},
		{name: "defect 1: also where a part was read", config: "features 1", options: tell("read|0|16|2", "", exchangetest.Chunked(strings.Repeat("0123456789", 10))),
			asked: "[01234567890123456789012345678901]0;", sent: strings.Repeat("0123456789", 10)},
		{name: "defect 2: what an unbuffered read leaves reaches the next handler", options: tell("read|0|4|1", "", body("0123456789")),
			asked: "[0123]0;", sent: "456789"},
		{name: "defect 3: a shorter response", options: tell("features|2", "write|1|short"), asked: "2;", got: "short", answered: "context 0 error 0"},
		{name: "defect 3: a longer response", config: "features 2", options: tell("", "read|1|3;write|1|as long as;write|1| you like"), got: "as long as you like", answered: "[upstream]1;context 0 error 0"},
		{name: "an empty response", config: "features 2", options: tell("", "write|1|"), got: "\x00", answered: "context 0 error 0"},
		{name: "defect 5: host moves the authority", options: tell("set|0|host|Other.Example:81;values|0|host", ""), asked: "other.example:81;", authority: "other.example:81"},
		{name: "defect 6: header and status of an unbuffered response", options: tell("", "status;values|1|x-from;setstatus|203;set|1|x-from|guest;remove|1|x-none;add|1|x-more|1"),
			answered: "200;upstream;context 0 error 0", status: 203, got: "upstream", header: "x-from: guest\nx-more: 1\nx-answered: "},
		{name: "defect 7: unknown features", options: tell("features|0x80000004;features|0", ""), asked: "4;4;"},
		{name: "features of the start", config: "features 3", options: tell("features|0;features|4", "features|0"), asked: "3;7;", answered: "7;context 0 error 0"},

		{name: "request written", options: tell("write|0|new;write|0|er;read|0|100;values|0|content-length", "", body("old body")), asked: "[old body]1;5;", sent: "newer"},
		{name: "request emptied", options: tell("write|0|", "", body("old body")), sent: "\x00"},
		{name: "request made", options: tell("setmethod|POST;write|0|made", ""), method: "POST", sent: "made"},
		{name: "response read", config: "features 2", options: tell("", "read|1|5"), answered: "[upstream]1;context 0 error 0", got: "upstream"},
		{name: "request read afterwards", config: "features 1", options: tell("read|0|2|1", "read|0|3", body("0123456789")), asked: "[01]0;", answered: "[23456789]1;context 0 error 0", sent: "0123456789"},
		{name: "requests without a body", config: "features 3", options: tell("read|0|5", "read|0|5"), asked: "[]1;", answered: "[]1;context 0 error 0"},
		{name: "upstream's fields go first", options: tell("set|1|x-from|guest;set|1|x-mine|1;set|1|set-cookie|a=b", "values|1|x-mine"), answered: "1;context 0 error 0",
			header: "x-from: upstream\nx-mine: 1\nset-cookie: a=b\n"},
		{name: "set status is overwritten by upstream's", options: tell("setstatus|404", "status"), status: 200, answered: "200;context 0 error 0"},

		{name: "room: just enough", options: tell("room|4", "", field("x-one", "123")), asked: "3 GET##### 4294967300 1230####;"},
		{name: "room: too little", options: tell("room|2", "", field("x-one", "12")), asked: "3 ######## 4294967299 ########;"},
		{name: "room: none", options: tell("room|0", "", field("x-one", "12")), asked: "3 ######## 4294967299 ########;"},
		{name: "levels", options: tell("enabled|-1;enabled|0;enabled|1;enabled|2;enabled|3;enabled|9;log|9|x;log|3|x;wildlog", ""), asked: "0;0;0;0;0;0;"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := probed(t, &guest.Plugin{Name: "probe"}, tt.config)
			method, target := "GET", "/"
			if tt.target != "" {
				target = tt.target
			}
			r := exchangetest.NewRequest("GET", target, tt.options...)
			if r.Body != exchange.NoBody {
				r.Method, method = "POST", "POST"
			}
			var s seen
			res := exchangetest.Do(t, exchange.Chain(s.next(plain), f), r)
			if res.Err != nil {
				t.Fatalf("got error %v", res.Err)
			}
			if got := res.Header.Get("x-asked"); got != tt.asked {
				t.Errorf("asked: got %q, want %q", got, tt.asked)
			}
			if got := res.Header.Get("x-answered"); got != tt.answered {
				t.Errorf("answered: got %q, want %q", got, tt.answered)
			}
			if want := or(tt.status, 200); res.Status != want {
				t.Errorf("status: got %d, want %d", res.Status, want)
			}
			if want := empty(or(tt.got, "upstream")); string(res.Body) != want || res.Len != int64(len(want)) {
				t.Errorf("response: got %q of length %d, want %q", res.Body, res.Len, want)
			}
			if !strings.Contains(lines(&res.Header), tt.header) {
				t.Errorf("response header: got %q, want %q in it", lines(&res.Header), tt.header)
			}
			if s.calls == 0 {
				return
			}
			if s.method != or(tt.method, method) || tt.uri != "" && s.target != tt.uri || tt.authority != "" && s.authority != tt.authority {
				t.Errorf("next saw %s %s of %s, want %s %s of %s", s.method, s.target, s.authority, or(tt.method, method), tt.uri, tt.authority)
			}
			if want := empty(tt.sent); s.body != want || s.err != nil || s.length >= 0 && s.length != int64(len(want)) {
				t.Errorf("next saw a body %q of length %d, %v; want %q", s.body, s.length, s.err, want)
			}
			if got := lines(&s.header); !strings.Contains(got, tt.field) {
				t.Errorf("next saw the header %q, want %q in it", got, tt.field)
			}
		})
	}
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// empty reads the way in which rows say that there is nothing.
func empty(s string) string { return strings.TrimPrefix(s, "\x00") }
