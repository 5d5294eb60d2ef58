package proxywasm

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/wasmhost/commons"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vm"
	. "github.com/weirproxy/weir/wasmhost/vmtest"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

// rig is a guest that does as a test tells it: every host function can be called through
// it, in any context, and its callbacks note what they were given and what they could
// read meanwhile.
type rig struct {
	tb     testing.TB
	i      *instance
	rt     *root
	guests *Guests
	plugin *guest.Plugin
	heard  chan string // callbacks that were called, by name
	told   *lines
}

// Where in its memory the guest of a rig keeps what: results of host functions from
// slots on, what callbacks noted from notes on, and what it allocates from heap on.
const (
	rigSlots = 0x100
	rigNotes = 0x1000
	rigNames = 0x2000
	rigText  = 0x8000 // arguments
	rigHeap  = 0x20000
	rigPages = 64
)

// rigCallbacks are those whose calls are noted: parameters, then what they read.
var rigCallbacks = []struct {
	name   string
	params int
	reads  []rigRead
}{
	{"proxy_on_tick", 1, nil},
	{"proxy_on_queue_ready", 2, nil},
	{"proxy_on_http_call_response", 5, []rigRead{
		{"proxy_get_buffer_bytes", int(abi.CallResponseBody)},
		{"proxy_get_header_map_pairs", int(abi.CallResponseHeaders)},
		{"proxy_get_header_map_pairs", int(abi.CallResponseTrailers)},
		{"proxy_get_status", 0}}},
	{"proxy_on_grpc_receive_initial_metadata", 3, []rigRead{{"proxy_get_header_map_pairs", int(abi.GRPCInitialMetadata)}}},
	{"proxy_on_grpc_receive", 3, []rigRead{{"proxy_get_buffer_bytes", int(abi.GRPCReceive)}}},
	{"proxy_on_grpc_receive_trailing_metadata", 3, []rigRead{{"proxy_get_header_map_pairs", int(abi.GRPCTrailingMetadata)}}},
	{"proxy_on_grpc_close", 3, []rigRead{{"proxy_get_status", 0}}},
	{"proxy_on_foreign_function", 3, []rigRead{{"proxy_get_buffer_bytes", int(abi.CallData)}}},
}

// rigRead is a host function that gives pointer and size, and what it is asked for.
type rigRead struct {
	fn   string
	kind int
}

// note is where callback k notes its arguments (16 bytes apart, up to five), and from
// 32 on, 16 bytes for every read: status, pointer, size, number.
func note(k int) int { return rigNotes + 0x80*k }

func rigModule() Module {
	m := Module{Pages: rigPages, Globals: []Global{{Name: "heap", Type: wasm.I32, Init: rigHeap}}}
	i32s := func(n int) []wasm.ValueType { return slices.Repeat(I32, n) }
	for _, f := range abi.HostFuncs() {
		p, r := types(f.Params), types(f.Results)
		m.Imports = append(m.Imports, Import{Module: "env", Name: f.Name, Params: p, Results: r})
		body := Code{}
		for k := range p {
			body = append(body, LocalGet, k)
		}
		m.Funcs = append(m.Funcs, Func{Name: "call_" + f.Name, Params: p, Results: r, Body: append(body, Call, f.Name)})
	}
	m.Funcs = append(m.Funcs,
		Func{Name: "proxy_abi_version_0_2_1"},
		// Memory is used again from the start when it comes to an end.
		Func{Name: "malloc", Params: I32, Results: I32, Body: Code{
			GlobalGet, 0, LocalGet, 0, I32Add, I32Const, rigPages<<16 - 8, Op(0x4b), If, Void, // i32.gt_u
			I32Const, rigHeap, GlobalSet, 0, End,
			GlobalGet, 0, GlobalGet, 0, LocalGet, 0, I32Add, GlobalSet, 0}},
		Func{Name: "proxy_on_context_create", Params: I32x2},
	)
	for k, cb := range rigCallbacks {
		body := Code{}
		for p := range cb.params {
			body = append(body, I32Const, note(k)+4*p, LocalGet, p, I32Store, 2, 0)
		}
		for n, r := range cb.reads {
			at := note(k) + 32 + 16*n
			body = append(body, I32Const, at)
			switch r.fn {
			case "proxy_get_buffer_bytes":
				body = append(body, I32Const, r.kind, I32Const, 0, I32Const, 0x7fffffff, I32Const, at+4, I32Const, at+8)
			case "proxy_get_header_map_pairs":
				body = append(body, I32Const, r.kind, I32Const, at+4, I32Const, at+8)
			case "proxy_get_status":
				body = append(body, I32Const, at+12, I32Const, at+4, I32Const, at+8)
			}
			body = append(body, Call, r.fn, I32Store, 2, 0)
		}
		at := rigNames + 64*k
		m.Data = append(m.Data, Data{At: uint32(at), Data: cb.name})
		body = append(body, I32Const, 2, I32Const, at, I32Const, len(cb.name), Call, "proxy_log", Drop)
		m.Funcs = append(m.Funcs, Func{Name: cb.name, Params: i32s(cb.params), Body: body})
	}
	return m
}

// lines is a handler of logs that hands on what guests say, and keeps the rest.
type lines struct {
	mu    sync.Mutex
	other []string
	says  func(string)
}

func (l *lines) Enabled(context.Context, slog.Level) bool { return true }
func (l *lines) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *lines) WithGroup(string) slog.Handler            { return l }

func (l *lines) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "text" && r.Message == "guest says" && !strings.HasPrefix(a.Value.String(), "weir: ") {
			l.says(a.Value.String())
		}
		line += " " + a.String()
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.other) < 1000 {
		l.other = append(l.other, line)
	}
	return nil
}

