package listen

import (
	"errors"
	"hash/maphash"
	"net/netip"
	"sync"
	"sync/atomic"
)

// The reasons why a Gate lets no more in. They are constant values: a flood of
// refusals allocates nothing.
var (
	ErrFull       = errors.New("too many connections")
	ErrClientFull = errors.New("too many connections from one client")
)

const (
	gateShards = 64
	// shrinkAt is the number of clients from which a shard that has emptied gives
	// its map back: Go maps keep the memory of their largest size.
	shrinkAt = 1024
)

// Gate counts connections and limits them, in all and for each client. A client
// is an IPv4 address or an IPv6 /64, which is what one subscriber gets. It
// remembers only clients that are connected, so its memory is bounded by the
// number of descriptors. All methods are safe for concurrent use.
type Gate struct {
	total, perClient atomic.Int64 // limits; 0 is none
	open             atomic.Int64
	seed             maphash.Seed // secret, so that nobody can aim at one shard
	shards           [gateShards]gateShard
}

type gateShard struct {
	mu      sync.Mutex // guards what follows
	clients map[netip.Addr]int64
	peak    int
	_       [32]byte // own cache line: neighbours are locked by other processors
}

// NewGate returns a Gate with these limits; zero or less means unlimited.
func NewGate(total, perClient int) *Gate {
	g := &Gate{seed: maphash.MakeSeed()}
	g.SetLimits(total, perClient)
	return g
}

// SetLimits changes the limits. Connections that are inside stay.
func (g *Gate) SetLimits(total, perClient int) {
	g.total.Store(int64(total))
	g.perClient.Store(int64(perClient))
}

// Open returns how many connections are inside.
func (g *Gate) Open() int { return int(g.open.Load()) }

// Enter counts a connection in, and returns nil; or returns ErrFull or
// ErrClientFull and counts nothing. After nil the caller owes one Leave with the
// same address. The zero Addr, of a unix socket, has only the total as its limit.
func (g *Gate) Enter(a netip.Addr) error {
	if limit := g.total.Load(); g.open.Add(1) > limit && limit > 0 {
		g.open.Add(-1)
		return ErrFull
	}
	if !a.IsValid() {
		return nil
	}
	client := clientOf(a)
	s := g.shard(client)
	s.mu.Lock()
	n := s.clients[client]
	if limit := g.perClient.Load(); limit > 0 && n >= limit {
		s.mu.Unlock()
		g.open.Add(-1)
		return ErrClientFull
	}
	if s.clients == nil {
		s.clients = make(map[netip.Addr]int64)
	}
	s.clients[client] = n + 1
	s.peak = max(s.peak, len(s.clients))
	s.mu.Unlock()
	return nil
}

// Leave counts a connection out that Enter let in.
func (g *Gate) Leave(a netip.Addr) {
	g.open.Add(-1)
	if !a.IsValid() {
		return
	}
	client := clientOf(a)
	s := g.shard(client)
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.clients[client]; n > 1 {
		s.clients[client] = n - 1
		return
	}
	delete(s.clients, client)
	if len(s.clients) == 0 && s.peak >= shrinkAt {
		s.clients, s.peak = nil, 0
	}
}

func (g *Gate) shard(client netip.Addr) *gateShard {
	return &g.shards[maphash.Comparable(g.seed, client)%gateShards]
}

func clientOf(a netip.Addr) netip.Addr {
	if a = a.Unmap().WithZone(""); a.Is4() {
		return a
	}
	network, _ := a.Prefix(64)
	return network.Addr()
}
