//go:build !race

// Compiling guests in Go takes a minute under the race detector, and finds no races.

package proxywasm

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/weirproxy/weir/wasmhost/vm"
)

// BenchmarkFilter_Go does that with filters in Go: by hand, and with the SDK.
func BenchmarkFilter_Go(b *testing.B) {
	for _, name := range []string{"gobare", "gosdk"} {
		prog := goGuest(b, name)
		b.Run(name, func(b *testing.B) { benchmark(b, openProgram(b, prog, "").Filter) })
	}
}

// goGuest builds the Go program of testdata/NAME as a guest.
func goGuest(t testing.TB, name string) *vm.Program {
	t.Helper()
	file := filepath.Join(t.TempDir(), "guest.wasm")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", file, "./testdata/"+name)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, out)
	}
	code, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	prog, err := program(code)
	if err != nil {
		t.Fatal(err)
	}
	return prog
}