func (l *lines) count(part string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.other {
		if bytes.Contains([]byte(s), []byte(part)) {
			n++
		}
	}
	return n
}

// newRig starts a rig. up may be nil: then there is nothing to call.
func newRig(tb testing.TB, up guest.Upstream) *rig {
	tb.Helper()
	return newRigOf(tb, up, rigModule())
}

func newRigOf(tb testing.TB, up guest.Upstream, m Module) *rig {
	tb.Helper()
	r := &rig{tb: tb, heard: make(chan string, 4096)}
	r.told = &lines{says: func(s string) {
		select {
		case r.heard <- s:
		default:
		}
	}}
	var all commons.Spaces
	r.plugin = &guest.Plugin{
		Name: "rig", Log: slog.New(r.told), VMID: "vm", Config: []byte("of the vm"), Commons: all.Of("vm"),
		Limits: vm.Limits{Instances: 1, Logs: 1 << 30, Body: 4096, Calls: 3},
		Upstream: func(target string) (guest.Upstream, error) {
			if up == nil || target != "backend" {
				return nil, fmt.Errorf("no upstream %q", target)
			}
			return up, nil
		},
	}
	code := m.Bytes()
	info, err := wasm.Parse(code)
	if err != nil {
		tb.Fatal(err)
	}
	link, err := Link(info)
	if err != nil {
		tb.Fatal(err)
	}
	engine, err := vm.NewEngine(vm.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	prog, err := engine.Load(tb.Context(), code, link)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(prog.Release)
	if r.guests, err = Open(tb.Context(), r.plugin, prog); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(r.guests.Close)
	used, err := r.guests.acquire(guest.Use{Root: "root", Config: []byte("of the plugin")})
	if err != nil {
		tb.Fatal(err)
	}
	r.i = r.guests.live()[0]
	r.rt = r.i.roots[used]
	return r
}

// held runs f with the instance held.
func (r *rig) held(f func()) {
	r.i.hold()
	defer r.i.drop()
	f()
}

// call calls a host function from within the guest, in the root's context.
func (r *rig) call(name string, args ...any) abi.Status {
	r.tb.Helper()
	return r.callIn(&r.rt.guestContext, name, args...)
}

// callIn calls a host function in a context. Strings are put into the guest's memory and
// become pointer and size.
func (r *rig) callIn(c *guestContext, name string, args ...any) (st abi.Status) {
	r.tb.Helper()
	r.held(func() {
		var flat []uint64
		at := uint32(rigText)
		for _, a := range args {
			switch a := a.(type) {
			case int:
				flat = append(flat, uint64(a))
			case uint32:
				flat = append(flat, uint64(a))
			case uint64:
				flat = append(flat, a)
			case string:
				if !r.i.vm.WriteString(at, a) {
					r.tb.Fatalf("write %d bytes of arguments at %#x", len(a), at)
				}
				flat = append(flat, uint64(at), uint64(len(a)))
				at += uint32(len(a))
			default:
				r.tb.Fatalf("argument of type %T", a)
			}
		}
		v, err := r.i.enter(c, nil, r.i.vm.Lookup("call_"+name), flat...)
		if err != nil {
			r.tb.Fatalf("%s(%v): %v", name, args, err)
		}
		st = abi.Status(v)
	})
	return st
}

// want calls a host function and checks its status.
func (r *rig) want(st abi.Status, name string, args ...any) {
	r.tb.Helper()
	if got := r.call(name, args...); got != st {
		r.tb.Errorf("%s(%v) = %d, want %d", name, args, got, st)
	}
}

// uint32 reads a number of the guest's memory, and text what pointer and size at p tell.
func (r *rig) uint32(p int) (v uint32) {
	r.held(func() { v, _ = r.i.vm.Uint32(uint32(p)) })
	return v
}

func (r *rig) text(p int) string {
	at, n := r.uint32(p), r.uint32(p+4)
	var s string
	r.held(func() { s, _ = r.i.vm.ReadString(at, n) })
	return s
}

// await waits until a callback has been called, and returns where its notes are.
func (r *rig) await(name string) int {
	r.tb.Helper()
	select {
	case got := <-r.heard:
		if got != name {
			r.tb.Fatalf("guest said %q, want %s", got, name)
		}
	case <-r.tb.Context().Done():
		r.tb.Fatalf("%s was not called", name)
	}
	r.held(func() {}) // it has returned
	return note(slices.IndexFunc(rigCallbacks, func(c struct {
		name   string
		params int
		reads  []rigRead
	}) bool {
		return c.name == name
	}))
}

// silent checks that the guest has said nothing more.
func (r *rig) silent() {
	r.tb.Helper()
	select {
	case got := <-r.heard:
		r.tb.Errorf("guest said %q, want nothing", got)
	default:
	}
}

// pairs are header pairs for calls.
func pairsOf(kv ...string) string {
	var list []abi.Pair
	for k := 0; k < len(kv); k += 2 {
		list = append(list, abi.Pair{Key: kv[k], Value: kv[k+1]})
	}
	return string(abi.AppendPairs(nil, list))
}

// upstreamFunc is an upstream for tests.
type upstreamFunc func(*exchange.Call, *exchange.Response) error

func (f upstreamFunc) Do(c *exchange.Call, resp *exchange.Response) error { return f(c, resp) }

// waiter waits until a call's caller has lost interest.
type waiter chan error

func (w waiter) Interrupt(cause error) { w <- cause }

func lostInterest(c *exchange.Call) error {
	w := make(waiter, 1)
	c.Caller.Watch(w)
	return <-w
}
