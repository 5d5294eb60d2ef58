package rust_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var targets = []string{"wasm32-unknown-unknown", "wasm32-wasi"}

// Cargo's own tests have all that runs in the host in memory, and the examples of README
// and documentation.
func TestNative_CargoTestPasses(t *testing.T) {
	t.Parallel()
	for _, r := range rusts(t) {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			r.run(t, ".", nil, "test")
		})
	}
}

func TestWeir_EveryFilterDoesWhatItShould(t *testing.T) {
	t.Parallel()
	for _, target := range targets {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			module, _ := wasm(t, "testdata/every", target, "every")
			if out := weir(t, "testdata/every", "filter", "test", module, "cases.yaml"); !strings.Contains(out, "all well") {
				t.Errorf("weir filter test says:\n%s", out)
			}
		})
	}
}

// project writes a template with the SDK, as weir filter new does.
func project(t *testing.T, kind string) string {
	t.Helper()
	dir := t.TempDir()
	named := strings.NewReplacer("{{name}}", "a-"+kind)
	for from, to := range map[string]string{"templates/" + kind: "", "src": "weir-sdk/src", "Cargo.toml": "weir-sdk/Cargo.toml", "README.md": "weir-sdk/README.md"} {
		err := filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			file := filepath.Join(dir, to, strings.TrimPrefix(name, from))
			if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
				return err
			}
			return os.WriteFile(file, []byte(named.Replace(string(text))), 0o600)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestTemplates_BuildAndPass(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"filter", "module"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dir := project(t, kind)
			for _, r := range rusts(t) {
				// What they build has one name: each in a place of its own.
				r.run(t, dir, []string{"CARGO_TARGET_DIR=" + t.TempDir()}, "test", "--quiet")
			}
			for target, most := range map[string]int64{targets[0]: 90 << 10, targets[1]: 130 << 10} {
				module, size := wasm(t, dir, target, "a-"+kind)
				if size > most {
					t.Errorf("for %s it has %d bytes, more than %d", target, size, most)
				}
				t.Logf("for %s it has %d bytes", target, size)
				if out := weir(t, dir, "filter", "test", module, "cases.yaml"); !strings.Contains(out, "all well") {
					t.Errorf("weir filter test says:\n%s", out)
				}
			}
		})
	}
}
