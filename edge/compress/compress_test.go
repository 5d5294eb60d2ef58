package compress_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	brotlilib "github.com/andybalholm/brotli"
	gziplib "github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/weirproxy/weir/edge/compress"
	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
)

func newFilter(t testing.TB, o compress.Options) *compress.Filter {
	t.Helper()
	f, err := compress.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if n := f.Active(); n != 0 {
			t.Errorf("encoders not given back: got %d, want 0", n)
		}
	})
	return f
}

// decode undoes encoding with the decoders that clients have.
func decode(encoding string, r io.Reader) ([]byte, error) {
	switch encoding {
	case "gzip":
		z, err := gziplib.NewReader(r)
		if err != nil {
			return nil, err
		}
		return io.ReadAll(z)
	case "br":
		return io.ReadAll(brotlilib.NewReader(r))
	case "zstd":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		defer z.Close()
		return io.ReadAll(z)
	}
	return io.ReadAll(r)
}

// words makes n bytes of text: words of a language of 3000, the frequent ones very
// frequent, as in the text that proxies are measured with.
func words(seed uint64, n int) []byte {
	rnd := rand.New(rand.NewPCG(seed, 1))
	vocabulary := make([]string, 3000)
	for i := range vocabulary {
		w := make([]byte, 2+rnd.IntN(8))
		for j := range w {
			w[j] = "etaoinshrdlu"[rnd.IntN(12)]
		}
		vocabulary[i] = string(w)
	}
	out := make([]byte, 0, n+10)
	for len(out) < n {
		i := math.Pow(1-rnd.Float64(), -1/0.9) // Pareto
		out = append(append(out, vocabulary[int(min(i, 2999))]...), ' ')
	}
	return out[:n]
}

// source answers with a body, given as one kind of Body, and fields.
func source(kind string, content []byte, fields ...string) exchange.HandlerFunc {
	return func(r *exchange.Request) (*exchange.Response, error) {
		resp := r.NewResponse(200)
		resp.Header.Append("content-type", "text/html; charset=utf-8")
		for i := 0; i < len(fields); i += 2 {
			if err := resp.Header.Set(fields[i], fields[i+1]); err != nil {
				return nil, err
			}
		}
		switch kind {
		case "bytes":
			resp.SetBytes(content)
		case "known":
			resp.Body = exchange.NewBody(bytes.NewReader(content), int64(len(content)), nil)
		case "chunked":
			resp.Body = exchange.NewBody(bytes.NewReader(content), -1, nil)
		}
		return resp, nil
	}
}

func get(t testing.TB, f exchange.Filter, h exchange.Handler, options ...exchangetest.Option) *exchangetest.Result {
	t.Helper()
	return exchangetest.Do(t, exchange.Chain(h, f), exchangetest.NewRequest("GET", "/", options...))
}

func accepting(encodings string) exchangetest.Option {
	return exchangetest.Field("accept-encoding", encodings)
}

func TestContract(t *testing.T) {
	t.Parallel()
	exchangetest.TestFilter(t, newFilter(t, compress.Options{}))
	var asks []exchangetest.Ask
	for _, e := range []string{"gzip", "br", "zstd"} {
		for _, m := range []string{"GET", "HEAD", "POST"} {
			asks = append(asks, exchangetest.Ask{Method: m, Target: "/", Options: []exchangetest.Option{accepting(e)}})
		}
	}
	exchangetest.TestFilter(t, newFilter(t, compress.Options{MinLength: -1}), asks...)
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	f := newFilter(t, compress.Options{})
	text := words(1, 600_000)
	for _, encoding := range []string{"gzip", "br", "zstd"} {
		for _, kind := range []string{"bytes", "known", "chunked"} {
			for _, n := range []int{1500, 8191, 8192, 65536, 256 << 10, 256<<10 + 1, 600_000} {
				t.Run(fmt.Sprintf("%s/%s/%d", encoding, kind, n), func(t *testing.T) {
					t.Parallel()
					content := text[:n]
					known, turns := false, 1
					if kind != "chunked" && n <= 256<<10 {
						known, turns = true, 3 // the second is stored, the third found
					}
					for turn := range turns {
						got := get(t, f, source(kind, content), accepting(encoding))
						if e := got.Header.Get("content-encoding"); e != encoding {
							t.Fatalf("turn %d: content-encoding: got %q, want %q", turn, e, encoding)
						}
						plain, err := decode(encoding, bytes.NewReader(got.Body))
						if err != nil || !bytes.Equal(plain, content) {
							t.Fatalf("turn %d: decoded %d bytes, error %v; want the %d sent", turn, len(plain), err, n)
						}
						if known && got.Len != int64(len(got.Body)) || !known && got.Len != -1 {
							t.Errorf("turn %d: Len: got %d for %d bytes, want it known: %t", turn, got.Len, len(got.Body), known)
						}
					}
				})
			}
		}
	}
}

