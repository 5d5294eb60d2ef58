//go:build unix

package main

import (
	"os"
	"path/filepath"
	"syscall"
)

// giveToOwner gives a file that root has made to whom its directory belongs: weir, run by
// that user, could not open it otherwise.
func giveToOwner(path string) error {
	if os.Getuid() != 0 {
		return nil
	}
	info, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok && s.Uid != 0 {
		return os.Chown(path, int(s.Uid), int(s.Gid))
	}
	return nil
}
