// Package cache is a filter: a shared HTTP cache (RFC 9111) in memory and on disk.
//
// A [Store] lives as long as the process and is shared by filters; a [Filter] holds
// the rules of one site or route.
//
// # What is kept
//
// Responses to GET that say how long they are fresh (CDN-Cache-Control,
// Surrogate-Control, Cache-Control, Expires, in this order), or to which Options.TTL
// applies. Nothing is guessed from Last-Modified. Not kept are responses to requests with
// Authorization and responses with Set-Cookie, unless the upstream says explicitly that
// they are for everybody, what is private or no-store, event streams, parts, and what
// has trailers. Fields that are one client's, Set-Cookie first, never are.
//
// The key is scheme, authority, canonical path and query, then the route, then the
// fields that Vary names. Where a field can be read in two ways, the stricter counts.
//
// # How it is fetched
//
// One request fetches for all that ask for the same meanwhile. Bodies that are not small
// arrive by a goroutine, at the upstream's pace, and each client reads at its own. The
// request whose fetch it is may end early: its Body's Close waits until those who follow
// have what they need.
//
// A refresh in the background (stale-while-revalidate) asks the next handler with a
// request of its own (exchange.NewBackground), which may outlive the exchange, and so
// the snapshot, that began it.
package cache
