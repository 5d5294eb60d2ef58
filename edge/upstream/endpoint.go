package upstream

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// client sends calls to one endpoint over one protocol.
type client interface {
	// Do makes one attempt and says in c.Attempt how far it came.
	Do(c *exchange.Call, resp *exchange.Response) error
	CloseIdle()
	Close()
	connections() (open, idle int, made uint64)
}

// endpoint is one place that calls are sent to, for as long as its pool has it.
type endpoint struct {
	place  // as it was when the endpoint was made
	pool   *Pool
	client client
	dial   func(context.Context, *exchange.Call) (net.Conn, error)
	hash   uint64
	id     string    // what sticky cookies say
	cookie [2]string // Set-Cookie, without and with Secure

	inflight   atomic.Int64
	latency    atomic.Int64 // moving average in nanoseconds
	measured   atomic.Int64 // when that was
	started    atomic.Int64 // when slow start began; 0: never
	unanswered atomic.Int32 // calls without a good answer, in a row
	cut        atomic.Int32 // answers that were cut, in a row
	count      counts

	// Guarded by pool.mu:
	weight   int // of now, as tier
	tier     int
	draining bool
	down     bool  // active health says so
	ejected  int64 // until then
	ejects   int   // in a row; doubles the time
	check    checking
	why      string
	since    time.Time
}

// counts are what became of an endpoint's calls.
type counts struct {
	calls, retried, stale                    atomic.Uint64
	connect, cut, timeout, status, ejections atomic.Uint64
}

// checking is what active health knows of an endpoint.
type checking struct {
	next           int64
	running        bool
	row            int // checks in a row that had the last one's result
	ok             bool
	passed, failed uint64
}

func (p *Pool) newEndpoint(at place) *endpoint {
	e := &endpoint{place: at, pool: p, hash: hashBytes(at.key()), since: time.Now()}
	e.dial = p.dialer(at)
	e.client = p.owner.connect(p, e)
	if name := p.settings.Sticky; name != "" {
		mac := hmac.New(sha256.New, p.owner.key())
		mac.Write([]byte(p.name + "\x00" + at.key()))
		e.id = base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:12])
		e.cookie[0] = name + "=" + e.id + "; Path=/; HttpOnly; SameSite=Lax"
		e.cookie[1] = e.cookie[0] + "; Secure"
	}
	return e
}

// enter takes a place for one call, if fewer than limit are in flight.
func (e *endpoint) enter(limit int64) bool {
	if limit == 0 {
		e.inflight.Add(1)
		return true
	}
	for {
		n := e.inflight.Load()
		if n >= limit {
			return false
		}
		if e.inflight.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// leave gives a place back, to whoever waits for one.
func (e *endpoint) leave() {
	e.inflight.Add(-1)
	if e.pool.queue.length.Load() > 0 {
		e.pool.serve()
	}
}

// Ended implements exchange.Follower: a response is over.
func (e *endpoint) Ended(err error) {
	e.leave()
	switch {
	case err == nil:
		if e.cut.Load() != 0 {
			e.cut.Store(0)
		}
	case blames(err):
		e.count.cut.Add(1)
		e.failed(&e.cut, err)
	}
}
