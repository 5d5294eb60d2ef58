package static

import (
	"io"
	"mime"
	stdmultipart "mime/multipart"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/weirproxy/weir/edge/exchange/exchangetest"
)

func TestRange(t *testing.T) {
	t.Parallel()
	const content = "0123456789"
	large := strings.Repeat(content, mediumFile/5)
	root := makeTree(t, map[string]string{"small": content, "large": large, "empty": ""})
	h := serve(t, Options{Root: root})
	for _, c := range []struct {
		field, want, contentRange string
		status                    int
	}{
		{"bytes=0-0", "0", "bytes 0-0/10", 206},
		{"bytes=0-9", content, "bytes 0-9/10", 206},
		{"bytes=0-", content, "bytes 0-9/10", 206},
		{"bytes=5-", "56789", "bytes 5-9/10", 206},
		{"bytes=5-99", "56789", "bytes 5-9/10", 206},
		{"bytes=9-9", "9", "bytes 9-9/10", 206},
		{"bytes=-3", "789", "bytes 7-9/10", 206},
		{"bytes=-99", content, "bytes 0-9/10", 206},
		{"Bytes=0-1", "01", "bytes 0-1/10", 206},
		{"bytes= 0-1", "01", "bytes 0-1/10", 206},
		{"bytes=,0-1,,", "01", "bytes 0-1/10", 206},
		{"bytes=0-1, 20-30", "01", "bytes 0-1/10", 206},
		{"bytes=0-99999999999999999999999", content, "bytes 0-9/10", 206},
		{"bytes=-99999999999999999999999", content, "bytes 0-9/10", 206},
		{"bytes=10-", "", "bytes */10", 416},
		{"bytes=10-20, 30-", "", "bytes */10", 416},
		{"bytes=-0", "", "bytes */10", 416},
		{"bytes=99999999999999999999999-", "", "bytes */10", 416},
		{"bytes=9223372036854775807-9223372036854775807", "", "bytes */10", 416},
		{"bytes=2-1", content, "", 200},
		{"bytes=", content, "", 200},
		{"bytes=,", content, "", 200},
		{"bytes", content, "", 200},
		{"bytes=a-b", content, "", 200},
		{"bytes=1", content, "", 200},
		{"bytes=-", content, "", 200},
		{"bytes=--1", content, "", 200},
		{"bytes=+1-2", content, "", 200},
		{"bytes=1 - 2", content, "", 200},
		{"bytes=0x1-2", content, "", 200},
		{"items=0-1", content, "", 200},
		{"bytes =0-1", content, "", 200},
		{"bytes=0-1,x", content, "", 200},
		{"bytes=0-5,5-9", content, "", 200},
		{"bytes=0-,0-", content, "", 200},
		{"bytes=-5,0-5", content, "", 200},
	} {
		got := get(t, h, "/small", "range", c.field)
		if got.Status != c.status || string(got.Body) != c.want || field(got, "content-range") != c.contentRange {
			t.Errorf("%q: got %d %q, content-range %q; want %d %q, %q", c.field, got.Status, got.Body, field(got, "content-range"), c.status, c.want, c.contentRange)
		}
	}
	if got := get(t, h, "/large", "range", "bytes=65535-65544"); string(got.Body) != "5678901234" || got.Status != 206 {
		t.Errorf("large: got %s", brief(got))
	}
	if got := get(t, h, "/empty", "range", "bytes=0-"); got.Status != 200 {
		t.Errorf("empty: got %d, want 200", got.Status)
	}
	if got := get(t, h, "/small", "range", "bytes=0-1", "range", "bytes=4-5"); got.Status != 200 {
		t.Errorf("two fields: got %d, want 200", got.Status)
	}
	if got := ask(t, h, "HEAD", "/small", "range", "bytes=0-1"); got.Status != 200 || got.Len != 10 {
		t.Errorf("HEAD: got %d, length %d, want 200, 10", got.Status, got.Len)
	}
}

