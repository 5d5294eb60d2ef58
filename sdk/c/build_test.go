package c_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func read(t testing.TB, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t testing.TB, file, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// snippets are the examples of the README, in their order.
func snippets(t testing.TB) []string {
	t.Helper()
	var all []string
	for _, m := range regexp.MustCompile("(?s)```c\n(.*?)```").FindAllStringSubmatch(read(t, "README.md"), -1) {
		all = append(all, m[1])
	}
	if len(all) < 10 {
		t.Fatalf("the README has %d examples", len(all))
	}
	return all
}

// hello is the first of them: a whole filter.
func hello(t testing.TB) string {
	t.Helper()
	return write(t, filepath.Join(t.TempDir(), "hello.c"), snippets(t)[0])
}

func TestHello_IsShortAndSmall(t *testing.T) {
	t.Parallel()
	if n := strings.Count(snippets(t)[0], "\n"); n > 12 {
		t.Errorf("it has %d lines", n)
	}
	for _, g := range targets {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			size, most := len(read(t, g.wasm(t, hello(t)))), 11<<10
			if g.libc {
				most = 24 << 10 // its malloc
			}
			t.Logf("%d bytes", size)
			if size > most {
				t.Errorf("it has %d bytes, want %d at most", size, most)
			}
		})
	}
}

func TestEvery_BuildsForAllTargets(t *testing.T) {
	t.Parallel()
	for _, g := range targets {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			t.Logf("%d bytes", len(read(t, g.wasm(t, "testdata/every.c"))))
		})
	}
}

// Each example is a filter by itself, or a test of one.
func TestReadme_ItsExamplesCompile(t *testing.T) {
	t.Parallel()
	cc, clang := find(t, "cc", "gcc", "clang"), find(t, "clang-14", "clang-19", "clang")
	for i, text := range snippets(t) {
		t.Run(fmt.Sprint(i+1), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if strings.Contains(text, "weir_test.h") {
				file := write(t, filepath.Join(dir, "test.c"), text)
				run(t, dir, cc, append(strict("c"), "-DWEIR_TEST", "-I", here(t), "-c", file, "-o", "test.o")...)
				return
			}
			if !strings.Contains(text, "#include") {
				text = "#include \"weir.h\"\n\n" + text
			}
			file := write(t, filepath.Join(dir, "filter.c"), text)
			run(t, dir, clang, append(strict("c"), "--target=wasm32", "-nostdlib", "-ffreestanding", "-Os", "-I", here(t), "-Wl,--no-entry", file, "-o", "filter.wasm")...)
			run(t, dir, cc, append(strict("c"), "-DWEIR_TEST", "-I", here(t), "-c", file, "-o", "filter.o")...)
		})
	}
}

func TestNative_EveryFilterDoesWhatItShould(t *testing.T) {
	t.Parallel()
	for _, lang := range []string{"c", "c++"} {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			native(t, lang, "testdata/every.c", "testdata/every_test.c")
		})
	}
}

func TestNative_ReadersTakeAnything(t *testing.T) {
	t.Parallel()
	native(t, "c", "testdata/fuzz.c")
}

// project writes a template with the SDK, as weir filter new does.
func project(t testing.TB, kind string) string {
	t.Helper()
	dir := t.TempDir()
	for from, to := range map[string]string{"*.h": "weir-sdk", "weir/*.h": "weir-sdk/weir", "templates/" + kind + "/*": ""} {
		files, err := filepath.Glob(from)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", from, err)
		}
		for _, f := range files {
			write(t, filepath.Join(dir, to, filepath.Base(f)), strings.ReplaceAll(read(t, f), "{{name}}", "stamp-it"))
		}
	}
	return dir
}

func TestTemplates_BuildAndPass(t *testing.T) {
	t.Parallel()
	mk := find(t, "make")
	find(t, "cc")
	find(t, "clang-14", "clang-19", "clang")
	for _, kind := range []string{"filter", "module"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dir := project(t, kind)
			run(t, dir, mk, "test")
			run(t, dir, mk)
			if size := len(read(t, filepath.Join(dir, "stamp-it.wasm"))); size > 20<<10 {
				t.Errorf("it has %d bytes", size)
			}
			run(t, dir, mk, "clean")
		})
	}
}