func TestLevels(t *testing.T) {
	t.Parallel()
	text := words(1, 40<<10)
	for _, encoding := range []string{"gzip", "br", "zstd"} {
		for _, kind := range []string{"known", "chunked"} {
			size := make(map[compress.Level][2]int) // of the first and the third answer
			for _, level := range []compress.Level{compress.Fast, compress.Default, compress.Best} {
				f := newFilter(t, compress.Options{Level: level})
				var turns [3]int
				for turn := range turns {
					got := get(t, f, source(kind, text), accepting(encoding))
					if plain, err := decode(encoding, bytes.NewReader(got.Body)); err != nil || !bytes.Equal(plain, text) {
						t.Fatalf("%s, %s: decoded %d bytes, error %v; want the %d sent", encoding, level, len(plain), err, len(text))
					}
					turns[turn] = len(got.Body)
				}
				size[level] = [2]int{turns[0], turns[2]}
			}
			kept := size[compress.Best][0]
			if kind == "chunked" { // never kept
				kept = size[compress.Fast][0]
			}
			if kept > size[compress.Fast][0] || size[compress.Best][0] >= size[compress.Fast][0] ||
				size[compress.Default] != [2]int{size[compress.Fast][0], kept} {
				t.Errorf("%s, %s: got sizes %v of first and third answer; want default to begin as fast and, kept, end as best", encoding, kind, size)
			}
		}
	}
}

func TestWhatDoesNotShrinkStaysPlain(t *testing.T) {
	t.Parallel()
	f := newFilter(t, compress.Options{})
	noise := make([]byte, 5000)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	for _, kind := range []string{"bytes", "known"} {
		got := get(t, f, source(kind, noise, "etag", `"a"`), accepting("gzip"))
		if got.Header.Has("content-encoding") || !bytes.Equal(got.Body, noise) || got.Header.Get("etag") != `"a"` {
			t.Errorf("%s: got %d bytes with %v, want the content as it was", kind, len(got.Body), got.Header)
		}
		if got.Header.Get("vary") != "Accept-Encoding" {
			t.Errorf("%s: vary: got %q, want Accept-Encoding", kind, got.Header.Get("vary"))
		}
	}
}

func TestChoosesWhatTheClientWants(t *testing.T) {
	t.Parallel()
	f := newFilter(t, compress.Options{})
	for accept, want := range map[string]string{
		"gzip, deflate, br, zstd":    "zstd",
		"gzip, deflate, br":          "br",
		"gzip":                       "gzip",
		"GZIP":                       "gzip",
		"x-gzip":                     "gzip",
		"gzip;q=1, br;q=0.9":         "gzip",
		"gzip;q=0.5, br;q=0":         "gzip",
		"*":                          "zstd",
		"*, zstd;q=0":                "br",
		"*;q=0":                      "",
		"identity, gzip;q=0.5":       "",
		"deflate":                    "",
		"gzip;q=0":                   "",
		"gzip;q=nonsense":            "",
		"compress;q=0.5, gzip;q=1.0": "gzip",
	} {
		got := get(t, f, source("bytes", words(1, 4000)), accepting(accept)).Header.Get("content-encoding")
		if got != want {
			t.Errorf("accept-encoding %q: got %q, want %q", accept, got, want)
		}
	}
	two := newFilter(t, compress.Options{Encodings: []string{"gzip", "br"}})
	if got := get(t, two, source("bytes", words(1, 4000)), accepting("zstd, br, gzip")).Header.Get("content-encoding"); got != "gzip" {
		t.Errorf("gzip preferred: got %q, want gzip", got)
	}
}

