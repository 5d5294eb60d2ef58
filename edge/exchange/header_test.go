package exchange

import (
	"slices"
	"strings"
	"testing"
)

func headerOf(lines ...string) *Header {
	h := new(Header)
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		h.Append(name, value)
	}
	return h
}

func linesOf(h *Header) []string {
	var lines []string
	for name, value := range h.All() {
		lines = append(lines, name+": "+value)
	}
	return lines
}

func TestHeader_Changes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*Header)
		want   []string
	}{
		{"nothing", func(*Header) {}, []string{"a: 1", "b: 2", "a: 3", "c: 4"}},
		{"add keeps order", func(h *Header) { _ = h.Add("A", "5") }, []string{"a: 1", "b: 2", "a: 3", "c: 4", "a: 5"}},
		{"set takes the first place", func(h *Header) { _ = h.Set("a", "5") }, []string{"a: 5", "b: 2", "c: 4"}},
		{"set of one", func(h *Header) { _ = h.Set("C", "5") }, []string{"a: 1", "b: 2", "a: 3", "c: 5"}},
		{"set of none comes last", func(h *Header) { _ = h.Set("d", "5") }, []string{"a: 1", "b: 2", "a: 3", "c: 4", "d: 5"}},
		{"del", func(h *Header) { h.Del("a") }, []string{"b: 2", "c: 4"}},
		{"del of none", func(h *Header) { h.Del("d") }, []string{"a: 1", "b: 2", "a: 3", "c: 4"}},
		{"del func", func(h *Header) { h.DelFunc(func(_, v string) bool { return v > "2" }) }, []string{"a: 1", "b: 2"}},
		{"copy", func(h *Header) { h.CopyFrom(headerOf("x: y")) }, []string{"x: y"}},
		{"reset", func(h *Header) { h.Reset() }, nil},
		{"refused add", func(h *Header) { _ = h.Add("d", "x\r\ny: z") }, []string{"a: 1", "b: 2", "a: 3", "c: 4"}},
		{"refused set", func(h *Header) { _ = h.Set("a", "x\x00") }, []string{"a: 1", "b: 2", "a: 3", "c: 4"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := headerOf("a: 1", "b: 2", "a: 3", "c: 4")
			c.change(h)
			if got := linesOf(h); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if h.Len() != len(c.want) {
				t.Errorf("got length %d, want %d", h.Len(), len(c.want))
			}
		})
	}
}

func TestHeader_LookUps(t *testing.T) {
	t.Parallel()
	h := headerOf("a: 1", "b: ", "a: 2, 3", "a: ")
	if got := h.Get("a"); got != "1" {
		t.Errorf("get: got %q, want 1", got)
	}
	if got := slices.Collect(h.Values("a")); !slices.Equal(got, []string{"1", "2, 3", ""}) {
		t.Errorf("values: got %q", got)
	}
	for name, want := range map[string]string{"a": "1, 2, 3, ", "b": "", "c": ""} {
		if got := h.Joined(name); got != want {
			t.Errorf("joined %s: got %q, want %q", name, got, want)
		}
	}
	if v, ok := h.Lookup("b"); v != "" || !ok || !h.Has("b") || h.Has("c") || h.Has("A") {
		t.Errorf("lookup of an empty value: got %q, %v", v, ok)
	}
	for range h.All() { // stopping early is allowed
		break
	}
	for range h.Values("a") {
		break
	}
}

func TestHeader_RefusesWhatNoWireCarries(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, value string }{
		{"", "x"}, {"a b", "x"}, {"a:", "x"}, {":path", "/"}, {"a\r\nb", "x"}, {"ä", "x"}, {"a\x00", "x"}, {"(a)", "x"},
		{"a", "x\r"}, {"a", "\nx"}, {"a", "x\x00y"}, {"a", "x\x7f"}, {"a", "x\x1b[0m"}, {"a", " x"}, {"a", "x\t"},
	} {
		var h Header
		if err := h.Add(c.name, c.value); err == nil || h.Len() != 0 {
			t.Errorf("add %q: %q: got %v and %d fields, want an error and none", c.name, c.value, err, h.Len())
		}
		if err := h.Set(c.name, c.value); err == nil || h.Len() != 0 {
			t.Errorf("set %q: %q: got %v and %d fields, want an error and none", c.name, c.value, err, h.Len())
		}
	}
	for _, value := range []string{"", "x", "a\tb", "ü", "\xff", "a  b", `"q"`} {
		if err := new(Header).Add("X-Y!#$%&'*+.^_`|~9", value); err != nil {
			t.Errorf("add %q: got %v", value, err)
		}
	}
}

// Bytes that a dropped field pointed at must not be kept alive by the header's memory.
func TestHeader_DroppedFieldsAreCleared(t *testing.T) {
	t.Parallel()
	h := headerOf("a: 1", "b: 2", "a: 3")
	h.Del("a")
	for i, f := range h.fields[:3][1:] {
		if f != (Field{}) {
			t.Errorf("field %d behind the end: got %v, want it cleared", i, f)
		}
	}
	h.Reset()
	if f := h.fields[:1][0]; f != (Field{}) {
		t.Errorf("after reset: got %v, want it cleared", f)
	}
}

func BenchmarkHeaderGet(b *testing.B) {
	h := headerOf("host: a", "user-agent: b", "accept: c", "accept-language: d", "accept-encoding: e", "cookie: f", "referer: g", "if-none-match: h")
	b.ReportAllocs()
	for b.Loop() {
		_ = h.Get("if-none-match")
		_ = h.Get("range")
	}
}

func TestHeader_ErrorsKeepValuesSecret(t *testing.T) {
	t.Parallel()
	var h Header
	err := h.Add("Authorization", "Bearer s3cret\x01")
	if err == nil || !strings.Contains(err.Error(), "Authorization") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v, want an error that names the field and not its value", err)
	}
}
