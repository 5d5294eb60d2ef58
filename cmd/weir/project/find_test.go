package project_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirproxy/weir/cmd/weir/project"
)

// tree writes files into a directory of that name.
func tree(t *testing.T, name string, files map[string]string) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), name)
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFind_TellsTheLanguageByItsFiles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what  string
		files map[string]string
		lang  project.Language
		name  string
	}{
		{"Go", map[string]string{"go.mod": "module example.com/stamp // a comment\n", "main.go": ""}, project.Go, "stamp"},
		{"Go, quoted", map[string]string{"go.mod": "module \"stamp\"\n"}, project.Go, "stamp"},
		{"a command of a Go module", map[string]string{"main.go": "package main"}, project.Go, "here"},
		{"Rust", map[string]string{"Cargo.toml": "[package]\nname = \"stamp-it\"\n"}, project.Rust, "stamp-it"},
		{"AssemblyScript", map[string]string{"asconfig.json": "{}", "package.json": `{"name": "@me/stamp"}`}, project.AssemblyScript, "stamp"},
		{"AssemblyScript without a configuration", map[string]string{"package.json": `{"devDependencies": {"assemblyscript": "1"}}`}, project.AssemblyScript, "here"},
		{"C", map[string]string{"stamp.c": "", "Makefile": ""}, project.C, "here"},
		{"C++", map[string]string{"stamp.cc": ""}, project.C, "here"},
		{"Rust with a C file", map[string]string{"Cargo.toml": "", "x.c": ""}, project.Rust, "here"},
		{"a name that is none of a file", map[string]string{"package.json": `{"name": "..", "dependencies": {"assemblyscript": "1"}}`}, project.AssemblyScript, "here"},
		{"a build file that is none", map[string]string{"asconfig.json": "{", "package.json": "\x00"}, project.AssemblyScript, "here"},
	} {
		p, err := project.Find(tree(t, "here", c.files))
		if err != nil || p.Language != c.lang || p.Name != c.name || p.Module {
			t.Errorf("%s: got %+v, %v, want %s and the name %s", c.what, p, err, c.lang, c.name)
		}
	}
	module, err := project.Find(tree(t, "here", map[string]string{"go.mod": "", "cases.yaml": "# x\nmodule: true\n"}))
	if err != nil || !module.Module {
		t.Errorf("a module: got %+v, %v", module, err)
	}
	for what, files := range map[string]map[string]string{
		"nothing":        {"README.md": "hello"},
		"JavaScript":     {"package.json": `{"name": "x"}`, "index.js": ""},
		"a test alone":   {"hello_test.c": ""},
		"a directory":    {"x.c/y": ""},
		"one further in": {"below/go.mod": ""},
	} {
		if p, err := project.Find(tree(t, "here", files)); err == nil || !strings.Contains(err.Error(), "looked for go.mod, Cargo.toml") {
			t.Errorf("%s: got %+v, %v, want an error that says what was looked for", what, p, err)
		}
	}
}
