package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// seed adds the inputs of all golden files.
func seed(f *testing.F) {
	f.Helper()
	for _, pattern := range []string{"testdata/*.txt", "testdata/format/*.txt"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			src, _, _ := strings.Cut(string(b), divider)
			f.Add([]byte(src))
		}
	}
}

// FuzzParse holds that any text either is refused with places that exist, or has a
// normal form that means the same.
func FuzzParse(f *testing.F) {
	seed(f)
	f.Add([]byte("\r0"))
	f.Fuzz(func(t *testing.T, src []byte) {
		checkParse(t, src)
	})
}

func checkParse(t *testing.T, src []byte) {
	t.Helper()
	c, err := Parse("weir.yaml", src, testOptions())
	if err != nil {
		checkErrors(t, src, err)
		return
	}
	normal := Normal(c)
	again, err := Parse("weir.yaml", normal, testOptions())
	if err != nil {
		t.Fatalf("input %q:\nnormal form:\n%s\nis refused: %v", src, normal, err)
	}
	if got := Normal(again); !bytes.Equal(got, normal) {
		t.Errorf("input %q:\nnormal form:\n%s\nof that:\n%s", src, normal, got)
	}
	if len(c.Sites) == 0 {
		t.Errorf("input %q: no sites and no error", src)
	}
}

func checkErrors(t *testing.T, src []byte, err error) {
	t.Helper()
	errs, ok := err.(Errors)
	if !ok || len(errs) == 0 {
		t.Fatalf("input %q: error of type %T: %v", src, err, err)
	}
	lines := bytes.Count(src, []byte("\n")) + 1
	for _, e := range errs {
		if e.Pos.Line < 0 || e.Pos.Line > lines || e.Message == "" || e.Pos.File != "weir.yaml" {
			t.Errorf("input %q: odd error %+v", src, e)
		}
	}
	if text := errs.Text(false); strings.ContainsFunc(text, func(c rune) bool { return c < ' ' && c != '\n' || c == 0x7f }) {
		t.Errorf("input %q: the report holds control characters: %q", src, text)
	}
}

// FuzzFormat holds that formatting keeps meaning and comments, and is done at once.
func FuzzFormat(f *testing.F) {
	seed(f)
	for _, found := range []string{"#\rt\n", "!", "|\n\na: ", ": |\n # y\n  ", "a: |\n\n  >-\n\n    ", "a: b\r\n# c\r\nd: |\r\n  e\r\n", "\ufeff# a\nb: c", " ---", " --- a: b", " ... d"} {
		f.Add([]byte(found))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		checkFormat(t, src)
		before, err := Parse("weir.yaml", src, testOptions())
		if err != nil {
			return
		}
		out, err := Format("weir.yaml", src)
		if err != nil {
			t.Fatalf("input %q: %v", src, err)
		}
		after, err := Parse("weir.yaml", out, testOptions())
		if err != nil {
			t.Fatalf("input %q: formatted %q: %v", src, out, err)
		}
		if got, want := Normal(after), Normal(before); !bytes.Equal(got, want) {
			t.Errorf("input %q: formatted:\n%s\nmeans:\n%s\nwant:\n%s", src, out, got, want)
		}
	})
}

// FuzzLayout is FuzzFormat for texts made of the words of YAML, which random bytes
// seldom are.
func FuzzLayout(f *testing.F) {
	words := []string{"\n", "\n  ", "\n    ", "\n\n", "- ", "a: ", "b: ", "c", "# x", " # y", "[", "]", "{", "}", ", ", ": ", `"q#"`, "'s''t'",
		"|\n", ">-\n", "|2-\n", "    text\n", "  # z\n", "\n# w\n", "\t", "é", "~", `"\x41\n"`, "'", `"`, "sites: ", "import: ", " ", "root: ."}
	f.Add([]byte{30, 1, 5, 12, 33, 13})
	f.Add([]byte{5, 18, 21, 8, 0, 6, 10, 7, 9, 1, 7, 11, 9, 0, 5, 1, 4, 5, 7, 1, 8})
	f.Fuzz(func(t *testing.T, picks []byte) {
		var src []byte
		for _, p := range picks[:min(len(picks), 60)] {
			src = append(src, words[int(p)%len(words)]...)
		}
		checkFormat(t, src)
	})
}

