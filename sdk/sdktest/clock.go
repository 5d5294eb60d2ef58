package sdktest

import (
	"container/heap"
	"time"
)

// clock is a host's: what is to happen, and when.
type clock struct {
	now    time.Duration
	events events
	serial int
}

// start is when clocks begin.
var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// event is something that is to happen.
type event struct {
	at     time.Duration
	serial int // of those at the same time the earlier made comes first
	void   bool
	do     func() error
}

// after has f called after d.
func (c *clock) after(d time.Duration, f func() error) *event {
	c.serial++
	e := &event{at: c.now + max(d, 0), serial: c.serial, do: f}
	heap.Push(&c.events, e)
	return e
}

// next tells when the next event is.
func (c *clock) next() (time.Duration, bool) {
	c.clean()
	if len(c.events) == 0 {
		return 0, false
	}
	return c.events[0].at, true
}

// due takes the next event whose time has come; nil: there is none.
func (c *clock) due() *event {
	if at, ok := c.next(); !ok || at > c.now {
		return nil
	}
	return heap.Pop(&c.events).(*event)
}

func (c *clock) clean() {
	for len(c.events) > 0 && c.events[0].void {
		heap.Pop(&c.events)
	}
}

// cancel has an event not happen. A nil event has none.
func (e *event) cancel() {
	if e != nil {
		e.void = true
	}
}

type events []*event

func (q events) Len() int { return len(q) }
func (q events) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].serial < q[j].serial
}
func (q events) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *events) Push(e any)   { *q = append(*q, e.(*event)) }
func (q *events) Pop() any {
	old := *q
	e := old[len(old)-1]
	*q = old[:len(old)-1]
	return e
}
