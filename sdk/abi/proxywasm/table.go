package proxywasm

// ValueType is a type of parameters and results, as WebAssembly's binary format
// numbers it.
type ValueType byte

// The two types that the ABI uses.
const (
	I32 ValueType = 0x7f
	I64 ValueType = 0x7e
)

// Version is a version of the ABI.
type Version uint8

// The versions, oldest first.
const (
	V010 Version = iota + 1
	V020
	V021
)

// Module is what host functions are imported from.
const Module = "env"

// HostFunc is one function that guests may import.
type HostFunc struct {
	Name    string
	Args    Args
	Params  []ValueType // what Args take
	Results []ValueType
	Since   Version // the first that has it
	Until   Version // the last that has it; 0: they all do
}

// HostFuncs returns all of them, of all versions: no two versions mean different things
// by one name. The list is the caller's.
func HostFuncs() []HostFunc {
	all := func(name, words string) HostFunc {
		a := args(words)
		return HostFunc{Name: name, Args: a, Params: a.Types(), Results: []ValueType{I32}, Since: V010}
	}
	since := func(v Version, f HostFunc) HostFunc { f.Since = v; return f }
	only := func(v Version, f HostFunc) HostFunc { f.Since, f.Until = v, v; return f }
	none := func(f HostFunc) HostFunc { f.Results = nil; return f }
	// The signs behind names: + bytes, @ where bytes are to be told, > where a number is to
	// be written and ] one of 64 bits, - a signed number, * one of 64 bits, ~ both.
	return []HostFunc{
		all("proxy_log", "level message+"),
		since(V021, all("proxy_get_log_level", "level>")),
		all("proxy_get_current_time_nanoseconds", "time]"),
		all("proxy_set_tick_period_milliseconds", "milliseconds"),
		all("proxy_set_effective_context", "context"),
		all("proxy_done", ""),
		all("proxy_get_status", "code> message@"),

		all("proxy_get_buffer_bytes", "buffer start most data@"),
		all("proxy_get_buffer_status", "buffer size> flags>"),
		all("proxy_set_buffer_bytes", "buffer start size data+"),

		all("proxy_get_header_map_size", "kind size>"),
		all("proxy_get_header_map_pairs", "kind pairs@"),
		all("proxy_set_header_map_pairs", "kind pairs+"),
		all("proxy_get_header_map_value", "kind key+ value@"),
		all("proxy_add_header_map_value", "kind key+ value+"),
		all("proxy_replace_header_map_value", "kind key+ value+"),
		all("proxy_remove_header_map_value", "kind key+"),

		all("proxy_get_property", "path+ value@"),
		all("proxy_set_property", "path+ value+"),

		since(V020, all("proxy_continue_stream", "direction")),
		since(V020, all("proxy_close_stream", "direction")),
		all("proxy_send_local_response", "status details+ body+ pairs+ grpc_status-"),

		all("proxy_http_call", "upstream+ pairs+ body+ trailers+ milliseconds token>"),
		all("proxy_grpc_call", "upstream+ service+ method+ metadata+ message+ milliseconds token>"),
		all("proxy_grpc_stream", "upstream+ service+ method+ metadata+ token>"),
		all("proxy_grpc_send", "token message+ end"),
		all("proxy_grpc_cancel", "token"),
		all("proxy_grpc_close", "token"),

		all("proxy_get_shared_data", "key+ value@ version>"),
		all("proxy_set_shared_data", "key+ value+ version"),
		all("proxy_register_shared_queue", "name+ queue>"),
		all("proxy_resolve_shared_queue", "vm_id+ name+ queue>"),
		all("proxy_enqueue_shared_queue", "queue value+"),
		all("proxy_dequeue_shared_queue", "queue value@"),

		all("proxy_define_metric", "kind name+ metric>"),
		all("proxy_record_metric", "metric value*"),
		all("proxy_increment_metric", "metric delta~"),
		all("proxy_get_metric", "metric value]"),

		all("proxy_call_foreign_function", "name+ argument+ result@"),

		only(V010, all("proxy_get_configuration", "data@")),
		only(V010, all("proxy_continue_request", "")),
		only(V010, all("proxy_continue_response", "")),
		only(V010, all("proxy_clear_route_cache", "")),

		// What guests built with Emscripten import beside the ABI.
		all("pthread_equal", "one other"),
		none(all("emscripten_notify_memory_growth", "memory")),
	}
}
