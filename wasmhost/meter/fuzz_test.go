package meter_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/weirproxy/weir/wasmhost/meter"
)

// Rewriting never panics, gives the same twice, and neither breaks what is valid nor
// makes valid what is not.
func FuzzRewrite(f *testing.F) {
	files, _ := filepath.Glob(filepath.Join(engineDir(), "internal/integration_test/spectest/v2/testdata/*.0.wasm"))
	for _, file := range files {
		if code, err := os.ReadFile(file); err == nil && len(code) < 4096 {
			f.Add(code)
		}
	}
	f.Add(tree(3).encode())
	f.Add([]byte("\x00asm\x01\x00\x00\x00\x01\x04\x01`\x00\x00\x03\x03\x01\x000\n\x00")) // a section of nothing
	config := wazero.NewRuntimeConfigInterpreter().WithMemoryLimitPages(16)
	valid := func(code []byte) error {
		ctx := context.Background()
		r := wazero.NewRuntimeWithConfig(ctx, config)
		defer r.Close(ctx)
		_, err := r.CompileModule(ctx, code)
		return err
	}
	f.Fuzz(func(t *testing.T, code []byte) {
		out, err := meter.Rewrite(code)
		again, _ := meter.Rewrite(code)
		if !bytes.Equal(out, again) {
			t.Errorf("got %x, then %x, of %x", out, again, code)
		}
		if err != nil {
			return // and the engine is not asked: it allocates by numbers that are claimed
		}
		before, after := valid(code), valid(out)
		if before != nil && strings.Contains(before.Error(), "custom") {
			return // the engine refuses names that it cannot read
		}
		if (before == nil) != (after == nil) {
			t.Errorf("got %v, want %v, for %x", after, before, code)
		}
	})
}

// What toolchains make stays valid: all modules that the engine is tested with.
func TestToolchains(t *testing.T) {
	t.Parallel()
	var files []string
	for _, glob := range []string{"examples/*/testdata/*.wasm", "examples/*/*/testdata/*.wasm", "imports/*/*/testdata/*/*.wasm", "imports/*/testdata/*/*.wasm", "cmd/wazero/testdata/*/*.wasm", "internal/integration_test/bench/testdata/*.wasm"} {
		list, _ := filepath.Glob(filepath.Join(engineDir(), glob))
		files = append(files, list...)
	}
	if len(files) < 10 {
		t.Fatalf("got %d modules, want at least 10", len(files))
	}
	w := newWorld(t, false)
	for _, file := range files {
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.CompileModule(t.Context(), code); err != nil {
			continue
		}
		out, err := meter.Rewrite(code)
		if err == nil {
			_, err = w.CompileModule(t.Context(), out)
		}
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}
