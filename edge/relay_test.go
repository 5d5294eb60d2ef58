package edge

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"
)

// relay stands between one client and one server of QUIC, at an address of its own,
// and does to datagrams what networks and attackers do.
type relay struct {
	front, back *net.UDPConn

	mu     sync.Mutex
	came   *sync.Cond // something from the client
	server netip.AddrPort
	client netip.AddrPort
	hold   bool     // answers wait
	held   [][]byte // for the client
	seen   [][]byte // what the client sent, all of it
	// pass, if set, makes of what the client sends what the server gets.
	pass func(datagram []byte) [][]byte
}

// newRelay returns a relay to where f serves HTTP/3.
func newRelay(t testing.TB, f *fixture) *relay {
	t.Helper()
	r := &relay{server: f.Addrs()[1].(*net.TCPAddr).AddrPort()}
	r.came = sync.NewCond(&r.mu)
	local := net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0"))
	var err error
	if r.front, err = net.ListenUDP("udp", local); err != nil {
		t.Fatal(err)
	}
	if r.back, err = net.ListenUDP("udp", local); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(r.forward)
	wg.Go(r.backward)
	t.Cleanup(func() {
		r.front.Close()
		r.back.Close()
		wg.Wait()
	})
	return r
}

func (r *relay) addr() string { return r.front.LocalAddr().String() }

func (r *relay) forward() {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := r.front.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		r.mu.Lock()
		r.client = from
		b := append([]byte(nil), buf[:n]...)
		r.seen = append(r.seen, b)
		r.came.Broadcast()
		out := [][]byte{b}
		if r.pass != nil {
			out = r.pass(b)
		}
		for _, b := range out {
			r.back.WriteToUDPAddrPort(b, r.server)
		}
		r.mu.Unlock()
	}
}

func (r *relay) backward() {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := r.back.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		r.mu.Lock()
		b := append([]byte(nil), buf[:n]...)
		switch {
		case from != r.server: // of one that the client no longer hears
		case r.hold:
			r.held = append(r.held, b)
		default:
			r.front.WriteToUDPAddrPort(b, r.client)
		}
		r.mu.Unlock()
	}
}

// holding keeps back what the server answers, until release.
func (r *relay) holding() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hold = true
}

func (r *relay) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.releaseLocked()
}

// releaseAfter is release once the client has sent so many datagrams that begin with a
// packet of that type; it returns at once.
func (r *relay) releaseAfter(ctx context.Context, count int, kind byte) {
	stop := context.AfterFunc(ctx, r.came.Broadcast)
	go func() {
		defer stop()
		r.mu.Lock()
		defer r.mu.Unlock()
		for begins(r.seen, kind) < count && ctx.Err() == nil {
			r.came.Wait()
		}
		r.releaseLocked()
	}()
}

func (r *relay) releaseLocked() {
	r.hold = false
	for _, b := range r.held {
		r.front.WriteToUDPAddrPort(b, r.client)
	}
	r.held = nil
}

// turnTo has another server be where the client believes the first one to be.
func (r *relay) turnTo(f *fixture) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.server = f.Addrs()[1].(*net.TCPAddr).AddrPort()
}

// heard returns what the client has sent so far.
func (r *relay) heard() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([][]byte(nil), r.seen...)
}

// initialPacket is a type of QUIC's packets with a long header (RFC 9000 §17.2).
const initialPacket = 0xc0

// begins counts the datagrams that begin with a packet of a type.
func begins(datagrams [][]byte, kind byte) (n int) {
	for _, d := range datagrams {
		if len(d) > 0 && d[0]&0xf0 == kind {
			n++
		}
	}
	return n
}
