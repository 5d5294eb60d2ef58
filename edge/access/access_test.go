package access_test

import (
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/weirproxy/weir/edge/access"
	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
)

// passed answers requests that were let through.
var passed = exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) { return r.NewResponse(204), nil })

func ask(t testing.TB, f exchange.Filter, method, target string, options ...exchangetest.Option) *exchangetest.Result {
	t.Helper()
	return exchangetest.Do(t, exchange.Chain(passed, f), exchangetest.NewRequest(method, target, options...))
}

func deny(t testing.TB, rules ...access.Rule) *access.Deny {
	t.Helper()
	d, err := access.NewDeny(rules...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func prefixes(all ...string) (p []netip.Prefix) {
	for _, s := range all {
		p = append(p, netip.MustParsePrefix(s))
	}
	return p
}

func TestDeny(t *testing.T) {
	t.Parallel()
	d := deny(t,
		access.Rule{Path: "/forbidden/**", Status: 404, Explain: "Nothing here"},
		access.Rule{Path: "/read-only/**", Methods: []string{"PUT", "DELETE"}},
		access.Rule{Path: "/write-only/**", Methods: []string{"GET"}},
		access.Rule{From: prefixes("203.0.113.0/24", "2001:db8:bad::/48", "fe80::/10", "::ffff:198.51.100.0/120")},
		access.Rule{Path: "*.bak", From: prefixes("0.0.0.0/0", "::/0")},
	)
	for _, c := range []struct {
		method, target, client string
		want                   int
	}{
		{"GET", "/", "", 204},
		{"GET", "/forbidden", "", 404},
		{"POST", "/forbidden/x?y", "", 404},
		{"GET", "//%66orbidden/./x", "", 404},
		{"GET", "/forbiddenx", "", 204},
		{"PUT", "/read-only/x", "", 403},
		{"GET", "/read-only/x", "", 204},
		{"GET", "/write-only/x", "", 403},
		{"HEAD", "/write-only/x", "", 403}, // what GET may not see, HEAD may not either
		{"PUT", "/write-only/x", "", 204},
		{"GET", "/", "203.0.113.7:1", 403},
		{"GET", "/", "[::ffff:203.0.113.7]:1", 403},
		{"GET", "/", "198.51.100.7:1", 403},
		{"GET", "/", "[2001:db8:bad::1]:1", 403},
		{"GET", "/", "[fe80::1%eth0]:1", 403}, // a zone hides nobody
		{"GET", "/", "203.0.114.7:1", 204},
		{"GET", "/a/b.bak", "", 403},
	} {
		var options []exchangetest.Option
		if c.client != "" {
			options = append(options, exchangetest.Client(c.client))
		}
		got := ask(t, d, c.method, c.target, options...)
		if got.Status != c.want {
			t.Errorf("%s %s from %s: got %d, want %d", c.method, c.target, c.client, got.Status, c.want)
		}
	}
	e, _ := errors.AsType[*exchange.Error](ask(t, d, "GET", "/forbidden").Err)
	if e == nil || e.Title != "Nothing here" || e.Fault != exchange.Client {
		t.Errorf("got %+v, want the explanation", e)
	}
}

// No spelling of a path gets past the rule for it, not even one that only the
// server behind weir would read so.
func TestSecurity_P6_DenySeesEverySpelling(t *testing.T) {
	t.Parallel()
	d := deny(t, access.Rule{Path: "/admin/**"})
	for _, target := range []string{
		"/admin", "/admin/", "/admin/x", "//admin/x", "/./admin", "/a/../admin/x", "/%61dmin/x", "/a/%2e%2e/admin", "/admin/%2e/x",
		"/admin%2fx", "/admin%2Fx", "/admin%5cx", "/a%2f..%2fadmin", "/a/..%2fadmin/x", "/..%2fadmin", "/%2fadmin", "/a%5c..%5cadmin%2fx", "/100%25%2f..%2fadmin",
		"/ADMIN", "/Admin/x", "/%41dmin", "/a%2f..%2fADMIN", // routes and file systems may ignore case
	} {
		if got := ask(t, d, "GET", target); got.Status != 403 {
			t.Errorf("%s: got %d, want 403", target, got.Status)
		}
	}
	for _, target := range []string{"/administrator", "/a/admin", "/a%2fadmin", "/%2561dmin"} {
		if got := ask(t, d, "GET", target); got.Status != 204 {
			t.Errorf("%s: got %d, want 204", target, got.Status)
		}
	}
}

func TestNewDeny_ReportsEverything(t *testing.T) {
	t.Parallel()
	_, err := access.NewDeny(access.Rule{}, access.Rule{Path: "/ok"}, access.Rule{Path: "/a**"}, access.Rule{Path: "/", Status: 200},
		access.Rule{Methods: []string{"G T"}}, access.Rule{From: []netip.Prefix{{}}})
	if err == nil {
		t.Fatal("got no error")
	}
	got := strings.Split(err.Error(), "\n")
	want := []string{"rule 1: says nothing", "rule 3: path", "rule 4: status 200", "rule 5: method", "rule 6: client prefix"}
	if len(got) != len(want) {
		t.Fatalf("got %d errors, want %d: %v", len(got), len(want), err)
	}
	for i := range got {
		if !strings.Contains(got[i], want[i]) {
			t.Errorf("got %q, want %q in it", got[i], want[i])
		}
	}
}

func TestArgs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ count, rest, want string }{
		{"0", "", ""}, {"0", "/", ""}, {"0", "a", "extra-argument"},
		{"1", "", "missing-argument"}, {"1", "a", ""}, {"1", "a/", ""}, {"1", "a/b", "extra-argument"},
		{"2", "a", "missing-argument"}, {"2", "a/b", ""}, {"2", "a/b/c", "extra-argument"},
		{"?", "", ""}, {"?", "a", ""}, {"?", "a/b", "extra-argument"},
		{"+", "", "missing-argument"}, {"+", "a", ""}, {"+", "a/b/c/d", ""},
		{"*", "", ""}, {"*", "a/b/c", ""},
	} {
		f, err := access.NewArgs(c.count)
		if err != nil {
			t.Fatal(err)
		}
		got := ask(t, f, "GET", "/", func(r *exchange.Request) { r.Match.Rest = c.rest })
		slug := ""
		if e, ok := errors.AsType[*exchange.Error](got.Err); ok {
			slug = e.Type
		}
		if slug != c.want || (got.Status == 400) != (c.want != "") {
			t.Errorf("%s with %q: got %d %q, want %q", c.count, c.rest, got.Status, slug, c.want)
		}
	}
	for _, count := range []string{"", "-1", "x", "1-2", "99999999"} {
		if _, err := access.NewArgs(count); err == nil {
			t.Errorf("count %q: got no error", count)
		}
	}
}

