package storetest

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// Proxy carries connections to an address and can break them.
type Proxy struct {
	Addr string

	to   string
	l    net.Listener
	work sync.WaitGroup
	made atomic.Int64 // connections

	mu    sync.Mutex
	conns map[net.Conn]struct{} // of both sides
	open  chan struct{}         // closed unless bytes are swallowed
	away  bool
}

// StartProxy starts a proxy to addr that ends with the test.
func StartProxy(t testing.TB, addr string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Addr: l.Addr().String(), to: addr, l: l, conns: make(map[net.Conn]struct{}), open: make(chan struct{})}
	close(p.open)
	p.work.Go(p.accept)
	t.Cleanup(func() {
		l.Close()
		p.Pass()
		p.Cut()
		p.work.Wait()
	})
	return p
}

func (p *Proxy) accept() {
	for {
		c, err := p.l.Accept()
		if err != nil {
			return
		}
		p.made.Add(1)
		p.work.Go(func() { p.carry(c) })
	}
}

func (p *Proxy) carry(c net.Conn) {
	defer c.Close()
	p.mu.Lock()
	away := p.away
	p.mu.Unlock()
	if away {
		return
	}
	s, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer s.Close()
	p.mu.Lock()
	p.conns[c], p.conns[s] = struct{}{}, struct{}{}
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.copy(s, c) })
	both.Go(func() { p.copy(c, s) })
	both.Wait()
	p.mu.Lock()
	delete(p.conns, c)
	delete(p.conns, s)
	p.mu.Unlock()
}

// copy carries one direction; its end is that of both.
func (p *Proxy) copy(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		p.mu.Lock()
		open := p.open
		p.mu.Unlock()
		<-open
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// Cut breaks all connections that there are.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // with a reset
		}
		c.Close()
	}
}

// Hang keeps all bytes from now on, of old and new connections.
func (p *Proxy) Hang() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.open:
		p.open = make(chan struct{})
	default:
	}
}

// Pass has bytes carried again, those that were kept first; and connections accepted.
func (p *Proxy) Pass() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = false
	select {
	case <-p.open:
	default:
		close(p.open)
	}
}

// Away breaks all connections, and new ones as soon as they are made, until Pass.
func (p *Proxy) Away() {
	p.mu.Lock()
	p.away = true
	p.mu.Unlock()
	p.Cut()
}
