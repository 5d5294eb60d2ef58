package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/certs/dns01"
	"github.com/weirproxy/weir/certs/storage"
)

// publication is a name whose HTTPS record weir can write.
type publication struct {
	name   string
	solver *dns01.Solver
}

// echProtocols are what sites speak, best first, as HTTPS records say it (RFC 9460).
var echProtocols = []string{"h3", "h2"}

// announceECH hears of new keys of Encrypted Client Hello.
func (a *authorities) announceECH([]byte) { a.publishECH() }

// setPublications says whose HTTPS records are to be kept up to date.
func (a *authorities) setPublications(all []publication) {
	a.mu.Lock()
	same := slices.Equal(a.publications, all)
	a.publications = all
	a.mu.Unlock()
	if !same && a.ech != nil {
		a.publishECH()
	}
}

// publishECH has the HTTPS records of all names written whose zones weir can change, in
// the background.
func (a *authorities) publishECH() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.life.Err() != nil || len(a.publications) == 0 {
		return
	}
	if a.publish == nil {
		a.publish = make(chan struct{}, 1)
		a.done.Go(func() { repeat(a.life, a.publish, a.publishAll) })
	}
	select {
	case a.publish <- struct{}{}:
	default:
	}
}

// repeat does something each time that it is woken, until ctx ends; and after a minute
// and longer and longer pauses, an hour at most, as long as something is left to be done.
func repeat(ctx context.Context, wake <-chan struct{}, do func(context.Context) (done bool)) {
	const first, longest = time.Minute, time.Hour
	pause, again := first, (<-chan time.Time)(nil)
	for {
		select {
		case <-ctx.Done():
			return
		case <-wake:
			pause = first
		case <-again:
		}
		if again = nil; !do(ctx) {
			again = time.After(pause)
			pause = min(2*pause, longest)
		}
	}
}

// publishAll writes what is missing. Of several nodes one does at a time.
func (a *authorities) publishAll(ctx context.Context) (done bool) {
	a.mu.Lock()
	all := a.publications
	a.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	lock, err := a.shared.TryLock(ctx, "ech/publish")
	if err != nil {
		if !errors.Is(err, storage.ErrHeld) {
			a.log.Warn("HTTPS records not published", "err", err)
		}
		return false
	}
	defer func() { _ = lock.Unlock(context.WithoutCancel(ctx)) }()
	list := a.ech.ConfigList()
	done = true
	for _, p := range all {
		if len(list) > 0 && !a.publishOne(ctx, p, list) {
			done = false
		}
	}
	return done
}

// publishOne tells whether the record of one name is as it should be, or not weir's.
func (a *authorities) publishOne(ctx context.Context, p publication, list []byte) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	changed, err := p.solver.PublishECH(ctx, p.name, list, echProtocols...)
	switch {
	case errors.Is(err, dns01.ErrNotPublished):
		a.log.Info("HTTPS record left alone", "name", p.name, "why", err)
	case err != nil:
		a.log.Warn("HTTPS record not published", "name", p.name, "err", err)
		return false
	case changed:
		a.log.Info("HTTPS record published", "name", p.name)
	}
	return true
}

// publications are the names that a configuration has certificates for by DNS.
func (b *builder) publications(all *securities) (list []publication) {
	if b.c.TLS.ECH == nil {
		return nil
	}
	for name, policy := range all.names {
		if solver := b.world.certs.solvers[policy]; solver != nil && name != b.c.TLS.ECH.PublicName.Text && !strings.HasPrefix(name, "*") {
			list = append(list, publication{name, solver})
		}
	}
	slices.SortFunc(list, func(a, b publication) int { return strings.Compare(a.name, b.name) })
	return list
}
