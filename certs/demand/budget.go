package demand

import (
	"hash/maphash"
	"net/netip"
	"time"
)

// places is the width of a table's row. Only what was let through makes a debt, so no
// more of them are taken than the total budget gives out in the time of a key's own.
const places = 1 << 13

// buckets are token buckets for any number of keys in a table of fixed size, as the
// package comment promises. A place holds the time at which its debt is paid. Each key's
// takes are entered in both rows, and its own debt alone is never more than what either
// place says, so the lesser of the two may be believed. Callers lock.
type buckets struct {
	step, span time.Duration // the price of one; what may be owed
	rows       [2][]time.Duration
}

func newBuckets(r Rate, places int) *buckets {
	return &buckets{
		step: max(r.Per/time.Duration(r.N), 1), span: r.Per,
		rows: [2][]time.Duration{make([]time.Duration, places), make([]time.Duration, places)},
	}
}

// places returns the key's place in each row.
func (b *buckets) places(key uint64) [2]*time.Duration {
	n := uint64(len(b.rows[0]))
	return [2]*time.Duration{&b.rows[0][key%n], &b.rows[1][(key>>32)%n]}
}

// wait returns how long it is until the key has a token: 0 if it has one.
func (b *buckets) wait(key uint64, now time.Duration) time.Duration {
	var paid [2]time.Duration
	for i, p := range b.places(key) {
		paid[i] = max(*p, now)
	}
	return max(min(paid[0], paid[1])+b.step-b.span-now, 0)
}

// take takes a token.
func (b *buckets) take(key uint64, now time.Duration) {
	for _, p := range b.places(key) {
		*p = max(*p, now) + b.step
	}
}

// clients are budgets per client, and four times that per IPv6 /48, of which one person
// often has a whole one.
type clients struct {
	seed      maphash.Seed
	near, far *buckets
}

func newClients(seed maphash.Seed, r Rate) clients {
	return clients{seed, newBuckets(r, places), newBuckets(Rate{4 * r.N, r.Per}, places)}
}

func (c clients) wait(client netip.Addr, now time.Duration) time.Duration {
	near, far, v6 := c.keys(client)
	w := c.near.wait(near, now)
	if v6 {
		w = max(w, c.far.wait(far, now))
	}
	return w
}

func (c clients) take(client netip.Addr, now time.Duration) {
	near, far, v6 := c.keys(client)
	c.near.take(near, now)
	if v6 {
		c.far.take(far, now)
	}
}

// keys returns the keys of the client's /64 and /48, or of its IPv4 address. Clients
// whose address is not known are one.
func (c clients) keys(client netip.Addr) (near, far uint64, v6 bool) {
	client = client.Unmap()
	if !client.IsValid() {
		return maphash.Bytes(c.seed, nil), 0, false
	}
	if client.Is4() {
		a := client.As4()
		return maphash.Bytes(c.seed, a[:]), 0, false
	}
	a := client.As16()
	return maphash.Bytes(c.seed, a[:8]), maphash.Bytes(c.seed, a[:6]), true
}

// asking is what questions take from.
type asking struct {
	client clients
	total  *buckets
}

// take takes one question of the client's, or returns how long to wait for it.
func (a *asking) take(client netip.Addr, now time.Duration) time.Duration {
	if w := max(a.client.wait(client, now), a.total.wait(0, now)); w > 0 {
		return w
	}
	a.client.take(client, now)
	a.total.take(0, now)
	return 0
}

// issuing is what issuances take from.
type issuing struct {
	seed           maphash.Seed
	client         clients
	domain, total  *buckets
	inFlight, most int
	begun          uint64
}

// take takes one issuance, or returns which budget is spent, and for how long. A budget
// is only taken from if all of them have something.
func (i *issuing) take(domain string, client netip.Addr, now time.Duration) (string, time.Duration) {
	key := maphash.String(i.seed, domain)
	if i.inFlight >= i.most {
		return ReasonInFlight, busy
	}
	if w := i.client.wait(client, now); w > 0 {
		return ReasonPerClient, w
	}
	if w := i.domain.wait(key, now); w > 0 {
		return ReasonPerDomain, w
	}
	if w := i.total.wait(0, now); w > 0 {
		return ReasonTotal, w
	}
	i.inFlight++
	i.begun++
	i.client.take(client, now)
	i.domain.take(key, now)
	i.total.take(0, now)
	return "", 0
}
