package c_test

import (
	"path/filepath"
	"strings"
	"testing"
)

// What the native host imitates, weir does: the cases of every.c by the program itself.
func TestWeir_RunsEveryCase(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it builds weir")
	}
	weir := filepath.Join(t.TempDir(), "weir")
	run(t, "../..", find(t, "go"), "build", "-o", weir, "./cmd/weir")
	for _, g := range targets[:2] {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, filepath.Join(dir, "every.wasm"), read(t, g.wasm(t, "testdata/every.c")))
			write(t, filepath.Join(dir, "cases.yaml"), read(t, "testdata/cases.yaml"))
			if out := run(t, dir, weir, "filter", "test"); !strings.Contains(out, "all well") {
				t.Errorf("it says\n%s", out)
			}
		})
	}
}
