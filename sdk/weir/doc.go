// Package weir is what filters in Go are written with. A filter is a function that sees
// a request and, after next, the response:
//
//	func init() { weir.Register(hello) }
//
//	func hello(r *weir.Request, next weir.Next) (*weir.Response, error) {
//		resp, err := next(r)
//		if err == nil {
//			resp.Header.Set("x-hello", "from Go")
//		}
//		return resp, err
//	}
//
// It is built with the Go compiler alone:
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o hello.wasm .
//
// What comes out speaks Proxy-Wasm 0.2.1. It runs in weir, and in Envoy and other hosts
// of that ABI, where what those do not offer returns [ErrUnsupported].
//
// # Waiting
//
// [Fetch], [Sleep], next, reading a [Body], writing to a [Writer], the methods of [Store],
// and what is done with passwords and keys wait, in the midst of straight-line code. What
// waits is that request: the instance goes on serving others. [Together] waits for several
// things at once. When the client leaves, whatever is waited for returns [ErrGone], and so
// does whatever the filter tries to wait for then. Nothing else may be waited for: a
// goroutine that a filter starts runs only while some filter does, and cannot call this
// package; see [Request.Detach] for one that can.
//
// # Who owns what
//
// Requests, responses and their headers are the filter's until it returns, bytes that it
// is given are its own for good. Errors are values; of a host's, errors.Is says what they
// are. Nothing here is safe for concurrent use, and nothing needs to be: an instance does
// one thing at a time.
package weir