func TestHeader(t *testing.T) {
	t.Parallel()
	f := newFilter(t, compress.Options{})
	content := words(1, 4000)
	for _, c := range []struct {
		name, accept string
		fields       []string
		want         string // encoding, vary, etag
	}{
		{"compressed", "gzip", nil, "gzip|Accept-Encoding|"},
		{"strong tag is weakened", "gzip", []string{"etag", `"x"`}, `gzip|Accept-Encoding|W/"x"`},
		{"weak tag stays", "gzip", []string{"etag", `W/"x"`}, `gzip|Accept-Encoding|W/"x"`},
		{"not asked for", "", []string{"etag", `"x"`}, `|Accept-Encoding|"x"`},
		{"vary is added to", "gzip", []string{"vary", "Cookie"}, "gzip|Cookie, Accept-Encoding|"},
		{"vary is there", "gzip", []string{"vary", "Cookie, accept-encoding"}, "gzip|Cookie, accept-encoding|"},
		{"vary all", "gzip", []string{"vary", "*"}, "gzip|*|"},
		{"encoded already", "gzip", []string{"content-encoding", "br"}, "br||"},
		{"no-transform", "gzip", []string{"cache-control", "public, No-Transform"}, "||"},
		{"image", "gzip", []string{"content-type", "image/png"}, "||"},
		{"no type", "gzip", []string{"content-type", ""}, "||"},
		{"range", "gzip", []string{"content-range", "bytes 0-3999/9000"}, "|Accept-Encoding|"},
	} {
		for _, kind := range []string{"bytes", "known", "chunked"} {
			t.Run(c.name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				fields := append([]string{"accept-ranges", "bytes", "content-digest", "sha-256=:AA==:"}, c.fields...)
				got := get(t, f, source(kind, content, fields...), accepting(c.accept))
				h := &got.Header
				if s := strings.Join([]string{h.Joined("content-encoding"), h.Joined("vary"), h.Joined("etag")}, "|"); s != c.want {
					t.Errorf("encoding|vary|etag: got %s, want %s", s, c.want)
				}
				encoded := strings.HasPrefix(c.want, "gzip")
				if h.Has("accept-ranges") == encoded || h.Has("content-digest") == encoded {
					t.Errorf("accept-ranges, content-digest: got %t, %t, want both %t", h.Has("accept-ranges"), h.Has("content-digest"), !encoded)
				}
			})
		}
	}
}

func TestStatusesWithoutContent(t *testing.T) {
	t.Parallel()
	f := newFilter(t, compress.Options{MinLength: -1})
	for status, want := range map[int]string{200: "gzip", 404: "gzip", 500: "gzip", 204: "", 205: "", 206: "", 304: ""} {
		h := exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
			resp, err := source("chunked", words(1, 4000))(r)
			resp.Status = status
			return resp, err
		})
		if got := get(t, f, h, accepting("gzip")).Header.Get("content-encoding"); got != want {
			t.Errorf("status %d: got %q, want %q", status, got, want)
		}
	}
}

func TestSmallBodiesStayPlain(t *testing.T) {
	t.Parallel()
	f := newFilter(t, compress.Options{MinLength: 1000})
	for n, want := range map[int]string{999: "", 1000: "gzip"} {
		got := get(t, f, source("known", words(1, n)), accepting("gzip"))
		if e := got.Header.Get("content-encoding"); e != want {
			t.Errorf("%d bytes: got %q, want %q", n, e, want)
		}
	}
}

func TestHeadTellsWhatGetWould(t *testing.T) {
	t.Parallel()
	f := newFilter(t, compress.Options{})
	for _, kind := range []string{"bytes", "known", "chunked"} {
		h := exchange.Chain(source(kind, words(1, 4000), "etag", `"x"`, "accept-ranges", "bytes"), f)
		get := exchangetest.Do(t, h, exchangetest.NewRequest("GET", "/", accepting("br")))
		head := exchangetest.Do(t, h, exchangetest.NewRequest("HEAD", "/", accepting("br")))
		if g, w := fmt.Sprint(head.Header), fmt.Sprint(get.Header); g != w {
			t.Errorf("%s: got %s, want %s", kind, g, w)
		}
		if head.Len != -1 {
			t.Errorf("%s: Len: got %d, want -1", kind, head.Len)
		}
	}
	// An upstream answers HEAD with the length in a field and no body.
	h := exchange.Chain(source("bytes", nil, "content-length", "4000"), f)
	if head := exchangetest.Do(t, h, exchangetest.NewRequest("HEAD", "/", accepting("br"))); head.Header.Get("content-encoding") != "br" || head.Header.Has("content-length") {
		t.Errorf("HEAD with a length alone: got %v, want br and no content-length", head.Header)
	}
}

