// A filter in standard Go: it asks for an API key, and stamps what comes back.
//
// It speaks the http-wasm handler ABI with nothing but the Go toolchain, to show how
// little there is to it. An SDK spares the pointers: github.com/http-wasm/http-wasm-guest-tinygo
// for this ABI, github.com/proxy-wasm/proxy-wasm-go-sdk for Proxy-Wasm.
package main

import (
	"encoding/json"
	"unsafe"
)

// settings are what the configuration says under config:.
type settings struct {
	Key   string `json:"key"`
	Stamp string `json:"stamp"`
}

var conf settings

func main() {}

// init reads the configuration once for each instance. A panic here refuses it: weir does
// not start with it, or goes on with what it served before.
func init() {
	if err := json.Unmarshal(read(getConfig), &conf); err != nil {
		panic("config: want {key: …, stamp: …}: " + err.Error())
	}
}

const request, response = 0, 1

// handleRequest runs before the site answers. Returning 1 asks it to, returning 0 answers here.
//
//go:wasmexport handle_request
func handleRequest() uint64 {
	if key, ok := header(request, "x-api-key"); !ok || key != conf.Key {
		setStatus(401)
		setHeader(response, "www-authenticate", "ApiKey")
		writeBody(response, "No key, no water.\n")
		return 0
	}
	return 1
}

// handleResponse runs when the answer's head is there, and nothing of it was sent yet.
//
//go:wasmexport handle_response
func handleResponse(context, isError uint32) {
	setHeader(response, "x-stamp", conf.Stamp)
}

// What follows is the ABI: https://http-wasm.io/http-handler-abi/

//go:wasmimport http_handler get_config
func getConfig(buf unsafe.Pointer, limit uint32) uint32

//go:wasmimport http_handler set_status_code
func setStatus(status uint32)

//go:wasmimport http_handler get_header_values
func getHeaderValues(kind uint32, name unsafe.Pointer, nameLen uint32, buf unsafe.Pointer, limit uint32) uint64

//go:wasmimport http_handler set_header_value
func setHeaderValue(kind uint32, name unsafe.Pointer, nameLen uint32, value unsafe.Pointer, valueLen uint32)

//go:wasmimport http_handler write_body
func write(kind uint32, body unsafe.Pointer, bodyLen uint32)

func pointer(s string) unsafe.Pointer { return unsafe.Pointer(unsafe.StringData(s)) }

// read asks how much there is, and then for it.
func read(get func(unsafe.Pointer, uint32) uint32) []byte {
	b := make([]byte, get(nil, 0))
	if len(b) > 0 {
		get(unsafe.Pointer(&b[0]), uint32(len(b)))
	}
	return b
}

func setHeader(kind uint32, name, value string) {
	setHeaderValue(kind, pointer(name), uint32(len(name)), pointer(value), uint32(len(value)))
}

func writeBody(kind uint32, text string) { write(kind, pointer(text), uint32(len(text))) }

// header returns the first value of a field, which ends with a NUL.
func header(kind uint32, name string) (string, bool) {
	var buf [1024]byte
	countLen := getHeaderValues(kind, pointer(name), uint32(len(name)), unsafe.Pointer(&buf[0]), uint32(len(buf)))
	count, length := countLen>>32, uint32(countLen)
	if count == 0 || length > uint32(len(buf)) {
		return "", false
	}
	for i, c := range buf[:length] {
		if c == 0 {
			return string(buf[:i]), true
		}
	}
	return "", false
}
