package proxywasm_test

import (
	"slices"
	"testing"

	"github.com/weirproxy/weir/sdk/abi/proxywasm"
)

func TestHostFuncs_AreDistinct(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, f := range proxywasm.HostFuncs() {
		if seen[f.Name] {
			t.Errorf("%s is listed twice", f.Name)
		}
		seen[f.Name] = true
		if f.Since == 0 || f.Until != 0 && f.Until < f.Since {
			t.Errorf("%s is said to be there from version %d until %d", f.Name, f.Since, f.Until)
		}
		if !slices.Equal(f.Params, f.Args.Types()) {
			t.Errorf("%s takes %v, its arguments %v", f.Name, f.Params, f.Args.Types())
		}
		checkArgs(t, f.Name, f.Args)
	}
}

func TestHostFuncs_TakeWhatTheABISays(t *testing.T) {
	t.Parallel()
	// From the documents of ABI 0.2.1, by hand.
	want := map[string]int{"proxy_log": 3, "proxy_get_buffer_bytes": 5, "proxy_send_local_response": 8, "proxy_http_call": 10, "proxy_grpc_call": 12, "proxy_grpc_stream": 9, "proxy_call_foreign_function": 6, "proxy_get_shared_data": 5, "proxy_resolve_shared_queue": 5, "proxy_get_header_map_value": 5}
	for _, f := range proxywasm.HostFuncs() {
		if n, ok := want[f.Name]; ok && len(f.Params) != n {
			t.Errorf("%s takes %d parameters, want %d", f.Name, len(f.Params), n)
		}
	}
}

func TestCallbacks_AreDistinctAndTakeI32(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range proxywasm.Callbacks() {
		if seen[c.Name] {
			t.Errorf("%s is listed twice", c.Name)
		}
		seen[c.Name] = true
		if c.Other != "" && !seen[c.Other] {
			t.Errorf("%s is another name of %s, which is not listed before it", c.Name, c.Other)
		}
		for _, arg := range c.Args {
			if arg.Kind != proxywasm.U32 {
				t.Errorf("%s: %s is no number", c.Name, arg.Name)
			}
		}
		checkArgs(t, c.Name, c.Args)
	}
}

func checkArgs(t *testing.T, name string, args proxywasm.Args) {
	t.Helper()
	seen := map[string]bool{}
	for _, arg := range args {
		for _, r := range arg.Name {
			if r != '_' && (r < 'a' || r > 'z') {
				t.Errorf("%s: argument %q is not made of words", name, arg.Name)
			}
		}
		if seen[arg.Name] {
			t.Errorf("%s: two arguments are called %s", name, arg.Name)
		}
		seen[arg.Name] = true
	}
}
