package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirproxy/weir/edge/attack/clients"
)

// TestGRPC_CallsOfAllKinds has the tests of examples/grpc run with weir between their
// client and their server, both grpc-go's: a thousand calls, and those that are
// cancelled, late, refused or large.
func TestGRPC_CallsOfAllKinds(t *testing.T) {
	t.Parallel()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	p := startProgram(t, t.TempDir(), strings.ReplaceAll(`
listen: {https: "${HTTPS}"}
admin: "${ADMIN}"
log: {format: json}
sites: {localhost: {proxy: "h2c://127.0.0.1:PORT"}}
`, "PORT", port))
	cmd := exec.CommandContext(t.Context(), clients.Find(t, "go"), "test", "-count=1", "-v", "-timeout=2m", ".")
	cmd.Dir = example("grpc")
	cmd.Env = append(os.Environ(), "GAUGE_ADDR=127.0.0.1:"+port, "GAUGE_VIA="+p.https, "GAUGE_ROOT="+p.root(), "GAUGE_CALLS=1000")
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("go test in examples/grpc: %v\n%s", err, p.tail())
	}
}

func example(name ...string) string {
	return filepath.Join(append([]string{"..", "..", "examples"}, name...)...)
}
