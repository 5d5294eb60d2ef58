package exchange

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
)

func TestChain_FirstFilterSeesRequestFirst(t *testing.T) {
	t.Parallel()
	var order []string
	note := func(name string) Filter {
		return FilterFunc(func(r *Request, next Handler) (*Response, error) {
			order = append(order, name+" in")
			resp, err := next.Handle(r)
			order = append(order, name+" out")
			return resp, err
		})
	}
	h := Chain(HandlerFunc(func(r *Request) (*Response, error) {
		order = append(order, "handler")
		return r.NewResponse(204), nil
	}), note("a"), note("b"))
	resp, err := h.Handle(new(Request))
	want := []string{"a in", "b in", "handler", "b out", "a out"}
	if !slices.Equal(order, want) || err != nil || resp.Status != 204 {
		t.Errorf("got %v, %v, want %v", order, err, want)
	}
	if bare := HandlerFunc(nil); Chain(bare) == nil {
		t.Error("chain without filters: got nil")
	}
}

func TestRequest_ResetKeepsNothing(t *testing.T) {
	t.Parallel()
	var r Request
	conn := new(Conn)
	r.Reset(conn, nil)
	r.Header.Append("a", "1")
	r.Trailer.Append("b", "2")
	r.Method, r.Opaque, r.Record.Status = "GET", true, 200
	r.Match.Params = append(r.Match.Params, Param{"id", "7"})
	first := r.NewResponse(200)
	first.Header.Append("c", "3")
	first.Trailer.Append("d", "4")
	first.SetBytes([]byte("hello"))
	if second := r.NewResponse(500); second == first || second.Header.Len() != 0 {
		t.Error("second response of an exchange shares memory with the first")
	}
	r.Reset(conn, nil)
	if r.Header.Len()+r.Trailer.Len()+len(r.Match.Params) != 0 || r.Method != "" || r.Opaque || r.Record.Status != 0 || r.Body != NoBody {
		t.Errorf("got %+v", r)
	}
	again := r.NewResponse(404)
	if again != first {
		t.Error("response memory was not used again")
	}
	if again.Status != 404 || again.Header.Len()+again.Trailer.Len() != 0 || again.Body != NoBody || again.bytes.rest != nil {
		t.Errorf("got %+v", again)
	}
	if got := r.Match.Param("id"); got != "" {
		t.Errorf("parameter of the exchange before: got %q", got)
	}
}

func TestRequest_AllocatesNothingOnAWarmConnection(t *testing.T) {
	var r Request
	conn, body := new(Conn), []byte("hello")
	got := testing.AllocsPerRun(100, func() {
		r.Reset(conn, nil)
		r.Header.Append("accept", "*/*")
		_ = r.SetTarget("/index.html?a=b")
		_ = r.SetAuthority("example.com:8080")
		resp := r.NewResponse(200)
		resp.Header.Append("content-type", "text/plain")
		resp.SetBytes(body)
	})
	if got != 0 {
		t.Errorf("got %v allocations, want 0", got)
	}
}

