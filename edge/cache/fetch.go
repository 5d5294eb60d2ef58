package cache

import (
	"errors"
	"hash/maphash"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// fetch is one request that is not answered from the store as it stands.
type fetch struct {
	*Filter
	r    *exchange.Request
	next exchange.Handler
	q    query
	key  []byte
	old  *entry // what is kept for r; nil if nothing is
	use  use    // why it does not do
	now  time.Time
	hash uint64 // of what flights are known by

	held *os.File // of old, while it is validated; may be nil

	flight     *flight
	epoch      uint64 // of the store when the fetch began
	began      time.Time
	background bool
}

// inline is the size up to which a body of known length is read before it is answered
// with: that is quicker than to do both at once, and the client gets all in one write.
const inline = 32 << 10

// fetch asks next, or waits for another request that asks the same.
func (f *Filter) fetch(t *fetch) (*exchange.Response, error) {
	if t.q.onlyIfCached {
		return nil, errOnlyIfCached
	}
	t.flight = f.store.flights.alone()
	for failed := false; t.mayShare(); failed = true {
		id := t.flightKey()
		t.hash = maphash.Bytes(f.seed, id)
		if f.store.unshared.has(t.hash) {
			break
		}
		fl, leader := f.store.flights.join(id)
		if leader {
			t.flight = fl
			break
		}
		resp, err := t.follow(fl)
		if resp != nil || err != nil && (failed || !isUpstreams(err)) {
			return resp, err
		}
		if err == nil {
			break
		}
		// It may be that request alone which the upstream cannot bear: whoever makes it
		// must not keep everybody from an answer. Those who waited try again, once, and
		// together where they can.
		if resp := t.kept(); resp != nil {
			return resp, nil
		}
	}
	return t.lead()
}

var errOnlyIfCached = &exchange.Error{Fault: exchange.Client, Status: http.StatusGatewayTimeout, Err: errors.New("nothing kept that the client would take, and it wants nothing else")}

// mayShare tells whether the request asks for what others ask for, so that one answer
// may do for all.
func (t *fetch) mayShare() bool {
	return t.r.Method == http.MethodGet && !t.q.ranged && !t.q.authorized && !t.q.noStore && t.use != wished &&
		(t.old != nil || !t.q.conditional)
}

// flightKey says what requests that share an answer agree in: the key, the route, and
// the fields that the last response depended on.
func (t *fetch) flightKey() []byte {
	id := append(append(t.key, separator, separator), t.r.Record.Site...)
	id = append(append(append(id, separator), t.r.Record.Route...), separator)
	return appendVariant(id, t.store.varyOf(t.key), t.r)
}

// varyOf returns what the latest response for key depended on.
func (s *Store) varyOf(key []byte) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if all := s.resources[string(key)]; len(all) > 0 {
		return all[0].vary
	}
	return nil
}

// lead asks next.
func (t *fetch) lead() (resp *exchange.Response, err error) {
	fl, r := t.flight, t.r
	answered := false
	defer func() {
		if !answered { // a panic, too, lets followers go
			fl.land(released, nil)
			fl.unuse()
		}
		if t.held != nil {
			t.held.Close()
		}
	}()
	t.hold()
	if !t.background {
		r.Shield(&fl.shield, fl.leave)
	}
	t.epoch, t.began = t.store.epoch(), time.Now()
	restore := t.prepare()
	resp, err = t.next.Handle(r)
	restore()
	if err != nil || resp.Status >= 500 && resp.Status != http.StatusNotImplemented {
		if answer := t.rescue(resp, err); answer != nil {
			t.failed(t.illness(resp, err))
			answered = true
			return answer, nil
		}
	}
	if err != nil {
		t.failed(err)
	} else {
		resp, err = t.receive(resp)
	}
	answered = true
	return resp, err
}

// illness is what an upstream's answer of 500 and more means to followers.
func (t *fetch) illness(resp *exchange.Response, err error) error {
	if err != nil {
		return err
	}
	return &exchange.Error{Fault: exchange.Upstream, Status: resp.Status, Err: errUnwell}
}

var errUnwell = errors.New("upstream answered with an error to the request that was waited for")

// failed lets followers know. What is the upstream's fault is theirs as well; what is the
// leader's own is not.
func (t *fetch) failed(err error) {
	if isUpstreams(err) {
		t.flight.land(failedAll, err)
	} else {
		t.flight.land(released, nil)
	}
	t.flight.unuse()
}

func isUpstreams(err error) bool {
	e, ok := errors.AsType[*exchange.Error](err)
	return ok && e.Fault == exchange.Upstream && !errors.Is(err, exchange.ErrClientGone)
}

