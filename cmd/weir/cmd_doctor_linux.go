package main

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/weirproxy/weir/cmd/weir/config"
)

// writable tells whether this user may make files in dir.
func writable(dir string) bool { return unix.Access(dir, unix.W_OK|unix.X_OK) == nil }

// freeBytes is what can still be written to the disk of dir.
func freeBytes(dir string) (int64, bool) {
	var s unix.Statfs_t
	if unix.Statfs(dir, &s) != nil {
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true
}

// ownerHint says what to do where a directory is another user's.
func ownerHint(info fs.FileInfo, dir string) string {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(s.Uid) == os.Geteuid() {
		return ""
	}
	return fmt.Sprintf("it is user %d's: if weir runs as that one, run weir doctor as it, too; else: chown %d %s", s.Uid, os.Geteuid(), dir)
}

// lowPort is the first port that everybody may open.
func lowPort() int {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err == nil {
		if n, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			return n
		}
	}
	return 1024
}

// mayBindLow tells whether this process may open ports below that.
func mayBindLow() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if unix.Capget(&header, &sets[0]) != nil {
		return os.Geteuid() == 0
	}
	return sets[0].Effective&(1<<unix.CAP_NET_BIND_SERVICE) != 0
}

// examineLimits looks at how many files, and so connections, may be open.
func examineLimits(c *config.Config) []finding {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return one(fine, "open files: "+err.Error(), "")
	}
	const few = 4096
	need := uint64(max(few, 2*c.Limits.Connections)) // a connection may need another one to an upstream
	if l.Max < need {
		return one(warning, fmt.Sprintf("at most %d files may be open, of which each connection is one", l.Max), fmt.Sprintf("LimitNOFILE=%d in weir's unit, or ulimit -n", need))
	}
	return one(fine, fmt.Sprintf("%d files may be open", min(l.Max, 1<<30)), "")
}
