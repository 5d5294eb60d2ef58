package upstream

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/weirproxy/weir/edge/http1"
)

// Options say what pools share. All of it may be left out.
type Options struct {
	Log *slog.Logger // changes of endpoints' states and of what names resolve to; default: nowhere
	// Key gives what makes the ids in sticky cookies, which nobody without it can trace
	// to an address. With the same key, clients keep their endpoints over a restart, and
	// behind several weirs. It is asked once, when the first pool has such a cookie;
	// default: random.
	Key func() []byte
	// LookupNetIP and LookupSRV are net.Resolver's; default: those of the system.
	LookupNetIP func(ctx context.Context, network, host string) ([]netip.Addr, error)
	LookupSRV   func(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
}

// Upstreams are all pools of a process. Its methods may be called at the same time.
type Upstreams struct {
	log         *slog.Logger
	key         func() []byte
	lookupNetIP func(ctx context.Context, network, host string) ([]netip.Addr, error)
	lookupSRV   func(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
	connect     func(*Pool, *endpoint) client
	transport   *http1.Transport

	mu     sync.Mutex // guards what follows, and holders of every pool
	pools  map[string]*Pool
	made   int
	closed bool
}

// New returns Upstreams without pools. Close ends it.
func New(o Options) *Upstreams {
	u := &Upstreams{
		log: o.Log, lookupNetIP: o.LookupNetIP, lookupSRV: o.LookupSRV,
		transport: http1.NewTransport(), pools: map[string]*Pool{},
	}
	if u.log == nil {
		u.log = slog.New(slog.DiscardHandler)
	}
	if o.Key == nil {
		o.Key = func() []byte { return []byte(rand.Text()) }
	}
	u.key = sync.OnceValue(o.Key)
	if u.lookupNetIP == nil {
		u.lookupNetIP = net.DefaultResolver.LookupNetIP
	}
	if u.lookupSRV == nil {
		u.lookupSRV = net.DefaultResolver.LookupSRV
	}
	u.connect = u.newClient
	return u
}

var errClosed = errors.New("upstreams are closed")

// Pool returns the pool of that name and those settings: the one that is there, or
// a new one. Every Pool is released once by who got it. The error, if any, names the
// fields that are wrong and the files that cannot be used. Names that do not resolve
// are none: they are asked for in the background, and calls are answered 503 as long
// as there is no answer.
//
// Files are read here, so settings whose files have changed make a new pool.
func (u *Upstreams) Pool(name string, s Settings) (*Pool, error) {
	if err := s.Check(); err != nil {
		return nil, fmt.Errorf("make upstream %q: %w", name, err)
	}
	s = s.withDefaults()
	config, content, err := s.TLS.load()
	if err != nil {
		return nil, fmt.Errorf("make upstream %q: tls: %w", name, err)
	}
	key := fmt.Sprintf("%q %#v %x", name, s, content)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return nil, fmt.Errorf("make upstream %q: %w", name, errClosed)
	}
	p := u.pools[key]
	if p == nil {
		u.made++
		p = newPool(u, name, key, u.made, s, config)
		u.pools[key] = p
	}
	p.holders++
	return p, nil
}

// Release gives the pool back. The last one that does so ends it: its goroutine
// ends, and its connections with the calls that are still using them.
func (p *Pool) Release() {
	u := p.owner
	u.mu.Lock()
	p.holders--
	last := p.holders == 0 && !u.closed
	if last {
		delete(u.pools, p.key)
	}
	u.mu.Unlock()
	if last {
		p.end()
	}
}

// Close ends all pools, and waits for their goroutines. Calls that still go on are
// cut: the server has been shut down before.
func (u *Upstreams) Close() {
	u.mu.Lock()
	was := u.closed
	u.closed = true
	pools := u.pools
	u.mu.Unlock()
	if was {
		return
	}
	for _, p := range pools {
		p.end()
	}
	u.transport.Close()
}

// current returns the newest pool of every name, by name: while a reload goes on,
// there may be older ones that still have calls to finish.
func (u *Upstreams) current() []*Pool {
	u.mu.Lock()
	newest := map[string]*Pool{}
	for _, p := range u.pools {
		if old := newest[p.name]; old == nil || old.number < p.number {
			newest[p.name] = p
		}
	}
	u.mu.Unlock()
	return slices.SortedFunc(maps.Values(newest), func(a, b *Pool) int { return strings.Compare(a.name, b.name) })
}

// Drain keeps new calls from an endpoint, or lets them come again; calls that go on
// are left alone. With endpoint "" it is all of the pool's. The error names those
// that are known.
func (u *Upstreams) Drain(pool, endpoint string, drain bool) error {
	var names []string
	for _, p := range u.current() {
		if p.name == pool {
			return p.drain(endpoint, drain)
		}
		names = append(names, p.name)
	}
	return fmt.Errorf("drain upstream %q: unknown: there are %s", pool, listed(names))
}

func listed(names []string) string {
	const few = 10
	switch n := len(names); {
	case n == 0:
		return "none"
	case n > few:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), n-few)
	}
	return strings.Join(names, ", ")
}