// origin answers conditional requests by the book, with a strong tag.
func origin(content []byte, tag string) exchange.HandlerFunc {
	return func(r *exchange.Request) (*exchange.Response, error) {
		if v := r.Header.Get("if-match"); v != "" && !strings.Contains(", "+v, ", "+tag) {
			return r.NewResponse(412), nil
		}
		if strings.Contains(r.Header.Get("if-none-match"), strings.TrimPrefix(tag, "W/")) {
			resp := r.NewResponse(304)
			resp.Header.Append("etag", tag)
			return resp, nil
		}
		return source("bytes", content, "etag", tag)(r)
	}
}

func TestRevalidation(t *testing.T) {
	t.Parallel()
	f := newFilter(t, compress.Options{})
	h := origin(words(1, 4000), `"v1"`)
	for _, encoding := range []string{"gzip", ""} {
		first := get(t, f, h, accepting(encoding))
		tag := first.Header.Get("etag")
		again := get(t, f, h, accepting(encoding), exchangetest.Field("if-none-match", tag))
		if again.Status != 304 || again.Header.Get("etag") != tag {
			t.Errorf("%q: if-none-match %s: got %d with etag %s, want 304 with the same", encoding, tag, again.Status, again.Header.Get("etag"))
		}
		put := get(t, f, h, exchangetest.Field("if-match", tag))
		if put.Status != 200 {
			t.Errorf("%q: if-match %s: got %d, want 200", encoding, tag, put.Status)
		}
		stale := get(t, f, h, exchangetest.Field("if-match", strings.Replace(tag, "v1", "v0", 1)))
		if stale.Status != 412 {
			t.Errorf("%q: if-match of an old tag: got %d, want 412", encoding, stale.Status)
		}
	}
	weak := get(t, f, origin(words(1, 4000), `W/"v1"`), exchangetest.Field("if-match", `W/"v1"`))
	if weak.Status != 412 {
		t.Errorf("tag that the origin made weak: got %d, want 412", weak.Status)
	}
}

func TestIfMatchLists(t *testing.T) {
	t.Parallel()
	f := newFilter(t, compress.Options{})
	for in, want := range map[string]string{
		`W/"a", "b",W/"c"`: `"a", "b","c"`,
		`"W/", W/"x"`:      `"W/", "x"`,
		`"aW/"`:            `"aW/"`,
		`*`:                `*`,
		`W/`:               `W/`,
		`W/"`:              `"`,
	} {
		var got string
		get(t, f, exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
			got = r.Header.Joined("if-match")
			return r.NewResponse(204), nil
		}), exchangetest.Field("if-match", in))
		if got != want {
			t.Errorf("if-match %s: got %s, want %s", in, got, want)
		}
	}
}

func TestCutBodiesStayCut(t *testing.T) {
	t.Parallel()
	f := newFilter(t, compress.Options{})
	cause := errors.New("upstream reset")
	for _, n := range []int64{-1, 8000, 1 << 20} {
		h := exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
			resp := r.NewResponse(200)
			resp.Header.Append("content-type", "text/plain")
			cut := io.MultiReader(bytes.NewReader(words(1, 4000)), failing{cause})
			resp.Body = exchange.NewBody(cut, n, nil)
			return resp, nil
		})
		for _, e := range []string{"gzip", "br", "zstd"} {
			got := get(t, f, h, accepting(e))
			if !errors.Is(got.Err, cause) {
				t.Errorf("%s, length %d: got error %v, want %v", e, n, got.Err, cause)
			}
			if len(got.Body) > 0 {
				if _, err := decode(e, bytes.NewReader(got.Body)); err == nil {
					t.Errorf("%s, length %d: what was sent decodes as if it were complete", e, n)
				}
			}
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestLyingLengths(t *testing.T) {
	t.Parallel()
	f := newFilter(t, compress.Options{})
	for _, real := range []int{3000, 5000} {
		h := exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
			resp := r.NewResponse(200)
			resp.Header.Append("content-type", "text/plain")
			resp.Body = claims{exchange.NewBytes(words(1, real)), 4000}
			return resp, nil
		})
		if got := get(t, f, h, accepting("gzip")); got.Err == nil {
			t.Errorf("%d bytes announced as 4000: got %d, want an error", real, got.Status)
		}
	}
}

type claims struct {
	exchange.Body
	n int64
}

func (c claims) Len() int64 { return c.n }

