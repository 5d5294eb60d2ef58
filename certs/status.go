package certs

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/certs/issuer"
)

// Status is what is known of the certificate of one name.
type Status struct {
	Name   string `json:"name"`
	Issuer string `json:"issuer,omitempty"`
	Serial string `json:"serial,omitempty"`
	// Demand says that clients asked for the name and no plan names it.
	Demand    bool      `json:"on_demand,omitempty"`
	Obtained  time.Time `json:"obtained,omitzero"`
	NotBefore time.Time `json:"not_before,omitzero"`
	NotAfter  time.Time `json:"not_after,omitzero"`
	// RenewAt is when it will be renewed; RenewWhy has what the authority says of that.
	RenewAt  time.Time `json:"renew_at,omitzero"`
	RenewWhy string    `json:"renew_why,omitempty"`
	// Busy says that work is under way; Next when something will be done otherwise.
	Busy bool      `json:"busy,omitempty"`
	Next time.Time `json:"next,omitzero"`
	// InMemory tells whether a handshake finds it without asking the store; Unsaved
	// that it could not be written there.
	InMemory bool `json:"in_memory,omitempty"`
	Unsaved  bool `json:"unsaved,omitempty"`
	// Failed has what went wrong last; nil after a success.
	Failed *Failure `json:"failed,omitempty"`
}

// Failure is why a certificate was not obtained. It is kept in the store as well, for
// people who ask another node.
type Failure struct {
	Name     string    `json:"name"`
	Node     string    `json:"node,omitempty"`
	At       time.Time `json:"at"`
	Next     time.Time `json:"next"` // the next attempt
	Attempts int       `json:"attempts"`
	Error    string    `json:"error"`
	// CA, Challenge, Saw and Hint are set where an authority gave an answer.
	CA        string `json:"ca,omitempty"`
	Challenge string `json:"challenge,omitempty"`
	Saw       string `json:"saw,omitempty"`
	Hint      string `json:"hint,omitempty"`
}

// FailureKey is where the store has the last [Failure] of a name, as JSON.
func FailureKey(name string) string { return failurePrefix + name }

const failurePrefix = "failure/"

// report logs a failure and leaves it in the store.
func (m *Manager) report(e *entry, err error) {
	if _, ok := errors.AsType[*storeError](err); ok {
		m.alarms.raise(m, "store", "certificates wait for the store", "name", e.name, "err", err)
		return
	}
	f := e.failure(m.o.Node)
	m.logFailure(err, f)
	m.checkEntry(e, time.Now())
	e.mu.Lock()
	e.noted = true
	e.mu.Unlock()
	value, _ := json.Marshal(f)
	if err := m.o.Store.Put(m.life, FailureKey(e.name), value, 7*24*time.Hour); err != nil {
		m.log.Debug("failure not noted", "name", e.name, "err", err)
	}
}

// logFailure says what went wrong. An authority that is away fails all names alike: that
// is said of one of them, now and then.
func (m *Manager) logFailure(err error, f *Failure) {
	say := func() {
		m.log.Error("certificate not obtained", "name", f.Name, "err", err, "attempts", f.Attempts, "next", f.Next)
	}
	if !unanswered(err) {
		say()
		return
	}
	gate, _ := m.unreached.LoadOrStore(f.CA, new(seldom))
	gate.(*seldom).seldom(m.o.Every, say)
}

func (e *entry) failure(node string) *Failure {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failed.err == nil {
		return nil
	}
	f := &Failure{Name: e.name, Node: node, At: e.failed.at.UTC(), Next: e.failed.next.UTC(), Attempts: e.failed.times, Error: e.failed.err.Error()}
	if refused, ok := errors.AsType[*issuer.Error](e.failed.err); ok {
		f.CA, f.Challenge, f.Saw, f.Hint = refused.CA, refused.Challenge, refused.Detail, refused.Hint
	}
	return f
}

// reportSuccess takes back what was said of a failure.
func (m *Manager) reportSuccess(ctx context.Context, e *entry) {
	m.alarms.clear("store")
	m.alarms.clear("expiry " + e.name)
	m.reached()
	e.mu.Lock()
	noted := e.noted
	e.noted = false
	e.mu.Unlock()
	if noted {
		if err := m.o.Store.Delete(ctx, FailureKey(e.name)); err != nil {
			m.log.Debug("failure not taken back", "name", e.name, "err", err)
		}
	}
}

// check raises an alarm for certificates that are about to run out, and looks after what
// is due: clocks may have been set since that was found out.
func (m *Manager) check(now time.Time) {
	ill := m.stale.Load()
	m.names.Range(func(_, v any) bool {
		e := v.(*entry)
		m.checkEntry(e, now)
		e.mu.Lock()
		ill = ill || e.failed.store > 0
		if !e.busy {
			m.plant(e)
		}
		e.mu.Unlock()
		return true
	})
	if !ill {
		m.alarms.clear("store")
	}
}

