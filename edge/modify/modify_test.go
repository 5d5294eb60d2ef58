package modify_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	"github.com/weirproxy/weir/edge/modify"
)

// fields makes fields of "name: value" lines.
func fields(lines ...string) (all []exchange.Field) {
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		all = append(all, exchange.Field{Name: name, Value: value})
	}
	return all
}

func lines(h *exchange.Header) (all []string) {
	for name, value := range h.All() {
		all = append(all, name+": "+value)
	}
	return all
}

func headers(t testing.TB, request, response modify.Changes, params ...string) *modify.Headers {
	t.Helper()
	h, err := modify.NewHeaders(request, response, params...)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

var changes = modify.Changes{
	Remove: []string{"X-Old", "x-none"},
	Set:    fields("X-Set: 1", "x-new: {path}"),
	Add:    fields("x-add: b", "x-who: {client_ip} {user}"),
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	var seen []string
	next := exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		seen = lines(&r.Header)
		resp := r.NewResponse(200)
		resp.Header.Append("x-old", "1")
		resp.Header.Append("x-set", "0")
		resp.Header.Append("x-set", "00")
		resp.Header.Append("x-add", "a")
		return resp, nil
	})
	f := headers(t, changes, changes, "user")
	r := exchangetest.NewRequest("GET", "/a%20b", exchangetest.Field("x-old", "1"), exchangetest.Field("x-add", "a"), func(r *exchange.Request) {
		r.Match.Params = []exchange.Param{{Name: "user", Value: "bob\r\nx-evil: 1"}}
	})
	got := exchangetest.Do(t, exchange.Chain(next, f), r)
	who := "x-who: 192.0.2.1 bob%0D%0Ax-evil:%201"
	if want := []string{"x-add: a", "x-set: 1", "x-new: /a%20b", "x-add: b", who}; !slices.Equal(seen, want) {
		t.Errorf("request: got %q, want %q", seen, want)
	}
	if want := []string{"x-set: 1", "x-add: a", "x-new: /a%20b", "x-add: b", who}; !slices.Equal(lines(&got.Header), want) {
		t.Errorf("response: got %q, want %q", lines(&got.Header), want)
	}
}

func TestHeaders_SettingVaryLosesNothing(t *testing.T) {
	t.Parallel()
	next := exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(200)
		resp.Header.Append("vary", "Accept-Encoding")
		return resp, nil
	})
	f := headers(t, modify.Changes{}, modify.Changes{Set: fields("Vary: Origin")})
	got := exchangetest.Do(t, exchange.Chain(next, f), exchangetest.NewRequest("GET", "/"))
	if want := "Accept-Encoding, Origin"; got.Header.Joined("vary") != want {
		t.Errorf("got %q, want %q", got.Header.Joined("vary"), want)
	}
}

func TestHeaders_NothingLeavesNoSpace(t *testing.T) {
	t.Parallel()
	f := headers(t, modify.Changes{}, modify.Changes{Set: fields("x-q: q {query}", "x-empty: {query}")})
	next := exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) { return r.NewResponse(204), nil })
	got := exchangetest.Do(t, exchange.Chain(next, f), exchangetest.NewRequest("GET", "/"))
	if want := []string{"x-q: q", "x-empty: "}; !slices.Equal(lines(&got.Header), want) {
		t.Errorf("got %q, want %q", lines(&got.Header), want)
	}
}

