// Package weirhttp makes a WebAssembly module of an http.Handler: one that answers
// requests in weir, in place of a program behind it.
//
//	func init() { weirhttp.Serve(app.Routes()) }
//
//	func main() {}
//
// It is built as filters are:
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags='-s -w' -o app.wasm .
//
// The handler is called as net/http's server for HTTP/1.1 calls it, on a goroutine for
// each request; many are under way at the same time in one instance, and share its
// variables as they do in a program. A client that reads slowly, an upstream that does not
// answer, a timer hold up their request alone. There is one processor, and no other than
// the host's goroutine turns it: what goroutines do that belong to no request gets done
// while there are requests, and a timer may be late by some milliseconds, as much as 20
// where nothing has happened for a second.
//
// Flushing, reading and writing at the same time, server-sent events, trailers, early
// hints, uploads and answers of any length work. When the client leaves, the request's
// context ends. What is not there: Hijack, http.Pusher and deadlines of connections, which
// are weir's; statuses above 599; files and sockets. http.Get and every client with
// [Transport], which takes the place of http.DefaultTransport, call what the plugin's
// grants name. A panic fails its request alone: with 500 where nothing has been sent.
//
// # Limits
//
// weir's defaults are for filters. What an application may want in the plugin's limits:
//
//	limits:
//	  instances: 1      # if it keeps in memory what all requests are to see
//	  memory: 128MiB    # it begins with some 7; a stream that waits takes 14 KiB, a client
//	                    # that does not read 70, both besides what the handler has
//	  cpu: 100ms        # of one call, in which several requests may go on: 20ms are enough
//	                    # for pages and JSON, not for hashing and compressing much at a time
//	  calls: 500        # http.Client's at a time, of one instance
//
// By default there are as many instances as processors, each with memory of its own. An
// instance that fails is replaced, and what it knew is gone: what has to last belongs in
// weir.Store, or behind an upstream.
//
// It is a package of its own because net/http makes a module four times as large as a
// filter without it: some 9 MB, and twice that with html/template. weir compiles that in
// some seconds, once.
package weirhttp
