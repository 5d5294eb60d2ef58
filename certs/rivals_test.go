package certs_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/certs/certstest"
	"github.com/weirproxy/weir/certs/issuer"
)

// While the configurations of nodes are changed one after the other, they name different
// authorities: each name is ordered once of the new one, and not to and fro.
func TestManager_NodesWithOtherAuthoritiesDoNotOrderToAndFro(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		staging, production := newSigner(t, "staging", 90*day), newSigner(t, "production", 90*day)
		shared := new(certstest.MemoryStore)
		a, b := newNode(t, shared), newNode(t, shared)
		a.Apply(plan(staging, "a.example"))
		b.Apply(plan(staging, "a.example"))
		a.get(t, "a.example")
		b.get(t, "a.example")
		a.Apply(plan(production, "a.example"))
		time.Sleep(day)
		if n, m := staging.count(), production.count(); n != 1 || m != 1 {
			t.Errorf("%d and %d orders, want one of each authority", n, m)
		}
		if s, _ := b.Status("a.example"); s.Issuer != "production" || !b.log.has("another node has certificates") {
			t.Errorf("the node that was not changed serves a certificate of %s, and said:\n%s", s.Issuer, b.log)
		}
		c := newNode(t, shared) // comes with the old configuration
		c.Apply(plan(staging, "a.example"))
		time.Sleep(day)
		if n, m := staging.count(), production.count(); n != 2 || m != 1 {
			t.Errorf("%d and %d orders after a node began with other settings, want one more of its authority", n, m)
		}
		b.Apply(plan(production, "a.example"))
		time.Sleep(day)
		if n, m := staging.count(), production.count(); n != 2 || m != 2 {
			t.Errorf("%d and %d orders after a change of settings, want one more of the new authority", n, m)
		}
		time.Sleep(90 * day)
		if n, m := staging.count(), production.count(); n+m > 7 {
			t.Errorf("%d and %d orders in three months", n, m)
		}
		for _, n := range []*node{a, b, c} {
			n.close(t)
		}
	})
}

// An authority that is away fails every name: the log does not need to hear of each.
func TestManager_SaysSeldomThatAnAuthorityIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, n := newSigner(t, "ca", 90*day), newNode(t, new(certstest.MemoryStore))
		away := func(o issuer.Order) error {
			return &issuer.Error{CA: "ca", Name: o.Names[0], Err: errors.New("connection refused")}
		}
		ca.set(func() { ca.refuse = away })
		names := make([]string, 100)
		for i := range names {
			names[i] = fmt.Sprintf("n%d.example", i)
		}
		n.Apply(plan(ca, names...))
		time.Sleep(55 * time.Minute)
		if got := strings.Count(n.log.String(), "certificate not obtained"); got < 1 || got > 6 {
			t.Errorf("%d lines in an hour about 100 names, want one in ten minutes", got)
		}
		if s, _ := n.Status("n7.example"); s.Failed == nil || s.Failed.Attempts < 5 {
			t.Errorf("what is known of a name: %+v", s)
		}
		// When it answers one, the others do not wait for the end of their pauses.
		time.Sleep(6 * time.Hour)
		ca.set(func() { ca.refuse = nil })
		if err := n.Renew(t.Context(), "n7.example"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if ok, missing := n.Ready(); !ok {
			t.Errorf("%d names still without a certificate", len(missing))
		}
		n.close(t)
	})
}
