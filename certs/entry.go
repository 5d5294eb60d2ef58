package certs

import (
	"crypto/tls"
	"hash/fnv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/certs/storage"
)

// entry is what the manager knows of one name.
type entry struct {
	name string
	cert atomic.Pointer[tls.Certificate] // nil: none, or not in memory
	till atomic.Int64                    // when cert ends, in seconds
	used atomic.Int64                    // when a client last asked, in seconds

	mu     sync.Mutex // guards what follows
	policy *Policy    // nil: nobody wants the name any more
	always bool       // wanted by the plan, not by clients alone
	facts  facts
	gone   bool // the manager does not know it any more: look for the name again
	busy   bool // work is under way
	again  bool // the store may have something else than what was last seen
	forced bool // is to be obtained in any case
	urgent bool // has other issuers than when it failed, here or elsewhere
	// over is the serial number that was there when forced was set: another one will do.
	over string
	// claimed says that the guard is being asked whether a client may have it obtained.
	claimed bool
	bell    chan struct{} // closed when something has changed; nil: nobody waits
	// unsaved is a certificate that was obtained and could not be written down.
	unsaved *storage.Cert
	// rescued says that unsaved is one that the store has lost: whatever it has instead
	// counts for more.
	rescued bool
	failed  failure
	noted   bool      // the store was told of it
	reading *reading  // nil: nobody reads
	byARI   time.Time // when the authority last asked for a renewal and got it
	// foreign is the serial number of a certificate that another node has obtained of an
	// authority that is not one of ours. It is as good as ours would be: if each node
	// replaced what the other has, there would be no end of orders.
	foreign string

	due   time.Time // guarded by the queue
	index int       // in the queue, or -1
	hot   int       // in the set of those in memory, or -1; guarded by that
}

// facts are what is kept in memory of a certificate that is not.
type facts struct {
	known                         bool // the store has been asked
	stored                        bool // and it has one
	obtained, notBefore, notAfter time.Time
	issuer, serial, profile       string
	renewal                       storage.Renewal
}

// failure is what went wrong last. Its times have no monotonic part, as those of the
// queue: where the clock moves alone, the name would be looked at over and over.
type failure struct {
	times int
	store int // how often in a row it was the store that failed
	at    time.Time
	next  time.Time // not before
	err   error
	// wait has, by issuer, until when it wants to be left alone.
	wait map[string]time.Time
}

// clockStep is how far ahead of the clock a failure may lie: clocks of nodes differ a
// little, and by more if one was set back.
const clockStep = time.Minute

// pause is until when nothing is tried after the failure, as seen from now: not at all if
// the clock has been set back since, be it by years.
func (f *failure) pause(now time.Time) (until time.Time) {
	if f.at.Sub(now) > clockStep {
		return time.Time{}
	}
	return f.next
}

// alone is until when the issuer of that id wants to be left alone.
func (f *failure) alone(id string, now time.Time) (until time.Time) {
	if f.at.Sub(now) > clockStep {
		return time.Time{}
	}
	return f.wait[id]
}

func factsOf(c *storage.Cert) facts {
	return facts{
		known: true, stored: true, obtained: c.Obtained, notBefore: c.NotBefore, notAfter: c.NotAfter,
		issuer: c.Issuer, serial: c.Serial, profile: c.Profile, renewal: c.Renewal,
	}
}

// life is how long the certificate was good for when it came: an authority that dates
// back must not make it look half gone.
func (f *facts) life() time.Duration {
	from := f.notBefore
	if f.obtained.After(from) && f.obtained.Before(f.notAfter) {
		from = f.obtained
	}
	return f.notAfter.Sub(from)
}

// renewAt is when the certificate is to be renewed: when the share of its life that is
// left has shrunk to left, a little earlier for some names than for others; or when the
// authority says, but not so late that an outage would be noticed.
func (f *facts) renewAt(name string, left float64) time.Time {
	life := f.life()
	at := f.notAfter.Add(-time.Duration(left * float64(life)))
	at = at.Add(-time.Duration(spread(name) * 0.04 * float64(life)))
	if s := f.renewal.Selected; !s.IsZero() {
		if at = s; at.After(f.notAfter.Add(-life / 10)) {
			at = f.notAfter.Add(-life / 10)
		}
	}
	return at
}

// spread is a number from 0 to 1 that belongs to name, the same on all nodes.
func spread(name string) float64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return float64(h.Sum32()) / (1 << 32)
}

// wants tells whether the name is wanted, and by which policy.
func (e *entry) wants() (*Policy, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.policy, e.always
}

// listen returns what is closed when something of e has changed. e is locked.
func (e *entry) listen() <-chan struct{} {
	if e.bell == nil {
		e.bell = make(chan struct{})
	}
	return e.bell
}

// ring wakes who waits for e, which is locked.
func (e *entry) ring() {
	if e.bell != nil {
		close(e.bell)
		e.bell = nil
	}
}
