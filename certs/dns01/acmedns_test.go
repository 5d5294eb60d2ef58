package dns01_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/certs/dns01"
)

const (
	acmeUser = "c36f50e8-4632-44f0-83fe-e070fef28a10"
	acmeSub  = "8e5700ea-a4bf-41c7-8a77-e990661dcc6a"
	acmeFull = acmeSub + ".auth.example.org"
)

// acmeDNSAPI is what the README of acme-dns says of /update: it has the two newest
// values, each of 43 bytes.
func acmeDNSAPI(w *world, rw http.ResponseWriter, r *http.Request) {
	var in struct{ Subdomain, TXT string }
	err := json.NewDecoder(r.Body).Decode(&in)
	switch {
	case r.Method != "POST" || r.URL.Path != "/api/update":
		http.NotFound(rw, r)
	case err != nil || r.Header.Get("X-Api-User") != acmeUser || r.Header.Get("X-Api-Key") != theToken || in.Subdomain != acmeSub:
		answer(rw, 401, map[string]string{"error": "forbidden"})
	case len(in.TXT) != 43:
		answer(rw, 400, map[string]string{"error": "bad_txt"})
	default:
		w.putLocked(acmeFull, "TXT", in.TXT, 1)
		var old []int
		for i, rec := range w.recs {
			if rec.name == acmeFull {
				old = append(old, i)
			}
		}
		if len(old) > 2 {
			w.recs = slices.Delete(w.recs, old[0], old[0]+1)
		}
		answer(rw, 200, map[string]string{"txt": in.TXT})
	}
}

func openACMEDNS(t *testing.T, w *world) dns01.Provider {
	p, err := dns01.Open("acme-dns", map[string]string{
		"server": w.serve(t, acmeDNSAPI) + "/api/", "username": acmeUser, "password": theToken, "subdomain": acmeSub,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// acme-dns keeps two values: while two names are being proved, a third waits.
func TestACMEDNS_ProvesTwoNamesAtATime(t *testing.T) {
	t.Parallel()
	w := newWorld()
	p := openACMEDNS(t, w)
	const zone = "auth.example.org."
	third := strings.Repeat("3", 43)
	add := func(value string) {
		t.Helper()
		if _, err := p.AppendRecords(t.Context(), zone, text(acmeSub, value)); err != nil {
			t.Fatal(err)
		}
	}
	check := func(want ...string) {
		t.Helper()
		slices.Sort(want)
		if got := w.values(acmeFull, "TXT"); !slices.Equal(got, want) {
			t.Errorf("values are %q, want %q", got, want)
		}
	}
	add(someText)
	add(moreText)
	add(moreText) // twice would push the first one out
	check(someText, moreText)

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := p.AppendRecords(ctx, zone, text(acmeSub, third)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a third value at once: %v, want that it waits", err)
	}
	check(someText, moreText)

	done := make(chan error, 1)
	go func() {
		_, err := p.AppendRecords(t.Context(), zone, text(acmeSub, third))
		done <- err
	}()
	for range 2 {
		if _, err := p.DeleteRecords(t.Context(), zone, text(acmeSub, someText)); err != nil {
			t.Error(err)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	check(moreText, third)
}

func TestACMEDNS_SaysWhereTheCNAMEShouldLead(t *testing.T) {
	t.Parallel()
	w := newWorld()
	p := openACMEDNS(t, w)
	_, err := p.AppendRecords(t.Context(), "example.com.", text("_acme-challenge", someText))
	if err == nil || !strings.Contains(err.Error(), "it has to be a CNAME to "+acmeSub) {
		t.Errorf("AppendRecords without delegation: %v, want a hint", err)
	}
	if len(w.asked()) > 0 {
		t.Error("the server was asked")
	}
	f := p.(dns01.ZoneFinder)
	if zone, err := f.FindZone(t.Context(), acmeFull+"."); zone != "auth.example.org." || err != nil {
		t.Errorf("FindZone = %q, %v", zone, err)
	}
	if _, err := f.FindZone(t.Context(), "_acme-challenge.example.com"); !errors.Is(err, dns01.ErrNoZone) {
		t.Errorf("FindZone of another name: %v, want ErrNoZone", err)
	}
}

// An update whose answer is lost is not sent again: it would take the place of the other
// value.
func TestACMEDNS_SendsNoUpdateTwice(t *testing.T) {
	t.Parallel()
	w := newWorld()
	p := openACMEDNS(t, w)
	w.setFault(func(_ int, rw http.ResponseWriter, _ *http.Request) bool {
		rw.WriteHeader(502)
		return true
	})
	_, err := p.AppendRecords(t.Context(), "auth.example.org.", text(acmeSub, someText))
	if e, ok := errors.AsType[*dns01.APIError](err); !ok || e.Status != 502 {
		t.Errorf("error %v, want 502", err)
	}
	if n := len(w.asked()); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}
