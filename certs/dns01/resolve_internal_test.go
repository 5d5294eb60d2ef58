package dns01

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"

	"github.com/miekg/dns"
)

func msg(t *testing.T, change func(*dns.Msg), records ...string) *dns.Msg {
	t.Helper()
	m := new(dns.Msg)
	for _, s := range records {
		rr, err := dns.NewRR(s)
		if err != nil {
			t.Fatal(err)
		}
		m.Answer = append(m.Answer, rr)
	}
	if change != nil {
		change(m)
	}
	return m
}

func toAuthority(m *dns.Msg) { m.Ns, m.Answer = m.Answer, nil }

func TestZoneIn_TakesWhatIsSaidOfTheName(t *testing.T) {
	t.Parallel()
	const soa = " 1 IN SOA a. b. 1 2 3 4 5"
	for _, c := range []struct {
		name string
		m    *dns.Msg
		want string
	}{
		{"apex", msg(t, nil, "A.example.COM."+soa), "a.example.com"},
		{"above", msg(t, toAuthority, "example.com."+soa), "example.com"},
		{"itself, of no data", msg(t, toAuthority, "a.example.com."+soa), "a.example.com"},
		{"top level", msg(t, toAuthority, "com."+soa), "com"},
		{"root", msg(t, toAuthority, "."+soa), ""},
		{"beside", msg(t, toAuthority, "b.example.com."+soa), ""},
		{"below", msg(t, toAuthority, "x.a.example.com."+soa), ""},
		{"of an alias' target", msg(t, nil, "a.example.com. 1 IN CNAME example.net.", "example.net."+soa), ""},
		{"of an alias' target's absence", msg(t, func(m *dns.Msg) { m.Ns, m.Answer = m.Answer[:1], m.Answer[1:] },
			"example.com."+soa, "a.example.com. 1 IN CNAME b.example.com."), ""},
		{"delegation", msg(t, toAuthority, "example.com. 1 IN NS ns1.example.com."), ""},
		{"nothing", msg(t, nil), ""},
	} {
		if got, ok := zoneIn(c.m, "a.example.com"); got != c.want || ok != (c.want != "") {
			t.Errorf("%s: zoneIn = %q, %v, want %q", c.name, got, ok, c.want)
		}
	}
}

func TestUseful_TellsResolversFromServersThatRefer(t *testing.T) {
	t.Parallel()
	const ns = "com. 1 IN NS a.gtld-servers.net."
	for _, c := range []struct {
		name, said string
		m          *dns.Msg
		want       bool
	}{
		{"answer", "", msg(t, nil, "a. 1 IN A 192.0.2.1"), true},
		{"no such name", "", msg(t, func(m *dns.Msg) { m.Rcode = dns.RcodeNameError }), true},
		{"nothing, bare", "", msg(t, nil), true},
		{"referral", "it does not look names up for others", msg(t, toAuthority, ns), false},
		{"with authority", "", msg(t, func(m *dns.Msg) { toAuthority(m); m.Authoritative = true }, ns), true},
		{"resolver", "", msg(t, func(m *dns.Msg) { toAuthority(m); m.RecursionAvailable = true }, ns), true},
		{"refused", "REFUSED", msg(t, func(m *dns.Msg) { m.Rcode = dns.RcodeRefused }), false},
		{"strange", "code 4000", msg(t, func(m *dns.Msg) { m.Rcode = 4000 }), false},
	} {
		if got := useful(c.m); got != c.want {
			t.Errorf("%s: useful = %v", c.name, got)
		}
		if said := whatItSaid(c.m); !c.want && said != c.said {
			t.Errorf("%s: said %q, want %q", c.name, said, c.said)
		}
	}
}

func TestBrief_LeavesOutAddresses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want string
	}{
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded, Addr: &net.UDPAddr{Port: 53}}, "no answer"},
		{&net.OpError{Op: "read", Err: errors.New("connection refused"), Addr: &net.UDPAddr{Port: 53}}, "connection refused"},
		{context.DeadlineExceeded, "no answer"},
		{errors.New("the answer is to another question"), "the answer is to another question"},
	} {
		if got := brief(c.err); got != c.want {
			t.Errorf("brief(%v) = %q, want %q", c.err, got, c.want)
		}
	}
}

func TestUnquote_JoinsStringsAndTakesTheRestAsItIs(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`plain`: "plain", `"one"`: "one", `"one" "two"`: "onetwo", `"a\"b\\c"`: `a"b\c`, `"\065\066"`: "AB", ` "x"`: "x", ``: "",
		`"open`: `"open`, `"a" b`: `"a" b`, `"\`: `"\`, `"\9"`: `"\9"`, `"\999"`: `"\999"`, `"\12x"`: `"\12x"`, `say "hi"`: `say "hi"`,
	} {
		if got := unquote(in); got != want {
			t.Errorf("unquote(%s) = %s, want %s", in, got, want)
		}
	}
}

func TestCanonical_KnowsARecordHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`1 . alpn=h2,h3`:                         `1 . alpn="h2,h3"`,
		`1 . ech="AEX+DQBBpQAgACA=" alpn="h2"`:   `1 . alpn="h2" ech="AEX+DQBBpQAgACA="`,
		`01  example.com.  port=8443  alpn="h2"`: `1 example.com. alpn="h2" port="8443"`,
		`0 example.com.`:                         `0 example.com.`,
		`1 . key65280=x`:                         `1 . key65280="x"`,
		"1 . alpn=h2\n. 0 IN A 192.0.2.1":        "",
		`1 . alpn=h2 ; comment`:                  "",
		`( 1 . )`:                                "",
		`x .`:                                    "",
		`1`:                                      "",
		``:                                       "",
	} {
		got, err := canonical(in)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("canonical(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
}
