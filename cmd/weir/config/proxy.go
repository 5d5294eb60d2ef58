package config

import "time"

// Pool is a set of endpoints that requests are divided among, and how that is done.
// Durations that may be none are 0 then.
type Pool struct {
	Pos Pos
	// Name is the key under upstreams; empty for the pool of one proxy.
	Name string
	// To has the endpoints, never empty in a pool that is used. Either all speak TLS
	// or none does.
	To []Endpoint
	// Policy is "least-requests", "round-robin", "random", "first" or "hash"; Hash says
	// by what: "ip", "uri", "header NAME", "cookie NAME".
	Balance Balance
	// Sticky is the name of the cookie that keeps a client with its endpoint; or empty.
	Sticky   Text
	Health   Health
	Eject    Eject
	Limits   PoolLimits
	Retry    Retry
	Timeouts PoolTimeouts
	TLS      PoolTLS
	// SlowStart is how long an endpoint that has come back takes to its full share.
	SlowStart time.Duration
	// Refresh is how often names are resolved again; 0: only at the start.
	Refresh time.Duration
	// ProxyProtocol is the version of the PROXY header that connections begin with:
	// 1, 2, or 0 for none.
	ProxyProtocol int
}

// Endpoint is one address of a pool.
type Endpoint struct {
	Pos Pos
	// URL is complete: "http://10.0.0.1:9000", "https://name", "h2://name", "h2c://…",
	// "h3://…", "unix:/run/app.sock", "srv+http://name".
	URL    string
	Weight int
}

// Balance says how an endpoint is chosen.
type Balance struct {
	Pos          Pos
	Policy, Hash string
}

// Health says how endpoints are checked without being asked. It is off while Kind
// is empty.
type Health struct {
	Pos           Pos
	Kind          string // "http", "tcp" or "grpc"
	Path          string
	Host          string // empty: the endpoint's own
	Service       string // of grpc
	Statuses      [2]int // from, to
	Interval      time.Duration
	Timeout       time.Duration
	Pass, Failing int // so many in a row
}

// Eject takes endpoints out that fail. It is off while Failures is 0.
type Eject struct {
	Pos      Pos
	Failures int
	For      time.Duration
	Most     int // percent of the pool
}

// PoolLimits bound what is asked of endpoints at a time.
type PoolLimits struct {
	Pos      Pos
	Requests int // per endpoint; 0: no limit
	Pending  int // in the pool
	Wait     time.Duration
	Idle     int // connections kept, per endpoint
}

// Retry says what may be sent again.
type Retry struct {
	Pos      Pos
	Attempts int // in all; 1: none is a second one
	Statuses []int
	Budget   int // percent
}

// PoolTimeouts bound one attempt; 0: none.
type PoolTimeouts struct {
	Pos       Pos
	Connect   time.Duration // with the TLS handshake
	Response  time.Duration // from the request to the head of the answer
	Idle      time.Duration // between two pieces of a body
	KeepAlive time.Duration // for a connection that is not used
	Age       time.Duration // after which no connection is used again
	Total     time.Duration // for everything, all attempts and bodies
	Tunnel    time.Duration // tunnels, event streams and gRPC without a byte either way
}

// PoolTLS says how endpoints with TLS are met.
type PoolTLS struct {
	Pos        Pos
	CA         []string // PEM files; empty: the system's
	Cert, Key  string   // PEM files; both or none
	ServerName string   // empty: the endpoint's name
	MinVersion string   // "1.2" or "1.3"
	Insecure   bool     // certificates are not verified
}

// Proxy passes requests on. Of Pool.To, Upstream and Split exactly one is set; with
// Split, Pool has the settings of those parts that bring endpoints of their own.
type Proxy struct {
	Pos Pos
	// Upstream names an entry of Config.Upstreams.
	Upstream Text
	Split    []Share
	Pool     Pool
	// Host is what upstreams are asked for: "client", "upstream", or a name.
	Host string
	// StripPrefix is taken off the path, AddPrefix put in front. Neither ends with a
	// slash; empty: not done.
	StripPrefix, AddPrefix string
	Buffer                 Buffer
	// Forwarded sends Forwarded (RFC 7239) as well.
	Forwarded bool
	// Via is weir's name in Via; empty: the program chooses.
	Via string
	// Identity names fields that clients must not send; nil: the built-in list.
	Identity []string
	// Intercept has ranges of statuses that become error pages.
	Intercept [][2]int
	// Upgrade lets clients switch to other protocols, such as WebSocket.
	Upgrade bool
	Mirror  *Mirror // nil: none
}

// Buffer says what is read before it is passed on, in bytes; 0: nothing.
type Buffer struct {
	Pos               Pos
	Request, Response int64
}

// Share is a part of the traffic of a Proxy. Exactly one of To and Upstream is set.
type Share struct {
	Pos      Pos
	To       []Endpoint
	Upstream Text
	Weight   int
	// Header is what requests must have to be of this part; none if Name is empty. A
	// Value of "*" is any.
	Header Field
}

// Mirror copies requests. Exactly one of To and Upstream is set.
type Mirror struct {
	Pos      Pos
	To       []Endpoint
	Upstream Text
	Percent  float64
	Body     int64 // larger requests are not copied
}

// Cache says what is kept of responses.
type Cache struct {
	Pos     Pos
	Enabled bool
	// TTL holds for responses that do not say themselves how long they are fresh; 0:
	// those are not kept. MaxTTL bounds what responses say; 0: no bound.
	TTL, MaxTTL time.Duration
	// StaleWhileRevalidate and StaleIfError hold where responses do not say; 0: not then.
	StaleWhileRevalidate, StaleIfError time.Duration
	// IgnoreQuery names query parameters that do not tell responses apart; "*" alone:
	// none does.
	IgnoreQuery []string
	// BypassCookies names cookies whose requests are not answered from the cache.
	BypassCookies []string
	// Tags names the field that lists tags, in lower case.
	Tags string
}

// CacheStore is where responses are kept, and the default of all sites.
type CacheStore struct {
	Pos Pos
	// Memory, Disk and Object are bytes; Object 0: the program chooses.
	Memory int64
	Dir    string // empty: not on disk
	Disk   int64
	Object int64
	// Default holds for every site that says nothing else; nil: nothing is kept there.
	Default *Cache
}

// TrustedProxies are those whose word is taken for who the client is.
type TrustedProxies struct {
	Pos  Pos
	From []Network
	// Header is the field that tells the client's address, in lower case.
	Header string
}
