package project

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// bench is a machine that a test has set up.
type bench struct {
	programs map[string]string // what they are called, and where they are
	files    []string
	answers  map[string]string // by program and arguments
	vars     map[string]string
}

func (b bench) path(program string) string {
	if filepath.IsAbs(program) {
		for _, p := range b.programs {
			if p == program {
				return p
			}
		}
		return ""
	}
	return b.programs[program]
}

func (b bench) says(_ string, _ []string, program string, args ...string) string {
	return b.answers[program+" "+strings.Join(args, " ")]
}
func (b bench) tells(dir string, env []string, program string, args ...string) (string, error) {
	return b.says(dir, env, program, args...), nil
}
func (b bench) has(path string) bool   { return slices.Contains(b.files, path) }
func (b bench) env(name string) string { return b.vars[name] }

const (
	rust163 = "rustc 1.63.0\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\nrelease: 1.63.0\nLLVM version: 14.0.6\n"
	rust195 = "rustc 1.95.0\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\nrelease: 1.95.0\nLLVM version: 21.1.0\n"
)

func lib(root, target string) string { return root + "/lib/rustlib/" + target + "/lib" }

// withRust adds a Rust with the standard library for some targets.
func (b bench) withRust(bin, root, about string, targets ...string) bench {
	for _, target := range []string{"wasm32-unknown-unknown", "wasm32-wasip1", "wasm32-wasi"} {
		b.answers[bin+"/rustc --print target-libdir --target "+target] = lib(root, target)
		if slices.Contains(targets, target) {
			b.files = append(b.files, lib(root, target))
		}
	}
	b.answers[bin+"/rustc -vV"] = about
	b.programs[bin+"/rustc"], b.programs[bin+"/cargo"] = bin+"/rustc", bin+"/cargo"
	return b
}

func emptyBench() bench {
	return bench{programs: map[string]string{}, answers: map[string]string{}, vars: map[string]string{}}
}

func TestFindRust_TakesOneThatHasTheTarget(t *testing.T) {
	t.Parallel()
	const bare = "wasm32-unknown-unknown"
	rustup := func(targets ...string) bench {
		b := emptyBench().withRust("/home/me/.cargo/bin", "/home/me/.rustup", rust195, targets...)
		b.programs["rustc"], b.programs["cargo"] = "/home/me/.cargo/bin/rustc", "/home/me/.cargo/bin/cargo"
		b.files = append(b.files, "/home/me/.rustup/lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld")
		return b
	}
	debian := func(b bench, linker string) bench {
		b = b.withRust("/usr/bin", "/usr", rust163, bare, "wasm32-wasi")
		if linker != "" {
			b.programs[linker] = linker
		}
		return b
	}
	for _, c := range []struct {
		name    string
		b       bench
		targets []string
		want    string // the version, or the error and the first way
		env     string
	}{
		{"rustup's with the target", rustup(bare), []string{bare}, "Rust 1.95.0 for " + bare, "RUSTC=/home/me/.cargo/bin/rustc"},
		{"rustup's with the newer name of WASI", rustup("wasm32-wasip1"), []string{"wasm32-wasip1", "wasm32-wasi"}, "Rust 1.95.0 for wasm32-wasip1", "RUSTC=/home/me/.cargo/bin/rustc"},
		{"Debian's behind rustup's without", debian(rustup(), "/usr/lib/llvm-14/bin/wasm-ld"), []string{bare}, "Rust 1.63.0 for " + bare,
			"RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_UNSTABLE_SPARSE_REGISTRY=true CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=/usr/lib/llvm-14/bin/wasm-ld"},
		{"Debian's, by the older name of WASI", debian(emptyBench(), "/usr/lib/llvm-14/bin/wasm-ld"), []string{"wasm32-wasip1", "wasm32-wasi", bare}, "Rust 1.63.0 for wasm32-wasi",
			"RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_UNSTABLE_SPARSE_REGISTRY=true CARGO_TARGET_WASM32_WASI_LINKER=/usr/lib/llvm-14/bin/wasm-ld"},
		{"Debian's without a linker", debian(emptyBench(), ""), []string{bare}, "Rust 1.63.0 (/usr/bin/rustc) has no linker for WebAssembly: apt install lld-14 (Debian, Ubuntu)", ""},
		{"rustup's alone, without", rustup(), []string{bare}, "Rust (/home/me/.cargo/bin/rustc) has no standard library for " + bare + ": rustup target add " + bare, ""},
		{"none", emptyBench(), []string{bare}, "Rust is not installed: apt install cargo rustc libstd-rust-dev-wasm32 lld (Debian, Ubuntu)", ""},
	} {
		r, err := findRust(c.b, c.targets)
		got, env := "", ""
		if m, ok := errors.AsType[*Missing](err); ok {
			got = m.What + ": " + m.Ways[0]
		} else if err == nil {
			got, env = r.version, strings.Join(r.env, " ")
		}
		if got != c.want || env != c.env {
			t.Errorf("%s:\ngot  %s\n     %s\nwant %s\n     %s", c.name, got, env, c.want, c.env)
		}
	}
}

