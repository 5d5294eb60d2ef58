package httpwasm_test

import (
	"errors"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
	abi "github.com/weirproxy/weir/sdk/abi/httpwasm"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vm"
	"github.com/weirproxy/weir/wasmhost/vmtest"
	"github.com/weirproxy/weir/wasmhost/wasm"
)

// calls is how many host functions the fuzzed guest calls in each phase, with six words
// each: which one, and its arguments.
const calls = 4

// caller is a guest whose memory says what to call: it reads its configuration to
// address 0 and, in handle_request and handle_response, calls what stands there.
func caller() []byte {
	i32 := wasm.I32
	m := vmtest.Module{Pages: 1, Max: 1, Data: []vmtest.Data{{At: 1024, Data: "x-one\x00value\x00/uri?q"}}}
	load := func(at int) vmtest.Code {
		return vmtest.Code{vmtest.I32Const, at, vmtest.I32Load, uint32(2), uint32(0)}
	}
	run := func(from int) vmtest.Code {
		var body vmtest.Code
		for n := range calls {
			at := from + n*24
			for k, f := range abi.Functions() {
				one := vmtest.Code{load(at), vmtest.I32Const, k, vmtest.Op(0x46), vmtest.If, []byte{0x40}} // i32.eq
				for p := range f.Params {
					one = append(one, load(at+4+4*p))
				}
				one = append(one, vmtest.Call, f.Name)
				if len(f.Results) > 0 {
					one = append(one, vmtest.Drop)
				}
				body = append(body, one, vmtest.End)
			}
		}
		return body
	}
	for _, f := range abi.Functions() {
		i := vmtest.Import{Module: abi.Module, Name: f.Name}
		for _, p := range f.Params {
			i.Params = append(i.Params, wasm.ValueType(p))
		}
		for _, r := range f.Results {
			i.Results = append(i.Results, wasm.ValueType(r))
		}
		m.Imports = append(m.Imports, i)
	}
	read := vmtest.Code{vmtest.I32Const, 0, vmtest.I32Const, 1000, vmtest.Call, "get_config", vmtest.Drop}
	m.Funcs = []vmtest.Func{
		{Name: "handle_request", Results: []wasm.ValueType{wasm.I64}, Body: vmtest.Code{read, run(0), vmtest.I64Const, int64(1)}},
		{Name: "handle_response", Params: []wasm.ValueType{i32, i32}, Body: vmtest.Code{read, run(calls * 24)}},
	}
	return m.Bytes()
}

// FuzzHostcalls calls host functions with any arguments (security W10): the guest may end
// by that, the host must not, and whoever asks gets an answer that is one.
func FuzzHostcalls(f *testing.F) {
	code := caller()
	word := func(words ...uint32) (b []byte) {
		for _, w := range words {
			b = append(b, byte(w), byte(w>>8), byte(w>>16), byte(w>>24))
		}
		return b
	}
	for k := range abi.Functions() {
		n := uint32(k)
		f.Add(word(n, 0, 1024, 5, 1030, 5), false)
		f.Add(word(n, 1024, 5, 0, 0, 0, 99, 0, 0, 0, 0, 0, 99, 0, 0, 0, 0, 0, 99, 0, 0, 0, 0, 0, n, 1, 2048, 1000, 2048, 1000), true)
		f.Add(word(n, 0xffffffff, 0xfffffff0, 0x7fffffff, 0x80000000, 0xffff), false)
		f.Add(word(0, 7, 0, 0, 0, 0, n, 0, 2048, 60000, 0xfff0, 16), true)
	}
	f.Fuzz(func(t *testing.T, script []byte, lenient bool) {
		p := &guest.Plugin{Open: lenient, Limits: vm.Limits{Body: 10_000, Instances: 1}}
		h := exchange.Chain(exchange.HandlerFunc(plain), filter(t, code, p, string(script)))
		for range 2 {
			r := exchangetest.NewRequest("POST", "/a?b", exchangetest.Field("x-one", "1"), exchangetest.Chunked("some content"))
			res := exchangetest.Do(t, h, r)
			e, ok := errors.AsType[*exchange.Error](res.Err)
			if res.Err != nil && (!ok || e.Fault != exchange.Plugin && res.Status != 413 && res.Status != 502) {
				t.Errorf("got %d %v", res.Status, res.Err)
			}
			if r.Method != "POST" {
				t.Errorf("method: got %s after the exchange", r.Method)
			}
		}
	})
}

// TestSecurity_W10_Arguments runs what the fuzzer begins with, every function with
// addresses and lengths that are not the guest's.
func TestSecurity_W10_Arguments(t *testing.T) {
	t.Parallel()
	code := caller()
	for k, f := range abi.Functions() {
		for _, far := range []byte{0xff, 0x7f, 0x80} {
			script := append([]byte{byte(k), 0, 0, 0}, make([]byte, 20)...)
			for n := range 5 {
				copy(script[4+4*n:], []byte{0xf0, 0xff, 0xff, far})
			}
			res := exchangetest.Do(t, exchange.Chain(exchange.HandlerFunc(plain), filter(t, code, &guest.Plugin{}, string(script))), exchangetest.NewRequest("GET", "/"))
			trap, ok := errors.AsType[*vm.Trap](res.Err)
			if res.Err != nil && (!ok || trap.Reason != vm.Broken) {
				t.Errorf("%s with %x: got %v, want no error or a broken rule", f.Name, script, res.Err)
			}
		}
	}
}
