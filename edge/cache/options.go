package cache

import (
	"log/slog"
	"time"
)

// StoreOptions bound what a Store keeps. A zero field means the default behind it.
type StoreOptions struct {
	Memory int64  // bytes of responses in memory; 64 MiB
	Dir    string // directory for responses on disk, made if it is not there; "": none
	Disk   int64  // bytes on disk; 1 GiB
	Object int64  // the largest body that is kept; 8 MiB in memory, 128 MiB on disk
	Log    *slog.Logger
}

// Options say what a Filter keeps. Only Store is required.
type Options struct {
	Store *Store
	// Name is weir's in Cache-Status (RFC 9211); "weir".
	Name string
	// TTL is how long responses are fresh that do not say so themselves; 0: such
	// responses are not kept (no heuristic, RFC 9111 §4.2.2).
	TTL time.Duration
	// MaxTTL bounds what responses say; 0: no bound.
	MaxTTL time.Duration
	// StaleWhileRevalidate and StaleIfError hold where responses do not say
	// (RFC 5861); 0: not then.
	StaleWhileRevalidate, StaleIfError time.Duration
	// IgnoreQuery names query parameters that are no part of the key: "utm_*".
	// IgnoreAllQuery leaves the whole query out.
	IgnoreQuery    []string
	IgnoreAllQuery bool
	// Cookies names request cookies that make a request pass by the cache: "session*".
	Cookies []string
	// Tags names the response field that lists tags for Purge: "cache-tag"; it is
	// not sent to clients.
	Tags string
}
