package dns01_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/weirproxy/weir/certs/dns01"
)

func TestPublishECH_KeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.world.put("www.example.com", "HTTPS", `1 . alpn="h2" port="8443"`, 60)
	s.world.put("www.example.com", "HTTPS", `2 cdn.example.net. alpn="h3"`, 60)
	solver := s.solver(t, dns01.Options{})
	step := func(list string, wantChange bool, want ...string) {
		t.Helper()
		changed, err := solver.PublishECH(t.Context(), "www.example.com", []byte(list), "h2", "h3")
		if err != nil || changed != wantChange {
			t.Fatalf("PublishECH(%q) = %v, %v, want %v", list, changed, err, wantChange)
		}
		got := strings.Join(s.world.values("www.example.com", "HTTPS"), " | ")
		if w := strings.Join(want, " | "); got != w {
			t.Errorf("PublishECH(%q): HTTPS records are\n%s\nwant\n%s", list, got, w)
		}
	}
	const other = `2 cdn.example.net. alpn="h3"`
	step("keys", true, `1 . alpn="h2" port="8443" ech="a2V5cw=="`, other)
	step("keys", false, `1 . alpn="h2" port="8443" ech="a2V5cw=="`, other)
	step("keyz", true, `1 . alpn="h2" port="8443" ech="a2V5eg=="`, other)
	step("", true, `1 . alpn="h2" port="8443"`, other)
	step("", false, `1 . alpn="h2" port="8443"`, other)
}

func TestPublishECH_MakesARecordWhereThereIsNone(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	solver := s.solver(t, dns01.Options{})
	for _, name := range []string{"www.example.com", "example.com"} {
		if changed, err := solver.PublishECH(t.Context(), name, nil); changed || err != nil {
			t.Errorf("PublishECH(%s) of nothing = %v, %v", name, changed, err)
		}
		if changed, err := solver.PublishECH(t.Context(), name, []byte("keys"), "h2", "h3"); !changed || err != nil {
			t.Errorf("PublishECH(%s) = %v, %v", name, changed, err)
		}
		got := strings.Join(s.world.values(name, "HTTPS"), " | ")
		if want := `1 . alpn="h2,h3" ech="a2V5cw=="`; got != want {
			t.Errorf("HTTPS %s = %s, want %s", name, got, want)
		}
	}
}

func TestPublishECH_LeavesAloneWhatItWouldHarm(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.world.put("alias.example.com", "CNAME", "www.example.com.", 60)
	s.world.put("text.example.com", "TXT", "no address", 60)
	s.world.put("away.example.com", "A", "192.0.2.3", 60)
	s.world.put("away.example.com", "HTTPS", "0 cdn.example.net.", 60)
	s.world.addZones("wild.example.com")
	s.world.put("*.wild.example.com", "A", "192.0.2.4", 60)
	s.world.put("own.wild.example.com", "A", "192.0.2.5", 60)
	before := s.world.others("", "")
	solver := s.solver(t, dns01.Options{})
	for name, want := range map[string]string{
		"alias.example.com":    "is a CNAME",
		"text.example.com":     "has no address",
		"nothing.example.com":  "has no address",
		"away.example.com":     "lead to other hosts",
		"one.wild.example.com": "wildcard",
	} {
		_, err := solver.PublishECH(t.Context(), name, []byte("keys"))
		if !errors.Is(err, dns01.ErrNotPublished) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want ErrNotPublished and %q", name, err, want)
		}
	}
	if got := s.world.others("", ""); got != before {
		t.Errorf("records are now\n%s\nwere\n%s", got, before)
	}
	if changed, err := solver.PublishECH(t.Context(), "own.wild.example.com", []byte("keys")); !changed || err != nil {
		t.Errorf("a name beside a wildcard: %v, %v", changed, err)
	}
	solver = s.solver(t, dns01.Options{Provider: openACMEDNS(t, newWorld())})
	if _, err := solver.PublishECH(t.Context(), "www.example.com", []byte("keys")); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a provider that cannot: %v, want ErrUnsupported", err)
	}
}
