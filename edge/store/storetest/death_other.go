//go:build unix && !linux

package storetest

import "syscall"

// diesWithUs does nothing here: only Linux can.
func diesWithUs(a *syscall.SysProcAttr) *syscall.SysProcAttr { return a }
