package static

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weirproxy/weir/edge/exchange/exchangetest"
)

func BenchmarkHandle(b *testing.B) {
	files := map[string]string{"1k.html": strings.Repeat("x", 1024), "100k.bin": strings.Repeat("x", 100<<10),
		"app.js": strings.Repeat("x", 1024), "app.js.br": "br", "app.js.gz": "gzip", "d/index.html": "i"}
	h := serve(b, Options{Root: makeTree(b, files)})
	etag := get(b, h, "/1k.html").Header.Get("etag")
	for _, c := range []struct {
		name, target string
		fields       []string
	}{
		{"hot 1 KB", "/1k.html", nil},
		{"hot 1 KB, browser", "/1k.html", []string{"host", "a", "user-agent", "b", "accept", "*/*", "accept-language", "c", "accept-encoding", "gzip, deflate, br, zstd", "cookie", "d"}},
		{"hot coded", "/app.js", []string{"accept-encoding", "gzip, deflate, br, zstd"}},
		{"hot 304", "/1k.html", []string{"if-none-match", etag}},
		{"hot index", "/d/", nil},
		{"hot 100 KB", "/100k.bin", nil},
		{"range", "/100k.bin", []string{"range", "bytes=1000-1999"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			again := hot(b, h, c.target, c.fields...)
			again()
			b.ReportAllocs()
			for b.Loop() {
				again()
			}
		})
	}
	b.Run("hot 1 KB, parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(p *testing.PB) {
			again := hot(b, h, "/1k.html")
			for p.Next() {
				again()
			}
		})
	})
}

func BenchmarkHandleCold(b *testing.B) {
	files := map[string]string{"1k.html": strings.Repeat("x", 1024), "100k.bin": strings.Repeat("x", 100<<10)}
	root := makeTree(b, files)
	for _, c := range []struct {
		name, target string
		o            Options
	}{
		{"1 KB", "/1k.html", Options{CacheBytes: -1}},
		{"1 KB, plain only", "/1k.html", Options{CacheBytes: -1, PlainOnly: true}},
		{"100 KB", "/100k.bin", Options{CacheBytes: -1}},
		{"1 KB, looked up every time", "/1k.html", Options{MaxAgeCheck: -1}},
	} {
		b.Run(c.name, func(b *testing.B) {
			c.o.Root = root
			again := hot(b, serve(b, c.o), c.target)
			b.ReportAllocs()
			for b.Loop() {
				again()
			}
		})
	}
	h := serve(b, Options{Root: root})
	b.Run("miss", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			r := exchangetest.NewRequest("GET", fmt.Sprintf("/none/%d", i))
			if _, err := h.Handle(r); err == nil {
				b.Fatal("found")
			}
			i++
		}
	})
	b.Run("miss again", func(b *testing.B) {
		r := at(h, "/none", 0)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := h.Handle(r); err == nil {
				b.Fatal("found")
			}
		}
	})
}