func params(t testing.TB) *access.Params {
	t.Helper()
	p, err := access.NewParams(access.Param{Name: "q", Required: true}, access.Param{Name: "page", Type: "int"},
		access.Param{Name: "a b", Required: true}, access.Param{Name: "f", Type: "number"}, access.Param{Name: "on", Type: "bool"})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestParams(t *testing.T) {
	t.Parallel()
	p := params(t)
	for query, want := range map[string]string{
		"q=x&a+b=y":                           "",
		"q&a%20b":                             "",
		"a+b=1&page=-7&q=%C3%BC&f=1e3&on=1":   "",
		"":                                    "missing-argument Query: missing q, a b",
		"Q=x":                                 "missing-argument Query: missing q, a b",
		"q=x":                                 "missing-argument Query: missing a b",
		"q=x&a+b=y&page=":                     "bad-argument Query: page is not a whole number",
		"q=x&a+b=y&page=1.5&on=yes&f=NaN":     "bad-argument Query: page is not a whole number; f is not a number; on is not true or false",
		"q=x&a+b=y&page=1&page=x":             "bad-argument Query: page is not a whole number", // each time
		"q=x&a+b=y&page=99999999999999999999": "bad-argument Query: page is not a whole number",
		"q=x&a+b=y&f=0x1p2":                   "bad-argument Query: f is not a number",
		"q=%zz&a+b=y":                         "bad-argument Query: q holds a broken escape",
		"page=x":                              "missing-argument Query: missing q, a b; page is not a whole number",
		"q=x;a+b=y":                           "missing-argument Query: missing a b", // a semicolon separates nothing
		"&&=&%zz=1&q=x&a+b=y":                 "",
	} {
		got := ask(t, p, "GET", "/?"+query)
		text := ""
		if e, ok := errors.AsType[*exchange.Error](got.Err); ok {
			text = e.Type + " " + e.Title
		}
		if text != want {
			t.Errorf("%q: got %q, want %q", query, text, want)
		}
	}
	if _, err := access.NewParams(access.Param{}, access.Param{Name: "a", Type: "date"}, access.Param{Name: "a"}); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("got %v, want three errors", err)
	}
	if _, err := access.NewParams(make([]access.Param, 65)...); err == nil {
		t.Error("65 parameters: got no error")
	}
}

