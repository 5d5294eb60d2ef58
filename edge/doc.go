// Package edge is the part of weir between sockets and handlers: it accepts
// connections, lets the protocols read requests, finds the route, runs its chain,
// writes the response, and tells observers.
//
// Two lives meet here. A [Server] lives as long as the process; it owns sockets
// and connections. A [Snapshot] is one generation of the configuration, swapped
// in by one atomic pointer; it is retired when the last exchange that began on it
// has ended. Everything else is a local variable of one exchange.
package edge
