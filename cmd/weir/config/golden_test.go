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
	vars := map[string]string{"PORT": "8443", "NAME": "weir", "EMPTY": "", "SIZE": "1MiB", "TOKEN": "s3cret-from-env", "DIR": "/srv",
		"KEY": "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"}
	files := map[string]string{"token": "s3cret-from-file\n", "hmac": "AAECAwQFBgcICQoLDA0ODw\n", "url": "postgres://u:s3cret-from-file@h/db\n",
		"key.raw": strings.Repeat("\x00\n", 16), "key.hex": strings.Repeat("ab", 32) + "\n", "short.key": "too short\n",
		"ed.pem": "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIBZDLLvCN49b/YmRJwgxSeCATd/ffr47TFNQxhoc+Th/\n-----END PRIVATE KEY-----\n", "ec.pem": "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg/eiYOW9Owlx6N9Du\n4TXI/vb2LDB2y7Vs+bz7rccn9WihRANCAASZg34pY7gJ1AyGv85Whts6jf0iNz3q\nvH2ey3Re4NHpXVssYTtJftPuknoNhOe/FSztBGVaYRyE2C2b2AZA8lYC\n-----END PRIVATE KEY-----\n",
		"torn.pem": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}
	return Options{
		Env: func(name string) (string, bool) { v, ok := vars[name]; return v, ok },
		ReadFile: func(path string) ([]byte, error) {
			if content, ok := files[filepath.Base(path)]; ok {
				return []byte(content), nil
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
