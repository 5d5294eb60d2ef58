// Package assemblyscript_test runs what is tested in AssemblyScript's own way, with
// node's test runner, and builds and tests what authors begin with.
package assemblyscript_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNode runs the tests in test/: every feature in the host in memory, the examples of
// the README, parsers, and soaks.
func TestNode(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes a minute")
	}
	k := newKitchen(t)
	dir := t.TempDir()
	k.copySDK(dir)
	copyTree(t, filepath.Join(dir, "test"), "test")
	copyFile(t, filepath.Join(dir, "README.md"), "README.md")
	k.link(dir)
	for _, file := range []string{"features", "parsers", "readme", "soak"} { // one after the other: each is a compiler's work
		k.run(dir, k.node, "--test", "test/"+file+".test.mjs")
	}
}

// TestWeir runs in weir what the host in memory imitates.
func TestWeir_DoesWhatTheHostInMemoryDoes(t *testing.T) {
	t.Parallel()
	k := newKitchen(t)
	dir := t.TempDir()
	k.copySDK(dir)
	copyTree(t, filepath.Join(dir, "test"), "test")
	k.link(dir)
	k.asc(dir, "test/filters/features.ts", "--config", "asconfig.json", "-o", "features.wasm")
	out := k.run(dir, k.weir(), "filter", "test", "features.wasm", "test/cases.yaml")
	if !strings.Contains(out, "all well") {
		t.Errorf("weir filter test says:\n%s", out)
	}
}

// TestTemplates begins projects, builds them with one command, and runs their tests.
func TestTemplates_BuildAndPass(t *testing.T) {
	t.Parallel()
	for kind, most := range map[string]int64{"filter": 19 << 10, "module": 28 << 10} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			k := newKitchen(t)
			name := "my-" + kind
			dir := begin(t, k, kind, name)
			out := k.run(dir, k.npm, "test") // builds it, too
			if strings.Contains(out, "not ok") {
				t.Errorf("npm test says:\n%s", out)
			}
			wasm := filepath.Join(dir, name+".wasm")
			info, err := os.Stat(wasm)
			if err != nil {
				t.Fatal(err)
			}
			if info.Size() > most {
				t.Errorf("it has %d bytes, want at most %d", info.Size(), most)
			}
			k.run(dir, k.weir(), "filter", "test", wasm, "cases.yaml")
		})
	}
}

// begin writes a project as weir filter new does.
func begin(t *testing.T, k *kitchen, kind, name string) string {
	t.Helper()
	dir := t.TempDir()
	from := filepath.Join("templates", kind)
	copyTree(t, dir, from)
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(path, []byte(strings.ReplaceAll(string(text), "{{name}}", name)), 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	k.copySDK(filepath.Join(dir, "weir-sdk"))
	k.link(dir)
	if err := os.Symlink(filepath.Join(dir, "weir-sdk"), filepath.Join(dir, "node_modules", "weir-sdk")); err != nil {
		t.Fatal(err)
	}
	return dir
}
