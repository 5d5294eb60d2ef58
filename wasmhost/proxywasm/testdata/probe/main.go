//go:build wasip1

// Probe is a guest that does what it is told. A script is a list of statements with "|"
// between them, each a phase, a command and its arguments:
//
//	request_headers replace 0 x-a b|request_headers return 1|tick continue 0
//
// Scripts come with a request, in its x-script field, and with the configuration. In
// arguments "+" is a space, and "*N" at the end repeats what is before it N times. What
// it saw is logged, one line for each callback and command with an answer.
package main

import (
	"fmt"
	"strconv"
	"strings"
	"unsafe"
)

func main() {}

// contexts are the scripts of those that are alive.
var contexts = map[uint32]string{}

var (
	configs = map[uint32]string{} // of roots
	roots   = map[uint32]uint32{} // of streams
	config  string                // of the root that was configured last
	paused  uint32                // the stream that was called last
	keep    []byte
)

// run does what the script says for a phase, and returns what the callback is to.
func run(phase string, ctx uint32, otherwise uint32) uint32 {
	script, result := contexts[ctx], otherwise
	if script == "" {
		root := ctx
		if parent := roots[ctx]; parent != 0 {
			root = parent
		}
		script = configs[root]
	}
	if script == "" {
		script = config
	}
	for statement := range strings.SplitSeq(script, "|") {
		words := strings.Fields(statement)
		if len(words) < 2 || words[0] != phase {
			continue
		}
		args := make([]string, 6)
		for k, w := range words[2:] {
			args[k] = expand(w)
		}
		if words[1] == "return" {
			result = number(args[0])
			continue
		}
		if f := commands[words[1]]; f != nil {
			f(args)
		} else {
			say("unknown command " + words[1])
		}
	}
	return result
}

func expand(w string) string {
	if at := strings.LastIndexByte(w, '*'); at > 0 {
		if n, err := strconv.Atoi(w[at+1:]); err == nil {
			w = strings.Repeat(w[:at], n)
		}
	}
	return strings.ReplaceAll(w, "+", " ")
}

func number(s string) uint32 {
	n, err := strconv.ParseInt(s, 0, 64)
	if err != nil {
		panic(err)
	}
	return uint32(n)
}

func say(text string) { proxyLog(2, pointer(text), uint32(len(text))) }

func pointer(s string) unsafe.Pointer { return unsafe.Pointer(unsafe.StringData(s)) }

func size(s string) uint32 { return uint32(len(s)) }

// got makes a string of what the host has put into our memory.
func got(p *byte, n uint32) string {
	if p == nil {
		return ""
	}
	return string(unsafe.Slice(p, n))
}

//go:wasmexport proxy_on_memory_allocate
func allocate(n uint32) unsafe.Pointer {
	keep = make([]byte, n)
	return unsafe.Pointer(&keep[0])
}

//go:wasmexport proxy_abi_version_0_2_1
func version() {}

//go:wasmexport proxy_on_context_create
func contextCreate(ctx, parent uint32) {
	contexts[ctx], roots[ctx] = "", parent
	say(fmt.Sprintf("create %d %d", ctx, parent))
	run("create", ctx, 0)
}

//go:wasmexport proxy_on_vm_start
func vmStart(ctx, n uint32) uint32 {
	known(ctx)
	if n > 0 {
		say("vm " + buffer(6))
	}
	return run("vm_start", ctx, 1)
}

//go:wasmexport proxy_on_configure
func configure(ctx, n uint32) uint32 {
	known(ctx)
	if n > 0 {
		config = buffer(7)
		configs[ctx] = config
	}
	return run("configure", ctx, 1)
}

// known panics as the SDKs do over contexts that they have not heard of.
func known(ctx uint32) {
	if _, ok := contexts[ctx]; !ok {
		panic(fmt.Sprintf("unknown context %d", ctx))
	}
}

//go:wasmexport proxy_on_tick
func tick(ctx uint32) {
	known(ctx)
	say("tick")
	run("tick", ctx, 0)
}

//go:wasmexport proxy_on_queue_ready
func queueReady(ctx, queue uint32) {
	known(ctx)
	say(fmt.Sprintf("queue %d", queue))
	run("queue", ctx, 0)
}

//go:wasmexport proxy_on_request_headers
func requestHeaders(ctx, n, end uint32) uint32 {
	known(ctx)
	paused = ctx
	if script, status := get(0, "x-script"); status == 0 {
		contexts[ctx] = script
	}
	return seen("request_headers", ctx, n, end)
}

//go:wasmexport proxy_on_request_body
func requestBody(ctx, n, end uint32) uint32 { return seen("request_body", ctx, n, end) }

//go:wasmexport proxy_on_request_trailers
func requestTrailers(ctx, n uint32) uint32 { return seen("request_trailers", ctx, n, 1) }

//go:wasmexport proxy_on_response_headers
func responseHeaders(ctx, n, end uint32) uint32 { return seen("response_headers", ctx, n, end) }

//go:wasmexport proxy_on_response_body
func responseBody(ctx, n, end uint32) uint32 { return seen("response_body", ctx, n, end) }

//go:wasmexport proxy_on_response_trailers
func responseTrailers(ctx, n uint32) uint32 { return seen("response_trailers", ctx, n, 1) }

func seen(phase string, ctx, n, end uint32) uint32 {
	known(ctx)
	paused = ctx
	say(fmt.Sprintf("%s %d %d", phase, n, end))
	result := run(phase, ctx, 0)
	if end == 1 {
		result = run(phase+"_end", ctx, result)
	}
	return result
}

//go:wasmexport proxy_on_done
func done(ctx uint32) uint32 {
	known(ctx)
	say("done")
	return run("done", ctx, 1)
}

//go:wasmexport proxy_on_log
func log(ctx uint32) {
	known(ctx)
	say("log")
	run("log", ctx, 0)
}

//go:wasmexport proxy_on_delete
func remove(ctx uint32) {
	known(ctx)
	say("delete")
	run("delete", ctx, 0)
	delete(contexts, ctx)
	delete(configs, ctx)
	delete(roots, ctx)
}

//go:wasmexport proxy_on_http_call_response
func httpCallResponse(ctx, token, headers, body, trailers uint32) {
	known(ctx)
	say(fmt.Sprintf("http_call_response %d %d %d %d", token, headers, body, trailers))
	run("http_call_response", ctx, 0)
}

//go:wasmexport proxy_on_grpc_receive_initial_metadata
func grpcInitial(ctx, token, n uint32) {
	known(ctx)
	say(fmt.Sprintf("grpc_initial %d %d", token, n))
	run("grpc_initial", ctx, 0)
}

//go:wasmexport proxy_on_grpc_receive
func grpcReceive(ctx, token, n uint32) {
	known(ctx)
	say(fmt.Sprintf("grpc_receive %d %d", token, n))
	run("grpc_receive", ctx, 0)
}

//go:wasmexport proxy_on_grpc_receive_trailing_metadata
func grpcTrailing(ctx, token, n uint32) {
	known(ctx)
	say(fmt.Sprintf("grpc_trailing %d %d", token, n))
	run("grpc_trailing", ctx, 0)
}

//go:wasmexport proxy_on_grpc_close
func grpcClose(ctx, token, status uint32) {
	known(ctx)
	say(fmt.Sprintf("grpc_close %d %d", token, status))
	run("grpc_close", ctx, 0)
}
