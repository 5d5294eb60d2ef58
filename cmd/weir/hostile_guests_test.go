package main

import (
	"fmt"
	"slices"
	"strings"

	http "github.com/weirproxy/weir/sdk/abi/httpwasm"
	proxy "github.com/weirproxy/weir/sdk/abi/proxywasm"
	. "github.com/weirproxy/weir/wasmhost/vmtest"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

// hostile is a guest that means harm, and what clients see of that.
type hostile struct {
	name   string
	code   []byte
	plugin string // settings, as YAML of one line; "": narrow limits
	cgi    bool   // it answers; else it is a filter
	// closed and open are what may come of a request where on_error is one or the other:
	// statuses, "cut" for an answer that breaks off, "waits" for none. Without open the
	// row is run for closed alone.
	closed, open string
	traps        bool // each 500 has the guest's stack in the log
}

// Limits that end most guests soon: of filters, and of programs, which may compute for a
// second otherwise.
const (
	narrow        = "limits: {memory: 16MiB, wall: 300ms, queue: 5s, instances: 2}"
	narrowProgram = "limits: {memory: 16MiB, wall: 1s, queue: 5s, instances: 2, request_cpu: 50ms}"
)

// hostiles is the table.
func hostiles() (all []hostile) {
	for _, d := range deeds() {
		// Who exits or sleeps is ended from outside of any function, and of a stack that has
		// overflown the engine keeps none.
		plugin, traps := "", !slices.Contains([]string{"exit", "sleep", "deep recursion"}, d.Name)
		program, programTraps := narrowProgram, traps
		if d.Name == "1 GiB fill" {
			plugin = "limits: {memory: 1025MiB, wall: 2s, queue: 5s, instances: 1}"
			program, programTraps = plugin, false // a program may compute for so long
		}
		all = append(all,
			hostile{"proxy " + d.Name, onCallback(d, "proxy_on_request_headers"), plugin, false, "500 503", "200", traps},
			hostile{"http " + d.Name, httpGuest().Do(d, "handle_request", nil, I64).Bytes(), plugin, false, "500 503", "200", traps},
			hostile{"cgi " + d.Name, cgiGuest().Do(d, "_start", nil, nil).Bytes(), program, true, "500 503", "", programTraps})
	}
	return slices.Concat(all, trapsEverywhere(), proxyHostiles(), httpHostiles(), cgiHostiles(), wildHostiles())
}

// deeds are what a guest of any ABI can do.
func deeds() []Deed {
	fill, table := Fill(16384), Flood(Clock(), 0, 0, 8)
	fill.Name, table.Name = "1 GiB fill", "table bomb"
	table.Imports = nil
	table.Body = Code{Loop, Void, Op(0xd0), []byte{0x70}, I32Const, 1 << 20, Prefixed, 15, 0, I32Const, -1, I32Eq, If, Void, Unreachable, End, Br, 0, End}
	return []Deed{Spin(), CallTree(), Deep(), Hoard(), fill, table, Crash(), Wild(), Exit(3), Sleep(60e9), Flood(Clock(), 0, 0, 8), Flood(Random(), 0, 65536)}
}

// proxyGuest has what Proxy-Wasm asks of every guest.
func proxyGuest() Module {
	return Module{Pages: 1, Table: []string{"malloc"}, Funcs: []Func{
		{Name: "proxy_abi_version_0_2_1"},
		{Name: "malloc", Params: I32, Results: I32, Body: Code{I32Const, 32768}},
		{Name: "proxy_on_context_create", Params: I32x2},
	}}
}

// httpGuest has what http-wasm asks beside handle_request.
func httpGuest() Module {
	return Module{Pages: 1, Table: []string{"handle_response"}, Funcs: []Func{{Name: "handle_response", Params: I32x2}}}
}

// cgiGuest is a command without its start.
func cgiGuest() Module {
	return Module{Pages: 1, Table: []string{"$entry"}, Funcs: []Func{{Name: "$entry"}}}
}

// callbacks are those of Proxy-Wasm, with their types.
var callbacks = map[string][2][]wasm.ValueType{
	"proxy_on_request_headers": {I32x3, I32}, "proxy_on_request_body": {I32x3, I32}, "proxy_on_request_trailers": {I32x2, I32},
	"proxy_on_response_headers": {I32x3, I32}, "proxy_on_response_body": {I32x3, I32}, "proxy_on_response_trailers": {I32x2, I32},
	"proxy_on_configure": {I32x2, I32}, "proxy_on_done": {I32, I32}, "proxy_on_log": {I32, nil}, "proxy_on_delete": {I32, nil},
	"proxy_on_tick": {I32, nil}, "proxy_on_queue_ready": {I32x2, nil},
	"proxy_on_foreign_function":   {I32x3, nil},
	"proxy_on_http_call_response": {[]wasm.ValueType{wasm.I32, wasm.I32, wasm.I32, wasm.I32, wasm.I32}, nil},
}

// with adds a callback that does d.
func with(m Module, d Deed, callback string) Module {
	return m.Do(d, callback, callbacks[callback][0], callbacks[callback][1])
}

func onCallback(d Deed, callback string) []byte { return with(proxyGuest(), d, callback).Bytes() }

// returning has a callback run code, whose result is the callback's.
func returning(m Module, callback string, body ...any) Module {
	t := callbacks[callback]
	m.Funcs = append(slices.Clip(m.Funcs), Func{Name: callback, Params: t[0], Results: t[1], Body: body})
	return m
}

// trapsEverywhere are guests that crash in one callback each.
func trapsEverywhere() (all []hostile) {
	for callback, closed := range map[string]string{
		"proxy_on_request_headers": "500 503", "proxy_on_request_body": "500 503", "proxy_on_request_trailers": "500 503",
		"proxy_on_response_headers": "500 503", "proxy_on_response_body": "500 503 cut", "proxy_on_response_trailers": "500 503 cut",
		"proxy_on_done": "200 503", "proxy_on_log": "200 503", "proxy_on_delete": "200 503",
	} {
		open := "200"
		if strings.Contains(closed, "cut") {
			open = "200 cut"
		}
		all = append(all, hostile{"trap in " + callback, onCallback(Crash(), callback), "", false, closed, open, false})
	}
	response := Module{Pages: 1}.Do(Crash(), "handle_response", I32x2, nil)
	response.Funcs = append(response.Funcs, Func{Name: "handle_request", Results: I64, Body: Code{I64Const, 1}})
	return append(all, hostile{"trap in handle_response", response.Bytes(), "", false, "500 503", "200", true})
}

// fromEnv is one of Proxy-Wasm's host functions.
func fromEnv(name string) Import {
	list := proxy.HostFuncs()
	f := list[slices.IndexFunc(list, func(f proxy.HostFunc) bool { return f.Name == name })]
	return Import{Module: proxy.Module, Name: name, Params: valueTypes(f.Params), Results: valueTypes(f.Results)}
}

// fromHandler is one of http-wasm's.
func fromHandler(name string) Import {
	list := http.Functions()
	f := list[slices.IndexFunc(list, func(f http.Function) bool { return f.Name == name })]
	return Import{Module: http.Module, Name: name, Params: valueTypes(f.Params), Results: valueTypes(f.Results)}
}

func valueTypes[T ~byte](list []T) (all []wasm.ValueType) {
	for _, t := range list {
		all = append(all, wasm.ValueType(t))
	}
	return all
}

// calling is code that calls i with numbers, and drops what comes back.
func calling(i Import, args ...int) (c Code) {
	for k, t := range i.Params {
		n := 0
		if k < len(args) {
			n = args[k]
		}
		if t == wasm.I64 {
			c = append(c, I64Const, n)
		} else {
			c = append(c, I32Const, n)
		}
	}
	c = append(c, Call, i.Name)
	for range i.Results {
		c = append(c, Drop)
	}
	return c
}

// varied is a flood of calls with four bytes at address 0 that count: each call has
// another key. What is before runs once.
func varied(name string, i Import, before Code, args ...int) Deed {
	body := Code{before, Loop, Void, I32Const, 0, I32Const, 0, I32Load, uint32(2), uint32(0), I32Const, 1, I32Add, I32Store, uint32(2), uint32(0),
		calling(i, args...), Br, 0, End}
	return Deed{Name: name, Imports: []Import{i}, Pages: 2, Body: body}
}

// letters fills memory with them.
func letters() Code { return Code{I32Const, 0, I32Const, int('a'), I32Const, 60000, Prefixed, 11, 0} }

func proxyHostiles() (all []hostile) {
	filter := func(name string, m Module, closed, open string) {
		all = append(all, hostile{name: "proxy " + name, code: m.Bytes(), closed: closed, open: open})
	}
	headers := func(d Deed) Module { return with(proxyGuest(), d, "proxy_on_request_headers") }
	once := func(c Code, imports ...Import) Deed { return Deed{Imports: imports, Pages: 20, Body: c} }
	add, reply, register, push := fromEnv("proxy_add_header_map_value"), fromEnv("proxy_send_local_response"), fromEnv("proxy_register_shared_queue"), fromEnv("proxy_enqueue_shared_queue")

	filter("log flood", headers(Flood(fromEnv("proxy_log"), 2, 0, 60000)), "500 503", "200")
	filter("header flood", headers(varied("", add, letters(), 0, 4, 100, 8, 30000)), "500 503", "500")
	filter("huge name", headers(once(Code{letters(), calling(add, 0, 0, 60000, 0, 1)}, add)), "200 431 500", "200 431 500")
	filter("huge value", headers(once(Code{letters(), calling(add, 0, 0, 10, 0, 1_200_000)}, add)), "200 431 500", "200 431 500")
	filter("data flood", headers(varied("", fromEnv("proxy_set_shared_data"), nil, 0, 4, 0, 50000, 0)), "500 503", "200")
	filter("metric flood", headers(varied("", fromEnv("proxy_define_metric"), nil, 0, 0, 4, 16)), "500 503", "200")
	queue := varied("", push, calling(register, 0, 4, 16), 1, 0, 50000)
	queue.Imports = append(queue.Imports, register)
	filter("queue flood", headers(queue), "500 503", "200")
	filter("queues flood", headers(varied("", register, nil, 0, 4, 16)), "500 503", "200")
	storm := with(proxyGuest(), once(Code{calling(register, 0, 4, 16), I32Const, 16, I32Load, uint32(2), uint32(0), I32Const, 0, I32Const, 10, Call, "proxy_enqueue_shared_queue", Drop}, register, push), "proxy_on_request_headers")
	twice := Code{LocalGet, 1, I32Const, 0, I32Const, 10, Call, "proxy_enqueue_shared_queue", Drop}
	filter("queue storm", with(storm, once(Code{twice, twice}), "proxy_on_queue_ready"), "200", "200")
	tick := fromEnv("proxy_set_tick_period_milliseconds")
	ticking := proxyGuest()
	ticking.Imports = []Import{tick}
	ticking = returning(ticking, "proxy_on_configure", calling(tick, 1), I32Const, 1)
	filter("tick storm", with(ticking, Spin(), "proxy_on_tick"), "200 500 503", "200")
	filter("ticks that crash", with(ticking, Crash(), "proxy_on_tick"), "200 500 503", "200")
	filter("pause for ever", returning(proxyGuest(), "proxy_on_request_headers", I32Const, 1), "waits", "waits")
	filter("garbage action", returning(proxyGuest(), "proxy_on_request_headers", I32Const, 0x7fffffff), "waits", "waits")
	filter("garbage action for a body", returning(proxyGuest(), "proxy_on_response_body", I32Const, -5), "200", "200")
	filter("reply without sense", headers(once(calling(reply, 99999, 0, 0, 0, 0, 0, 0, -1), reply)), "200 500", "200 500")
	filter("reply after reply", headers(once(Code{calling(reply, 403, 0, 0, 0, 0, 0, 0, -1), calling(reply, 404, 0, 0, 0, 0, 0, 0, -1)}, reply)), "403", "403")
	closing := fromEnv("proxy_close_stream")
	filter("close", headers(once(calling(closing, 0), closing)), "cut", "cut")

	pairs := fromEnv("proxy_get_header_map_pairs")
	allocator := func(body ...any) Module {
		m := proxyGuest()
		m.Funcs[1].Body = body
		return with(m, once(calling(pairs, 0, 4, 8), pairs), "proxy_on_request_headers")
	}
	filter("allocator that lies", allocator(I32Const, -16), "200 500 503", "200")
	filter("allocator that crashes", allocator(Unreachable), "500 503", "200")
	filter("allocator that loops", allocator(Loop, Void, Br, 0, End, I32Const, 0), "500 503", "200")
	filter("re-entry", allocator(calling(pairs, 0, 4, 8), I32Const, 32768), "200 500 503", "200")
	filter("re-entry of itself", allocator(LocalGet, 0, Call, "malloc"), "500 503", "200")
	return append(all, callHostiles()...)
}

// callHostiles ask an upstream that never answers.
func callHostiles() (all []hostile) {
	head := string(proxy.AppendPairs(nil, []proxy.Pair{{Key: ":method", Value: "GET"}, {Key: ":path", Value: "/"}, {Key: ":authority", Value: "silent"}}))
	call, proceed := fromEnv("proxy_http_call"), fromEnv("proxy_continue_stream")
	asks := func(ms int) Code { return calling(call, 64, 6, 128, len(head), 0, 0, 0, 0, ms, 16) }
	base := proxyGuest()
	base.Imports = []Import{call, proceed}
	base.Data = []Data{{At: 64, Data: "silent"}, {At: 128, Data: head}}
	add := func(name string, m Module, closed, open string) {
		all = append(all, hostile{name: "proxy " + name, code: m.Bytes(), closed: closed, open: open,
			plugin: "limits: {memory: 16MiB, wall: 300ms, queue: 5s, instances: 2}, grants: {upstreams: [silent]}"})
	}
	asking := returning(base, "proxy_on_request_headers", asks(100), I32Const, 1)
	add("callout that never answers", with(asking, Deed{Body: calling(proceed, 0)}, "proxy_on_http_call_response"), "200", "200")
	add("callout that nobody waits for", returning(base, "proxy_on_request_headers", asks(5000), I32Const, 0), "200", "200")
	add("callout and no more", asking, "waits", "waits")
	add("callout flood", returning(base, "proxy_on_request_headers", Loop, Void, asks(100), Br, 0, End, I32Const, 0), "500 503", "200")
	add("trap in an answer", with(asking, Crash(), "proxy_on_http_call_response"), "500 503", "200 500 503")
	return all
}

func httpHostiles() (all []hostile) {
	filter := func(name string, next int64, c Code, closed, open string, imports ...Import) {
		m := httpGuest()
		m.Imports, m.Pages = imports, 20
		m.Funcs = append(m.Funcs, Func{Name: "handle_request", Results: I64, Body: Code{c, I64Const, next}})
		all = append(all, hostile{name: "http " + name, code: m.Bytes(), closed: closed, open: open})
	}
	forever := func(c Code) Code { return Code{letters(), Loop, Void, c, Br, 0, End} }
	log, add, write, read := fromHandler("log"), fromHandler("add_header_value"), fromHandler("write_body"), fromHandler("read_body")
	status, method, uri := fromHandler("set_status_code"), fromHandler("set_method"), fromHandler("set_uri")
	filter("log flood", 1, forever(calling(log, 0, 0, 60000)), "500 503", "200", log)
	filter("header flood", 1, forever(calling(add, 0, 0, 100, 0, 30000)), "500 503", "500", add)
	filter("write flood", 0, forever(calling(write, 1, 0, 60000)), "500 503", "200", write)
	filter("read flood", 0, forever(calling(read, 0, 0, 60000)), "500 503", "200 500", read)
	filter("huge name", 1, Code{letters(), calling(add, 0, 0, 60000, 0, 1)}, "200 431 500", "200 431 500", add)
	filter("huge value", 1, Code{letters(), calling(add, 0, 0, 10, 0, 1_200_000)}, "200 431 500", "200 431 500", add)
	filter("garbage result", -1, nil, "200", "200")
	filter("garbage context", 0x7fffffff_00000003, nil, "200", "200")
	for _, n := range []int{0, 42, 101, 1000, -1} {
		filter(fmt.Sprint("status ", n), 0, calling(status, n), "500", "200", status)
	}
	filter("garbage method", 1, calling(method, 0, 8), "500 503", "200", method)
	filter("garbage target", 1, calling(uri, 0, 8), "500 503", "200", uri)
	return all
}

func cgiHostiles() (all []hostile) {
	write := Import{Module: "wasi_snapshot_preview1", Name: "fd_write", Params: I32x4, Results: I32}
	const page = 65536
	program := func(name string, text string, fd, n int, closed string) {
		m := Module{Imports: []Import{write}, Pages: 2, Data: []Data{{At: page, Data: text}, {At: 8, Data: "\x00\x00\x00\x00\xff\xff\x00\x00"}}}
		body := Code{letters(), I32Const, 0, I32Const, page, I32Store, uint32(2), uint32(0), I32Const, 0, I32Const, len(text), I32Store, uint32(2), uint32(4)}
		// memory from 8 on says where the letters are, which begin at 16
		body = append(body, I32Const, 0, I32Const, 16, I32Store, uint32(2), uint32(8), I32Const, 0, I32Const, 50000, I32Store, uint32(2), uint32(12))
		if text != "" {
			body = append(body, calling(write, 1, 0, 1, 4096))
		}
		one := calling(write, fd, 8, 1, 4096)
		if n < 0 {
			body = append(body, Loop, Void, one, Br, 0, End)
		}
		for range n {
			body = append(body, one)
		}
		m.Funcs = []Func{{Name: "_start", Body: body}}
		all = append(all, hostile{name: "cgi " + name, code: m.Bytes(), cgi: true, closed: closed,
			plugin: narrowProgram})
	}
	program("no head", "", 1, -1, "500")
	program("endless answer", "Content-Type: text/plain\n\n", 1, -1, "cut 500")
	program("endless answer of a length", "Content-Length: 7\n\n", 1, -1, "cut 500")
	program("short answer", "Content-Length: 70000\n\n", 1, 1, "cut 500")
	program("stderr flood", "Content-Type: text/plain\n\n", 2, -1, "cut 500")
	program("garbage status", "Status: 99999 What\n\n", 1, 0, "500")
	program("header injection", "X: y\rSet-Cookie: z\n\n", 1, 0, "500")
	program("many fields", strings.Repeat("X: y\n", 12000)+"\n", 1, 0, "500")
	program("redirect to itself", "Location: /again\n\n", 1, 0, "500")
	return all
}

// wildHostiles call each host function with numbers that are no addresses or sizes. Of
// Proxy-Wasm it says so; guests of http-wasm end.
func wildHostiles() (all []hostile) {
	wild := [][]int{{-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1}, {0, -16, 1 << 30, -16, 1 << 30, -16, 0, -16, 8, 8, 8, -8}, {1, 65530, 100, 65530, 100, 65530, 100, 4, 4, 4, 4, 4}, {2, 0, -1, 0, -1, 0, -1, 0, -1, 0, -1, 0}}
	for _, f := range proxy.HostFuncs() {
		i := fromEnv(f.Name)
		d := Deed{Imports: []Import{i}, Pages: 1}
		for _, args := range wild {
			d.Body = append(d.Body, calling(i, args...)...)
		}
		want := "200"
		if f.Name == "proxy_close_stream" {
			want = "cut" // as asked for
		}
		all = append(all, hostile{name: "wild " + f.Name, code: onCallback(d, "proxy_on_request_headers"), closed: want, open: want})
	}
	for _, f := range http.Functions() {
		i := fromHandler(f.Name)
		for k, args := range wild {
			d := Deed{Imports: []Import{i}, Pages: 1, Body: calling(i, args...)}
			all = append(all, hostile{name: fmt.Sprintf("wild %s %d", f.Name, k), code: httpGuest().Do(d, "handle_request", nil, I64).Bytes(), closed: "200 500", open: "200"})
		}
	}
	return all
}
