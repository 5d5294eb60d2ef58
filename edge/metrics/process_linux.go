package metrics

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// systemFamilies are what the kernel knows of the process.
func systemFamilies() []family {
	return []family{
		single("process_cpu_seconds_total", "Processor time, user and system.", Counter, cpuSeconds),
		single("process_resident_memory_bytes", "Memory of the process that is in RAM.", Gauge, residentBytes),
		single("process_open_fds", "Open file descriptors.", Gauge, openFiles),
		single("process_max_fds", "File descriptors that may be open.", Gauge, maxFiles),
	}
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// residentBytes reads the second field of statm, in pages (proc(5)).
func residentBytes() float64 {
	b, err := os.ReadFile("/proc/self/statm")
	fields := bytes.Fields(b)
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseFloat(string(fields[1]), 64)
	return pages * float64(os.Getpagesize())
}

func openFiles() float64 {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return 0
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	return float64(max(len(names)-1, 0)) // without dir itself
}

func maxFiles() float64 {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 0
	}
	return float64(l.Cur)
}
