package main

import (
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/weirproxy/weir/cmd/weir/config"
)

// A proxy's heap is small beside what it allocates, so that Go's default (collect
// when it has doubled) collects all the time: six to twenty-eight percent of the
// cost of a request. weir lets it grow to five times and bounds it by memory.
const defaultGOGC = 400

// limitShare is how much of the memory that the cgroup allows the heap may take;
// the rest is for stacks, sockets and what is mapped.
const limitShare = 0.85

// setCollector sets the targets of the garbage collector. What the environment
// says (GOGC, GOMEMLIMIT) wins, then the configuration, then the defaults. It returns what now holds, for the log.
func setCollector(m *config.Memory) string {
	gogc := defaultGOGC
	if m.GOGC > 0 {
		gogc = m.GOGC
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gogc)
	}
	limit := m.Limit
	if limit == 0 {
		if available := cgroupMemory(); available > 0 {
			limit = int64(float64(available) * limitShare)
		}
	}
	if limit > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(limit)
	}
	gogc = debug.SetGCPercent(100)
	debug.SetGCPercent(gogc)
	shown := "gogc " + strconv.Itoa(gogc)
	if now := debug.SetMemoryLimit(-1); now != math.MaxInt64 {
		shown += ", memory limit " + strconv.FormatInt(now>>20, 10) + " MiB"
	}
	return shown
}

// cgroupMemory returns the least memory.max from this process's cgroup up to the
// root, or 0 if there is none. Version 1 is asked at its root only, which is what
// a container sees.
func cgroupMemory() int64 {
	least := int64(0)
	take := func(path string) {
		b, err := os.ReadFile(path)
		if err != nil {
			return
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
		if err == nil && n > 0 && n < 1<<60 && (least == 0 || n < least) {
			least = n
		}
	}
	if b, err := os.ReadFile("/proc/self/cgroup"); err == nil {
		for line := range strings.Lines(string(b)) {
			dir, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
			for ok {
				take("/sys/fs/cgroup" + dir + "/memory.max")
				i := strings.LastIndexByte(dir, '/')
				if i < 0 {
					break
				}
				dir = dir[:i]
			}
		}
	}
	take("/sys/fs/cgroup/memory.max")
	take("/sys/fs/cgroup/memory/memory.limit_in_bytes")
	return least
}
