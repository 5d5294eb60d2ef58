// Package rust_test builds what authors in Rust build, with every Rust that is here, and
// runs it: natively, in a host that knows nothing of weir, and in weir itself.
package rust_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// rust is a compiler with its cargo.
type rust struct{ name, cargo, rustc, rustdoc string }

// rusts are those that are here: that of the system, which is old and the least that has
// to do, and the one that comes first on the PATH.
func rusts(t testing.TB) (all []rust) {
	t.Helper()
	for _, dir := range []string{"/usr/bin", ""} {
		r := rust{name: "PATH"}
		if dir != "" {
			r.name = "system"
		}
		var err [3]error
		r.cargo, err[0] = exec.LookPath(filepath.Join(dir, "cargo"))
		r.rustc, err[1] = exec.LookPath(filepath.Join(dir, "rustc"))
		r.rustdoc, err[2] = exec.LookPath(filepath.Join(dir, "rustdoc"))
		if err[0] == nil && err[1] == nil && err[2] == nil && (len(all) == 0 || all[0].rustc != r.rustc) {
			all = append(all, r)
		}
	}
	if len(all) == 0 {
		lacks(t, "Rust")
	}
	return all
}

// guests returns a Rust that builds for a target, with its linker. Debian's has none of
// its own for WebAssembly.
func guests(t testing.TB, target string) (rust, []string) {
	t.Helper()
	for _, r := range rusts(t) {
		lib, err := exec.CommandContext(t.Context(), r.rustc, "--print", "target-libdir", "--target", target).Output()
		if err != nil {
			continue
		}
		if _, err := os.Stat(strings.TrimSpace(string(lib))); err != nil {
			continue
		}
		if r.name != "system" {
			return r, nil
		}
		name := strings.ToUpper(strings.ReplaceAll(target, "-", "_"))
		return r, []string{"CARGO_TARGET_" + name + "_LINKER=/usr/lib/llvm-14/bin/wasm-ld"}
	}
	lacks(t, "a Rust with the standard library for "+target)
	return rust{}, nil
}

// lacks ends the test: a tool is not installed.
func lacks(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("WEIR_CI") != "" {
		t.Fatalf("%s is not installed, and WEIR_CI is set", what)
	}
	t.Skipf("%s is not installed", what)
}

// built is where Cargo keeps what it builds, from one test to the next. It lets one
// build at a time.
func (r rust) built(t testing.TB) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		return t.TempDir()
	}
	return filepath.Join(cache, "weir-sdk-rust", r.name)
}

// run runs cargo in dir, and returns what it says.
func (r rust) run(t testing.TB, dir string, env []string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), r.cargo, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "RUSTC="+r.rustc, "RUSTDOC="+r.rustdoc, "RUSTFLAGS=-Dwarnings", "CARGO_TARGET_DIR="+r.built(t), "CARGO_NET_OFFLINE=true")
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("cargo %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// wasm builds a crate for a target, and returns the module's path, and its size.
func wasm(t testing.TB, dir, target, name string) (string, int64) {
	t.Helper()
	r, env := guests(t, target)
	// It takes the place of what the crate's own configuration says.
	env = append(env, "RUSTFLAGS=-Dwarnings -Clink-arg=-zstack-size=32768")
	r.run(t, dir, env, "build", "--release", "--target", target)
	path := filepath.Join(r.built(t), target, "release", strings.ReplaceAll(name, "-", "_")+".wasm")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, info.Size()
}

var program struct {
	sync.Mutex
	dir string
}

func TestMain(m *testing.M) {
	code := m.Run()
	if program.dir != "" {
		os.RemoveAll(program.dir)
	}
	os.Exit(code)
}

// weir runs weir, which is built once.
func weir(t testing.TB, dir string, args ...string) string {
	t.Helper()
	program.Lock()
	defer program.Unlock()
	if program.dir == "" {
		tmp, err := os.MkdirTemp("", "weir-rust-*")
		if err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("go", "build", "-o", filepath.Join(tmp, "weir"), "../../cmd/weir").CombinedOutput(); err != nil {
			t.Fatalf("build weir: %v\n%s", err, out)
		}
		program.dir = tmp
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(program.dir, "weir"), args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "WEIR_DATA_DIR="+t.TempDir(), "NO_COLOR=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("weir %q: %v\n%s", args, err, out)
	}
	return string(out)
}
