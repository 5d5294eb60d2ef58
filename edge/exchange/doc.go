// Package exchange is the seam of weir: the types that every handler and every
// filter is written against, whatever protocol the client spoke.
//
// One exchange is one request and its response. A [Handler] answers it. A
// [Filter] stands in front of a handler: what it does before calling next is the
// request side, what it does after is the response side; not calling next is a
// local reply; wrapping a [Body] is a streaming transform.
//
// # Ownership and life
//
// A [Request], its Header, its Body and the Response that [Request.NewResponse]
// lends belong to the exchange. They are reused for the next one on the same
// connection, so nothing may keep a pointer to them after the response's Body has
// been closed. Strings taken from them stay valid for ever.
//
// All methods of a Request are for the goroutine that runs the exchange, unless
// they say otherwise.
//
// This package imports the standard library only, and nothing of weir.
package exchange
