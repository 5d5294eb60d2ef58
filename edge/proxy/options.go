package proxy

import "github.com/weirproxy/weir/edge/upstream"

// Options say how a Proxy works. Only Shares is required.
type Options struct {
	// Shares are the pools that requests are divided among: to the first one whose
	// Header matches, else by weight among those that ask for none.
	Shares []Share
	// Host is what upstreams are asked for: "client" (the default: what the client
	// asked for), "upstream" (the endpoint's own name), or a name.
	Host string
	// StripPrefix is taken off the canonical path and told in X-Forwarded-Prefix;
	// AddPrefix is put in front of what is left.
	StripPrefix, AddPrefix string
	// Identity names fields that say who the client is, and that upstreams believe:
	// they are dropped from requests of clients that are not trusted proxies, in every
	// spelling ("_" for "-", any case). "remote-*" stands for all that begin so. nil
	// means DefaultIdentity(). X-Forwarded-*, Forwarded and X-Real-IP are always dropped
	// or rewritten.
	Identity []string
	// Forwarded sends Forwarded (RFC 7239) beside X-Forwarded-*.
	Forwarded bool
	// Via is the pseudonym in Via; "weir". What tells this Proxy from others of that
	// name, so that loops are found, is added to it.
	Via string
	// BufferRequest reads bodies of up to so many bytes before the upstream is
	// asked, which makes them fit to be sent again; larger ones are streamed. 0: none.
	// BufferResponse reads bodies of up to so many bytes before the client is
	// answered, so that a slow client does not hold the upstream. 0: none. Neither
	// holds for event streams, gRPC and tunnels.
	BufferRequest, BufferResponse int64
	// Intercept has ranges of statuses (from, to) of upstreams that become errors, and
	// so weir's error pages.
	Intercept [][2]int
	// NoUpgrade answers requests for another protocol as if they had not asked.
	NoUpgrade bool
	Mirror    *Mirror // nil: none
}

// Share is a pool and the requests that it takes.
type Share struct {
	Pool   *upstream.Pool
	Weight int // 1
	// Name and Value of a header field that requests must have; Value "*" is any.
	Name, Value string
}

// Mirror sends copies of requests to another pool and drops the answers. It never
// delays or fails the exchange; copies that would have to wait are left out.
type Mirror struct {
	Pool    *upstream.Pool
	Percent float64 // of requests; 100
	Body    int64   // bodies of up to so many bytes are copied, larger requests are not mirrored; 64 KiB
}
