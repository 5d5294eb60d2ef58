package cache

import (
	"fmt"
	"runtime/debug"

	"github.com/weirproxy/weir/edge/exchange"
)

// begin has a body fetched by a goroutine of its own, as fast as the upstream sends, and
// makes the client read what has arrived: a client that reads slowly holds nobody up,
// neither the upstream's connection nor those who follow.
func (t *fetch) begin(resp *exchange.Response, e *entry, o *object) {
	fl, body := t.flight, resp.Body
	rd := &reader{o: o, rest: body}
	filled := make(chan struct{})
	fs := &t.store.flights
	fs.mu.Lock()
	fl.object, fl.entry, fl.epoch = o, e, t.epoch
	fl.reader = rd
	fl.users++ // the goroutine
	gone := fl.leaderLeft
	fs.mu.Unlock()
	if gone {
		rd.Interrupt(exchange.ErrClientGone)
	}
	if o.length >= 0 {
		fl.land(streams, nil)
	}
	go func() {
		defer close(filled)
		t.fill(resp, e, o, body)
	}()
	rd.end = func() {
		t.abandonIfAlone(rd)
		<-filled // resp and body belong to the exchange, which ends now
		body.Close()
		fl.unuse()
	}
	resp.Body = rd
	t.finish(resp, "; stored")
}

// abandonIfAlone ends the fetch when its leader leaves and nobody follows.
func (t *fetch) abandonIfAlone(rd *reader) {
	rd.o.mu.Lock()
	state := rd.o.state
	rd.o.mu.Unlock()
	if state == growing && t.flight.leave(errGone) {
		t.flight.shield.End(fmt.Errorf("%w: %w", exchange.ErrClientGone, errGone))
	}
}

// fill fills o and keeps it. It reads body for as long as it takes.
func (t *fetch) fill(resp *exchange.Response, e *entry, o *object, body exchange.Body) {
	fl := t.flight
	defer fl.unuse()
	defer func() {
		if p := recover(); p != nil {
			o.settle(failed, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
			fl.land(released, nil)
		}
	}()
	ok := o.fill(body) == complete && resp.Trailer.Len() == 0 && t.keepObject(e, o)
	fl.land(landing(ok), nil)
}

// keepObject puts a complete object into the store.
func (t *fetch) keepObject(e *entry, o *object) bool {
	s, head := t.store, e.weigh()+nameLength
	if !s.reserveHead(head) {
		return false
	}
	o.mu.Lock()
	reserved := o.reserved + head
	o.reserved = 0 // the entry's from now on
	e.size, e.body = o.n, o.buf
	file := o.file
	o.mu.Unlock()
	if file == nil {
		e.file = s.disk.name()
	} else if e.body = nil; !file.commit(e) {
		s.free(reserved)
		return false
	}
	if len(e.body) >= pinned {
		e.pins.Add(1) // the flight's, until nobody reads o any longer
		t.flight.flights.mu.Lock()
		t.flight.pin = e
		t.flight.flights.mu.Unlock()
	}
	if !s.put(e, nil, reserved, t.epoch) {
		return false
	}
	s.stored.Add(1)
	s.disk.save(e)
	return true
}
