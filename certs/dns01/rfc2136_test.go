package dns01_test

import (
	"net"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/weirproxy/weir/certs/dns01"
)

func openRFC2136(t *testing.T, set map[string]string) dns01.Provider {
	t.Helper()
	p, err := dns01.Open("rfc2136", set)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRFC2136_SaysWhyTheServerRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld()
	s := startDNS(t, w)
	for _, c := range []struct {
		name, want string
		set        map[string]string
	}{
		{"wrong secret", "another one", map[string]string{"key": tsigKey, "secret": "d3Jvbmc="}},
		{"unknown key", "does not know the key", map[string]string{"key": "other.key", "secret": tsigSecret}},
		{"no key", "REFUSED (the key may not change this name", map[string]string{}},
	} {
		c.set["server"] = s.addr
		p := openRFC2136(t, c.set)
		_, err := p.AppendRecords(t.Context(), "example.com.", text("_acme-challenge", someText))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), tsigSecret) {
			t.Errorf("%s: error %v, want %q in it", c.name, err, c.want)
		}
	}
	if got := w.values("_acme-challenge.example.com", "TXT"); len(got) > 0 {
		t.Errorf("%q were put in all the same", got)
	}
	s.open.Store(true)
	p := openRFC2136(t, map[string]string{"server": s.addr})
	if _, err := p.AppendRecords(t.Context(), "example.com.", text("_acme-challenge", someText)); err != nil {
		t.Errorf("without a key where none is needed: %v", err)
	}
}

// Somebody on the way may answer for the server; without the key that must not count.
func TestRFC2136_BelievesNoUnsignedAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld()
	s := startDNS(t, w)
	s.setFault(func(q dns.Question, _ bool) (*dns.Msg, bool) { return new(dns.Msg), true })
	p := openRFC2136(t, map[string]string{"server": s.addr, "key": tsigKey, "secret": tsigSecret})
	_, err := p.AppendRecords(t.Context(), "example.com.", text("_acme-challenge", someText))
	if err == nil || !strings.Contains(err.Error(), "not signed") {
		t.Errorf("error %v, want that the answer is not signed", err)
	}
}

func TestRFC2136_NamesTheServerThatIsNotThere(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	p := openRFC2136(t, map[string]string{"server": addr})
	_, err = p.AppendRecords(t.Context(), "example.com.", text("_acme-challenge", someText))
	if err == nil || !strings.Contains(err.Error(), addr) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("error %v, want the address and that the connection is refused", err)
	}
}