func TestTrailersSurvive(t *testing.T) {
	t.Parallel()
	f := newFilter(t, compress.Options{})
	h := exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		resp, err := source("chunked", words(1, 4000))(r)
		resp.Trailer.Append("x-sum", "1")
		return resp, err
	})
	if got := get(t, f, h, accepting("gzip")).Trailer.Get("x-sum"); got != "1" {
		t.Errorf("trailer: got %q, want 1", got)
	}
}

// A stream's reader must get each event before the next one exists.
func TestStreamsAreNotDelayed(t *testing.T) {
	t.Parallel()
	f := newFilter(t, compress.Options{Types: []string{"text/event-stream"}})
	for _, encoding := range []string{"gzip", "br", "zstd"} {
		for _, size := range []int{1, 100, 32 << 10} { // the last fills the filter's buffer
			t.Run(fmt.Sprint(encoding, size), func(t *testing.T) {
				t.Parallel()
				events, feed := io.Pipe()
				resp, err := exchange.Chain(exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
					resp := r.NewResponse(200)
					resp.Header.Append("content-type", "text/event-stream")
					resp.Body = exchange.NewBody(events, -1, events.Close)
					return resp, nil
				}), f).Handle(exchangetest.NewRequest("GET", "/", accepting(encoding)))
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				got := make(chan byte)
				go func() {
					defer close(got)
					decoded, _ := decodeStream(encoding, resp.Body)
					var b [1]byte
					for {
						if _, err := io.ReadFull(decoded, b[:]); err != nil {
							return
						}
						got <- b[0]
					}
				}()
				for event := range 3 {
					sent := words(uint64(event), size)
					go feed.Write(sent)
					for i := range sent {
						if b := <-got; b != sent[i] {
							t.Fatalf("event %d, byte %d: got %q, want %q", event, i, b, sent[i])
						}
					}
				}
				feed.Close()
				if _, more := <-got; more {
					t.Error("more than was sent")
				}
			})
		}
	}
}

func TestSlowReadersTakeBoundedMemory(t *testing.T) {
	t.Parallel()
	const most = 3
	f := newFilter(t, compress.Options{MaxStreams: most})
	text := words(1, 600_000)
	for _, kind := range []string{"known", "chunked"} {
		var open []exchange.Body
		for i := range 2 * most {
			r := exchangetest.NewRequest("GET", "/", accepting("zstd"))
			resp, err := f.Handle(r, source(kind, text))
			if err != nil {
				t.Fatal(err)
			}
			if got := resp.Header.Has("content-encoding"); got != (i < most) {
				t.Errorf("%s, reader %d: compressed %v, want %v", kind, i, got, i < most)
			}
			if got := resp.Header.Get("vary"); got != "Accept-Encoding" {
				t.Errorf("%s, reader %d: vary %q, want Accept-Encoding", kind, i, got)
			}
			open = append(open, resp.Body)
		}
		if got := f.Active(); got != most {
			t.Errorf("%s: %d encoders are held, want %d", kind, got, most)
		}
		for _, b := range open {
			b.Close()
		}
		if got := get(t, f, source(kind, text), accepting("zstd")); got.Header.Get("content-encoding") != "zstd" {
			t.Errorf("%s: after they have gone: got fields %v, want it compressed", kind, got.Header)
		}
	}
}

func decodeStream(encoding string, r io.Reader) (io.Reader, error) {
	switch encoding {
	case "gzip":
		return gziplib.NewReader(r)
	case "br":
		return brotlilib.NewReader(r), nil
	}
	return zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
}

// A handler may use one buffer for response after response, with one tag for all.
func TestNeverMixesResponses(t *testing.T) {
	t.Parallel()
	f := newFilter(t, compress.Options{CacheSize: 100 << 10})
	shared, text := make([]byte, 4000), words(1, 40_000)
	for i := range 200 {
		copy(shared, text[i%7*4000:])
		got := get(t, f, source("bytes", shared, "etag", `"same"`), accepting("gzip"))
		plain, err := decode("gzip", bytes.NewReader(got.Body))
		if err != nil || !bytes.Equal(plain, shared) {
			t.Fatalf("turn %d: got another response (error %v)", i, err)
		}
	}
}

func TestHammer(t *testing.T) {
	t.Parallel()
	f := newFilter(t, compress.Options{CacheSize: 50 << 10})
	text := words(1, 40_000)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 40 {
				n := 2000 * (1 + (g+i)%9)
				encoding := []string{"gzip", "br", "zstd"}[i%3]
				content := text[n/2 : n/2+n]
				got := get(t, f, source([]string{"bytes", "known", "chunked"}[g%3], content), accepting(encoding))
				if plain, err := decode(encoding, bytes.NewReader(got.Body)); err != nil || !bytes.Equal(plain, content) {
					t.Errorf("%s of %d bytes: got another response (error %v)", encoding, n, err)
				}
			}
		})
	}
	wg.Wait()
}

