// Package httpwasm runs guests that speak the http-wasm handler ABI
// (https://http-wasm.io/http-handler-abi/). A request has an instance for itself, from
// handle_request until handle_response has returned; in between the next handler is
// asked. Nothing has been sent before that, so a guest may change status and header of
// the response even where it has not asked for its body to be buffered.
//
// Framing is the protocols' business: a guest reads content-length as what the body is
// long, and what it writes there is not heeded. host is the request's authority.
package httpwasm
