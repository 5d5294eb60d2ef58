package dns01_test

import (
	"strings"
	"testing"

	"github.com/weirproxy/weir/certs/dns01"
)

func TestLook_FindsThePlaceAndWritesNothing(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.world.put("_acme-challenge.mail.example.com", "CNAME", "mail.deep.example.org.", 60)
	before := len(s.world.values("_acme-challenge.www.example.com", "TXT"))
	for domain, want := range map[string]dns01.Place{
		"www.example.com":  {Zone: "example.com", Record: "_acme-challenge.www.example.com", Known: true},
		"mail.example.com": {Zone: "deep.example.org", Record: "mail.deep.example.org", Known: true},
	} {
		if got, err := s.solver(t, dns01.Options{}).Look(t.Context(), domain); err != nil || got != want {
			t.Errorf("%s: %+v (%v), want %+v", domain, got, err, want)
		}
	}
	if after := len(s.world.values("_acme-challenge.www.example.com", "TXT")); after != before {
		t.Errorf("%d records, were %d", after, before)
	}
}

func TestLook_SaysThatNobodyKnowsTheZone(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	_, err := s.solver(t, dns01.Options{}).Look(t.Context(), "www.example.net")
	if err == nil || !strings.Contains(err.Error(), "example.net") {
		t.Errorf("error %v, want one about www.example.net", err)
	}
}