func TestFindClang_TakesOneThatMakesWebAssembly(t *testing.T) {
	t.Parallel()
	clang := func(b bench, path, version string, wasm, linker, libc bool) bench {
		b.programs[filepath.Base(path)] = path
		b.answers[path+" --version"] = "Debian clang version " + version + "\n"
		if wasm {
			b.answers[path+" --print-targets"] = "  wasm32 - WebAssembly 32-bit"
		}
		b.answers[path+" --target=wasm32-wasi -print-prog-name=wasm-ld"] = "wasm-ld"
		if linker {
			b.programs["wasm-ld-"+llvmOf(version)] = "/usr/bin/wasm-ld-" + llvmOf(version)
		}
		b.answers[path+" --target=wasm32-wasi -print-file-name=libc.a"] = "libc.a"
		if libc {
			b.answers[path+" --target=wasm32-wasi -print-file-name=libc.a"] = "/usr/lib/wasm32-wasi/libc.a"
			b.answers[path+" --target=wasm32-wasi -print-libgcc-file-name"] = path + ".builtins"
			b.files = append(b.files, "/usr/lib/wasm32-wasi/libc.a", path+".builtins")
		}
		return b
	}
	for _, c := range []struct {
		name, want string
		b          bench
	}{
		{"none", "clang is not installed", emptyBench()},
		{"Apple's", "/usr/bin/clang makes no WebAssembly", clang(emptyBench(), "/usr/bin/clang", "15.0", false, false, false)},
		{"one without a linker", "/usr/bin/clang-14 has no linker for WebAssembly", clang(emptyBench(), "/usr/bin/clang-14", "14.0.6", true, false, true)},
		{"Debian's", "/usr/bin/clang-14 true", clang(emptyBench(), "/usr/bin/clang-14", "14.0.6", true, true, true)},
		{"rather one with a library than the newest", "/usr/bin/clang-14 true", clang(clang(emptyBench(), "/usr/bin/clang-14", "14.0.6", true, true, true), "/usr/bin/clang-19", "19.1.7", true, true, false)},
		{"one without a library", "/usr/bin/clang-19 false", clang(emptyBench(), "/usr/bin/clang-19", "19.1.7", true, true, false)},
	} {
		cc, err := findClang(c.b, false)
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = cc.path + map[bool]string{true: " true", false: " false"}[cc.libc]
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

// lines plans a build of a project, and returns its commands.
func lines(t *testing.T, b tools, files map[string]string, o Options) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p, err := Find(dir)
	if err != nil {
		t.Fatal(err)
	}
	o.Output = "/out.wasm"
	var plan *Plan
	switch p.Language {
	case Go:
		plan, err = planGo(b, p, o)
	case AssemblyScript:
		plan, err = planAssemblyScript(b, p, o)
	default:
		plan, err = planC(b, p, o)
	}
	if err != nil {
		return err.Error()
	}
	var all []string
	for _, c := range plan.Commands {
		all = append(all, c.String())
	}
	return strings.Join(all, "\n")
}

func TestPlan_GoKnowsFiltersFromPrograms(t *testing.T) {
	t.Parallel()
	b := emptyBench()
	const filter = "GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -buildvcs=false -trimpath '-ldflags=-s -w' -o /out.wasm ."
	if got := lines(t, b, map[string]string{"go.mod": ""}, Options{}); got != "Go is not installed" {
		t.Errorf("without Go: got %s", got)
	}
	b.programs["go"] = "/usr/local/go/bin/go"
	for _, c := range []struct {
		name, text string
		o          Options
		want       string
	}{
		{"on the SDK", `import "github.com/weirproxy/weir/sdk/weir"`, Options{}, filter},
		{"on another", `import "github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"`, Options{}, filter},
		{"on none", "//go:wasmexport handle_request\nfunc f() {}", Options{}, filter},
		{"with names", "//go:wasmexport handle_request\nfunc f() {}", Options{Names: true}, "GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -buildvcs=false -o /out.wasm ."},
		{"a program", `import "net/http/cgi"`, Options{}, strings.Replace(filter, " -buildmode=c-shared", "", 1)},
	} {
		if got := lines(t, b, map[string]string{"go.mod": "", "sub/main.go": c.text, "weir-sdk/x.go": "//go:wasmexport x"}, c.o); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestPlan_AssemblyScript(t *testing.T) {
	t.Parallel()
	b := emptyBench()
	entry := map[string]string{"package.json": `{"dependencies": {"assemblyscript": "1"}}`}
	if got := lines(t, b, entry, Options{}); got != "Node.js is not installed, or npm is not" {
		t.Errorf("without Node.js: got %s", got)
	}
	b.programs["node"], b.programs["npm"] = "node", "npm"
	const install = "npm install --no-audit --no-fund --no-update-notifier --loglevel=error\n"
	const run = "node node_modules/assemblyscript/bin/asc "
	for _, c := range []struct {
		name  string
		files map[string]string
		o     Options
		want  string
	}{
		{"without a configuration", entry, Options{}, install + run + "assembly/index.ts -Oz --noAssert --runtime incremental --use abort= -o /out.wasm"},
		{"with entries and a target", map[string]string{"asconfig.json": `{"entries": ["a.ts"], "targets": {"release": {}}}`}, Options{}, install + run + "--target release -o /out.wasm"},
		{"with what it extends", map[string]string{"asconfig.json": `{"extends": "./weir-sdk/asconfig.json"}`}, Options{Names: true}, install + run + "assembly/index.ts --debug -O0 -o /out.wasm"},
		{"of 2020", map[string]string{"package.json": `{"dependencies": {"@solo-io/proxy-runtime": "0.1.8", "assemblyscript": "0.14.13"}}`}, Options{},
			install + run + "assembly/index.ts --use abort=abort_proc_exit -O3z -b /out.wasm"},
	} {
		if got := lines(t, b, c.files, c.o); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
}

// TestPlan_KeepsTheOldModuleUntilThereIsANewOne: neither a failed build nor one that is
// broken off leaves anything else.
func TestPlan_KeepsTheOldModuleUntilThereIsANewOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out, from := filepath.Join(dir, "out.wasm"), filepath.Join(dir, "from")
	for _, name := range []string{out, from} {
		if err := os.WriteFile(name, []byte("old"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run := func(ctx context.Context, script string) (string, error) {
		var text strings.Builder
		p := &Plan{From: from, Output: out, Commands: []Command{{dir, []string{"WORD=new"}, []string{"sh", "-c", script}}}}
		err := p.Run(ctx, &text)
		return text.String(), err
	}
	has := func(want string) {
		t.Helper()
		if got, err := os.ReadFile(out); err != nil || string(got) != want {
			t.Errorf("the module is %q, %v, want %q", got, err, want)
		}
	}
	if text, err := run(t.Context(), `echo "line 1: no"; echo "what" >&2; printf bad >from; exit 1`); !errors.Is(err, errFailed) || text != "line 1: no\nwhat\n" {
		t.Errorf("got %q, %v, want what the compiler says", text, err)
	}
	has("old")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := run(ctx, "sleep 60"); !errors.Is(err, context.Canceled) {
		t.Errorf("broken off: got %v", err)
	}
	has("old")
	if text, err := run(t.Context(), `printf "$WORD" >from`); err != nil || text != "" {
		t.Errorf("got %q, %v", text, err)
	}
	has("new")
}

func TestCommand_IsALineForAShell(t *testing.T) {
	t.Parallel()
	c := Command{Env: []string{"A=b c", "D=e"}, Args: []string{"go", "-ldflags=-s -w", "it's", ""}}
	if got, want := c.String(), `A='b c' D=e go '-ldflags=-s -w' 'it'\''s' ''`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