// rescue answers with what is stale where the upstream cannot (RFC 5861 §4), and closes
// what it answered instead. It returns nil if there is nothing, or it may not be used.
func (t *fetch) rescue(resp *exchange.Response, err error) *exchange.Response {
	e, now := t.old, time.Now()
	if e == nil || t.background || t.use == barred || e.strict || -e.ttlAt(now) >= e.ifError {
		return nil
	}
	if fault, ok := errors.AsType[*exchange.Error](err); err != nil && (!ok || fault.Fault != exchange.Upstream) {
		return nil
	}
	answer := t.fromStore(t.r, e, &t.q, now, stale)
	if answer != nil && resp != nil {
		resp.Body.Close()
	}
	return answer
}

// receive decides what becomes of a response.
func (t *fetch) receive(resp *exchange.Response) (*exchange.Response, error) {
	if resp.Status == http.StatusNotModified && t.old != nil && t.validating() {
		return t.freshen(resp)
	}
	e := t.offered(resp)
	if e == nil {
		return t.decline(resp), nil
	}
	t.store.unshared.remove(t.hash)
	data, whole, err := t.wholeBody(resp)
	if err != nil {
		resp.Body.Close()
		t.failed(err)
		return nil, err
	}
	if whole {
		return t.keepWhole(resp, e, data), nil
	}
	o := t.store.newObject(resp.Body.Len())
	if o == nil {
		return t.decline(resp), nil
	}
	t.begin(resp, e, o)
	return resp, nil
}

// offered returns the entry that resp may become.
func (t *fetch) offered(resp *exchange.Response) *entry {
	if t.r.Method != http.MethodGet || t.q.noStore || resp.Tunnel != nil || resp.Body.Len() > t.store.largest() {
		return nil
	}
	now := time.Now()
	return t.newEntry(offer{
		key: string(t.key), r: t.r, authorized: t.q.authorized,
		status: resp.Status, header: &resp.Header, now: now, delay: now.Sub(t.began),
	})
}

// decline passes on what is not kept. Followers are let go all at once, and the next
// requests for the same do not wait.
func (t *fetch) decline(resp *exchange.Response) *exchange.Response {
	if t.r.Method == http.MethodGet {
		if t.hash != 0 && resp.Status < 500 {
			t.store.unshared.add(t.hash)
		}
		if t.old != nil && t.use != barred && replaces(resp.Status) && !t.q.noStore && !t.q.ranged {
			t.store.drop(t.old) // it has been replaced by what may not be kept
		}
	}
	t.flight.land(released, nil)
	t.flight.unuse()
	t.finish(resp, "")
	return resp
}

// replaces tells of statuses that say how the resource is now. Other errors are about
// the request, or the upstream.
func replaces(status int) bool {
	return status < 400 && status != http.StatusNotModified || status == http.StatusNotFound || status == http.StatusGone
}

// wholeBody reads the body where that is quickly done.
func (t *fetch) wholeBody(resp *exchange.Response) (data []byte, whole bool, err error) {
	n := resp.Body.Len()
	if memory, ok := resp.Body.(*exchange.Bytes); ok && n <= t.store.object {
		return append(make([]byte, 0, n), memory.Rest()...), true, nil
	}
	if n < 0 || n > inline {
		return nil, false, nil
	}
	data = make([]byte, n)
	if _, err = io.ReadFull(resp.Body, data); err == nil {
		err = atEnd(resp.Body)
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return data, true, err
}

// atEnd reads io.EOF, so that trailers are complete and a connection is free again.
func atEnd(body io.Reader) error {
	var one [1]byte
	for range 100 {
		switch n, err := body.Read(one[:]); {
		case n > 0:
			return errLonger
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
	return io.ErrNoProgress
}

var errLonger = errors.New("body longer than announced")

// keepWhole keeps a body that is there already.
func (t *fetch) keepWhole(resp *exchange.Response, e *entry, data []byte) *exchange.Response {
	resp.Body.Close()
	resp.SetBytes(data)
	stored := ""
	if resp.Trailer.Len() == 0 { // which would be lost
		e.body, e.size = data, int64(len(data))
		e.file = t.store.disk.name()
		if t.store.put(e, nil, 0, t.epoch) {
			stored = "; stored"
			t.store.stored.Add(1)
			t.store.disk.save(e)
		}
	}
	t.flight.land(landing(stored != ""), nil)
	t.flight.unuse()
	t.finish(resp, stored)
	return resp
}

func landing(ok bool) verdict {
	if ok {
		return kept
	}
	return released
}

// finish completes the head of a response that was fetched; outcome is more that
// Cache-Status says.
func (t *fetch) finish(resp *exchange.Response, outcome string) {
	if t.tags != "" {
		resp.Header.Del(t.tags)
	}
	t.r.Record.Cache = "fwd=" + t.use.reason() + outcome
	resp.Header.Append("cache-status", t.name+"; "+t.r.Record.Cache)
}
