// Package sdktest runs filters in go test: natively, without WebAssembly, against a host
// in memory that behaves as weir does, or as other hosts of Proxy-Wasm.
//
//	func TestHello(t *testing.T) {
//		h := sdktest.New(t, sdktest.Filter(hello))
//		resp := h.Get("/", sdktest.Field("x-user", "ada"))
//		if got := resp.Header.Get("x-hello"); got != "from Go" {
//			t.Errorf("x-hello: got %q", got)
//		}
//	}
//
// What is behind the filter is a function, [Host.Next]; so is whatever the filter calls,
// [Host.Upstream]. [Host.Do] sends a request and returns what the client has got.
//
// # Step by step
//
// [Host.Begin] sends a request and returns an [Exchange] as soon as everybody waits. What
// the client does next is in its methods: it sends more of a body, stops reading, goes
// away. Several exchanges may be under way at once, as they are in an instance of a
// module.
//
// # Time
//
// Nothing is waited for. The clock of a host stands still until [Host.Advance] moves it,
// or until Do, or [Exchange.Wait], has nothing else to do: then it jumps to what comes
// next. It begins at 2026-01-01T00:00:00Z.
//
// # What fails a test
//
// A filter that panics, never comes to an end, or waits for what will not happen fails
// the test at once, with the line that made it. What a filter does that hosts put up with
// and that is not what its author means, such as changing a header that has gone on, is in
// [Host.Warnings], and in the test's log.
package sdktest