func TestHeaders_StandOnErrorsToo(t *testing.T) {
	t.Parallel()
	shared := &exchange.Error{Fault: exchange.Client, Status: 405, Title: "No", Type: "no", Fields: fields("allow: GET", "x-old: 1")}
	f := headers(t, modify.Changes{}, modify.Changes{Remove: []string{"x-old"}, Set: fields("x-frame-options: DENY")})
	for _, c := range []struct {
		name   string
		err    error
		status int
		want   []exchange.Field // nil: the error itself comes back
	}{
		{"with fields", shared, 405, fields("allow: GET", "x-frame-options: DENY")},
		{"without", exchange.ErrNotFound, 404, fields("x-frame-options: DENY")},
		{"of weir itself", errors.New("disk on fire"), 0, fields("x-frame-options: DENY")},
		{"client gone", exchange.ErrClientGone, 0, nil},
		{"given up", context.Canceled, 0, nil},
	} {
		next := exchange.HandlerFunc(func(*exchange.Request) (*exchange.Response, error) { return nil, c.err })
		got := exchangetest.Do(t, exchange.Chain(next, f), exchangetest.NewRequest("GET", "/"))
		if !errors.Is(got.Err, c.err) {
			t.Errorf("%s: got %v, want %v in it", c.name, got.Err, c.err)
		}
		if c.want == nil {
			if got.Err != c.err {
				t.Errorf("%s: got %v, want it as it was", c.name, got.Err)
			}
			continue
		}
		e, ok := errors.AsType[*exchange.Error](got.Err)
		if !ok || e.Status != c.status || !slices.Equal(e.Fields, c.want) {
			t.Errorf("%s: got %+v, want status %d and %v", c.name, e, c.status, c.want)
		}
	}
	if !slices.Equal(shared.Fields, fields("allow: GET", "x-old: 1")) {
		t.Errorf("the shared error was changed: %v", shared.Fields)
	}
}

func TestNewHeaders_ReportsEverything(t *testing.T) {
	t.Parallel()
	_, err := modify.NewHeaders(
		modify.Changes{Remove: []string{"Host"}, Set: fields("Transfer-Encoding: chunked", "a b: c"), Add: fields("x: {nme}")},
		modify.Changes{Set: fields("content-length: 7", "x: a\r\nb: c"), Add: fields(":status: 200", "Connection: close")}, "name")
	if err == nil {
		t.Fatal("got no error")
	}
	got := strings.Split(err.Error(), "\n")
	want := []string{
		"request header Host: the field is the protocol's", "request header Transfer-Encoding", "a b", "{nme}",
		"response header content-length", "forbidden character", "not a token", "response header Connection",
	}
	if len(got) != len(want) {
		t.Fatalf("got %d errors, want %d: %v", len(got), len(want), err)
	}
	for i := range got {
		if !strings.Contains(got[i], want[i]) {
			t.Errorf("error %d: got %q, want %q in it", i, got[i], want[i])
		}
	}
}

func rewrite(t testing.TB, path, query string, params ...string) *modify.Rewrite {
	t.Helper()
	text := func(s string) *string {
		if s == "keep" {
			return nil
		}
		return &s
	}
	w, err := modify.NewRewrite(text(path), text(query), params...)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestRewrite(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ path, query, target, want string }{
		{"/index.php", "keep", "/a?b=c", "/index.php?b=c"},
		{"/index.php", "keep", "/a", "/index.php"},
		{"/index.php", "", "/a?b=c", "/index.php"},
		{"/index.php", "p={path}&{query}", "/a%20b?b=c", "/index.php?p=/a%20b&b=c"},
		{"/index.php{uri}", "keep", "/a?b=c", "/index.php/a?b=c"},
		{"/index.php{uri}", "x=y", "/a?b=c", "/index.php/a?x=y"},
		{"/new/{rest}", "keep", "/old/r?b", "/new/r%2520/s?b"},
		{"keep", "id={id}", "/a/../b?c", "/a/../b?id=7%267"},
		{"keep", "keep", "/a/%2e/b?c", "/a/%2e/b?c"},
		{"{path}.html", "keep", "/a", "/a.html"},
		{"/{id}/", "keep", "/a", "/7&7/"},
		{"/x", "keep", "*", "*"},
	} {
		var got exchange.Request
		next := exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
			got.Target, got.Path, got.Query = r.Target, r.Path, r.Query
			return r.NewResponse(204), nil
		})
		r := exchangetest.NewRequest("GET", c.target, func(r *exchange.Request) {
			r.Match.Rest, r.Match.Params = "r%20/s", []exchange.Param{{Name: "id", Value: "7&7"}}
		})
		exchangetest.Do(t, exchange.Chain(next, rewrite(t, c.path, c.query, "id")), r)
		if got.Target != c.want {
			t.Errorf("%s ? %s for %s: got %q, want %q", c.path, c.query, c.target, got.Target, c.want)
		}
		var same exchange.Request
		if err := same.SetTarget(got.Target); err != nil || same.Path != got.Path || same.Query != got.Query {
			t.Errorf("%s: path %q, query %q do not belong to target %q", c.target, got.Path, got.Query, got.Target)
		}
	}
}

