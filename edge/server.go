package edge

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/edge/http1"
	"github.com/weirproxy/weir/edge/listen"
	"github.com/weirproxy/weir/edge/nethttp"
	"github.com/weirproxy/weir/edge/route"
)

// Options are what holds for a Server's whole life. Zero values are safe.
type Options struct {
	Log    *slog.Logger   // of the server itself; nil is silent
	Opener *listen.Opener // nil: a new one

	HTTP1       http1.Limits
	Timeouts    http1.Timeouts
	MaxRequests int             // on one HTTP/1.1 connection; 0 is no limit
	Streams     nethttp.Options // of HTTP/2 and HTTP/3; its Dispatcher is ignored
	Handshake   time.Duration   // from accept to the end of the TLS handshake; default 10 s
	// ECHKeys returns the keys that the ClientHellos of now may be encrypted for
	// (RFC 9849). A hello for another one is answered, for the name outside, with the
	// configurations of those that have SendAsRetry. It is called by every handshake
	// that has an encrypted hello, by many at once, and must not block; what it
	// returned is not changed. It may be nil.
	ECHKeys func() []tls.EncryptedClientHelloKey
	// Drain is how long connections of a listener that a new snapshot no longer
	// has may go on over HTTP/3; default 30 s.
	Drain time.Duration
}

// Server lives as long as the process. It owns sockets and connections.
type Server struct {
	log     *slog.Logger
	opener  *listen.Opener
	options Options
	gate    *listen.Gate
	current atomic.Pointer[Snapshot]
	stamp   atomic.Pointer[stamp]
	tls     *tls.Config // the root of handshakes over TCP
	quicTLS *tls.Config // and over QUIC
	h1      *http1.Server
	h2      *nethttp.H2
	h3      *nethttp.H3

	refused atomic.Int64 // connections that the gate turned away
	failed  atomic.Int64 // handshakes that failed

	mu      sync.Mutex // one Apply or Shutdown at a time; guards sockets
	sockets map[string]*socket
	loops   sync.WaitGroup  // accept loops, and sockets that drain
	patient context.Context // ends when Shutdown waits no longer
	hurry   context.CancelFunc
}

// New returns a server without sockets; Apply gives it some. Shutdown ends it.
func New(o Options) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Opener == nil {
		o.Opener = listen.NewOpener(listen.Options{Log: o.Log})
	}
	if o.Handshake <= 0 {
		o.Handshake = 10 * time.Second
	}
	if o.Drain <= 0 {
		o.Drain = 30 * time.Second
	}
	s := &Server{
		log: o.Log, opener: o.Opener, options: o,
		gate: listen.NewGate(0, 0), sockets: map[string]*socket{},
	}
	s.patient, s.hurry = context.WithCancel(context.Background())
	empty, _ := route.Compile[*Route](nil)
	first := &Snapshot{Routes: empty}
	first.users.Store(1)
	s.current.Store(first)
	s.h1 = http1.NewServer(http1.Options{Dispatcher: s, Limits: o.HTTP1, Timeouts: o.Timeouts, Requests: o.MaxRequests})
	o.Streams.Dispatcher = s
	s.h2 = nethttp.NewH2(o.Streams)
	s.h3 = nethttp.NewH3(o.Streams, nethttp.H3Hooks{Admit: s.admitQUIC, Handshake: withDecision, Early: mayBeEarly, Facts: s.quicFacts})
	s.roots()
	return s
}

// Apply makes snap the current snapshot: it opens the sockets that are new, swaps,
// and closes those that are gone. Sockets that stay, and all their connections, are
// not touched. When a socket cannot be opened, nothing has changed, and snap is
// still the caller's, who calls Discard.
func (s *Server) Apply(snap *Snapshot) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	opened, err := s.open(snap.Listeners)
	if err != nil {
		return err
	}
	snap.users.Store(1)
	s.gate.SetLimits(snap.Connections, snap.ConnectionsPerClient)
	old := s.current.Swap(snap)
	s.serve(snap.Listeners, opened)
	old.release()
	return nil
}

// Shutdown stops accepting, answers what was begun until ctx ends, cuts the rest,
// and retires the snapshot. The server cannot be used again.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer context.AfterFunc(ctx, s.hurry)()
	defer s.hurry()
	for _, k := range s.sockets {
		k.stream.Close()
	}
	var wg sync.WaitGroup
	var err1, err2 error
	wg.Go(func() { err1 = s.h1.Shutdown(ctx) })
	wg.Go(func() { err2 = s.h2.Shutdown(ctx) })
	wg.Go(func() { s.h3.Shutdown(ctx) })
	wg.Wait()
	for key, k := range s.sockets {
		if k.packet != nil {
			k.packet.Close()
		}
		delete(s.sockets, key)
	}
	s.loops.Wait()
	empty, _ := route.Compile[*Route](nil)
	last := &Snapshot{Routes: empty}
	last.users.Store(1)
	s.current.Swap(last).release()
	if err1 != nil {
		return err1
	}
	return err2
}

// Addrs returns the addresses that are listened on, in the order of the current
// snapshot's listeners.
func (s *Server) Addrs() []net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	var addrs []net.Addr
	for i, l := range s.current.Load().Listeners {
		if k := s.sockets[socketKey(l.Address, i)]; k != nil {
			addrs = append(addrs, k.stream.Addr())
		}
	}
	return addrs
}

// Stats are counts for metrics.
type Stats struct {
	Connections      int   // open now
	Refused          int64 // turned away by the limits
	FailedHandshakes int64
}

// Stats returns the counts of this moment.
func (s *Server) Stats() Stats {
	return Stats{Connections: s.gate.Open(), Refused: s.refused.Load(), FailedHandshakes: s.failed.Load()}
}