// checkEntry raises an alarm where a certificate should long have been renewed.
func (m *Manager) checkEntry(e *entry, now time.Time) {
	e.mu.Lock()
	wanted := e.policy != nil && (e.always || m.asked(e))
	has, left, life := e.facts.notAfter, e.facts.notAfter.Sub(now), e.facts.life()
	err := e.failed.err
	e.mu.Unlock()
	if !wanted || has.IsZero() || left > life/5 || left > life/10 && err == nil {
		m.alarms.clear("expiry " + e.name)
		return
	}
	m.alarms.raise(m, "expiry "+e.name, "a certificate runs out and has not been renewed", "name", e.name, "until", has, "left", left.Round(time.Second).String(), "err", err)
}

// watchClock raises an alarm when our clock and an authority's differ: certificates
// would be refused as not valid yet, or be renewed too late.
func (m *Manager) watchClock(from Issuer) {
	ahead, _, known := from.Skew()
	if key := "clock " + from.ID(); known && ahead.Abs() > m.o.Skew {
		m.alarms.raise(m, key, "this machine's clock differs from that of the authority", "ca", called(from), "ahead", ahead.Round(time.Second).String())
	} else if known {
		m.alarms.clear(key)
	}
}

// alarms says each thing once, and again after a while.
type alarms struct {
	mu     sync.Mutex
	raised map[string]time.Time
}

func (a *alarms) raise(m *Manager, key, text string, attrs ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if last, ok := a.raised[key]; ok && time.Since(last) < 10*m.o.Every {
		return
	}
	if a.raised == nil {
		a.raised = map[string]time.Time{}
	}
	a.raised[key] = time.Now()
	m.log.Error(text, attrs...)
}

func (a *alarms) clear(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.raised, key)
}

func (a *alarms) keys() (all []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for key := range a.raised {
		all = append(all, key)
	}
	return all
}

// counts are for metrics.
type counts struct{ orders, failures, waits atomic.Int64 }

// Stats are numbers for metrics. They cost the same however many names there are.
type Stats struct {
	// Orders were begun, Failures of them failed, Waits were handshakes that found
	// nothing in memory.
	Orders, Failures, Waits int64
	// Beat is when the keeper last looked; if that is long ago, it hangs.
	Beat time.Time
	// Alarms are those that are raised, as "expiry example.com".
	Alarms []string
}

// Stats returns the numbers of this moment.
func (m *Manager) Stats() Stats {
	return Stats{
		Orders: m.counts.orders.Load(), Failures: m.counts.failures.Load(), Waits: m.counts.waits.Load(),
		Beat: time.Unix(m.beat.Load(), 0), Alarms: m.alarms.keys(),
	}
}

// Statuses gives what is known of all names, in no order. The number of them is that of
// all sites and all names that clients have asked for: look at one at a time, they take
// a kilobyte each.
func (m *Manager) Statuses() iter.Seq[Status] {
	return func(yield func(Status) bool) {
		m.names.Range(func(_, v any) bool { return yield(m.status(v.(*entry))) })
	}
}

// Status returns what is known of one name; ok is false if that is nothing.
func (m *Manager) Status(name string) (s Status, ok bool) {
	e := m.find(name)
	if e == nil {
		return Status{}, false
	}
	return m.status(e), true
}

func (m *Manager) status(e *entry) Status {
	failed := e.failure(m.o.Node)
	next := m.queue.at(e)
	e.mu.Lock()
	defer e.mu.Unlock()
	s := Status{
		Name: e.name, Issuer: e.facts.issuer, Serial: e.facts.serial, Demand: !e.always,
		Obtained: e.facts.obtained, NotBefore: e.facts.notBefore, NotAfter: e.facts.notAfter,
		RenewWhy: e.facts.renewal.Explanation, Busy: e.busy, Next: next,
		InMemory: e.cert.Load() != nil, Unsaved: e.unsaved != nil, Failed: failed,
	}
	if !e.facts.notAfter.IsZero() {
		s.RenewAt = m.renewAt(e)
	}
	return s
}

// Ready tells whether all names of the plan have a certificate, and if not, which is
// missing and why. Certificates that have run out count as none.
func (m *Manager) Ready() (ok bool, missing map[string]string) {
	missing = map[string]string{}
	now := time.Now()
	m.names.Range(func(_, v any) bool {
		e := v.(*entry)
		e.mu.Lock()
		lacks := e.always && (e.facts.notAfter.IsZero() || now.After(e.facts.notAfter))
		e.mu.Unlock()
		if lacks && len(missing) < 100 {
			missing[e.name] = m.why(e).Error()
		}
		return true
	})
	return len(missing) == 0, missing
}
