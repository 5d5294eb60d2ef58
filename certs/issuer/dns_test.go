package issuer_test

import (
	"testing"
	"time"

	"github.com/weirproxy/weir/certs/certstest"
	"github.com/weirproxy/weir/certs/dns01"
	"github.com/weirproxy/weir/certs/issuer"
)

// dnsIssuer proves names by records that a provider is told to publish.
func dnsIssuer(t *testing.T, w *world, change func(*dns01.Options)) *issuer.Issuer {
	t.Helper()
	o := dns01.Options{Provider: w.ca.DNS.Provider(), Resolvers: []string{w.ca.DNS.Resolver}}
	if change != nil {
		change(&o)
	}
	solver, err := dns01.NewSolver(o)
	if err != nil {
		t.Fatal(err)
	}
	return w.issuer(t, w.node, func(o *issuer.Options) { o.DNS = solver })
}

func TestObtain_ByDNS01Solver(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		change  func(*dns01.Options)
		prepare func(*certstest.DNS)
		names   []string
	}{
		{"Name", nil, nil, []string{"www.example.com"}},
		{"WildcardAndApex", nil, nil, []string{"*.example.com", "example.com"}},
		{"Delegated", nil, func(d *certstest.DNS) { d.SetCNAME("_acme-challenge.example.com", "example.acme.test") }, []string{"*.example.com"}},
		{"ZoneBelow", nil, func(d *certstest.DNS) { d.Zone("deep.example.com") }, []string{"a.deep.example.com"}},
		{"WithoutLooking", func(o *dns01.Options) { o.PropagationTimeout = -1 }, nil, []string{"www.example.com"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, certstest.Options{Strict: true})
			if c.prepare != nil {
				c.prepare(w.ca.DNS)
			}
			obtain(t, w.ca, dnsIssuer(t, w, c.change), issuer.Order{Names: c.names})
			for _, at := range []string{"_acme-challenge.example.com", "_acme-challenge.www.example.com", "example.acme.test"} {
				if left := w.ca.DNS.TXT(at); len(left) > 0 {
					t.Errorf("left at %s: %q", at, left)
				}
			}
		})
	}
}

func TestObtain_WaitsUntilRecordsAreSeen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, certstest.Options{})
	w.ca.DNS.Hold()
	release := time.AfterFunc(time.Second, w.ca.DNS.Release)
	defer release.Stop()
	obtain(t, w.ca, dnsIssuer(t, w, nil), issuer.Order{Names: []string{"example.com"}})

	w.ca.DNS.Hold()
	i := dnsIssuer(t, w, func(o *dns01.Options) { o.PropagationTimeout = 300 * time.Millisecond })
	before := w.ca.Validations(issuer.DNS01)
	says(t, fails(t, i, "other.example.com"), "", issuer.DNS01, "other.example.com", "not everywhere")
	if got := w.ca.Validations(issuer.DNS01) - before; got != 0 {
		t.Errorf("validations = %d: the authority was sent to look for what is not there", got)
	}
	w.ca.DNS.Release()
}
