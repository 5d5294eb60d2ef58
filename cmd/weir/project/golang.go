package project

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// planGo builds with the Go that is installed, of which any since 1.24 makes reactors.
func planGo(t tools, p *Project, o Options) (*Plan, error) {
	path := t.path("go")
	if path == "" {
		return nil, &Missing{"Go is not installed", []string{"https://go.dev/dl/ (1.26 or later)"}}
	}
	args := []string{"go", "build"}
	if isReactor(p.Dir) {
		args = append(args, "-buildmode=c-shared")
	}
	args = append(args, "-buildvcs=false") // git may refuse to be asked
	if !o.Names {
		args = append(args, "-trimpath", "-ldflags=-s -w")
	}
	version := strings.TrimPrefix(t.says(p.Dir, nil, path, "env", "GOVERSION"), "go")
	return &Plan{
		Tool:     strings.TrimSpace("Go " + version),
		Commands: []Command{{p.Dir, []string{"GOOS=wasip1", "GOARCH=wasm"}, append(args, "-o", o.Output, ".")}},
	}, nil
}

// reactors are what the sources of a Go guest hold that is called again and again. One
// without any of them is a program with a main, which answers as CGI.
var reactors = []string{
	"//go:wasmexport ", "github.com/weirproxy/weir/sdk/", "/proxy-wasm-go-sdk", "/http-wasm-guest-tinygo",
}

// isReactor looks for one of them in the Go files of dir and below.
func isReactor(dir string) (yes bool) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch name := filepath.Base(path); {
		case err != nil || yes:
			return fs.SkipAll
		case d.IsDir() && path != dir && (name == SDKDir || name == "vendor" || name == "testdata" || strings.HasPrefix(name, ".")):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		for _, mark := range reactors {
			yes = yes || err == nil && strings.Contains(string(text), mark)
		}
		return nil
	})
	return yes
}
