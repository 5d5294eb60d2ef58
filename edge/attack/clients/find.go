package clients

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// timeLimit bounds every run of a client.
const timeLimit = 60 * time.Second

// Find returns the path of the first program of names that is installed.
func Find(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	missing(t, strings.Join(names, " or "))
	return ""
}

// missing ends the test: skipped, or failed under WEIR_CI.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("WEIR_CI") != "" {
		t.Fatalf("%s is not installed, and WEIR_CI is set", what)
	}
	t.Skipf("%s is not installed; .ci/run installs it", what)
}

// run runs a program and returns what it printed. Its environment is the
// test's and env.
func run(t testing.TB, env []string, name string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = 2 * time.Second // children may hold the pipes open
	cmd.Env = append(os.Environ(), env...)
	var out, diag strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &diag
	err = cmd.Run()
	return out.String(), diag.String(), err
}

// Curl runs curl, which trusts the certificates of the PEM file root and no
// others, and returns what it wrote to stdout. It fails the test where curl fails.
func Curl(t testing.TB, root string, args ...string) string {
	t.Helper()
	args = append([]string{"--silent", "--show-error", "--cacert", root, "--noproxy", "*", "--max-time", "30"}, args...)
	out, diag, err := run(t, nil, Find(t, "curl"), args...)
	if err != nil {
		t.Fatalf("curl %q: %v\n%s", args, err, diag)
	}
	return out
}
