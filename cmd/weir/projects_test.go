package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/attack/clients"
)

// begun is a project that weir filter new has made in a directory of its own.
type begun struct {
	dir, lang string
	module    bool
	env       []string
}

// begin makes one. What builds need is on this machine: Go is not to fetch anything.
func begin(t *testing.T, lang string, module bool) *begun {
	t.Helper()
	top := t.TempDir()
	p := &begun{dir: filepath.Join(top, "stamp-it"), lang: lang, module: module}
	p.env = []string{"WEIR_DATA_DIR=" + filepath.Join(top, "data"), "XDG_CACHE_HOME=" + filepath.Join(top, "cache"),
		"TMPDIR=" + top, "GOFLAGS=-mod=mod", "GOPROXY=off", "NO_COLOR=1", "GOCACHE=" + goCache(t)}
	args := []string{"filter", "new", "stamp-it", "--lang", lang, "--dir", p.dir}
	if module {
		args = append(args, "--module")
	}
	p.must(t, top, "weir", args...)
	return p
}

// goCache is where Go keeps what it has compiled, which is elsewhere by default where
// caches are.
func goCache(t *testing.T) string {
	t.Helper()
	out, err := exec.Command(clients.Find(t, "go"), "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// run runs a program of the project's.
func (p *begun) run(t *testing.T, dir, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), clients.Find(t, name), args...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = dir, append(os.Environ(), p.env...), 2*time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (p *begun) must(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	out, err := p.run(t, dir, name, args...)
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return out
}

// build builds it, or skips the test where the language is not installed.
func (p *begun) build(t *testing.T) string {
	t.Helper()
	out, err := p.run(t, p.dir, "weir", "filter", "build")
	switch {
	case err == nil:
		return out
	case strings.Contains(out, "To install it") && os.Getenv("WEIR_CI") == "":
		t.Skipf("%s; .ci/run installs it", out)
	}
	t.Fatalf("weir filter build: %v\n%s", err, out)
	return ""
}

// native runs the project's own test, as its README says.
func (p *begun) native(t *testing.T) {
	t.Helper()
	switch p.lang {
	case "go":
		p.must(t, p.dir, "go", "test", "./...")
	case "rust":
		p.must(t, p.dir, "cargo", "test", "--offline", "--quiet")
	case "assemblyscript":
		p.must(t, p.dir, "npm", "test")
	case "c":
		p.must(t, p.dir, "make", "test")
	}
}

// TestProjects_FromNewToRun takes the way of an author, in every language and for both
// kinds: begin, build, test natively, run the cases, serve, ask.
func TestProjects_FromNewToRun(t *testing.T) {
	t.Parallel()
	if raced() {
		t.Skip("other programs do nearly all of it, and compiling guests takes minutes under the race detector")
	}
	for _, lang := range []string{"go", "rust", "assemblyscript", "c"} {
		for _, module := range []bool{false, true} {
			name := lang + "-filter"
			if module {
				name = lang + "-module"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				began := time.Now()
				p := begin(t, lang, module)
				t.Logf("%s", p.build(t))
				p.native(t)
				if out := p.must(t, p.dir, "weir", "filter", "test"); !strings.Contains(out, "all well") {
					t.Errorf("weir filter test says\n%s", out)
				}
				p.serve(t)
				if took := time.Since(began); took > time.Minute {
					t.Errorf("it took %v", took)
				} else {
					t.Logf("new, build, test, run: %.1f s", took.Seconds())
				}
			})
		}
	}
}

// serve runs what was built, and asks it.
func (p *begun) serve(t *testing.T) {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"filter", "run", "stamp-it.wasm", "--from", "https://localhost:" + port}
	if p.module {
		args = append(args, "--module")
	}
	weir := clients.Start(t, p.dir, p.env, clients.Find(t, "weir"), args...)
	weir.Line(t, "Stop with Ctrl-C")
	got := clients.Curl(t, p.root(), "--include", "https://localhost:"+port+"/")
	want := "(?i)x-hello: from stamp-it"
	if p.module {
		want = "(?i)hello from stamp-it"
	}
	if !strings.HasPrefix(got, "HTTP/2 200") || !regexp.MustCompile(want).MatchString(got) {
		t.Errorf("got\n%s\nwant %s; weir says\n%s", got, want, weir.Output())
	}
}

func (p *begun) root() string { return filepath.Join(p.dir, "..", "data", "ca", "root.crt") }

