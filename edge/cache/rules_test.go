package cache

import (
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
)

// TestStorable asks twice and tells by the second answer whether the first was kept.
func TestStorable(t *testing.T) {
	t.Parallel()
	const fresh = "cache-control: max-age=60"
	for _, tt := range []struct {
		name    string
		status  int
		header  string // lines
		request string // lines
		options Options
		want    bool
	}{
		{name: "fresh", header: fresh, want: true},
		{name: "nothing said", want: false},
		{name: "nothing said, TTL", options: Options{TTL: time.Minute}, want: true},
		{name: "TTL does not hold for every status", status: 403, options: Options{TTL: time.Minute}, want: false},
		{name: "TTL holds for 404", status: 404, options: Options{TTL: time.Minute}, want: true},
		{name: "error with freshness", status: 500, header: fresh, want: true},
		{name: "no-store", header: "cache-control: no-store, max-age=60", want: false},
		{name: "private", header: "cache-control: private, max-age=60", want: false},
		{name: "must-understand, understood", header: "cache-control: no-store, must-understand, max-age=60", want: true},
		{name: "must-understand, not understood", status: 299, header: "cache-control: must-understand, max-age=60", want: false},
		{name: "206", status: 206, header: fresh + "\ncontent-range: bytes 0-1/2", want: false},
		{name: "Vary *", header: fresh + "\nvary: a, *", want: false},
		{name: "Vary", header: fresh + "\nvary: accept", want: true},
		{name: "Vary is garbage", header: fresh + "\nvary: a b", want: false},
		{name: "Vary has too many names", header: fresh + "\nvary: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", want: false},
		{name: "Set-Cookie", header: fresh + "\nset-cookie: a=b", want: false},
		{name: "Set-Cookie, TTL", header: "set-cookie: a=b", options: Options{TTL: time.Minute}, want: false},
		{name: "Set-Cookie, public", header: "cache-control: public, max-age=60\nset-cookie: a=b", want: true},
		{name: "Set-Cookie, s-maxage", header: "cache-control: s-maxage=60\nset-cookie: a=b", want: true},
		{name: "Authorization", header: fresh, request: "authorization: x", want: false},
		{name: "Authorization, public", header: "cache-control: public, max-age=60", request: "authorization: x", want: true},
		{name: "Authorization, must-revalidate", header: "cache-control: must-revalidate, max-age=60", request: "authorization: x", want: true},
		{name: "request no-store", header: fresh, request: "cache-control: no-store", want: false},
		{name: "event stream", header: fresh + "\ncontent-type: text/event-stream", want: false},
		{name: "cookie that is not named", header: fresh, request: "cookie: a=b", options: Options{Cookies: []string{"session*"}}, want: true},
		{name: "cookie that is named", header: fresh, request: "cookie: a=b; session_id=7", options: Options{Cookies: []string{"session*"}}, want: false},
		{name: "If-Match", header: fresh, request: "if-match: *", want: false},
		{name: "MaxTTL", header: fresh, options: Options{MaxTTL: time.Hour}, want: true},
		{name: "a long URL", header: fresh, request: "long", want: false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := &origin{status: tt.status, header: lines(tt.header)}
			target, fields := "/", lines(tt.request)
			if tt.request == "long" {
				target, fields = "/?"+strings.Repeat("x", maxKey), nil
			}
			var options []exchangetest.Option
			for i := 0; i < len(fields); i += 2 {
				options = append(options, exchangetest.Field(fields[i], fields[i+1]))
			}
			f := newFilter(t, tt.options)
			first := get(t, f, o, target, options...)
			second := get(t, f, o, target, options...)
			if got := o.asked.Load() == 1; got != tt.want {
				t.Errorf("kept %v, want %v; Cache-Status %q, then %q", got, tt.want, first.Header.Get("cache-status"), second.Header.Get("cache-status"))
			}
			if got := strings.HasSuffix(first.Header.Get("cache-status"), "; stored"); got != tt.want {
				t.Errorf("Cache-Status %q, want stored %v", first.Header.Get("cache-status"), tt.want)
			}
		})
	}
}

// lines takes "name: value" lines apart.
func lines(text string) (fields []string) {
	for line := range strings.SplitSeq(text, "\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			fields = append(fields, name, value)
		}
	}
	return fields
}

// bubble runs test with a filter in a bubble of time.
func bubble(t *testing.T, o Options, test func(t *testing.T, f *Filter)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, err := NewStore(StoreOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		o.Store = s
		test(t, newFilter(t, o))
	})
}

