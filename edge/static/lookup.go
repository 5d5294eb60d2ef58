package static

import (
	"errors"
	"hash/maphash"

	"github.com/weirproxy/weir/edge/exchange"
)

// lookup returns what name stands for, with a reference that the caller drops,
// as it was at now or less than maxAge before.
func (h *Handler) lookup(name []byte, now int64) (*entry, error) {
	hash := maphash.Bytes(h.seed, name)
	e := h.cache.get(h, hash, name)
	if e != nil && h.fresh(e, now) {
		return e, nil
	}
	if e == nil && h.cache.isAbsent(h, hash, name, now-int64(h.maxAge)) {
		return nil, exchange.ErrNotFound
	}
	return h.refresh(key{h, string(name)}, hash, e, now, h.load)
}

func (h *Handler) fresh(e *entry, now int64) bool {
	return now-e.checked.Load() < int64(h.maxAge) && !e.unsettled
}

// refresh looks at the disk by load, once for all who ask at the same time. Those who
// find an old entry that went out of date a moment ago take that, rather
// than queue behind the disk. It takes over the reference to old.
func (h *Handler) refresh(k key, hash uint64, old *entry, now int64, load func(string, *entry) (*entry, error)) (*entry, error) {
	if h.closed.Load() {
		if old != nil {
			old.drop()
		}
		return nil, errClosed
	}
	serveOld := old != nil && !old.unsettled && now-old.checked.Load() < 2*int64(h.maxAge)
	f, leads := h.cache.join(k, hash, !serveOld)
	if !leads {
		if serveOld {
			return old, nil
		}
		if old != nil {
			old.drop()
		}
		<-f.done
		return f.entry, f.err
	}
	return h.look(f, k, hash, old, now, load)
}

// errAborted is what those who wait get if a look ends by a panic.
var errAborted = errors.New("look at the disk was cut short")

// look is refresh for the one who leads.
func (h *Handler) look(f *flight, k key, hash uint64, old *entry, now int64, load func(string, *entry) (*entry, error)) (e *entry, err error) {
	err = errAborted
	defer func() { h.cache.land(f, k, hash, e, err) }()
	// Another may have landed between the look at the cache and the flight.
	if known := h.cache.get(h, hash, []byte(k.name)); known != nil {
		if h.fresh(known, now) {
			if old != nil {
				old.drop()
			}
			return known, nil
		}
		known.drop()
	}
	e, err = load(k.name, old)
	switch {
	case err != nil && old != nil && passing(err):
		e, err = old, nil // the disk is in trouble, what was known is not
	case old != nil && e != old:
		old.drop()
	}
	if e != nil {
		e.checked.Store(now)
	} else if err == exchange.ErrNotFound {
		h.cache.setAbsent(k, hash, now)
	}
	return e, err
}
