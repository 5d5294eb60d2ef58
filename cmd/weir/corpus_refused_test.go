package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirproxy/weir/wasmhost/corpus"
)

// TestCorpus_Refusals has guests that cannot do what they are asked for refused before
// anything is served, with a reason that helps.
func TestCorpus_Refusals(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		what, guest, plugin string
		module              bool
		want                string
	}{
		{"a filter that refuses its configuration", "rust/config", "config: nonsense", false, "configuration"},
		{"a filter that traps when it starts", "http-wasm/error/panic_on_start", "", false, "panic!"},
		{"a filter that wants a configuration", "http-wasm/redact", "", false, "unreachable"},
		{"a program in a filter's place", "c/cgi", "", false, "use it as a module"},
		{"a filter with less memory than it begins with", "go/http_headers", "limits: {memory: 1MiB}", false, "memory"},
		{"a filter with less CPU than its start takes", "coraza", "limits: {start: 1ms}", false, "comput"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			keepCompiled(t, dir)
			plugin := fmt.Sprintf("{wasm: %q", corpus.File(t, tt.guest))
			if tt.plugin != "" {
				plugin += ", " + tt.plugin
			}
			use := "filters: [it]\n    respond: served"
			if tt.module {
				use = "module: {use: it}"
			}
			write(t, dir, "weir.yaml", fmt.Sprintf("plugins:\n  it: %s}\nsites:\n  a.test:\n    %s\n", plugin, use))
			cmd := exec.CommandContext(t.Context(), "weir", "check", "-c", filepath.Join(dir, "weir.yaml"))
			cmd.Env = append(os.Environ(), "WEIR_DATA_DIR="+filepath.Join(dir, "data"))
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), tt.want) || !strings.Contains(string(out), "weir.yaml:") {
				t.Errorf("weir check: %v, want a mistake at its line that says %q, got:\n%s", err, tt.want, out)
			}
		})
	}
}