func TestRequestDirectives(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		request string
		after   int // seconds
		hit     bool
	}{
		{"", 59, true},
		{"", 61, false},
		{"no-cache", 1, false},
		{"max-age=0", 1, false},
		{"max-age=10", 9, true},
		{"max-age=10", 11, false},
		{"min-fresh=30", 29, true},
		{"min-fresh=30", 31, false},
		{"min-fresh=x", 1, false},
		{"max-stale", 1000, true},
		{"max-stale=10", 69, true},
		{"max-stale=10", 71, false},
		{"max-stale=x", 61, false},
		{"nonsense", 1, true},
	} {
		bubble(t, Options{}, func(t *testing.T, f *Filter) {
			o := &origin{header: []string{"cache-control", "max-age=60"}}
			get(t, f, o, "/")
			time.Sleep(time.Duration(tt.after) * time.Second)
			got := get(t, f, o, "/", exchangetest.Field("cache-control", tt.request))
			if hit := o.asked.Load() == 1; hit != tt.hit {
				t.Errorf("%q after %d s: hit %v, want %v (%s)", tt.request, tt.after, hit, tt.hit, got.Header.Get("cache-status"))
			}
			if age := got.Header.Get("age"); tt.hit && age != strconv.Itoa(tt.after) {
				t.Errorf("%q after %d s: Age %q", tt.request, tt.after, age)
			}
		})
	}
}

func TestOnlyIfCached(t *testing.T) {
	t.Parallel()
	f, o := newFilter(t, Options{}), &origin{}
	if got := get(t, f, o, "/", exchangetest.Field("cache-control", "only-if-cached")); got.Status != 504 || o.asked.Load() != 0 {
		t.Errorf("got %d, upstream asked %d times, want 504 and not at all", got.Status, o.asked.Load())
	}
}

// tagged answers like an origin with one version, and 304 to who has it.
func tagged(fields ...string) *origin {
	o := &origin{body: "v"}
	o.answer = func(n int64, r *exchange.Request) (*exchange.Response, error) {
		o.header = append([]string{"etag", `"1"`, "x-count", strconv.FormatInt(n, 10)}, fields...)
		resp := o.respond(n, r)
		if r.Header.Get("if-none-match") == `"1"` {
			resp.Status, resp.Body = 304, exchange.NoBody
		}
		return resp, nil
	}
	return o
}

