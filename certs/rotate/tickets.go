package rotate

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/certs/storage"
)

// TicketOptions are the settings of session-ticket keys. All but Store have defaults.
type TicketOptions struct {
	Store storage.Store
	Log   *slog.Logger  // hears of rotations, and of what stands in their way; nil is silent
	Every time.Duration // how long a key is used for new tickets; 0 means 12 h
	Keep  int           // of how many periods tickets are accepted, this one included; 0 means 4
	Poll  time.Duration // how often the record is read, besides when the store tells of a change; 0 means a minute
	// Changed is called with the keys whenever they are others than before, also for the
	// first ones before OpenTickets returns; never twice at once, and from a goroutine of
	// Tickets' own. It must not call Close. They are not to be changed. It may be nil.
	Changed func(keys [][32]byte)
	Now     func() time.Time // the clock of this node; nil means time.Now
}

// Tickets are the keys of TLS session tickets (RFC 8446 §4.6.1, RFC 5077 §4), the same on
// all nodes: whoever comes back to another node resumes there. Until the store answers
// for the first time, a key made here takes their place. Methods are safe for concurrent
// use.
type Tickets struct {
	shared
	told  func([][32]byte)
	local *key // made here, before the shared ones were known
	until time.Time
	state atomic.Pointer[ticketState]
}

type ticketState struct {
	keys    [][32]byte
	shared  bool
	signs   time.Time
	changes time.Time
}

// OpenTickets starts to share keys. It does not wait for the store. Close ends it.
func OpenTickets(o TicketOptions) *Tickets {
	t := &Tickets{told: o.Changed}
	t.shared = shared{
		name: "secret/tickets", what: "session tickets", store: o.Store, log: orSilent(o.Log),
		plan: plan(o.Every, 12*time.Hour, o.Keep, 4, o.Poll), poll: pollOf(o.Poll), now: orNow(o.Now),
		make: func(ring) (key, error) { return newTicketKey(), nil }, good: goodTicketKey, apply: t.use,
	}
	local := newTicketKey()
	local.Signs = t.now()
	t.local = &local
	t.use(nil)
	t.start()
	return t
}

// Close ends the sharing. Keys goes on working.
func (t *Tickets) Close() { t.close() }

// Keys returns the keys, the first of which is for new tickets, as
// [crypto/tls.Config.SetSessionTicketKeys] takes them. They are not to be changed.
func (t *Tickets) Keys() [][32]byte { return t.state.Load().keys }

// Status tells how the keys are now.
func (t *Tickets) Status() Status {
	s := t.state.Load()
	return t.status(Status{Keys: len(s.keys), Shared: s.shared, Age: max(0, t.now().Sub(s.signs)), Next: s.changes})
}

// use takes over the keys that count now, and says when others will.
func (t *Tickets) use(r *ring) time.Time {
	now := t.now()
	s := &ticketState{}
	var again time.Time
	if r != nil {
		all := r.at(now)
		for _, k := range all {
			s.keys = append(s.keys, [32]byte(k.Secret))
		}
		s.shared, s.signs, s.changes = true, all[0].Signs, changeAfter(*r, now)
		again = s.changes
	}
	if t.local != nil && r == nil {
		s.keys, s.signs = [][32]byte{[32]byte(t.local.Secret)}, t.local.Signs
	} else if t.local != nil {
		// Tickets that were given out with it are good for a period yet.
		if t.until.IsZero() {
			t.until = now.Add(t.plan.every)
		}
		if now.Before(t.until) {
			s.keys = append(s.keys, [32]byte(t.local.Secret))
			again = earliest(again, t.until)
		} else {
			t.local = nil
		}
	}
	old := t.state.Swap(s)
	if t.told != nil && (old == nil || !slices.Equal(old.keys, s.keys)) {
		t.told(s.keys)
	}
	return again
}

func newTicketKey() key {
	secret := make([]byte, 32)
	rand.Read(secret)
	return key{Secret: secret}
}

func goodTicketKey(k key) error {
	if len(k.Secret) != 32 {
		return fmt.Errorf("%d bytes, want 32", len(k.Secret))
	}
	return nil
}
