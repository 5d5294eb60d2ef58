package storetest

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// find returns the path of a program, in PATH or as one of the patterns says: the last
// of them that is there. If there is none, the test ends.
func find(t testing.TB, program string, patterns ...string) string {
	t.Helper()
	for _, pattern := range patterns {
		all, _ := filepath.Glob(pattern)
		slices.Sort(all)
		for _, path := range slices.Backward(all) {
			return path
		}
	}
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	if os.Getenv("WEIR_CI") != "" {
		t.Fatalf("%s is not installed, and WEIR_CI is set", program)
	}
	t.Skipf("%s is not installed", program)
	return ""
}

// Eventually waits until ok returns true, and fails the test when it does not within
// some time that is long for a busy machine.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	within(t, 30*time.Second, what, ok)
}

func within(t testing.TB, d time.Duration, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(d)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("waited %v in vain: %s", d, what)
		}
	}
}
