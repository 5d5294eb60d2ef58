package cache

import (
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// follow waits for fl and answers with what it brings. No result at all means that the
// request has to go itself.
func (t *fetch) follow(fl *flight) (*exchange.Response, error) {
	landed, err := fl.wait(t.r)
	if err != nil || !landed {
		fl.unfollow()
		return nil, err
	}
	switch fl.verdict {
	case streams:
		if fl.entry.fits(t.r) && !t.store.revokedSince(fl.epoch, fl.entry) {
			return t.stream(fl), nil
		}
	case kept:
		fl.unfollow()
		return t.kept(), nil
	case failedAll:
		fl.unfollow()
		if resp := t.rescue(nil, fl.err); resp != nil {
			return resp, nil
		}
		return nil, fl.err
	}
	fl.unfollow()
	return nil, nil
}

// kept answers with what another request has had put into the store, or returns nil.
func (t *fetch) kept() *exchange.Response {
	e, others := t.store.find(t.key, t.r)
	now := time.Now()
	if !t.judge(e, others, &t.q, now).serve() {
		return nil
	}
	resp := t.serve(t.r, e, &t.q, now, nil)
	if resp != nil {
		t.collapse(resp)
	}
	return resp
}

// stream answers a follower with the object that is arriving.
func (t *fetch) stream(fl *flight) *exchange.Response {
	resp := t.r.NewResponse(fl.entry.status)
	for _, field := range fl.entry.fields {
		resp.Header.Append(field.Name, field.Value)
	}
	t.collapse(resp)
	rd := &reader{o: fl.object, end: fl.unfollow}
	resp.Body = rd
	t.r.Watch(rd)
	return resp
}

// collapse tells that the answer was another request's.
func (t *fetch) collapse(resp *exchange.Response) {
	t.store.collapsed.Add(1)
	t.finish(resp, "; collapsed")
}