// A rewritten target is held to what a client's is.
func TestSecurity_P6_RewritesAreCanonical(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ path, id, want string }{
		{"/a/{id}", "..", "/"}, // cannot come from a canonical path; dots are resolved all the same
		{"/{id}/x", "../..", ""},
		{"/{id}", "a\x00b", ""},
		{"/{id}", "a\r\nb", ""},
		{"/{id}", "a?b#c", "/a?b#c"},
		{"/{id}", "a%2Fb", "/a%2Fb"},
	} {
		next := exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
			if c.want == "" || r.Path != c.want || r.Query != "" {
				t.Errorf("%s with %q: got path %q, query %q, want path %q", c.path, c.id, r.Path, r.Query, c.want)
			}
			return r.NewResponse(204), nil
		})
		r := exchangetest.NewRequest("GET", "/", func(r *exchange.Request) { r.Match.Params = []exchange.Param{{Name: "id", Value: c.id}} })
		got := exchangetest.Do(t, exchange.Chain(next, rewrite(t, c.path, "keep", "id")), r)
		if refused := got.Status == 400; refused != (c.want == "") {
			t.Errorf("%s with %q: got status %d, %v", c.path, c.id, got.Status, got.Err)
		}
	}
}

func TestNewRewrite_Refuses(t *testing.T) {
	t.Parallel()
	x := "x=1"
	for path, want := range map[string]string{"": "begins", "new": "begins", "{rest}": "begins", "/a?b": "%3F", "/a#b": "%23", "/a b": "%20", "/\n": "%0A", "/{nme}": "{nme}"} {
		if _, err := modify.NewRewrite(&path, &x); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("path %q: got %v, want %q in it", path, err, want)
		}
	}
	for query, want := range map[string]string{"a b": "%20", "a#b": "%23", "{nme}": "{nme}", "ü": "%C3"} {
		if _, err := modify.NewRewrite(nil, &query); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("query %q: got %v, want %q in it", query, err, want)
		}
	}
}

func TestContract(t *testing.T) {
	t.Parallel()
	literal := modify.Changes{Remove: []string{"accept-encoding"}, Set: fields("x-a: b"), Add: fields("x-a: c")}
	for name, f := range map[string]exchange.Filter{
		"headers":  headers(t, literal, literal),
		"template": headers(t, changes, changes, "user"),
		"rewrite":  rewrite(t, "/x{path}", "a=b&{query}"),
		"nothing":  rewrite(t, "keep", "keep"),
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); exchangetest.TestFilter(t, f) })
	}
}

// benched runs a filter on a warm connection.
func benched(f exchange.Filter) func() error {
	next := exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(200)
		resp.Header.Append("content-type", "text/plain")
		return resp, nil
	})
	h := exchange.Chain(next, f)
	r := exchangetest.NewRequest("GET", "/")
	conn, stream := r.Conn, r.Stream()
	return func() error {
		r.Reset(conn, stream)
		r.Target, r.Path = "/a", "/a"
		_, err := h.Handle(r)
		return err
	}
}

func TestAllocations(t *testing.T) {
	for _, c := range []struct {
		name string
		f    exchange.Filter
		want float64
	}{
		{"literal headers", headers(t, modify.Changes{Set: fields("x-a: b")}, modify.Changes{Remove: []string{"server"}, Set: fields("x-a: b")}), 0},
		{"one placeholder", headers(t, modify.Changes{Set: fields("x-a: {client_ip}")}, modify.Changes{}), 1},
		{"rewrite", rewrite(t, "/x{path}", "keep"), 1},
	} {
		run := benched(c.f)
		if got := testing.AllocsPerRun(100, func() { _ = run() }); got != c.want {
			t.Errorf("%s: got %v allocations, want %v", c.name, got, c.want)
		}
	}
}

func BenchmarkHeaders(b *testing.B) {
	run := benched(headers(b, modify.Changes{Set: fields("x-a: b")}, modify.Changes{Remove: []string{"server"}, Set: fields("x-a: b")}))
	b.ReportAllocs()
	for b.Loop() {
		if err := run(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRewrite(b *testing.B) {
	run := benched(rewrite(b, "/x{path}", "keep"))
	b.ReportAllocs()
	for b.Loop() {
		if err := run(); err != nil {
			b.Fatal(err)
		}
	}
}
