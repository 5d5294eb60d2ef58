package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// TestCases_Golden reads testdata/cases/*.txt, each a file of cases and what is said of it.
func TestCases_Golden(t *testing.T) {
	t.Parallel()
	golden(t, "testdata/cases/*.txt", func(src string) string {
		c, err := ParseCases("cases.yaml", []byte(src), testOptions())
		if err != nil {
			return err.Error() + "\n"
		}
		var b strings.Builder
		for _, one := range c.Cases {
			text, err := json.MarshalIndent(said(one), "", "  ")
			fmt.Fprintf(&b, "%s: %s, %v\n", one.Pos, text, err)
		}
		return b.String()
	})
}

// said leaves out of a value what says nothing, and places.
func said(v any) any {
	text, err := json.Marshal(v)
	var decoded any
	if err == nil {
		err = json.Unmarshal(text, &decoded)
	}
	if err != nil {
		return err.Error()
	}
	var prune func(any) any
	prune = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for key, value := range v {
				if value = prune(value); key == "Pos" || value == nil {
					delete(v, key)
				} else {
					v[key] = value
				}
			}
			if len(v) == 0 {
				return nil
			}
		case []any:
			for i := range v {
				v[i] = prune(v[i])
			}
			if len(v) == 0 {
				return nil
			}
		case string:
			if v == "" {
				return nil
			}
		case float64:
			if v == 0 {
				return nil
			}
		case bool:
			if !v {
				return nil
			}
		}
		return v
	}
	return prune(decoded)
}

// TestCases_SchemaTakesWhatTheReaderTakes holds the two to each other.
func TestCases_SchemaTakesWhatTheReaderTakes(t *testing.T) {
	t.Parallel()
	var root map[string]any
	if err := json.Unmarshal(CasesSchema(), &root); err != nil {
		t.Fatal(err)
	}
	for file, takes := range map[string]bool{"all.txt": true, "bad.txt": false} {
		b, err := os.ReadFile(filepath.Join("testdata/cases", file))
		if err != nil {
			t.Fatal(err)
		}
		src, _, _ := strings.Cut(string(b), divider)
		var doc yaml.Node
		if err := yaml.Load([]byte(src), &doc); err != nil {
			t.Fatal(err)
		}
		if problem := validate(root, root, plain(doc.Content[0])); (problem == "") != takes {
			t.Errorf("%s: the schema says %q", file, problem)
		}
	}
}

func TestCases_DefaultsAreThoseOfAPlugin(t *testing.T) {
	t.Parallel()
	c, err := ParseCases("a/cases.yaml", []byte("cases: [{expect: 200}]"), testOptions())
	if err != nil {
		t.Fatal(err)
	}
	var want Plugin
	fillPlugin(nil, &want)
	if c.Plugin.Limits.Memory != want.Limits.Memory || c.Plugin.OnError != "closed" || c.Timeout.Seconds() != 10 {
		t.Errorf("got %+v, %v", c.Plugin, c.Timeout)
	}
	one := c.Cases[0]
	if one.Name != "GET /" || one.Request.Authority != "example.com" || one.Upstream.Status != 200 || one.Expect.Response.Status != 200 {
		t.Errorf("got %+v", one)
	}
}

func TestCases_FilesLieBesideThem(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "body"), []byte("text\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "cases.yaml")
	if err := os.WriteFile(file, []byte("wasm: a.wasm\ncases: [{request: {body: {file: body}}, expect: {response: {body: {file: ./body}}}}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := LoadCases(file, os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	want := c.Cases[0].Expect.Response.Body
	if c.Cases[0].Request.Body.Text != "text\n" || want.Is != "text\n" || !want.Exact || c.Plugin.Wasm != filepath.Join(dir, "a.wasm") {
		t.Errorf("got %+v, %q", c.Cases[0], c.Plugin.Wasm)
	}
}

// TestCases_SchemaDescribesEveryKey holds that each key of the schema says what it is for,
// and that the schema is JSON.
func TestCases_SchemaDescribesEveryKey(t *testing.T) {
	t.Parallel()
	var s struct {
		Defs map[string]struct {
			Properties map[string]struct {
				Description string
				Ref         string `json:"$ref"`
			}
		} `json:"$defs"`
	}
	if err := json.Unmarshal(CasesSchema(), &s); err != nil {
		t.Fatal(err)
	}
	for _, object := range []string{"cases", "case", "case_request", "case_answer", "case_body", "expect", "expect_response", "expect_upstream", "expect_call", "call_match", "wanted", "cost", "grants", "plugin_limits"} {
		if len(s.Defs[object].Properties) < 2 {
			t.Errorf("the schema has no %s; it has %v", object, slices.Sorted(maps.Keys(s.Defs)))
		}
		for key, p := range s.Defs[object].Properties {
			if p.Description == "" && p.Ref == "" {
				t.Errorf("%s.%s has no description", object, key)
			}
		}
	}
}

// FuzzCases holds that any text either is refused with places that exist, or can be read.
func FuzzCases(f *testing.F) {
	files, err := filepath.Glob("testdata/cases/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatal(err, len(files))
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		src, _, _ := strings.Cut(string(b), divider)
		f.Add([]byte(src))
	}
	for _, one := range []string{
		"cases: [{expect: {response: {body: {json: {a: [1, .inf, 0x99999999999999999]}}}}}]",
		"cases: [{request: {body: {text: aaaaaaaaaaaaaaaaaaaaaaaa, times: 67108864}}, expect: 200}]",
		"cases: [{import: a}]\nsnippets: {a: {import: a}}",
		"cases: {a: b}", "cases: []", "cases:", "cases: [null]", "upstreams: {https://a/b: 200, '': 200}\ncases: [{expect: 200}]",
		"cases: [{request: 'GET http://[::1', expect: 999}]", "cases: [{expect: {log: [')', ''], refused: x, response: 200}}]",
	} {
		f.Add([]byte(one))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := ParseCases("weir.yaml", src, testOptions())
		if err != nil {
			checkErrors(t, src, err)
			return
		}
		names := map[string]bool{}
		for _, one := range c.Cases {
			if one.Name == "" || names[one.Name] || one.Pos.Line == 0 {
				t.Errorf("input %q: a case named %q, at %v", src, one.Name, one.Pos)
			}
			names[one.Name] = true
		}
		if len(c.Cases) == 0 {
			t.Errorf("input %q: no cases and no error", src)
		}
	})
}
