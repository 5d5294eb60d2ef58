package certs

import (
	"container/heap"
	"sync"
	"time"
)

// queue has the entries in the order in which there is something to do for them.
type queue struct {
	mu  sync.Mutex // guards all, and due and index of entries
	all byDue
	// popped is what has been taken out, and on which work has not begun.
	popped *entry
}

type byDue []*entry

func (q byDue) Len() int           { return len(q) }
func (q byDue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q byDue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}
func (q *byDue) Push(x any) {
	e := x.(*entry)
	e.index = len(*q)
	*q = append(*q, e)
}
func (q *byDue) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*q, e.index = old[:len(old)-1], -1
	return e
}

// set says when there is something to do for e, and tells whether it is the first now.
func (q *queue) set(e *entry, at time.Time) (first bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e.due = at.Round(0) // the monotonic clock stands still while a laptop sleeps
	if e.index < 0 {
		heap.Push(&q.all, e)
	} else {
		heap.Fix(&q.all, e.index)
	}
	return e.index == 0
}

func (q *queue) remove(e *entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e.index >= 0 {
		heap.Remove(&q.all, e.index)
	}
}

// pop returns an entry that is due, or how long it is until one will be.
func (q *queue) pop(now time.Time) (e *entry, wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.all) == 0 {
		return nil, time.Hour
	}
	if wait = q.all[0].due.Sub(now.Round(0)); wait > 0 {
		return nil, wait
	}
	q.popped = heap.Pop(&q.all).(*entry)
	return q.popped, 0
}

// begun says that work has begun on what was popped.
func (q *queue) begun() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.popped = nil
}

// at returns when e is due; the zero time if it neither is in the queue nor was just now.
func (q *queue) at(e *entry) time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e.index < 0 && e != q.popped {
		return time.Time{}
	}
	return e.due
}