func TestValidation(t *testing.T) {
	t.Parallel()
	bubble(t, Options{}, func(t *testing.T, f *Filter) {
		o := tagged("cache-control", "max-age=60")
		get(t, f, o, "/")
		time.Sleep(2 * time.Minute)
		got := get(t, f, o, "/", exchangetest.Field("if-none-match", `"other"`))
		if got.Status != 200 || string(got.Body) != "v1" || got.Header.Get("x-count") != "2" || got.Header.Get("cache-status") != "weir; fwd=stale; fwd-status=304; stored" {
			t.Errorf("validated: got %d %q, header %v", got.Status, got.Body, got.Header)
		}
		got = get(t, f, o, "/", exchangetest.Field("if-none-match", `"0", W/"1"`))
		if got.Status != 304 || got.Header.Get("etag") != `"1"` || got.Header.Get("content-type") != "" || o.asked.Load() != 2 {
			t.Errorf("conditional: got %d, header %v, upstream asked %d times", got.Status, got.Header, o.asked.Load())
		}
		time.Sleep(2 * time.Minute)
		if got = get(t, f, o, "/", exchangetest.Field("if-none-match", `"1"`)); got.Status != 304 || o.asked.Load() != 3 {
			t.Errorf("conditional and stale: got %d, upstream asked %d times", got.Status, o.asked.Load())
		}
		if st := f.store.Stats(); st.Entries != 1 || st.Validated != 2 || st.Memory <= 0 {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestStaleWhileRevalidate(t *testing.T) {
	t.Parallel()
	bubble(t, Options{StaleWhileRevalidate: time.Minute}, func(t *testing.T, f *Filter) {
		o := &origin{body: "v", header: []string{"cache-control", "max-age=60"}}
		get(t, f, o, "/")
		time.Sleep(90 * time.Second)
		if got := get(t, f, o, "/"); string(got.Body) != "v1" || got.Header.Get("cache-status") != "weir; hit; ttl=-30" {
			t.Errorf("stale: got %q, Cache-Status %q", got.Body, got.Header.Get("cache-status"))
		}
		synctest.Wait() // the refresh is over
		if got := get(t, f, o, "/"); string(got.Body) != "v2" || o.asked.Load() != 2 {
			t.Errorf("afterwards: got %q, upstream asked %d times", got.Body, o.asked.Load())
		}
		time.Sleep(3 * time.Minute)
		if got := get(t, f, o, "/"); string(got.Body) != "v3" {
			t.Errorf("too old: got %q, want what is new", got.Body)
		}
	})
}

func TestStaleIfError(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, cc string
		err      error
		status   int
		after    time.Duration
		want     string
	}{
		{"503", "max-age=60, stale-if-error=60", nil, 503, 90 * time.Second, "v1"},
		{"error", "max-age=60, stale-if-error=60", &exchange.Error{Fault: exchange.Upstream}, 0, 90 * time.Second, "v1"},
		{"default", "max-age=60", nil, 503, 90 * time.Second, "v1"},
		{"client's fault", "max-age=60", exchange.Reason(413, "x"), 0, 90 * time.Second, ""},
		{"not an error", "max-age=60", nil, 404, 90 * time.Second, "v2"},
		{"too late", "max-age=60, stale-if-error=10", nil, 503, 90 * time.Second, "v2"},
		{"must-revalidate", "max-age=60, must-revalidate, stale-if-error=60", nil, 503, 90 * time.Second, "v2"},
		{"s-maxage", "s-maxage=60", nil, 503, 90 * time.Second, "v2"},
	} {
		bubble(t, Options{StaleIfError: time.Minute}, func(t *testing.T, f *Filter) {
			o := &origin{body: "v", header: []string{"cache-control", tt.cc}}
			o.answer = func(n int64, r *exchange.Request) (*exchange.Response, error) {
				if n > 1 {
					if o.status = tt.status; tt.err != nil {
						return nil, tt.err
					}
				}
				return o.respond(n, r), nil
			}
			get(t, f, o, "/")
			time.Sleep(tt.after)
			if got := get(t, f, o, "/"); string(got.Body) != tt.want {
				t.Errorf("%s: got %d %q, %v, want %q", tt.name, got.Status, got.Body, got.Err, tt.want)
			}
		})
	}
}

func TestVariants(t *testing.T) {
	t.Parallel()
	f, o := newFilter(t, Options{}), &origin{body: "v", header: []string{"cache-control", "max-age=60", "vary", "Accept-Encoding, X-A"}}
	with := func(encoding, a string) string {
		return string(get(t, f, o, "/", exchangetest.Field("accept-encoding", encoding), exchangetest.Field("x-a", a)).Body)
	}
	for _, tt := range []struct{ encoding, a, want string }{
		{"gzip, br", "1", "v1"},
		{"br;q=0.5,gzip", "1", "v1"},
		{"gzip", "1", "v2"},
		{"gzip, br", "2", "v3"},
		{"gzip, br", "1, 2", "v4"},
		{"gzip, br", "1,2", "v4"},
		{"gzip;q=0, br", "1", "v5"},
		{"x-special", "1", "v6"},
		{"gzip, br", "1", "v1"},
	} {
		if got := with(tt.encoding, tt.a); got != tt.want {
			t.Errorf("%q, %q: got %q, want %q", tt.encoding, tt.a, got, tt.want)
		}
	}
	if got := get(t, f, o, "/").Header.Get("cache-status"); got != "weir; fwd=vary-miss; stored" {
		t.Errorf("Cache-Status %q", got)
	}
}

func TestInvalidation(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		method, target string
		status         int
		header         string
		want           string // what is left of /a/x, /a/y and /a/x?q
	}{
		{"POST", "/a/x", 200, "", "/a/y /a/x?q"},
		{"PUT", "/a/x", 204, "", "/a/y /a/x?q"},
		{"X-OWN", "/a/x", 303, "", "/a/y /a/x?q"},
		{"POST", "/a/x", 500, "", "/a/x /a/y /a/x?q"},
		{"OPTIONS", "/a/x", 200, "", "/a/x /a/y /a/x?q"},
		{"POST", "/b", 200, "location: /a/x", "/a/y /a/x?q"},
		{"POST", "/a/b", 200, "content-location: y", "/a/x /a/x?q"},
		{"POST", "/a/x", 200, "location: ?q", "/a/y"},
		{"POST", "/b", 200, "location: http://EXAMPLE.com/a/x?q", "/a/x /a/y"},
		{"POST", "/b", 200, "location: //example.com/a/x", "/a/y /a/x?q"},
		{"POST", "/b", 200, "location: http://example.com.evil/a/x", "/a/x /a/y /a/x?q"},
		{"POST", "/b", 200, "location: https://example.com/a/x", "/a/x /a/y /a/x?q"},
	} {
		f := newFilter(t, Options{})
		o := &origin{header: []string{"cache-control", "max-age=60"}}
		all := []string{"/a/x", "/a/y", "/a/x?q"}
		for _, target := range all {
			get(t, f, o, target)
		}
		ask(t, f, &origin{status: tt.status, header: lines(tt.header)}, tt.method, tt.target, exchangetest.Body("x"))
		var left []string
		for _, target := range all {
			if get(t, f, o, target, exchangetest.Field("cache-control", "only-if-cached")).Status == 200 {
				left = append(left, target)
			}
		}
		if got := strings.Join(left, " "); got != tt.want {
			t.Errorf("%s %s, %d %q: left %q, want %q", tt.method, tt.target, tt.status, tt.header, got, tt.want)
		}
	}
}

func TestPurge(t *testing.T) {
	t.Parallel()
	targets := []string{"/", "/a", "/a?b", "/ab/c", "http://other.test:8080/a"}
	for _, tt := range []struct {
		what Selection
		n    int
	}{
		{Selection{All: true}, 5},
		{Selection{Host: "Example.com."}, 4},
		{Selection{Host: "other.test"}, 1},
		{Selection{Prefix: "/a"}, 4},
		{Selection{Prefix: "/a/"}, 0},
		{Selection{Host: "other.test", Prefix: "/b"}, 0},
		{Selection{URL: "http://example.com/a"}, 1},
		{Selection{URL: "http://example.com/x/../%61?b"}, 1},
		{Selection{URL: "http://example.com"}, 1},
		{Selection{URL: "https://example.com/a"}, 0},
		{Selection{URL: "http://other.test:8080/a"}, 1},
		{Selection{Tag: "t-/a"}, 3},
		{Selection{Tag: "all"}, 5},
		{Selection{Tag: "al"}, 0},
	} {
		f := newFilter(t, Options{Tags: "Cache-Tag"})
		o := &origin{}
		o.answer = func(n int64, r *exchange.Request) (*exchange.Response, error) {
			resp := o.respond(n, r)
			resp.Header.Append("cache-control", "max-age=60")
			resp.Header.Append("cache-tag", "all, t-"+r.Path)
			return resp, nil
		}
		for _, target := range targets {
			if got := get(t, f, o, target); got.Header.Has("cache-tag") {
				t.Errorf("%s: the client got the tags", target)
			}
		}
		if n, err := f.store.Purge(tt.what); n != tt.n || err != nil || f.store.Stats().Entries != 5-tt.n {
			t.Errorf("%+v: purged %d, %v, want %d", tt.what, n, err, tt.n)
		}
	}
	s := newStore(t, StoreOptions{})
	for _, bad := range []Selection{{}, {URL: "example.com/a"}, {URL: "http://"}, {URL: "http://a b/"}, {URL: "http://a/../.."}} {
		if _, err := s.Purge(bad); err == nil {
			t.Errorf("%+v: no error", bad)
		}
	}
}

func TestRanges(t *testing.T) {
	t.Parallel()
	f := newFilter(t, Options{})
	o := &origin{body: "0123456789", header: []string{"cache-control", "max-age=60", "etag", `"e"`, "content-type", "text/plain", "last-modified", "Sat, 01 Jan 2000 00:00:00 GMT"}}
	o.answer = func(n int64, r *exchange.Request) (*exchange.Response, error) { return o.respond(0, r), nil } // 11 bytes
	get(t, f, o, "/")
	for _, tt := range []struct {
		field, ifRange string
		status         int
		body, content  string
	}{
		{"bytes=0-1", "", 206, "01", "bytes 0-1/11"},
		{"Bytes=9-", "", 206, "90", "bytes 9-10/11"},
		{"bytes=-3", "", 206, "890", "bytes 8-10/11"},
		{"bytes=-99", "", 206, "01234567890", "bytes 0-10/11"},
		{"bytes=5-99999999999999999999999", "", 206, "567890", "bytes 5-10/11"},
		{"bytes=11-", "", 416, "", "bytes */11"},
		{"bytes=99999999999999999999999-", "", 416, "", "bytes */11"},
		{"bytes=-0", "", 416, "", "bytes */11"},
		{"bytes=5-4", "", 200, "01234567890", ""},
		{"bytes=1-2,4-5", "", 200, "01234567890", ""},
		{"bytes=", "", 200, "01234567890", ""},
		{"bytes=-", "", 200, "01234567890", ""},
		{"bytes=+1-2", "", 200, "01234567890", ""},
		{`bytes="1"-2`, "", 200, "01234567890", ""},
		{"items=0-1", "", 200, "01234567890", ""},
		{"bytes=0-1", `"e"`, 206, "01", "bytes 0-1/11"},
		{"bytes=0-1", `W/"e"`, 200, "01234567890", ""},
		{"bytes=0-1", `"x"`, 200, "01234567890", ""},
		{"bytes=0-1", "Sat, 01 Jan 2000 00:00:00 GMT", 206, "01", "bytes 0-1/11"},
		{"bytes=0-1", "Sun, 02 Jan 2000 00:00:00 GMT", 200, "01234567890", ""},
	} {
		options := []exchangetest.Option{exchangetest.Field("range", tt.field)}
		if tt.ifRange != "" {
			options = append(options, exchangetest.Field("if-range", tt.ifRange))
		}
		got := get(t, f, o, "/", options...)
		if got.Status != tt.status || string(got.Body) != tt.body || got.Header.Get("content-range") != tt.content {
			t.Errorf("%q, If-Range %q: got %d %q %q, want %d %q %q", tt.field, tt.ifRange, got.Status, got.Body, got.Header.Get("content-range"), tt.status, tt.body, tt.content)
		}
	}
	if got := ask(t, f, o, "HEAD", "/"); got.Status != 200 || got.Len != 11 || got.Header.Get("age") == "" || o.asked.Load() != 1 {
		t.Errorf("HEAD: got %d, length %d, upstream asked %d times", got.Status, got.Len, o.asked.Load())
	}
}

func TestKey(t *testing.T) {
	t.Parallel()
	f := newFilter(t, Options{IgnoreQuery: []string{"utm_*", "x"}})
	o := &origin{body: "v", header: []string{"cache-control", "max-age=60"}}
	for _, tt := range []struct{ target, want string }{
		{"/a?b=1", "v1"},
		{"/x/../%61?b=1&utm_source=mail", "v1"},
		{"/a?x&b=1", "v1"},
		{"/a?b=2", "v2"},
		{"/a%3Fb=1", "v3"},
		{"https://example.com/a?b=1", "v4"},
		{"http://example.com:8080/a?b=1", "v5"},
		{"/a%2Fb", "v6"},
		{"/a%252Fb", "v7"},
		{"/a?utm_source=x", "v8"},
		{"/a", "v8"},
	} {
		if got := get(t, f, o, tt.target); string(got.Body) != tt.want {
			t.Errorf("%s: got %q, want %q", tt.target, got.Body, tt.want)
		}
	}
	elsewhere := func(r *exchange.Request) { r.Record.Route = "/other" }
	if got := get(t, f, o, "/a", elsewhere); string(got.Body) != "v9" {
		t.Errorf("another route: got %q, which is not its own", got.Body)
	}
}

func TestNew_Refuses(t *testing.T) {
	t.Parallel()
	s := newStore(t, StoreOptions{})
	for _, o := range []Options{{}, {Store: s, TTL: -1}, {Store: s, Name: "a b"}, {Store: s, Name: "1"}, {Store: s, Tags: "a b"}, {Store: s, Cookies: []string{"["}}, {Store: s, IgnoreQuery: []string{""}}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
	if _, err := NewStore(StoreOptions{Memory: -1}); err == nil {
		t.Error("a negative limit: no error")
	}
}

func TestTrailersAreNotLost(t *testing.T) {
	t.Parallel()
	for _, length := range []int64{3, -1} {
		f, o := newFilter(t, Options{TTL: time.Minute}), &origin{}
		o.answer = func(_ int64, r *exchange.Request) (*exchange.Response, error) {
			resp := r.NewResponse(200)
			resp.Trailer.Append("x-sum", "1")
			resp.Body = exchange.NewBody(strings.NewReader("abc"), length, nil)
			return resp, nil
		}
		for range 2 {
			if got := get(t, f, o, "/"); string(got.Body) != "abc" || got.Trailer.Get("x-sum") != "1" {
				t.Errorf("length %d: got %q, trailer %v", length, got.Body, got.Trailer)
			}
		}
	}
}

func TestBodyLongerOrShorterThanAnnounced(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"ab", "abcd"} {
		f, o := newFilter(t, Options{TTL: time.Minute}), &origin{}
		o.answer = func(_ int64, r *exchange.Request) (*exchange.Response, error) {
			resp := r.NewResponse(200)
			resp.Body = liar{strings.NewReader(text)}
			return resp, nil
		}
		if got := get(t, f, o, "/"); got.Err == nil || f.store.Stats().Entries != 0 {
			t.Errorf("%q announced as 3 bytes: got %q, %v", text, got.Body, got.Err)
		}
	}
}

// liar says that it has three bytes.
type liar struct{ io.Reader }

func (liar) Len() int64   { return 3 }
func (liar) Close() error { return nil }
