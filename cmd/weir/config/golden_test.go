package config

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write golden files anew")

// testOptions give the same answers on every machine.
func testOptions() Options {
	vars := map[string]string{"PORT": "8443", "NAME": "weir", "EMPTY": "", "SIZE": "1MiB", "TOKEN": "s3cret-from-env", "DIR": "/srv"}
	return Options{
		Env: func(name string) (string, bool) { v, ok := vars[name]; return v, ok },
		ReadFile: func(path string) ([]byte, error) {
			if filepath.Base(path) == "token" {
				return []byte("s3cret-from-file\n"), nil
			}
			return nil, &os.PathError{Op: "open", Path: path, Err: os.ErrNotExist}
		},
	}
}

// parseText gives what a user sees of a file: its normal form or its mistakes.
func parseText(name string, src []byte) string {
	c, err := Parse(name, src, testOptions())
	if err != nil {
		return err.Error() + "\n"
	}
	return string(Normal(c))
}

const divider = "\n----\n"

// TestGolden reads testdata/*.txt, each an input and what is to come of it.
func TestGolden(t *testing.T) {
	t.Parallel()
	golden(t, "testdata/*.txt", func(src string) string { return parseText("weir.yaml", []byte(src)) })
}

func golden(t *testing.T, pattern string, run func(string) string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("glob %s: %v, %d files", pattern, err, len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			src, want, _ := strings.Cut(string(b), divider)
			got := run(src + "\n")
			if *update {
				if err := os.WriteFile(file, []byte(src+divider+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("%s:\n%s\ngot:\n%s\nwant:\n%s", file, src, got, want)
			}
		})
	}
}
