package weir

import (
	"runtime"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/sdk/internal/host"
)

// mostTrace is how much of a stack is logged.
const mostTrace = 8 << 10

// trace is deferred in coroutines. It logs where a panic comes from, and has it go on:
// whoever has resumed a coroutine gets what it panics with, and not its stack.
func trace() {
	v := recover()
	if v == nil {
		return
	}
	what := "a value that is no text"
	switch v := v.(type) {
	case string:
		what = v
	case error:
		what = v.Error()
	case interface{ String() string }:
		what = v.String()
	}
	b := make([]byte, mostTrace)
	host.Log(abi.Critical, "panic: "+what+"\n"+string(b[:runtime.Stack(b, false)]))
	panic(v)
}
