package project

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// compiler is a clang that makes WebAssembly.
type compiler struct {
	path, version string
	libc          bool // wasi-libc is there, and what compilers bring with it
	libcxx        bool // and the library of C++
}

// planC builds with clang, from the C and C++ files of the project's directory and src.
func planC(t tools, p *Project, o Options) (*Plan, error) {
	sources, plus := p.cSources()
	if len(sources) == 0 {
		return nil, fmt.Errorf("%s has no C files", p.Dir)
	}
	cc, err := findClang(t, plus)
	if err != nil {
		return nil, err
	}
	args := []string{cc.path}
	reactor := !p.hasMain(sources)
	switch libc := !reactor || plus || p.wantsLibc(sources); {
	case libc && !cc.libc:
		return nil, &Missing{"the C library for WebAssembly is not installed", []string{
			"apt install wasi-libc libclang-rt-" + llvmOf(cc.version) + "-dev-wasm32 (Debian, Ubuntu)",
			"https://github.com/WebAssembly/wasi-sdk/releases, with WASI_SDK_PATH set to where it is",
		}}
	case libc && reactor:
		args = append(args, "--target=wasm32-wasi", "-mexec-model=reactor")
	case libc:
		args = append(args, "--target=wasm32-wasi")
	default: // the SDK needs none
		args = append(args, "--target=wasm32", "-nostdlib", "-ffreestanding", "-Wl,--no-entry")
	}
	args = append(args, "-Os", "-Wall")
	if plus {
		args = append(args, "-fno-exceptions", "-fno-rtti")
		if !cc.libcxx { // which the SDK does not need, and Debian has apart
			args = append(args, "-nostdlib++")
		}
	} else { // a name that is spelt wrong, which the linker would not know the line of
		args = append(args, "-Werror=implicit-function-declaration")
	}
	for _, dir := range []string{SDKDir, "include"} {
		if t.has(filepath.Join(p.Dir, dir)) {
			args = append(args, "-I"+dir)
		}
	}
	link := "-Wl,-zstack-size=32768"
	if !o.Names {
		link += ",--strip-all"
	}
	args = append(args, link, "-o", o.Output)
	return &Plan{Tool: "clang " + cc.version, Commands: []Command{{p.Dir, nil, append(args, sources...)}}}, nil
}

// cSources are the files of the guest, and whether one is of C++. Tests are none.
func (p *Project) cSources() (files []string, plus bool) {
	for _, dir := range []string{"", "src"} {
		entries, _ := os.ReadDir(filepath.Join(p.Dir, dir))
		for _, e := range entries {
			if e.IsDir() || !isC(e.Name()) {
				continue
			}
			files = append(files, filepath.Join(dir, e.Name()))
			plus = plus || filepath.Ext(e.Name()) != ".c"
		}
	}
	return files, plus
}

var (
	mainOfC   = regexp.MustCompile(`(?m)^\s*int\s+main\s*\(`)
	libcOfC   = regexp.MustCompile(`(?m)^\s*#\s*include\s*<(assert|ctype|errno|inttypes|locale|math|setjmp|signal|stdio|stdlib|string|time|unistd|wchar)\.h>`)
	versionOf = regexp.MustCompile(`version (\d+[0-9.]*)`)
)

func (p *Project) hasMain(files []string) bool   { return p.anyOf(files, mainOfC) }
func (p *Project) wantsLibc(files []string) bool { return p.anyOf(files, libcOfC) }

func (p *Project) anyOf(files []string, re *regexp.Regexp) bool {
	for _, f := range files {
		if text, _ := readSome(filepath.Join(p.Dir, f)); re.MatchString(text) {
			return true
		}
	}
	return false
}

// Versions of clang that distributions have under names of their own.
const newestClang, oldestClang = 24, 14

// findClang takes the first clang that has the target and a linker for it; rather one
// that has the C library as well.
func findClang(t tools, plus bool) (*compiler, error) {
	name := "clang"
	if plus {
		name = "clang++"
	}
	candidates := []string{name}
	if sdk := t.env("WASI_SDK_PATH"); sdk != "" {
		candidates = []string{filepath.Join(sdk, "bin", name), name}
	}
	for v := newestClang; v >= oldestClang; v-- {
		candidates = append(candidates, fmt.Sprintf("%s-%d", name, v))
	}
	candidates = append(candidates, "/opt/wasi-sdk/bin/"+name)
	var best *compiler
	var lacks *Missing
	for _, c := range candidates {
		cc, missing := tryClang(t, c)
		switch {
		case cc != nil && cc.libc:
			return cc, nil
		case cc != nil && best == nil:
			best = cc
		case missing != nil && lacks == nil:
			lacks = missing
		}
	}
	switch {
	case best != nil:
		return best, nil
	case lacks != nil:
		return nil, lacks
	}
	return nil, &Missing{"clang is not installed", []string{
		"apt install clang lld wasi-libc libclang-rt-dev-wasm32 (Debian, Ubuntu; older ones: clang-14 lld-14 libclang-rt-14-dev-wasm32)",
		"https://github.com/WebAssembly/wasi-sdk/releases, with WASI_SDK_PATH set to where it is",
	}}
}

// tryClang asks a clang what it can do. It returns neither where there is none.
func tryClang(t tools, name string) (*compiler, *Missing) {
	path := t.path(name)
	if path == "" {
		return nil, nil
	}
	cc := &compiler{path: path}
	if m := versionOf.FindStringSubmatch(t.says("", nil, path, "--version")); m != nil {
		cc.version = m[1]
	}
	if !strings.Contains(t.says("", nil, path, "--print-targets"), "wasm32") {
		return nil, &Missing{path + " makes no WebAssembly", []string{"apt install clang lld (Debian, Ubuntu)", "on macOS: brew install llvm lld, with its bin first in PATH"}}
	}
	// Debian's prints what it would run anywhere, and runs the one of its own version.
	linker, llvm := t.says("", nil, path, "--target=wasm32-wasi", "-print-prog-name=wasm-ld"), llvmOf(cc.version)
	if t.path(linker) == "" && t.path("wasm-ld-"+llvm) == "" {
		return nil, &Missing{path + " has no linker for WebAssembly", []string{"apt install lld-" + llvm + " (Debian, Ubuntu)"}}
	}
	libc := t.says("", nil, path, "--target=wasm32-wasi", "-print-file-name=libc.a")
	builtins := t.says("", nil, path, "--target=wasm32-wasi", "-print-libgcc-file-name")
	cc.libc = filepath.IsAbs(libc) && t.has(libc) && t.has(builtins)
	libcxx := t.says("", nil, path, "--target=wasm32-wasi", "-print-file-name=libc++.a")
	cc.libcxx = filepath.IsAbs(libcxx) && t.has(libcxx)
	return cc, nil
}

func llvmOf(version string) string {
	major, _, _ := strings.Cut(version, ".")
	return major
}
