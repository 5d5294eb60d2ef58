//go:build unix

package vm

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// ownDirectory refuses a directory, a path without links, that others may write to, or
// put another in the place of.
func ownDirectory(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s can be written to by others (%s); chmod it to 0700", dir, info.Mode().Perm())
	}
	for at := dir; ; at = filepath.Dir(at) {
		if info, err = os.Lstat(at); err != nil {
			return err
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return nil
		}
		if int(st.Uid) != os.Geteuid() && st.Uid != 0 {
			return fmt.Errorf("%s belongs to user %d", at, st.Uid)
		}
		others := fs.FileMode(0o002)
		if int(st.Gid) != os.Getegid() {
			others = 0o022
		}
		if info.Mode().Perm()&others != 0 && info.Mode()&fs.ModeSticky == 0 {
			return fmt.Errorf("%s can be written to by others (%s)", at, info.Mode())
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}
