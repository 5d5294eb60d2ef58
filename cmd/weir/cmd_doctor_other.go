//go:build !linux

package main

import (
	"io/fs"
	"os"

	"github.com/weirproxy/weir/cmd/weir/config"
)

// writable tells whether this user may make files in dir, as far as its mode says.
func writable(dir string) bool {
	info, err := os.Stat(dir)
	return err == nil && info.Mode().Perm()&0o222 != 0
}

// freeBytes is what can still be written to the disk of dir; here it is not known.
func freeBytes(string) (int64, bool) { return 0, false }

// ownerHint says what to do where a directory is another user's; here it is not known.
func ownerHint(fs.FileInfo, string) string { return "" }

// lowPort is the first port that everybody may open.
func lowPort() int { return 1024 }

// mayBindLow tells whether this process may open ports below that; a start will tell.
func mayBindLow() bool { return true }

// examineLimits would look at how many files may be open.
func examineLimits(*config.Config) []finding { return nil }
