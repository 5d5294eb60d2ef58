package cache

import (
	"io"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
)

func newStore(t testing.TB, o StoreOptions) *Store {
	t.Helper()
	s, err := NewStore(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func newFilter(t testing.TB, o Options) *Filter {
	t.Helper()
	if o.Store == nil {
		o.Store = newStore(t, StoreOptions{})
	}
	f, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// origin is an upstream that answers with what it is given, and counts.
type origin struct {
	asked  atomic.Int64
	status int
	body   string
	header []string // name, value, …
	// answer, if set, makes the response; n is the number of the request.
	answer func(n int64, r *exchange.Request) (*exchange.Response, error)
}

func (o *origin) Handle(r *exchange.Request) (*exchange.Response, error) {
	n := o.asked.Add(1)
	if o.answer != nil {
		return o.answer(n, r)
	}
	return o.respond(n, r), nil
}

// respond makes the usual response. Its body says which request it was made for.
func (o *origin) respond(n int64, r *exchange.Request) *exchange.Response {
	resp := r.NewResponse(200)
	if o.status != 0 {
		resp.Status = o.status
	}
	for i := 0; i < len(o.header); i += 2 {
		if err := resp.Header.Add(o.header[i], o.header[i+1]); err != nil {
			panic(err)
		}
	}
	text := o.body + strconv.FormatInt(n, 10)
	resp.Body = exchange.NewBody(strings.NewReader(text), int64(len(text)), nil)
	return resp
}

func get(t testing.TB, f *Filter, o exchange.Handler, target string, options ...exchangetest.Option) *exchangetest.Result {
	t.Helper()
	return ask(t, f, o, "GET", target, options...)
}

func ask(t testing.TB, f *Filter, o exchange.Handler, method, target string, options ...exchangetest.Option) *exchangetest.Result {
	t.Helper()
	return exchangetest.Do(t, exchange.Chain(o, f), exchangetest.NewRequest(method, target, options...))
}

func TestFilter_Contract(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{{}, {TTL: time.Minute}, {TTL: time.Minute, Store: newStore(t, StoreOptions{Dir: t.TempDir()})}} {
		exchangetest.TestFilter(t, newFilter(t, o))
	}
}

func TestFilter_AnswersFromTheStore(t *testing.T) {
	t.Parallel()
	f, o := newFilter(t, Options{}), &origin{body: "v", header: []string{"cache-control", "max-age=60", "content-type", "text/plain"}}
	first, second := get(t, f, o, "/a"), get(t, f, o, "/a")
	if string(first.Body) != "v1" || string(second.Body) != "v1" || o.asked.Load() != 1 {
		t.Errorf("got %q, %q, upstream asked %d times", first.Body, second.Body, o.asked.Load())
	}
	if got := first.Header.Get("cache-status"); got != "weir; fwd=uri-miss; stored" {
		t.Errorf("miss: Cache-Status %q", got)
	}
	if got := second.Header.Get("cache-status"); !strings.HasPrefix(got, "weir; hit; ttl=") {
		t.Errorf("hit: Cache-Status %q", got)
	}
	if second.Header.Get("age") == "" || second.Header.Get("content-type") != "text/plain" {
		t.Errorf("hit: header lacks something: %v", second.Header)
	}
}

func TestFilter_StreamsWhatItKeeps(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"", t.TempDir()} {
		s := newStore(t, StoreOptions{Dir: dir})
		f := newFilter(t, Options{Store: s})
		big := strings.Repeat("0123456789abcdef", 40<<10)
		o := &origin{answer: func(n int64, r *exchange.Request) (*exchange.Response, error) {
			resp := r.NewResponse(200)
			resp.Header.Append("cache-control", "max-age=60")
			length := int64(-1)
			if r.Path == "/known" {
				length = int64(len(big))
			}
			resp.Body = exchange.NewBody(io.MultiReader(strings.NewReader(big[:1000]), strings.NewReader(big[1000:])), length, nil)
			return resp, nil
		}}
		for _, path := range []string{"/known", "/unknown"} {
			for range 3 {
				if got := get(t, f, o, path); string(got.Body) != big || got.Err != nil {
					t.Errorf("dir %q, %s: got %d bytes, %v, want %d", dir, path, len(got.Body), got.Err, len(big))
				}
			}
			got := get(t, f, o, path, exchangetest.Field("range", "bytes=-16"))
			if string(got.Body) != "0123456789abcdef" || got.Status != 206 {
				t.Errorf("dir %q, %s: range: got %d %q", dir, path, got.Status, got.Body)
			}
		}
		if got := o.asked.Load(); got != 2 {
			t.Errorf("dir %q: upstream asked %d times, want 2", dir, got)
		}
		if st := s.Stats(); st.Entries != 2 || s.arriving != 0 || s.spooled != 0 || (st.Disk > 0) != (dir != "") {
			t.Errorf("dir %q: stats %+v, arriving %d, spooled %d", dir, st, s.arriving, s.spooled)
		}
	}
}