func TestRange_Several(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("0123456789", mediumFile/5)
	h := serve(t, Options{Root: makeTree(t, map[string]string{"small.txt": "0123456789", "large.txt": large})})
	for _, name := range []string{"/small.txt", "/large.txt"} {
		got := get(t, h, name, "range", "bytes=1-2, 4-4,-3")
		kind, params, err := mime.ParseMediaType(got.Header.Get("content-type"))
		if got.Status != 206 || err != nil || kind != "multipart/byteranges" || got.Len != int64(len(got.Body)) || got.Header.Has("content-range") {
			t.Fatalf("%s: got %d %q, length %d of %d, %v", name, got.Status, kind, len(got.Body), got.Len, err)
		}
		r := stdmultipart.NewReader(strings.NewReader(string(got.Body)), params["boundary"])
		for _, want := range []string{"12", "4", "789"} {
			part, err := r.NextPart()
			check(t, err)
			b, err := io.ReadAll(part)
			check(t, err)
			if string(b) != want || part.Header.Get("Content-Type") != "text/plain; charset=utf-8" || !strings.HasPrefix(part.Header.Get("Content-Range"), "bytes ") {
				t.Errorf("%s: got part %q %v, want %q", name, b, part.Header, want)
			}
		}
		if _, err := r.NextPart(); err != io.EOF {
			t.Errorf("%s: after the last part: got %v, want EOF", name, err)
		}
	}
}

func TestRange_FloodsGetTheWhole(t *testing.T) {
	t.Parallel()
	h := serve(t, Options{Root: makeTree(t, map[string]string{"a": strings.Repeat("x", 5000)})})
	parts := func(n, step int) string {
		s := "bytes="
		for i := range n {
			s += strconv.Itoa(i*step) + "-" + strconv.Itoa(i*step) + ","
		}
		return s
	}
	for field, want := range map[string]int{
		parts(maxRanges, 2):                         206,
		parts(maxRanges+1, 2):                       200,
		parts(1000, 2):                              200,
		parts(2, 0):                                 200,
		"bytes=" + strings.Repeat("0-,", 1000):      200,
		"bytes=" + strings.Repeat("9999-,", 1000):   200,
		"bytes=" + strings.Repeat(",", 5000) + "1-": 206,
	} {
		got := get(t, h, "/a", "range", field)
		if got.Status != want || len(got.Body) > 5000 {
			t.Errorf("%.40q: got %d with %d bytes, want %d", field, got.Status, len(got.Body), want)
		}
	}
}

func TestBody_FileCutShort(t *testing.T) {
	t.Parallel()
	root := makeTree(t, map[string]string{"a": strings.Repeat("x", 2*mediumFile)})
	h := serve(t, Options{Root: root})
	for _, field := range []string{"", "bytes=10-", "bytes=1-2,10-"} {
		r := exchangetest.NewRequest("GET", "/a")
		if field != "" {
			check(t, r.Header.Add("range", field))
		}
		resp, err := h.Handle(r)
		check(t, err)
		check(t, os.Truncate(filepath.Join(root, "a"), 100))
		b, err := io.ReadAll(resp.Body)
		if err != io.ErrUnexpectedEOF || len(b) == 0 {
			t.Errorf("range %q: got %d bytes and %v, want unexpected EOF", field, len(b), err)
		}
		check(t, resp.Body.Close())
		check(t, os.WriteFile(filepath.Join(root, "a"), []byte(strings.Repeat("x", 2*mediumFile)), 0o644))
	}
}

func FuzzRange(f *testing.F) {
	for _, s := range []string{"bytes=0-1", "bytes=-5", "bytes=5-", "bytes=0-1,3-4", "bytes=9223372036854775807-", "bytes=,", "x=1-2"} {
		f.Add(s, int64(10))
	}
	f.Fuzz(func(t *testing.T, field string, size int64) {
		if size < 0 {
			return
		}
		list, ok := parseRange(nil, field, size)
		if !ok {
			return
		}
		var total int64
		if len(list) > maxRanges {
			t.Fatalf("parseRange(%q, %d): %d ranges", field, size, len(list))
		}
		for _, s := range list {
			if s.off < 0 || s.n <= 0 || s.n > size || s.off > size-s.n {
				t.Fatalf("parseRange(%q, %d): got %v", field, size, list)
			}
			total += s.n
		}
		if total > size || total < 0 {
			t.Fatalf("parseRange(%q, %d): %d bytes in all", field, size, total)
		}
	})
}
