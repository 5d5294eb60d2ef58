package exchange

import (
	"strings"
	"testing"
)

func TestAcceptsEncoding(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		header, coding string
		want           int
	}{
		{"", "gzip", 0},
		{"", "identity", 1},
		{"gzip", "gzip", 1000},
		{"GZip", "gzip", 1000},
		{"x-gzip", "gzip", 1000},
		{"gzip", "br", 0},
		{"gzip", "identity", 1},
		{"gzip, deflate, br, zstd", "zstd", 1000},
		{"gzip;q=0.5", "gzip", 500},
		{"gzip ; q=0.5", "gzip", 500},
		{"gzip;Q=0.123", "gzip", 123},
		{"gzip;q=0", "gzip", 0},
		{"gzip;q=0.000", "gzip", 0},
		{"gzip;q=1.000", "gzip", 1000},
		{"gzip;q=1.001", "gzip", 0},
		{"gzip;q=2", "gzip", 0},
		{"gzip;q=.5", "gzip", 0},
		{"gzip;q=0.1234", "gzip", 0},
		{"gzip;q=-1", "gzip", 0},
		{"gzip;q=", "gzip", 0},
		{"*", "br", 1000},
		{"*;q=0.2", "identity", 200},
		{"*;q=0", "identity", 0},
		{"*;q=0, gzip", "gzip", 1000},
		{"identity;q=0", "identity", 0},
		{"identity;q=0, *;q=0.5", "identity", 0},
		{"gzip;q=0.4, gzip", "gzip", 400},
		{",, ,gzip,", "gzip", 1000},
		{`a;x="gzip,", gzip;q=0.7`, "gzip", 700},
		{`a;x="\",gzip`, "gzip", 0},
		{"gzipp", "gzip", 0},
	} {
		if got := AcceptsEncoding(c.header, c.coding); got != c.want {
			t.Errorf("AcceptsEncoding(%q, %q) = %d, want %d", c.header, c.coding, got, c.want)
		}
	}
}

func TestPreferEncoding(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ header, want string }{
		{"", ""},
		{"gzip, deflate, br, zstd", "br"},
		{"gzip, zstd", "zstd"},
		{"gzip;q=1, br;q=0.9", "gzip"},
		{"deflate", ""},
		{"identity", ""},
		{"identity, gzip", "gzip"},
		{"identity, gzip;q=0.9", ""},
		{"*", "br"},
		{"*;q=0", ""},
		{"br;q=0, *", "zstd"},
		{"identity;q=0", ""},
		{"identity;q=0, gzip;q=0.001", "gzip"},
	} {
		if got := PreferEncoding(c.header, "br", "zstd", "gzip"); got != c.want {
			t.Errorf("PreferEncoding(%q) = %q, want %q", c.header, got, c.want)
		}
	}
}

func TestPreferMedia(t *testing.T) {
	t.Parallel()
	const firefox = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
	for _, c := range []struct{ header, want string }{
		{"", "text/plain"},
		{"*/*", "text/plain"},
		{firefox, "text/html"},
		{"application/json", "application/json"},
		{"Application/JSON; charset=utf-8", "application/json"},
		{"text/*", "text/plain"},
		{"text/*;q=0.5, application/json;q=0.4", "text/plain"},
		{"text/*, text/plain;q=0.1", "text/html"},
		{"text/html;q=0, */*", "text/plain"},
		{"text/plain;q=0, */*;q=0.1", "application/json"},
		{"image/png", ""},
		{"text/htmlx", ""},
		{"*/*;q=0", ""},
		{"*", ""},
	} {
		if got := PreferMedia(c.header, "text/plain", "application/json", "text/html"); got != c.want {
			t.Errorf("PreferMedia(%q) = %q, want %q", c.header, got, c.want)
		}
	}
}

func TestAccept_DoesNotAllocate(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() {
		PreferEncoding("gzip, deflate, br;q=0.9, zstd", "br", "zstd", "gzip")
		PreferMedia("text/html,application/xml;q=0.9,*/*;q=0.8", "text/plain", "text/html")
	}); n != 0 {
		t.Errorf("allocations = %v, want 0", n)
	}
}

func FuzzAccept(f *testing.F) {
	for _, s := range []string{"", "gzip", "*;q=0", `a;b="c,d";q=0.1,e`, "text/*;q=0.3", ";;;q=,,", `"\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		for _, coding := range []string{"gzip", "identity", "br"} {
			q := AcceptsEncoding(header, coding)
			if q < 0 || q > 1000 {
				t.Fatalf("AcceptsEncoding(%q, %q) = %d, want 0 to 1000", header, coding, q)
			}
			if again := AcceptsEncoding(strings.ToUpper(header), coding); isASCII(header) && again != q {
				t.Fatalf("AcceptsEncoding(%q, %q) = %d, in upper case %d", header, coding, q, again)
			}
		}
		if got := PreferEncoding(header, "br", "gzip"); got != "" && AcceptsEncoding(header, got) == 0 {
			t.Fatalf("PreferEncoding(%q) = %q, which is not acceptable", header, got)
		}
		if got, want := PreferEncoding(header, "br", "gzip"), preferSlowly(header, "br", "gzip"); got != want {
			t.Fatalf("PreferEncoding(%q) = %q, want %q by AcceptsEncoding", header, got, want)
		}
		if got := PreferMedia(header, "text/html", "text/plain"); got != "" && AcceptsMedia(header, got) == 0 {
			t.Fatalf("PreferMedia(%q) = %q, which is not acceptable", header, got)
		}
	})
}

// preferSlowly says by AcceptsEncoding what PreferEncoding should find.
func preferSlowly(header string, offers ...string) string {
	best, bestQ := "", 0
	for _, offer := range offers {
		if q := AcceptsEncoding(header, offer); q > bestQ {
			best, bestQ = offer, q
		}
	}
	if AcceptsEncoding(header, "identity") > bestQ {
		return ""
	}
	return best
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] > 127 {
			return false
		}
	}
	return true
}

func BenchmarkPreferEncoding(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		PreferEncoding("gzip, deflate, br, zstd", "br", "zstd", "gzip")
	}
}
