//go:build unix

package clients

import (
	"os/exec"
	"syscall"
)

// ownGroup lets killGroup reach what cmd starts: `go run` has the program it built
// as a child.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func killGroup(cmd *exec.Cmd) { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