// TestProjects_SayWhatToInstall has no programs but weir. A Rust of the distribution's is
// found without a PATH, so nothing is said of that here.
func TestProjects_SayWhatToInstall(t *testing.T) {
	t.Parallel()
	for lang, want := range map[string]string{
		"go":             "weir: Go is not installed\n\n  To install it:\n    https://go.dev/dl/ (1.26 or later)\n",
		"assemblyscript": "weir: Node.js is not installed, or npm is not\n\n  To install it, one of:\n    apt install nodejs npm (Debian, Ubuntu)\n    https://nodejs.org/ (20 or later)\n",
		"c": "weir: clang is not installed\n\n  To install it, one of:\n    apt install clang lld wasi-libc libclang-rt-dev-wasm32 (Debian, Ubuntu; older ones: clang-14 lld-14 libclang-rt-14-dev-wasm32)\n" +
			"    https://github.com/WebAssembly/wasi-sdk/releases, with WASI_SDK_PATH set to where it is\n",
	} {
		p := begin(t, lang, false)
		for _, args := range [][]string{{"filter", "build"}, {"filter", "build", "--print"}, {"dev"}} {
			cmd := exec.CommandContext(t.Context(), clients.Find(t, "weir"), args...)
			cmd.Dir, cmd.Env = p.dir, append(os.Environ(), "PATH="+t.TempDir())
			out, err := cmd.CombinedOutput()
			if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != exitFailed || string(out) != want {
				t.Errorf("weir %q in %s: %v\ngot\n%s\nwant\n%s", args, lang, err, out, want)
			}
		}
	}
}

// TestProjects_NamesTheLineOfWhatIsSpeltWrong, though compilers of C before clang 16 only
// warn of a function that is not there, and leave it to the linker.
func TestProjects_NamesTheLineOfWhatIsSpeltWrong(t *testing.T) {
	t.Parallel()
	p := begin(t, "c", false)
	write(t, p.dir, "filter.c", "#include \"weir.h\"\n\nstatic void on_request(weir_stream *s) { weir_rply(s, 200, \"\"); }\n\nWEIR_FILTER(.on_request = on_request)\n")
	for _, args := range [][]string{{"weir", "filter", "build"}, {"make", "test"}} {
		out, err := p.run(t, p.dir, args[0], args[1:]...)
		if err == nil || !strings.Contains(out, "filter.c:3:42: error: ") || strings.Contains(out, "undefined symbol") {
			t.Errorf("%s: %v\n%s", args, err, out)
		}
	}
}

// TestProjects_ShowsWhatTheCompilerSays: as it says it, and no more than needed besides.
func TestProjects_ShowsWhatTheCompilerSays(t *testing.T) {
	t.Parallel()
	p := begin(t, "go", false)
	write(t, p.dir, "main.go", "package main\n\nfunc main() { oops() }\n")
	out, err := p.run(t, p.dir, "weir", "filter", "build")
	if want := "# example.com/stamp-it\n./main.go:3:15: undefined: oops\nweir: build stamp-it: it does not compile\n"; err == nil || out != want {
		t.Errorf("got %v\n%s\nwant\n%s", err, out, want)
	}
	if exists(filepath.Join(p.dir, "stamp-it.wasm")) {
		t.Error("there is a module of what does not compile")
	}
	write(t, p.dir, "main.go", "package main\n\nimport \"C\"\n\nfunc main() {}\n")
	if out, err := p.run(t, p.dir, "weir", "filter", "build"); err == nil {
		t.Errorf("cgo was compiled: %s", out)
	}
	write(t, p.dir, "main.go", "package main\n\n//go:wasmexport hello\nfunc hello() {}\n\nfunc main() {}\n")
	out, err = p.run(t, p.dir, "weir", "filter", "build")
	if err == nil || !strings.Contains(out, "it speaks no ABI that weir knows: it exports _initialize, hello") {
		t.Errorf("a module that speaks nothing: got %v\n%s", err, out)
	}
}

// TestProjects_InCPlusPlus: the C SDK is C++ as well, and needs nothing of its library.
func TestProjects_InCPlusPlus(t *testing.T) {
	t.Parallel()
	if raced() {
		t.Skip("other programs do nearly all of it")
	}
	p := begin(t, "c++", false)
	if err := os.Rename(filepath.Join(p.dir, "filter.c"), filepath.Join(p.dir, "filter.cc")); err != nil {
		t.Fatal(err)
	}
	p.build(t)
	if out := p.must(t, p.dir, "weir", "filter", "test"); !strings.Contains(out, "all well") {
		t.Errorf("weir filter test says\n%s", out)
	}
}
