package upstream

import "time"

// Settings say what a pool is. They are plain data, comparable by their printed form;
// a zero field means the default named behind it. Two pools of one name and equal
// settings are one pool.
type Settings struct {
	Endpoints []Endpoint
	// Policy is how an endpoint is chosen: "least-requests" (the default: of two at
	// random the one with less to do, weighed by how fast it answers), "round-robin",
	// "random", "first" (in order, the next when those before are out), "hash".
	Policy string
	// Hash says by what, with policy hash: "ip", "uri", "header NAME", "cookie NAME".
	// A call without it is balanced by least-requests.
	Hash string
	// Sticky is the name of a cookie that weir sets, so that a client stays with its
	// endpoint while that is well; "" for none.
	Sticky string

	Health   Health
	Eject    Eject
	Limits   Limits
	Retry    Retry
	Timeouts Timeouts
	TLS      TLS
	// SlowStart is how long an endpoint that has come (back) takes to its full share;
	// 0: none. Policies first and hash, and cookies, do not divide by shares.
	SlowStart time.Duration
	// Refresh is how often names are resolved again; 30 s; the last good answer holds
	// when that fails. Negative: only at the start.
	Refresh time.Duration
	// Proxy is the version of the PROXY header that connections begin with, 1 or 2;
	// 0: none. Such connections serve one call each.
	Proxy int
}

// Endpoint is one entry of a pool, as configured: a name that resolves to several
// addresses is that many endpoints. Where it has addresses of both families, those of
// IPv6 are asked only when none of IPv4 can be.
type Endpoint struct {
	// URL is scheme and place: http://10.0.0.1:9000, https://name, h2://, h2c://, h3://,
	// unix:/run/app.sock (HTTP/1.1), srv+http://_app._tcp.example.com (SRV records).
	URL    string
	Weight int // 1
}

// Health checks endpoints without being asked. It is off while Interval is 0.
type Health struct {
	Kind     string        // "http" (default), "tcp", "grpc" (grpc.health.v1)
	Path     string        // of http; "/"
	Host     string        // Host of http checks; default: the endpoint's
	Service  string        // of grpc; ""
	Statuses [2]int        // from, to; 200 to 399
	Interval time.Duration // with jitter of a tenth
	Timeout  time.Duration // 5 s
	Pass     int           // so many in a row make an endpoint well again; 2
	Fail     int           // so many in a row make it ill; 3
}

// Eject takes endpoints out that fail calls (outlier detection). Off while Failures
// is negative.
type Eject struct {
	Failures int           // connections refused, cut or timed out, and 502 to 504 answers, in a row; 5
	For      time.Duration // the first time; doubles each time, up to ten times that; 10 s
	Most     int           // percent of a pool that may be out at a time; 50; one endpoint always stays
}

// Limits bound what is asked of each endpoint at a time.
type Limits struct {
	Requests int           // 0: no limit
	Pending  int           // waiting for a free place, in the pool; 1,024 where Requests is set
	Wait     time.Duration // for a place; 5 s, then 503
	Idle     int           // idle connections kept; 64
}

// Retry says what may be tried again. What has reached an upstream is only sent once
// more where the method is idempotent, the body can be sent again, and nothing of an
// answer has come.
type Retry struct {
	// Attempts is how often one call may be sent in all; 2. Connections that could not
	// be made do not count, but are tried at most once per endpoint.
	Attempts int
	// Statuses that are tried again as well: none.
	Statuses []int
	// Budget is the share of calls that may be retries, in percent of those of the
	// last ten seconds; 20, and always some three per second.
	Budget int
}

// Timeouts of one attempt. Negative: none. Event streams and gRPC may be silent on
// purpose (exchange.Quiet): Idle is not for them, nor Head for gRPC, but Tunnel is. Who
// has died is found out all the same, by TCP's keepalive and by pings.
type Timeouts struct {
	Connect time.Duration // with TLS handshake; 5 s
	Head    time.Duration // from the request sent to the head of the answer; 60 s, then 504
	Idle    time.Duration // between two pieces of a body, either way; 60 s
	Keep    time.Duration // an unused connection is kept; 60 s
	Age     time.Duration // no connection is reused after; 1 h
	Whole   time.Duration // for a call with all its attempts and its bodies; none
	Tunnel  time.Duration // a tunnel, an event stream or gRPC without a byte either way; none
}

// TLS is how endpoints with TLS are met. Their certificates are always verified,
// unless Insecure says otherwise.
type TLS struct {
	CA         []string // PEM files; default: the system's
	Cert, Key  string   // client certificate, PEM files
	ServerName string   // default: the endpoint's name
	MinVersion uint16   // tls.VersionTLS12
	Insecure   bool
}
