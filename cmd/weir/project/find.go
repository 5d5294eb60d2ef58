package project

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Project is a directory that a guest is built from.
type Project struct {
	Dir      string
	Language Language
	// Name is what the guest is called: as its build file says, or else its directory.
	Name string
	// Module says that it answers requests by itself, as its cases.yaml has it.
	Module bool
}

// Find tells what dir holds, by the files in it that build tools look for.
func Find(dir string) (*Project, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	p := &Project{Dir: dir}
	has := func(yes func(name string) bool) bool {
		return slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return !e.IsDir() && yes(e.Name()) })
	}
	is := func(names ...string) func(string) bool {
		return func(name string) bool { return slices.Contains(names, name) }
	}
	switch {
	case has(is("go.mod")):
		p.Language = Go
	case has(is("Cargo.toml")):
		p.Language = Rust
	case has(is("asconfig.json")), has(is("package.json")) && p.mentions("package.json", `"assemblyscript"`):
		p.Language = AssemblyScript
	case has(isC):
		p.Language = C
	case has(func(name string) bool { return strings.HasSuffix(name, ".go") }): // of a module above
		p.Language = Go
	default:
		return nil, fmt.Errorf("%s holds no project that weir can build: looked for go.mod, Cargo.toml, asconfig.json, a package.json with assemblyscript in it, *.c and *.cc", dir)
	}
	p.Name = p.name()
	cases, _ := readSome(filepath.Join(dir, "cases.yaml"))
	p.Module = moduleCases.MatchString(cases)
	return p, nil
}

func isC(name string) bool {
	return slices.Contains([]string{".c", ".cc", ".cpp", ".cxx"}, filepath.Ext(name)) && !isCTest(name)
}

// isCTest tells whether a file of C is a native test, not a part of the guest.
func isCTest(name string) bool {
	base := strings.TrimSuffix(name, filepath.Ext(name))
	return strings.HasSuffix(base, "_test") || base == "test"
}

// mentions tells whether a file of the project holds a text.
func (p *Project) mentions(file, text string) bool {
	content, _ := readSome(filepath.Join(p.Dir, file))
	return strings.Contains(content, text)
}

// mostOfFile is how much of a build file is read: people write them.
const mostOfFile = 1 << 20

func readSome(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.Size() > mostOfFile || !info.Mode().IsRegular() {
		return "", errors.New("read " + path + ": not a build file")
	}
	b, err := os.ReadFile(path)
	return string(b), err
}

var (
	goModule = regexp.MustCompile(`(?m)^module\s+"?(?:[^\s"]*/)?([^\s"/]+)`)
	// The first name of a Cargo.toml is that of its package, but for a workspace.
	crateName   = regexp.MustCompile(`(?m)^name\s*=\s*"([^"]+)"`)
	makeTarget  = regexp.MustCompile(`(?m)^([^\s:/$%]+)\.wasm\s*:`)
	moduleCases = regexp.MustCompile(`(?m)^module:\s*true\b`)
	// plainName is a name that may be one of a file.
	plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
)

// name reads what the guest is called out of the build file.
func (p *Project) name() string {
	read := func(file string, re *regexp.Regexp) (name string) {
		text, _ := readSome(filepath.Join(p.Dir, file))
		if m := re.FindStringSubmatch(text); m != nil {
			name = m[1]
		}
		return name
	}
	name := ""
	switch p.Language {
	case Go:
		name = read("go.mod", goModule)
	case Rust:
		name = read("Cargo.toml", crateName)
	case C:
		name = read("Makefile", makeTarget)
	case AssemblyScript:
		text, _ := readSome(filepath.Join(p.Dir, "package.json"))
		var it struct{ Name string }
		if json.Unmarshal([]byte(text), &it) == nil {
			name = it.Name[strings.LastIndexByte(it.Name, '/')+1:]
		}
	}
	if plainName.MatchString(name) && len(name) <= longestName {
		return name
	}
	if abs, err := filepath.Abs(p.Dir); err == nil && plainName.MatchString(filepath.Base(abs)) {
		return filepath.Base(abs)
	}
	return "guest"
}
