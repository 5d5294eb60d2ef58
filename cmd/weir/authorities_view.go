package main

import (
	"slices"
	"strings"

	"github.com/weirproxy/weir/certs"
	"github.com/weirproxy/weir/certs/demand"
	"github.com/weirproxy/weir/certs/issuer"
	"github.com/weirproxy/weir/certs/rotate"
	"github.com/weirproxy/weir/certs/storage"
	"github.com/weirproxy/weir/edge/store"
)

// authoritiesView is what others than the process's goroutine may look at: metrics and
// the admin listener. What is not open is nil.
type authoritiesView struct {
	manager      *certs.Manager
	guard        *demand.Guard
	store        *store.Store
	engine       string // of the store
	place        string // where it is, without passwords
	mirror       *storage.Mirrored
	tickets      *rotate.Tickets
	ech          *rotate.ECH
	issuers      []*issuer.Issuer // of the plan, each once
	publications []publication
}

// view returns what there is since the last configuration was applied.
func (a *authorities) view() authoritiesView {
	a.mu.Lock()
	defer a.mu.Unlock()
	v := a.shown
	v.store, v.engine, v.place = a.opened.get()
	v.publications = a.publications
	return v
}

// show lets others see what there is now. It is called by the process's goroutine.
func (a *authorities) show() {
	v := authoritiesView{manager: a.manager, guard: a.guard, mirror: a.mirror, tickets: a.tickets, ech: a.ech}
	for _, made := range a.issuers {
		v.issuers = append(v.issuers, made.issuer)
	}
	slices.SortFunc(v.issuers, func(a, b *issuer.Issuer) int { return strings.Compare(a.ID(), b.ID()) })
	v.issuers = slices.CompactFunc(v.issuers, func(a, b *issuer.Issuer) bool { return a.ID() == b.ID() })
	a.mu.Lock()
	defer a.mu.Unlock()
	a.shown = v
}
