package vm

import (
	"context"
	"errors"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// hostCall is what calling a host function costs in fuel, whatever it does: about the
// nanoseconds that it takes.
const hostCall = 100

// guard is what the engine calls of a host function: a guest pays for calling it, and is
// not gone back to where a call that the function made into it has ended it.
func guard(f api.GoModuleFunc) api.GoModuleFunc {
	return func(ctx context.Context, m api.Module, stack []uint64) {
		i := InstanceOf(ctx)
		if i.module == nil {
			i.adopt(m)
		}
		i.Charge(hostCall)
		f(ctx, m, stack)
		if i.trap != nil {
			panic(i.trap)
		}
	}
}

// tolls makes guests pay for what WASI does for them. Its functions are the engine's own,
// and can only be listened to.
type tolls struct{}

// NewFunctionListener implements experimental.FunctionListenerFactory.
func (tolls) NewFunctionListener(d api.FunctionDefinition) experimental.FunctionListener {
	name := ""
	if names := d.ExportNames(); len(names) > 0 {
		name = names[0]
	}
	switch name {
	case "poll_oneoff": // subscriptions
		return toll{base: hostCall, arg: 2, each: 64}
	case "fd_read", "fd_write", "fd_pread", "fd_pwrite": // vectors; bytes are paid for by what takes them
		return toll{base: 2 * hostCall, arg: 2, each: 32}
	case "fd_close":
		return toll{base: hostCall, arg: -1, handle: closes}
	case "fd_renumber":
		return toll{base: hostCall, arg: -1, handle: moves}
	case "path_open":
		return toll{base: 50 * hostCall, arg: -1, handle: opens}
	case "fd_readdir": // bytes
		return toll{base: 10 * hostCall, arg: 2, each: 2, handle: lists}
	case "random_get": // bytes
		return toll{base: hostCall, arg: 1, each: 2}
	case "path_create_directory", "path_filestat_get", "path_filestat_set_times", "path_link",
		"path_readlink", "path_remove_directory", "path_rename", "path_symlink", "path_unlink_file",
		"fd_sync", "fd_datasync", "fd_filestat_set_size", "fd_allocate":
		return toll{base: 50 * hostCall, arg: -1}
	}
	return toll{base: hostCall, arg: -1}
}

// toll is what one function costs: so much, and so much for each of what its argument
// arg counts.
type toll struct {
	base, each int64
	arg        int
	handle     handleOp
}

// handleOp is what a function does to the table of files.
type handleOp uint8

const (
	leaves handleOp = iota
	opens
	closes
	moves
	lists // a directory, whose place in it is kept
)

// mostHandle is the highest number that a guest may give to a file: the engine's table
// is as long as the highest is.
const mostHandle = 1 << 16

// Before implements experimental.FunctionListener.
func (t toll) Before(ctx context.Context, m api.Module, _ api.FunctionDefinition, params []uint64, _ experimental.StackIterator) {
	i := InstanceOf(ctx)
	if i.module == nil {
		i.adopt(m)
	}
	n := t.base
	if t.arg >= 0 {
		n += t.each * int64(uint32(params[t.arg]))
	}
	// The engine has walked the guest's stack to call this.
	n += i.standing() / 64
	i.Charge(n)
	switch t.handle {
	case closes, lists:
		i.files.moved = i.files.moved || uint64(uint32(params[0])) < uint64(3+len(i.roots))
	case moves:
		if i.files.moved = true; int32(uint32(params[1])) > mostHandle {
			i.Break(errHandle)
		}
	}
}

var errHandle = errors.New("fd_renumber: the number is too high")

// After implements experimental.FunctionListener.
func (t toll) After(ctx context.Context, _ api.Module, _ api.FunctionDefinition, results []uint64) {
	if t.handle == leaves || len(results) == 0 || uint32(results[0]) != 0 {
		return
	}
	switch i := InstanceOf(ctx); t.handle {
	case opens:
		i.files.open++
	case closes:
		i.files.open--
	}
}

// Abort implements experimental.FunctionListener.
func (toll) Abort(context.Context, api.Module, api.FunctionDefinition, error) {}
