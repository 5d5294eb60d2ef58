package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirproxy/weir/certs"
)

// certificates serves GET /certificates.
func (a *admin) certificates(w http.ResponseWriter, r *http.Request) {
	all := []certs.Status{}
	if m := a.process.world.certs.view().manager; m != nil {
		if name := r.URL.Query().Get("name"); name != "" {
			s, ok := m.Status(strings.ToLower(name))
			if !ok {
				http.Error(w, "nothing is known of "+strconv.Quote(name), http.StatusNotFound)
				return
			}
			all = append(all, s)
		} else {
			all = slices.AppendSeq(all, m.Statuses())
		}
	}
	slices.SortFunc(all, func(a, b certs.Status) int { return strings.Compare(a.Name, b.Name) })
	writeJSON(w, all)
}

// manager returns who has certificates, or answers that nobody does.
func (a *admin) manager(w http.ResponseWriter) *certs.Manager {
	m := a.process.world.certs.view().manager
	if m == nil {
		http.Error(w, "no site has certificates of a public authority", http.StatusNotFound)
	}
	return m
}

// renewCertificate serves POST /certificates/renew.
func (a *admin) renewCertificate(w http.ResponseWriter, r *http.Request) {
	m := a.manager(w)
	if m == nil {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 50*time.Second)
	defer cancel()
	name := strings.ToLower(r.URL.Query().Get("name"))
	if err := m.Renew(ctx, name); err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	s, _ := m.Status(name)
	io.WriteString(w, "renewed "+name+", until "+s.NotAfter.Local().Format(time.DateTime)+"\n")
}

// revokeCertificate serves POST /certificates/revoke.
func (a *admin) revokeCertificate(w http.ResponseWriter, r *http.Request) {
	m := a.manager(w)
	if m == nil {
		return
	}
	reason, err := strconv.Atoi(r.URL.Query().Get("reason"))
	if err != nil || reason < 0 || reason > 10 || reason == 7 {
		http.Error(w, "want ?name=NAME&reason=0, or another number of RFC 5280 §5.3.1", http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 50*time.Second)
	defer cancel()
	name := strings.ToLower(r.URL.Query().Get("name"))
	if err := m.Revoke(ctx, name, reason); err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	io.WriteString(w, "revoked, and another one obtained: "+name+"\n")
}

// lacking says which names have no certificate that is in date, and why; "" if all do.
func (a *admin) lacking() string {
	m := a.process.world.certs.view().manager
	if m == nil {
		return ""
	}
	ok, missing := m.Ready()
	if ok {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "not ready: %s without a certificate", count(len(missing), "name"))
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		fmt.Fprintf(&b, "\n  %s: %s", name, oneLine(trimAll(missing[name], "no certificate for "+strconv.Quote(name)+": ", name+": ")))
	}
	return b.String()
}

func trimAll(s string, prefixes ...string) string {
	for _, p := range prefixes {
		s = strings.TrimPrefix(s, p)
	}
	return s
}
