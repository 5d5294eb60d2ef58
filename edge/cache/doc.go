// Package cache is a filter: a shared HTTP cache (RFC 9111) in memory and on disk.
//
// A [Store] lives as long as the process and is shared by filters; a [Filter] holds
// the rules of one site or route.
package cache
