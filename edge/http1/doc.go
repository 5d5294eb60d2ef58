// Package http1 speaks HTTP/1.1 (RFC 9110, RFC 9112), from scratch.
//
// One strict parser reads heads, chunked bodies and trailers. Whatever two
// implementations could read in two ways is refused, since that is what request
// smuggling lives on; every refusal has a status, a constant reason for the log,
// and says whether the connection can go on. See refuse.go for the list.
//
// [Server] serves connections, each on its caller's goroutine and without any
// other. Time limits are not timers: one sweeper per server ticks, looks at what
// every connection has been doing since when, and wakes those that take too long
// (sweep.go). A connection that waits for its next request gives its buffers back.
//
// [Client] makes calls of one endpoint, each on its caller's goroutine as well. The
// clients of a [Transport] share memory and another sweeper. A pooled connection is
// looked at before it is used again, and nothing is ever sent twice.
//
// Who watches a client is told at once when it leaves (gone_linux.go); requests that
// nobody watches cost nothing for it. A connection that switches protocols becomes a
// tunnel (upgrade.go, tunnel.go), with a second goroutine and hardly any memory.
//
// # Bodies of responses
//
// Known kinds are sent as cheaply as they can be: [exchange.Bytes] with the head
// or by writev, [exchange.File] by sendfile. What any other Body's Read returns is
// sent at once. The head goes out together with the first bytes, unless Body has a
// method Buffered() int that returns 0, or the content is an event stream: then it
// goes out before the first Read, which may take its time.
package http1