// FuzzSettings is FuzzParse for files that the schema shapes, so that it gets past
// the names of keys: every byte picks a key, a form or a value.
func FuzzSettings(f *testing.F) {
	var root map[string]any
	if err := json.Unmarshal(Schema(), &root); err != nil {
		f.Fatal(err)
	}
	for i := range 64 {
		picks := make([]byte, 200)
		for j := range picks {
			picks[j] = byte(i*31 + j*j*7 + j*i)
		}
		f.Add(picks)
	}
	f.Fuzz(func(t *testing.T, picks []byte) {
		g := generator{root: root, picks: picks}
		src := []byte("snippets: {one: {hsts: 1d, import: two}, two: {headers: {import: three}}, three: {request: {set: {a: b}}}}\nsites: ")
		checkParse(t, append(src, g.value(g.definition("site"), 0)...))
		g.picks = picks
		src = []byte("sites: {a: {tls: off, root: .}}\n")
		for range 3 {
			key, s := g.property(root)
			if key != "sites" && key != "import" && key != "snippets" {
				src = append(src, key+": "+g.value(s, 0)+"\n"...)
			}
		}
		checkParse(t, src)
	})
}

// generator writes values by a schema, in brackets.
type generator struct {
	root  map[string]any
	picks []byte
}

func (g *generator) pick(n int) int {
	if len(g.picks) == 0 {
		return 0
	}
	p := g.picks[0]
	g.picks = g.picks[1:]
	return int(p) % n
}

// definition gives a mapping of free keys to what the schema calls name.
func (g *generator) definition(name string) map[string]any {
	return map[string]any{"type": "object", "additionalProperties": map[string]any{"$ref": "#/$defs/" + name}}
}

func (g *generator) property(s map[string]any) (string, map[string]any) {
	properties, _ := s["properties"].(map[string]any)
	keys := slices.Sorted(maps.Keys(properties))
	for _, kind := range []string{"additionalProperties", "patternProperties"} {
		if free, ok := s[kind].(map[string]any); ok {
			if one, ok := free["^(4|5)([0-9][0-9]|xx)$"].(map[string]any); ok {
				free = one
			}
			name := []string{"a", "b.example.com", "'*.c'", "default", "x-token", "404", "5xx", "import", "A", ".md", "'*'"}[g.pick(11)]
			return name, free
		}
	}
	if len(keys) == 0 {
		return "x", map[string]any{}
	}
	key := keys[g.pick(len(keys))]
	return key, properties[key].(map[string]any)
}

func (g *generator) value(s map[string]any, depth int) string {
	if ref, ok := s["$ref"].(string); ok {
		s = g.root["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
	}
	if all, ok := s["anyOf"].([]any); ok && s["type"] == nil {
		return g.value(all[g.pick(len(all))].(map[string]any), depth)
	}
	values := []string{".", "a", "/a", "1", "10s", "1MiB", "true", "false", "off", "none", "~", "", "'${NAME}'", "'${MISSING}'", "{}", "[]", "200", "/{x}/*", "'{path}'",
		":80", "internal", "require", "one", "[one, two]", "{file: token}", "text/html", "GET", "private", "'='", "1.2", "{a: }", `"\n"`,
		"redis://u:p@h/0", "'postgres://${NAME}:p${NAME}@h/db?sslpassword=x'", "10/m", "1/3", "a.example.com", "'*.b.example.com'", "zerossl", "dns-01", "https://c/d", "on-demand", "'[redacted]'", "a@b.c", "{file: hmac}", "'${KEY}'", "http://h/?token=a&k=b"}
	switch {
	case s["enum"] != nil:
		enum := s["enum"].([]any)
		return fmt.Sprint(enum[g.pick(len(enum))])
	case s["type"] == "array" && depth < 8:
		return "[" + g.value(s["items"].(map[string]any), depth+1) + ", " + g.value(s["items"].(map[string]any), depth+1) + "]"
	case s["type"] == "object" && depth < 8:
		var parts []string
		for range g.pick(5) {
			key, sub := g.property(s)
			parts = append(parts, key+": "+g.value(sub, depth+1))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return values[g.pick(len(values))]
}
