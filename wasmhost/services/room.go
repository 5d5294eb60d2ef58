package services

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// room is what a part of the store holds, as far as this process knows: what there was
// when it was counted, and what has been written since, whether that took the place of
// something or not. Counting again says better, and is done for each eighth of the limit
// that is written: by so much nodes together may hold more, each.
type room struct {
	mu      sync.Mutex
	held    int64         // bytes of keys and values
	written int64         // of them, since it was counted
	next    time.Time     // when it may be counted again
	count   chan struct{} // closed when the count that is under way is over; nil: none
}

// counting is how many times as long as a count took there is none after it: a part that
// is full, and written to all the same, must not keep the store busy.
const counting = 20

// room returns that of a part of the store.
func (b *Backend) room(prefix string) *room {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.rooms[prefix]
	if r == nil {
		r = &room{}
		b.rooms[prefix] = r
	}
	return r
}

// reserve takes n bytes of the part whose keys begin with prefix. Where they may be too
// much, what there is is counted first.
func (s *Services) reserve(ctx context.Context, prefix string, n int64) error {
	if s.most <= 0 {
		return nil
	}
	r := s.back.room(prefix)
	for sure := false; ; {
		r.mu.Lock()
		full, count := r.held+n > s.most, r.count
		switch {
		case !full && (r.written == 0 || r.written+n <= s.most/8):
			r.held, r.written = r.held+n, r.written+n
			r.mu.Unlock()
			return nil
		case full && (sure || n > s.most || time.Now().Before(r.next)):
			r.mu.Unlock()
			return denied("this part of the store is full: it may hold %d bytes, see the plugin's limits.store", s.most)
		case count == nil:
			r.count = make(chan struct{})
			before := r.written
			r.mu.Unlock()
			if err := s.recount(ctx, r, prefix, before); err != nil {
				return err
			}
			sure = true
		default:
			r.mu.Unlock()
			select {
			case <-count:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
}

// recount adds up what there is, while others write on.
func (s *Services) recount(ctx context.Context, r *room, prefix string, before int64) error {
	began, sum := time.Now(), int64(0)
	err := s.eachOf(ctx, prefix, func(e Entry) { sum += int64(len(e.Key) - len(prefix) + len(e.Value)) })
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.written -= before
		r.held = sum + r.written
	}
	r.next = time.Now().Add(counting * time.Since(began))
	close(r.count)
	r.count = nil
	return err
}

// eachOf reads a part of the store, in a turn of the plugin's for lists.
func (s *Services) eachOf(ctx context.Context, prefix string, f func(Entry)) error {
	back, err := s.back.lists.take(ctx, &s.lists)
	if err != nil {
		return fmt.Errorf("see how much the store holds: %w", err)
	}
	defer back()
	for after, more := "", true; more; {
		more = false
		for e, err := range s.back.store.List(ctx, prefix, after, mostList) {
			if err != nil {
				return fmt.Errorf("see how much the store holds: %w", err)
			}
			f(e)
			after, more = e.Key, true
		}
	}
	return nil
}
