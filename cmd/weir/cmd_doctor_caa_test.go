package main

import (
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// Of the examples of RFC 8659 §4 and RFC 8657 §4, and some that are worse.
func TestCAA_WhoMayIssue(t *testing.T) {
	t.Parallel()
	ours, ways := []string{"ca1.example.net"}, []string{"http-01", "tls-alpn-01"}
	for _, c := range []struct {
		name     string
		records  []string
		wildcard bool
		refused  string // a part of why; "": may issue
	}{
		{"named", []string{`0 issue "ca1.example.net"`}, false, ""},
		{"in other letters", []string{`0 ISSUE " CA1.example.NET "`}, false, ""},
		{"one of two", []string{`0 issue "ca2.example.org"`, `0 issue "ca1.example.net"`}, false, ""},
		{"another one", []string{`0 issue "ca2.example.org"`}, false, "only ca2.example.org"},
		{"nobody", []string{`0 issue ";"`}, false, "nobody"},
		{"nobody, without a word", []string{`0 issue ""`}, false, "nobody"},
		{"only where to complain", []string{`0 iodef "mailto:security@example.com"`}, false, ""},
		{"what critical property is unknown", []string{`128 tbs "Unknown"`}, false, "tbs"},
		{"what unknown property is not critical", []string{`0 tbs "Unknown"`}, false, ""},
		{"what known property is critical", []string{`128 issue "ca1.example.net"`}, false, ""},
		{"a wildcard by issue", []string{`0 issue "ca1.example.net"`}, true, ""},
		{"a wildcard by issuewild", []string{`0 issue "ca2.example.org"`, `0 issuewild "ca1.example.net"`}, true, ""},
		{"no wildcard by issuewild", []string{`0 issue "ca1.example.net"`, `0 issuewild ";"`}, true, "nobody"},
		{"issuewild says nothing of names", []string{`0 issuewild "ca2.example.org"`}, false, ""},
		{"an account", []string{`0 issue "ca1.example.net; accounturi=https://ca1.example.net/account/1"`}, false, ""},
		{"a challenge that is used", []string{`0 issue "ca1.example.net; validationmethods=dns-01,http-01"`}, false, ""},
		{"a challenge that is not", []string{`0 issue "ca1.example.net; validationmethods=dns-01"`}, false, "only after dns-01"},
		{"parameters that are none", []string{`0 issue "ca1.example.net; %%%%%"`}, false, "cannot be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var set []*dns.CAA
			for _, r := range c.records {
				rr, err := dns.NewRR("example.com. 0 IN CAA " + r)
				if err != nil {
					t.Fatal(err)
				}
				set = append(set, rr.(*dns.CAA))
			}
			got := policyOf(set, c.wildcard).refuses(ours, ways)
			if (got == "") != (c.refused == "") || !strings.Contains(got, c.refused) {
				t.Errorf("%v: %q, want %q", c.records, got, c.refused)
			}
		})
	}
}

// Whatever a name server says, a domain is told only if it is one word.
func FuzzCAA(f *testing.F) {
	for _, s := range []string{"ca.example", ";", "ca.example; a=b", "ca.example; accounturi=https://x/1; validationmethods=dns-01", "a b", "=;=;="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		i := parseCAAIssuer(s)
		if !i.malformed && strings.ContainsAny(i.domain, " \t;=") {
			t.Errorf("%q gives the domain %q", s, i.domain)
		}
		p := caaPolicy{limited: true, issuers: []caaIssuer{i}}
		if why := p.refuses([]string{"ca.example"}, []string{"http-01"}); why == "" && i.domain != "ca.example" {
			t.Errorf("%q allows ca.example", s)
		}
		if i.malformed && p.refuses([]string{i.domain}, nil) == "" && i.domain != "" {
			t.Errorf("%q is malformed and allows %q", s, i.domain)
		}
	})
}
