package edge

import (
	"context"
	"crypto/tls"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/route"
)

// Snapshot is one generation of the configuration, ready to serve. Whoever builds
// it hands it to [Server.Apply] and does not touch it again.
type Snapshot struct {
	Listeners []Listener
	Routes    *route.Table[*Route]
	// Unrouted has, by the host as the table names it, what holds for requests that
	// none of a host's rules take: its Handler is not asked, its Plain, Policy, Errors
	// and Log count. It may be nil.
	Unrouted map[string]*Route
	// TLS decides how a connection is secured, by what its ClientHello says. It may
	// be nil when no listener is secure. It is called by many handshakes at once. An
	// error says that no site of that name is served over TLS; the client is told so
	// (unrecognized_name, RFC 6066 §3). A Config whose one protocol is "acme-tls/1"
	// makes a handshake and nothing more (RFC 8737), and over QUIC not even that.
	TLS func(*tls.ClientHelloInfo) (Security, error)
	// Challenge answers authorities that validate a name by HTTP-01 (RFC 8555 §8.3),
	// whatever the host, over plain HTTP and TLS, before routes, redirects, filters
	// and policies for client certificates are looked at. It returns the key
	// authorisation; not ok leaves the request to the routes. It may be nil. It is
	// called by many exchanges at once, for GET and HEAD of tokens of 1 to 128
	// characters of base64url, and returns when ctx ends.
	Challenge func(ctx context.Context, host, token string) (keyAuth string, ok bool)
	// Observers are told of every exchange, before those of its route.
	Observers []exchange.Observer
	// Log observes exchanges that have no route of their own, or one without Log.
	Log exchange.Observer
	// Errors are asked for pages after those of the route.
	Errors []ErrorPage
	// ServerField is the value of the Server field of responses; "" for none.
	ServerField string
	// Connections and ConnectionsPerClient limit what is open at a time; 0 is no
	// limit. An IPv6 /64 is one client.
	Connections, ConnectionsPerClient int
	// Trusted are the networks of proxies that are believed when they say who asked
	// them; addresses in it are not IPv4-mapped. TrustUnix believes who comes over a
	// unix socket. Either sets Request.Trusted.
	Trusted   []netip.Prefix
	TrustUnix bool
	// TrustedHeader is the field in which they say so, in lower case: "forwarded"
	// (RFC 7239), "x-forwarded-for", which "" stands for as well, or one that holds a
	// single address: "cf-connecting-ip", "x-real-ip". Fields of other names are no
	// proof of anything.
	TrustedHeader string
	// Closers are called in order when the last exchange has ended.
	Closers []func()

	users atomic.Int64 // exchanges, and one for being current
	once  sync.Once
}

// Listener is one address that clients connect to.
type Listener struct {
	Address string // as package listen takes it
	Secure  bool   // TLS: HTTP/1.1 and HTTP/2 on TCP
	HTTP3   bool   // and HTTP/3 on the UDP port of the same number
	H2C     bool   // without TLS: HTTP/2 by prior knowledge as well
	// Proxies are the networks whose connections begin with a PROXY header.
	Proxies []netip.Prefix
	Mode    uint32 // permissions of a unix socket; 0 leaves them
}

// Route is what the table finds for a request.
type Route struct {
	Site    string // name for logs and metrics
	Name    string // for logs, in place of its pattern; may be ""
	Origin  string // where it stands: "weir.yaml:12:3"
	Handler exchange.Handler
	// Plain answers in place of Handler what came without TLS; nil for no difference.
	Plain exchange.Handler
	// Policy names the client-certificate policy of the site; "" for none. A
	// connection whose handshake was held to another one gets 421 (security P7).
	Policy string
	// Require says that the policy asks for a verified certificate.
	Require bool
	Raw     bool // takes paths with encoded slashes
	Errors  []ErrorPage
	Log     exchange.Observer // nil: the snapshot's; Silent: none
}

// Security is how one connection is secured.
type Security struct {
	Config *tls.Config // from BaseTLS, never changed; without keys for session tickets
	Policy string      // the client-certificate policy that Config enforces
}

// ErrorPage makes the response for errors of some statuses.
type ErrorPage struct {
	From, To int // statuses, inclusive
	// Page makes the body. Its Status is replaced by the error's unless it is a
	// redirect. An error makes weir's own page be sent.
	Page func(r *exchange.Request, status int) (*exchange.Response, error)
}

// Silent is an observer that does nothing.
var Silent exchange.Observer = silent{}

type silent struct{}

func (silent) Observe(*exchange.Request) {}

// acquire returns the current snapshot and counts the caller in. Between loading
// the pointer and counting, the snapshot may have been replaced and closed; so it
// looks again.
func (s *Server) acquire() *Snapshot {
	for {
		snap := s.current.Load()
		snap.users.Add(1)
		if s.current.Load() == snap {
			return snap
		}
		snap.release()
	}
}

func (snap *Snapshot) release() {
	if snap.users.Add(-1) == 0 {
		snap.Discard()
	}
}

// Discard closes a snapshot that is not, or no longer, applied.
func (snap *Snapshot) Discard() {
	snap.once.Do(func() {
		for _, end := range snap.Closers {
			end()
		}
	})
}