// What comes from outside compressed stays so: a bomb is never set off here.
func TestSecurity_P16_NeverDecompresses(t *testing.T) {
	t.Parallel()
	f := newFilter(t, compress.Options{})
	var bomb bytes.Buffer
	z := gziplib.NewWriter(&bomb)
	z.Write(make([]byte, 10<<20))
	z.Close()
	h := exchange.HandlerFunc(func(r *exchange.Request) (*exchange.Response, error) {
		in, err := io.ReadAll(r.Body)
		if err != nil || !bytes.Equal(in, bomb.Bytes()) {
			t.Errorf("request body: got %d bytes, error %v; want the %d sent", len(in), err, bomb.Len())
		}
		return source("bytes", bomb.Bytes(), "content-encoding", "gzip")(r)
	})
	got := get(t, f, h, accepting("br"), exchangetest.Field("content-encoding", "gzip"), exchangetest.Body(bomb.String()))
	if !bytes.Equal(got.Body, bomb.Bytes()) || got.Header.Joined("content-encoding") != "gzip" {
		t.Errorf("response body: got %d bytes of %q, want the %d of gzip sent", len(got.Body), got.Header.Joined("content-encoding"), bomb.Len())
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for _, o := range []compress.Options{
		{Encodings: []string{"deflate"}},
		{Encodings: []string{"identity"}},
		{Encodings: []string{"gzip", "br", "gzip"}},
		{Level: "fastest"},
		{Types: []string{"html"}},
		{Types: []string{"*/*"}},
		{Types: []string{"text/html; charset=utf-8"}},
		{Types: []string{""}},
	} {
		if _, err := compress.New(o); err == nil {
			t.Errorf("New(%+v): got no error", o)
		}
	}
}

func TestTypes(t *testing.T) {
	t.Parallel()
	f := newFilter(t, compress.Options{})
	for contentType, want := range map[string]bool{
		"text/html":                          true,
		"TEXT/Plain ; charset=utf-8":         true,
		"application/json":                   true,
		"application/problem+json;v=1":       true,
		"image/svg+xml":                      true,
		"application/manifest+json":          true,
		"application/wasm":                   true,
		"font/ttf":                           true,
		"text/event-stream":                  false,
		"font/woff2":                         false,
		"image/png":                          false,
		"video/mp4":                          false,
		"application/zip":                    false,
		"application/grpc":                   false,
		"application/octet-stream":           false,
		"json":                               false,
		"multipart/x-mixed-replace;boundary": false,
	} {
		got := get(t, f, source("bytes", words(1, 4000), "content-type", contentType), accepting("gzip")).Header.Has("content-encoding")
		if got != want {
			t.Errorf("%q: compressed: got %t, want %t", contentType, got, want)
		}
	}
}

func FuzzHandle(f *testing.F) {
	f.Add("gzip, deflate, br, zstd", "text/html", `W/"a"`, []byte(strings.Repeat("hello ", 100)), uint8(0))
	f.Add("*;q=0.5, zstd;q=0", "application/x+json;a=\"b\"", `"a", W/`, []byte("x"), uint8(1))
	f.Add("br;q=1.0000", ";", `"`, []byte{}, uint8(2))
	filter, err := compress.New(compress.Options{MinLength: -1, CacheSize: 1 << 20})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, accept, contentType, tag string, content []byte, kind uint8) {
		for _, v := range []string{accept, contentType, tag} {
			if !exchange.ValidValue(v) {
				t.Skip()
			}
		}
		h := source([]string{"bytes", "known", "chunked"}[kind%3], content, "content-type", contentType, "etag", tag)
		got := get(t, filter, h, accepting(accept), exchangetest.Field("if-match", tag), exchangetest.Field("if-none-match", tag))
		plain, err := decode(got.Header.Get("content-encoding"), bytes.NewReader(got.Body))
		if err != nil || !bytes.Equal(plain, content) {
			t.Errorf("accept-encoding %q: decoded %d bytes, error %v; want the %d sent", accept, len(plain), err, len(content))
		}
		if n := filter.Active(); n != 0 {
			t.Errorf("encoders not given back: %d", n)
		}
	})
}
