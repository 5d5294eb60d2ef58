package attack

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"time"
)

// Target says whom to attack and how much of it. The zero value of all but Addr is fine.
type Target struct {
	Addr  string        // host:port; UDP for the HTTP/3 attacks
	TLS   *tls.Config   // nil: cleartext, for HTTP/2 by prior knowledge; HTTP/3 needs it
	Host  string        // authority asked for; default Addr
	Path  string        // a page that exists; default "/". Slow readers want a large one
	Conns int           // attacking connections, side by side; default 1
	Every time.Duration // how often slow attackers send or read a byte; default 100 ms
	Limit int           // units to send per connection; default by attack
	Ready func()        // called once when every connection is under way; may be nil
}

// Stats is what came of an attack, summed over its connections.
type Stats struct {
	Opened   int            // connections that got as far as the attack
	Failed   int            // connections that did not: refused, handshake failed
	Sent     int            // units sent: bytes, frames or requests, see the attack
	Answered int            // responses received
	Reset    int            // streams reset by the server
	Cut      int            // connections that the server ended while the attack was on
	Held     time.Duration  // the longest that one connection stayed open
	Ends     map[string]int // how connections ended: "408", "eof", "goaway ENHANCE_YOUR_CALM", "open"
}

// String prints s on one line, for test logs.
func (s Stats) String() string {
	return fmt.Sprintf("opened %d failed %d sent %d answered %d reset %d cut %d held %v ends %v",
		s.Opened, s.Failed, s.Sent, s.Answered, s.Reset, s.Cut, s.Held.Round(time.Millisecond), s.Ends)
}

func (s *Stats) add(o Stats) {
	s.Opened += o.Opened
	s.Failed += o.Failed
	s.Sent += o.Sent
	s.Answered += o.Answered
	s.Reset += o.Reset
	s.Cut += o.Cut
	s.Held = max(s.Held, o.Held)
	for how, n := range o.Ends {
		s.end(how, n)
	}
}

func (s *Stats) end(how string, n int) {
	if s.Ends == nil {
		s.Ends = map[string]int{}
	}
	s.Ends[how] += n
}

// Attack is the shape of every attack.
type Attack struct {
	Name  string
	Proto string // "h1", "h2", "h3" or "tls"
	Run   func(context.Context, Target) (Stats, error)
}

// String returns the name, for subtests.
func (a Attack) String() string { return a.Proto + "/" + a.Name }

// swarm runs one attacker per connection and sums up what each reports. An
// attacker calls ready when it is under way.
func (t Target) swarm(ctx context.Context, each func(ctx context.Context, ready func(), s *Stats) error) (Stats, error) {
	var (
		total    Stats
		firstErr error
		mu       sync.Mutex // guards total, firstErr
		all      sync.WaitGroup
		started  sync.WaitGroup
	)
	started.Add(t.Conns)
	if t.Ready != nil {
		all.Go(func() { started.Wait(); t.Ready() })
	}
	for range t.Conns {
		all.Go(func() {
			ready := sync.OnceFunc(started.Done)
			defer ready()
			var s Stats
			err := each(ctx, ready, &s)
			mu.Lock()
			defer mu.Unlock()
			total.add(s)
			if err != nil && firstErr == nil {
				firstErr = err
			}
		})
	}
	all.Wait()
	if total.Opened == 0 && firstErr != nil {
		return total, firstErr
	}
	return total, nil
}

func (t Target) withDefaults(limit int) Target {
	if t.Host == "" {
		t.Host = t.Addr
	}
	if t.Path == "" {
		t.Path = "/"
	}
	if t.Conns == 0 {
		t.Conns = 1
	}
	if t.Every == 0 {
		t.Every = 100 * time.Millisecond
	}
	if t.Limit == 0 {
		t.Limit = limit
	}
	return t
}

// dial opens a connection with protocol proto on it, and arranges that it fails
// every read and write once ctx has ended. done takes that arrangement back and
// closes the connection.
func (t Target) dial(ctx context.Context, proto string, s *Stats) (c net.Conn, done func(), err error) {
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", t.Addr)
	if err != nil {
		s.Failed++
		return nil, nil, err
	}
	c = raw
	stop := context.AfterFunc(ctx, func() { raw.SetDeadline(time.Unix(1, 0)) })
	done = func() { stop(); raw.Close() }
	if t.TLS != nil && proto != "" {
		config := t.TLS.Clone()
		config.NextProtos = []string{proto}
		secure := tls.Client(raw, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			s.Failed++
			done()
			return nil, nil, fmt.Errorf("shake hands with %s: %w", t.Addr, err)
		}
		c = secure
	}
	s.Opened++
	return c, done, nil
}
