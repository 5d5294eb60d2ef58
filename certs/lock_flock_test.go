//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package certs_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/certs"
)

func TestOpenInternal_DoesNotWaitForEverForAStoppedProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		held, err := os.Create(filepath.Join(dir, "lock"))
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Flock(int(held.Fd()), syscall.LOCK_EX); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		ca, err := certs.OpenInternal(dir, certs.InternalOptions{})
		if err == nil {
			ca.Close()
		}
		if took := time.Since(start); err == nil || !strings.Contains(err.Error(), "another process has held it") || took > 6*time.Second {
			t.Errorf("OpenInternal while the lock is held = %v after %v; want an error within 6s", err, took)
		}
		_ = held.Close()
		if ca, err = certs.OpenInternal(dir, certs.InternalOptions{}); err != nil {
			t.Fatalf("OpenInternal after the lock was released: %v", err)
		}
		ca.Close()
	})
}
