package cache

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// flight is one fetch that several requests may be answered by. The leader is the
// request that made it; followers came while it was on its way.
//
// The leader fetches with its own request, behind a shield: its client may leave, and
// the fetch goes on while anybody follows.
type flight struct {
	flights *flights
	key     string // "" if nobody may follow
	shield  exchange.Shield

	landed  chan struct{} // closed when followers know what they get
	verdict verdict       // set before
	err     error         // of failedAll
	entry   *entry        // of streams: what is being fetched
	epoch   uint64        // of the store when that began
	object  *object

	// Guarded by flights.mu.
	followers  int
	users      int // who may touch object
	leaderLeft bool
	over       bool // nobody may join
	reader     *reader
	pin        *entry // whose body object shares
}

// verdict is what followers get.
type verdict uint8

const (
	released  verdict = iota // nothing: they go themselves, all at once
	kept                     // what is in the store now
	streams                  // the object that is arriving
	failedAll                // the leader's error, which is the upstream's
)

// flights are the fetches that are going on.
type flights struct {
	mu    sync.Mutex
	byKey map[string]*flight
}

// join returns the flight of key: as its leader if there was none, else as a follower.
func (fs *flights) join(key []byte) (fl *flight, leader bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fl := fs.byKey[string(key)]; fl != nil {
		fl.followers++
		fl.users++
		return fl, false
	}
	fl = fs.alone()
	fl.key = string(key)
	fl.landed = make(chan struct{})
	fs.byKey[fl.key] = fl
	return fl, true
}

// alone returns a flight that nobody can follow.
func (fs *flights) alone() *flight { return &flight{flights: fs, users: 1} }

// going tells whether key is being fetched.
func (fs *flights) going(key []byte) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.byKey[string(key)] != nil
}

// land tells followers what they get, once. Only streams may be followed further.
func (fl *flight) land(v verdict, err error) {
	if fl.key == "" {
		return
	}
	fs := fl.flights
	fs.mu.Lock()
	defer fs.mu.Unlock()
	select {
	case <-fl.landed:
	default:
		fl.verdict, fl.err = v, err
		close(fl.landed)
	}
	if v != streams {
		fl.close()
	}
}

// close takes fl off the list; flights.mu is held.
func (fl *flight) close() {
	if !fl.over && fl.key != "" {
		delete(fl.flights.byKey, fl.key)
	}
	fl.over = true
}

// leave is called when the leader's client has gone, perhaps while the fetch goes on.
// It returns whether that ends the fetch.
func (fl *flight) leave(cause error) (end bool) {
	fs := fl.flights
	fs.mu.Lock()
	fl.leaderLeft = true
	end = fl.followers == 0
	if end {
		fl.close()
	}
	r := fl.reader
	fs.mu.Unlock()
	if r != nil {
		r.Interrupt(cause)
	}
	return end
}

// unfollow is called when a follower is done.
func (fl *flight) unfollow() {
	fs := fl.flights
	fs.mu.Lock()
	fl.followers--
	end := fl.followers == 0 && fl.leaderLeft
	if end {
		fl.close()
	}
	fs.mu.Unlock()
	if end {
		fl.shield.End(errGone)
	}
	fl.unuse()
}

// unuse is called when one who may touch the object is done.
func (fl *flight) unuse() {
	fs := fl.flights
	fs.mu.Lock()
	fl.users--
	last, pin := fl.users == 0, fl.pin
	fs.mu.Unlock()
	if !last || fl.object == nil {
		return
	}
	fl.object.release()
	if pin != nil {
		fl.object.store.unpin(pin)
	}
}

// patience is how long followers wait for a flight to land.
const patience = 10 * time.Second

// wait waits until fl has landed. It returns false if that takes too long; an error
// says that the client has gone.
func (fl *flight) wait(r *exchange.Request) (landed bool, err error) {
	select {
	case <-fl.landed:
		return true, nil
	default:
	}
	w := make(waiter, 1)
	r.Watch(w)
	defer r.Watch(nil)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-fl.landed:
		return true, nil
	case err := <-w:
		return false, err
	case <-timer.C:
		return false, nil
	}
}

// waiter is a client that follows.
type waiter chan error

// Interrupt implements exchange.Interrupter.
func (w waiter) Interrupt(cause error) {
	select {
	case w <- cause:
	default:
	}
}

// unshared remembers what turned out not to be for everybody, so that requests for
// it do not wait for each other in vain. It forgets what it must: to be wrong costs a
// wait, or a fetch.
type unshared [4096]atomic.Uint64

func (u *unshared) has(hash uint64) bool { return u[hash%uint64(len(u))].Load() == hash|1 }

func (u *unshared) add(hash uint64) { u[hash%uint64(len(u))].Store(hash | 1) }

func (u *unshared) remove(hash uint64) {
	u[hash%uint64(len(u))].CompareAndSwap(hash|1, 0)
}
