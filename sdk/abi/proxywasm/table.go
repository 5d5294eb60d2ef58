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
	Params  []ValueType
	Results []ValueType
	Since   Version // the first that has it
	Until   Version // the last that has it; 0: they all do
}

// HostFuncs returns all of them, of all versions: no two versions mean different things
// by one name. The list is the caller's.
func HostFuncs() []HostFunc {
	i32 := func(n int) []ValueType {
		p := make([]ValueType, n)
		for i := range p {
			p[i] = I32
		}
		return p
	}
	status := []ValueType{I32}
	all := func(name string, params int) HostFunc {
		return HostFunc{Name: name, Params: i32(params), Results: status, Since: V010}
	}
	since := func(v Version, f HostFunc) HostFunc { f.Since = v; return f }
	only := func(v Version, f HostFunc) HostFunc { f.Since, f.Until = v, v; return f }
	return []HostFunc{
		all("proxy_log", 3), // level, message
		since(V021, all("proxy_get_log_level", 1)),
		all("proxy_get_current_time_nanoseconds", 1),
		all("proxy_set_tick_period_milliseconds", 1),
		all("proxy_set_effective_context", 1),
		all("proxy_done", 0),
		all("proxy_get_status", 3), // code out, message out

		all("proxy_get_buffer_bytes", 5),  // buffer, start, length, out
		all("proxy_get_buffer_status", 3), // buffer, length out, flags out
		all("proxy_set_buffer_bytes", 5),  // buffer, start, length, bytes

		all("proxy_get_header_map_size", 2),
		all("proxy_get_header_map_pairs", 3),
		all("proxy_set_header_map_pairs", 3),
		all("proxy_get_header_map_value", 5),
		all("proxy_add_header_map_value", 5),
		all("proxy_replace_header_map_value", 5),
		all("proxy_remove_header_map_value", 3),

		all("proxy_get_property", 4),
		all("proxy_set_property", 4),

		since(V020, all("proxy_continue_stream", 1)),
		since(V020, all("proxy_close_stream", 1)),
		all("proxy_send_local_response", 8), // status, details, body, headers, gRPC status

		all("proxy_http_call", 10),  // upstream, headers, body, trailers, timeout, token out
		all("proxy_grpc_call", 12),  // service, its name, method, metadata, message, timeout, token out
		all("proxy_grpc_stream", 9), // service, its name, method, metadata, token out
		all("proxy_grpc_send", 4),   // token, message, end
		all("proxy_grpc_cancel", 1),
		all("proxy_grpc_close", 1),

		all("proxy_get_shared_data", 5), // key, value out, version out
		all("proxy_set_shared_data", 5), // key, value, version
		all("proxy_register_shared_queue", 3),
		all("proxy_resolve_shared_queue", 5), // VM id, name, number out
		all("proxy_enqueue_shared_queue", 3),
		all("proxy_dequeue_shared_queue", 3),

		all("proxy_define_metric", 4), // kind, name, number out
		{Name: "proxy_record_metric", Params: []ValueType{I32, I64}, Results: status, Since: V010},
		{Name: "proxy_increment_metric", Params: []ValueType{I32, I64}, Results: status, Since: V010},
		all("proxy_get_metric", 2),

		all("proxy_call_foreign_function", 6), // name, argument, result out

		only(V010, all("proxy_get_configuration", 2)),
		only(V010, all("proxy_continue_request", 0)),
		only(V010, all("proxy_continue_response", 0)),
		only(V010, all("proxy_clear_route_cache", 0)),

		// What guests built with Emscripten import beside the ABI.
		all("pthread_equal", 2),
		{Name: "emscripten_notify_memory_growth", Params: i32(1), Since: V010},
	}
}