func TestParseAuthority(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, authority, host, port string }{
		{"x.com", "x.com", "x.com", ""},
		{"X.Com:8080", "x.com:8080", "x.com", "8080"},
		{"x.com.", "x.com.", "x.com", ""},
		{"x.com.:80", "x.com.:80", "x.com", "80"},
		{"x.com:", "x.com", "x.com", ""},
		{"a_b-c.example:1", "a_b-c.example:1", "a_b-c.example", "1"},
		{"127.0.0.1:1", "127.0.0.1:1", "127.0.0.1", "1"},
		{"[2001:DB8::0:1]:443", "[2001:db8::0:1]:443", "2001:db8::1", "443"}, // one spelling
		{"[::1]", "[::1]", "::1", ""},
		{"[::1]:", "[::1]", "::1", ""},
		{strings.Repeat("a", 253), strings.Repeat("a", 253), strings.Repeat("a", 253), ""},
	} {
		var r Request
		authority, host, port, err := ParseAuthority(tt.in)
		if err != nil || authority != tt.authority || host != tt.host || port != tt.port {
			t.Errorf("%q: got %q %q %q %v, want %q %q %q", tt.in, authority, host, port, err, tt.authority, tt.host, tt.port)
		}
		if err := r.SetAuthority(tt.in); err != nil || r.Authority != tt.authority || r.Host != tt.host {
			t.Errorf("%q: got %q %q %v, want %q %q", tt.in, r.Authority, r.Host, err, tt.authority, tt.host)
		}
	}
	for _, raw := range []string{
		"", ".", "..", "a..b", ".a", "a..", ":", ":80", "a:x", "a:65536", "a:000080", "a:+1", "a:-1", "u@a", "a b", "a/b", "a\\b", "a%41", "%61",
		"ü", "a,b", "a~b", "a'b", "a\x00", "a]", "a]:1", "]", "[a]b", strings.Repeat("a", 254),
		"[", "[]", "[::1", "::1", "[1.2.3.4]", "[::1%25eth0]", "[::1%eth0]", "[::1]x", "[::1]]", "[[::1]", "[::1]:x", "[v1.a]", "a:1:2", "a:b:1", "\u212aa",
	} {
		r := Request{Host: "old"}
		if err := r.SetAuthority(raw); err == nil || r.Host != "old" {
			t.Errorf("%q: got host %q, %v, want an error", raw, r.Host, err)
		}
	}
}

func TestError_Text(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]*Error{
		"internal fault":                    {},
		"404 Not Found":                     {Fault: Client, Status: 404},
		"no such page":                      {Status: 404, Title: "no such page"},
		"file does not exist":               {Status: 404, Err: fs.ErrNotExist},
		"no such page: file does not exist": {Status: 404, Title: "no such page", Err: fs.ErrNotExist},
		"404 Not Found: gone":               {Fault: Client, Status: 404, Err: fmt.Errorf("%w: gone", ErrNotFound)},
	} {
		if got := e.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if err := error(&Error{Err: fs.ErrNotExist}); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the cause is not found by errors.Is")
	}
	if e := Reason(431, "too many fields"); e.Fault != Client || e.Status != 431 || e.Error() != "too many fields" {
		t.Errorf("got %v", e)
	}
}

func TestRecord_ID(t *testing.T) {
	t.Parallel()
	for n, want := range map[uint64]string{0: "0000000000000", 31: "000000000000z", 1<<64 - 1: "fzzzzzzzzzzzz"} {
		if got := (&Record{Number: n}).ID(); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	if got := HTTP11.String() + HTTP3.String() + Proto(0).String() + Proto(99).String(); got != "HTTP/1.1HTTP/3.0HTTP/?HTTP/3.0" {
		t.Errorf("got %s", got)
	}
	if got := Plugin.String() + Fault(4).String(); got != "plugininternal" {
		t.Errorf("got %s", got)
	}
}

func TestCallLivesAsLongAsItsExchange(t *testing.T) {
	t.Parallel()
	r := new(Request)
	r.Reset(nil, nil)
	first := r.NewCall()
	first.Header.Append("a", "1")
	first.Target, first.Upgrade = "/x", "websocket"
	if first.Caller != Caller(r) || first.Body != NoBody {
		t.Errorf("new call: got caller %v, body %v, want the request and none", first.Caller, first.Body)
	}
	if r.NewCall() == first {
		t.Error("a second call of the exchange: got the memory of the first, want its own")
	}
	r.Reset(nil, nil)
	again := r.NewCall()
	if again != first {
		t.Error("the next exchange's call: got new memory, want that of the last")
	}
	if again.Header.Len() != 0 || again.Target != "" || again.Upgrade != "" || again.Caller != Caller(r) {
		t.Errorf("the next exchange's call: got %+v, want it empty", again)
	}
}