func TestMaxBody(t *testing.T) {
	t.Parallel()
	count := exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		b, err := io.ReadAll(iotest.OneByteReader(r.Body))
		if err != nil {
			if _, again := r.Body.Read(make([]byte, 1)); again == nil || len(b) > 5 {
				t.Errorf("got %d bytes, then %v, want at most 5 and the error to stay", len(b), again)
			}
			return nil, err
		}
		resp := r.NewResponse(200)
		resp.SetBytes(b)
		return resp, nil
	})
	for _, c := range []struct {
		name  string
		limit int64
		body  exchangetest.Option
		want  int
	}{
		{"none", 5, func(*exchange.Request) {}, 200},
		{"fits", 5, exchangetest.Body("12345"), 200},
		{"announced", 5, exchangetest.Body("123456"), 413},
		{"fits in chunks", 5, exchangetest.Chunked("12345"), 200},
		{"too long in chunks", 5, exchangetest.Chunked("123456"), 413},
		{"nothing allowed", 0, exchangetest.Chunked("1"), 413},
		{"nothing sent", 0, exchangetest.Chunked(""), 200},
		{"negative limit", -1, exchangetest.Body("1"), 413},
		{"cut", 5, func(r *exchange.Request) { r.Body = exchange.NewBody(iotest.ErrReader(io.ErrUnexpectedEOF), -1, nil) }, 0},
	} {
		h := exchange.Chain(count, access.NewMaxBody(c.limit))
		if got := exchangetest.Do(t, h, exchangetest.NewRequest("POST", "/", c.body)); got.Status != c.want {
			t.Errorf("%s: got %d, %v, want %d", c.name, got.Status, got.Err, c.want)
		}
	}
}

func TestContract(t *testing.T) {
	t.Parallel()
	args, err := access.NewArgs("?")
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]exchange.Filter{
		"deny": deny(t, access.Rule{Path: "/a/**"}, access.Rule{Methods: []string{"PUT"}}), "args": args, "params": params(t),
		"body": access.NewMaxBody(10),
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); exchangetest.TestFilter(t, f) })
	}
}

// warm returns a function that runs a filter on a warm connection.
func warm(f exchange.Filter, target string) func() {
	h := exchange.Chain(passed, f)
	r := exchangetest.NewRequest("GET", target)
	conn, stream, path, query := r.Conn, r.Stream(), r.Path, r.Query
	return func() {
		r.Reset(conn, stream)
		r.Method, r.Path, r.Query, r.Match.Rest = "GET", path, query, "a"
		_, _ = h.Handle(r)
	}
}

func filters(t testing.TB) map[string]func() {
	args, err := access.NewArgs("?")
	if err != nil {
		t.Fatal(err)
	}
	p, err := access.NewParams(access.Param{Name: "q", Required: true}, access.Param{Name: "page", Type: "int"}, access.Param{Name: "on", Type: "bool"})
	if err != nil {
		t.Fatal(err)
	}
	d := deny(t, access.Rule{Path: "/admin/**"}, access.Rule{Path: "*.bak"}, access.Rule{From: prefixes("203.0.113.0/24", "2001:db8:bad::/48")})
	return map[string]func(){
		"deny": warm(d, "/assets/app/main.js"), "denied": warm(d, "/admin/x"), "args": warm(args, "/"),
		"params": warm(p, "/?q=hello&page=7&on=true"), "body": warm(access.NewMaxBody(10), "/"),
	}
}

func TestAllocations(t *testing.T) {
	for name, run := range filters(t) {
		if got := testing.AllocsPerRun(100, run); got != 0 {
			t.Errorf("%s: got %v allocations, want 0", name, got)
		}
	}
}

func BenchmarkFilters(b *testing.B) {
	for name, run := range filters(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				run()
			}
		})
	}
}

// waitingBody remembers why it was interrupted.
type waitingBody struct {
	exchange.Body
	cause error
}

func (b *waitingBody) Interrupt(cause error) { b.cause = cause }

// TestMaxBody_PassesOnInterrupts: an upstream that has answered wants no more of a
// body, whatever stands before it.
func TestMaxBody_PassesOnInterrupts(t *testing.T) {
	t.Parallel()
	r := exchangetest.NewRequest("POST", "/", exchangetest.Chunked("x"))
	inner := &waitingBody{Body: r.Body}
	r.Body = inner
	enough := errors.New("enough")
	h := exchange.Chain(exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		r.Body.(exchange.Interrupter).Interrupt(enough)
		return r.NewResponse(200), nil
	}), access.NewMaxBody(10))
	if _, err := h.Handle(r); err != nil || inner.cause != enough {
		t.Errorf("body behind was told %v, %v, want %v", inner.cause, err, enough)
	}
}
