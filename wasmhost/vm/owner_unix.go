//go:build unix

package vm

import (
	"fmt"
	"os"
	"syscall"
)

// ownDirectory refuses a directory that others may write to.
func ownDirectory(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() && st.Uid != 0 {
		return fmt.Errorf("%s belongs to user %d", dir, st.Uid)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s can be written to by others (%s); chmod it to 0700", dir, info.Mode().Perm())
	}
	return nil
}
