// Package c_test builds what authors in C and C++ build, and runs it: natively, in a
// host that knows nothing of weir, and in weir itself.
package c_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// lacks ends the test: a tool is not installed.
func lacks(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("WEIR_CI") != "" {
		t.Fatalf("%s is not installed, and WEIR_CI is set", what)
	}
	t.Skipf("%s is not installed", what)
}

// find returns the first of programs that is installed.
func find(t testing.TB, programs ...string) string {
	t.Helper()
	for _, p := range programs {
		if path, err := exec.LookPath(p); err == nil {
			return path
		}
	}
	lacks(t, programs[0])
	return ""
}

// run runs a program in dir, and returns what it prints.
func run(t testing.TB, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", filepath.Base(program), args, err, out)
	}
	return string(out)
}

// here is this directory, where the headers are.
func here(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// strict is how all of this is compiled. In C++, authors may leave out fields.
func strict(lang string) []string {
	flags := []string{"-Wall", "-Wextra", "-Werror"}
	if lang == "c++" {
		return append(flags, "-std=c++17", "-Wno-missing-field-initializers")
	}
	return append(flags, "-std=c11", "-pedantic")
}

// target is a way to build for WebAssembly.
type target struct {
	name, lang string
	libc       bool
}

var targets = []target{{"bare C", "c", false}, {"bare C++", "c++", false}, {"C with wasi-libc", "c", true}, {"C++ with wasi-libc", "c++", true}}

// wasm builds a source for it and returns the module's path.
func (g target) wasm(t testing.TB, source string) string {
	t.Helper()
	name := "clang"
	if g.lang == "c++" {
		name = "clang++"
	}
	cc := find(t, name+"-14", name+"-19", name)
	out := filepath.Join(t.TempDir(), "out.wasm")
	args := append(strict(g.lang), "-x", g.lang, "-Os", "-I", here(t), "-o", out, "-Wl,--strip-all,-zstack-size=32768")
	if g.libc {
		if _, err := os.Stat("/usr/lib/wasm32-wasi/libc.a"); err != nil {
			lacks(t, "wasi-libc")
		}
		args = append(args, "--target=wasm32-wasi", "-mexec-model=reactor")
	} else {
		args = append(args, "--target=wasm32", "-nostdlib", "-ffreestanding", "-Wl,--no-entry")
	}
	if g.lang == "c++" {
		args = append(args, "-fno-exceptions", "-fno-rtti", "-nostdlib++") // Debian has libc++ for it apart
	}
	run(t, ".", cc, append(args, source)...)
	return out
}

// native compiles sources with the host's compiler, and its sanitizers if it has them,
// and runs what it makes.
func native(t *testing.T, lang string, sources ...string) {
	t.Helper()
	names := []string{"cc", "gcc", "clang"}
	if lang == "c++" {
		names = []string{"c++", "g++", "clang++"}
	}
	cc, dir := find(t, names...), t.TempDir()
	args := append(strict(lang), "-g", "-O1", "-DWEIR_TEST", "-I", here(t), "-o", filepath.Join(dir, "test"), "-x", lang)
	run(t, ".", cc, append(append(args, sanitizers(t, cc)...), sources...)...)
	if out := run(t, dir, filepath.Join(dir, "test")); out != "" {
		t.Log(out)
	}
}

// sanitizers returns what the compiler can check of memory.
func sanitizers(t *testing.T, cc string) []string {
	t.Helper()
	flags := []string{"-fsanitize=address,undefined", "-fno-sanitize-recover=all"}
	dir := t.TempDir()
	file := filepath.Join(dir, "x.c")
	if err := os.WriteFile(file, []byte("int main(void) { return 0; }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), cc, append(flags, "-o", filepath.Join(dir, "x"), file)...).CombinedOutput(); err != nil {
		t.Logf("without sanitizers: %s", strings.TrimSpace(string(out)))
		return nil
	}
	return flags
}
