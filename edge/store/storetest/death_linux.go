package storetest

import "syscall"

// diesWithUs has the kernel kill the process when the thread ends that started it: so a
// test binary that is killed leaves no server behind.
func diesWithUs(a *syscall.SysProcAttr) *syscall.SysProcAttr {
	if a == nil {
		a = &syscall.SysProcAttr{}
	}
	a.Pdeathsig = syscall.SIGKILL
	return a
}
