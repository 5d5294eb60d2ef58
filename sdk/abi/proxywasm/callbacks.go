package proxywasm

// Result is what a guest's callback returns.
type Result uint8

// The results. All but None are one I32.
const (
	None     Result = iota
	Truth           // 0 for no
	AnAction        // an Action
	Address         // where the guest has made room, 0 for nowhere
)

// Callback is one function that guests may export for their hosts.
type Callback struct {
	Name   string
	Args   Args // each takes one I32
	Result Result
	Since  Version // the first that has it
	// Other is the name that the ABI has for it, where some guests got it wrong.
	Other string
}

// Callbacks returns those for HTTP and for what goes on beside, in their latest versions:
// before V020, the two for headers had no end. The list is the caller's.
func Callbacks() []Callback {
	all := func(name string, r Result, words string) Callback {
		return Callback{Name: name, Args: args(words), Result: r, Since: V010}
	}
	since := func(v Version, c Callback) Callback { c.Since = v; return c }
	other := func(name string, c Callback) Callback { c.Other = name; return c }
	return []Callback{
		all("proxy_on_memory_allocate", Address, "size"),

		all("proxy_on_context_create", None, "context parent"),
		all("proxy_on_done", Truth, "context"),
		all("proxy_on_log", None, "context"),
		all("proxy_on_delete", None, "context"),
		all("proxy_on_vm_start", Truth, "root size"),
		all("proxy_on_configure", Truth, "root size"),
		all("proxy_on_tick", None, "root"),
		all("proxy_on_queue_ready", None, "root queue"),
		since(V020, all("proxy_on_foreign_function", None, "root function size")),

		all("proxy_on_request_headers", AnAction, "context count end"),
		all("proxy_on_request_body", AnAction, "context size end"),
		all("proxy_on_request_trailers", AnAction, "context count"),
		all("proxy_on_response_headers", AnAction, "context count end"),
		all("proxy_on_response_body", AnAction, "context size end"),
		all("proxy_on_response_trailers", AnAction, "context count"),

		all("proxy_on_http_call_response", None, "root token count size trailers"),
		all("proxy_on_grpc_receive_initial_metadata", None, "root token count"),
		all("proxy_on_grpc_receive", None, "root token size"),
		all("proxy_on_grpc_receive_trailing_metadata", None, "root token count"),
		all("proxy_on_grpc_close", None, "root token status"),

		// As one SDK for AssemblyScript has it.
		other("proxy_on_grpc_receive_trailing_metadata", all("proxy_on_grpc_trailing_metadata", None, "root token count")),
	}
}
