package listen

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// portOwner names the process that listens on a port, as far as this user may
// see it, from /proc (proc_pid_net(5)); "" if it cannot. It runs only after
// opening has failed.
func portOwner(network string, port uint16) string {
	table, state := "tcp", "0A" // TCP_LISTEN
	if strings.HasPrefix(network, "udp") {
		table, state = "udp", "07"
	}
	var inodes []string
	for _, suffix := range []string{"", "6"} {
		inodes = append(inodes, inodesOf("/proc/net/"+table+suffix, port, state)...)
	}
	for _, inode := range inodes {
		if who := processWith("socket:[" + inode + "]"); who != "" {
			return who
		}
	}
	return ""
}

func inodesOf(table string, port uint16, state string) (inodes []string) {
	f, err := os.Open(table)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	suffix := fmt.Sprintf(":%04X", port)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > 9 && strings.HasSuffix(fields[1], suffix) && fields[3] == state {
			inodes = append(inodes, fields[9])
		}
	}
	return inodes
}

func processWith(target string) string {
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		if to, err := os.Readlink(link); err != nil || to != target {
			continue
		}
		process := filepath.Dir(filepath.Dir(link))
		name, err := os.ReadFile(filepath.Join(process, "comm"))
		if err != nil {
			return ""
		}
		return fmt.Sprintf("%q (process %s)", strings.TrimSpace(string(name)), filepath.Base(process))
	}
	return ""
}
