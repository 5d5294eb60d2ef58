package certs

import (
	"crypto/tls"
	"math/rand/v2"
	"sync"
)

// hotSet has the entries whose certificates are in memory, so that there are never more
// than most. Who has to go is the one that was asked for longest ago among a few that
// chance picks.
type hotSet struct {
	mu   sync.Mutex // guards all, and hot of entries
	most int
	all  []*entry
}

const hotSample = 8

// put makes e one of them, served by cert, and another one cold if there are too many.
func (h *hotSet) put(e *entry, cert *tls.Certificate) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e.cert.Store(cert)
	if e.hot >= 0 {
		return
	}
	if len(h.all) >= h.most {
		oldest := h.all[rand.IntN(len(h.all))]
		for range hotSample - 1 {
			if o := h.all[rand.IntN(len(h.all))]; o.used.Load() < oldest.used.Load() {
				oldest = o
			}
		}
		h.drop(oldest)
	}
	e.hot = len(h.all)
	h.all = append(h.all, e)
}

func (h *hotSet) remove(e *entry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e.hot >= 0 {
		h.drop(e)
	}
}

func (h *hotSet) drop(e *entry) {
	last := len(h.all) - 1
	h.all[e.hot] = h.all[last]
	h.all[e.hot].hot = e.hot
	h.all[last] = nil
	h.all, e.hot = h.all[:last], -1
	e.cert.Store(nil)
}

// room tells whether one more fits in.
func (h *hotSet) room() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.all) < h.most
}
