package dns01

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode"

	"github.com/libdns/libdns"
	"github.com/miekg/dns"
)

// answers is a RoundTripper that answers everything with the same body.
type answers struct {
	status int
	body   string
}

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: a.status, Header: http.Header{"Retry-After": {"9999"}}, Request: r,
		Body: io.NopCloser(strings.NewReader(a.body)),
	}, nil
}

// FuzzAnswers gives every provider's API the same answer to everything: no panic, no
// call without end, and errors that can be shown.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{
		``, `null`, `{}`, `[]`, `{"result":[{"id":"..","name":"example.com"}],"result_info":{"total_pages":99999999}}`,
		`{"domain":{"name":"example.com"},"domain_records":[{"id":1,"type":"TXT","name":"a","data":"\"x"}],"links":{"pages":{"next":"x"}}}`,
		`{"zones":[{"id":"1","name":"example.com"}],"records":[{"id":"","type":"TXT","name":"a","value":"x"}],"meta":{"pagination":{"last_page":1000}}}`,
		`{"zone":{"id":1,"name":"example.com"},"rrset":{"records":[{"value":"\"x\""}]},"action":{"id":1,"status":"success"}}`,
		`{"action":{"status":"error","error":{"code":"a","message":"\u001b[2J"}}}`, `{"error":{"code":{"a":[1]},"message":"x"}}`,
		`{"name":"example.com","minimum_ttl":-1,"records":["\"a\" \"b\"","\\000"]}`, `{"a":[{"b":["c"]}],"detail":7}`,
		`<a><HostedZones><HostedZone><Id>/hostedzone/../x</Id><Name>example.com.</Name></HostedZone></HostedZones></a>`,
		`<a><HostedZones><HostedZone><Id>Z</Id><Name>example.com.</Name></HostedZone></HostedZones><ResourceRecordSets><ResourceRecordSet><Name>a.example.com.</Name><Type>TXT</Type><TTL>1</TTL><ResourceRecords><ResourceRecord><Value>"x"</Value></ResourceRecord></ResourceRecords></ResourceRecordSet></ResourceRecordSets></a>`,
		`<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>`,
		`<InvalidChangeBatch><Messages><Message>already exists</Message></Messages></InvalidChangeBatch>`,
	} {
		for _, status := range []int{200, 404, 400, 500} {
			f.Add(status, seed)
		}
	}
	base := map[string]string{"endpoint": "http://127.0.0.1:1"}
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 {
			status = 200
		}
		for _, k := range Providers() {
			set := map[string]string{"token": "secret-token", "access_key": "a", "secret_key": "secret-token"}
			for name := range set {
				if !hasSetting(k, name) {
					delete(set, name)
				}
			}
			for _, api := range []string{"", "classic"} {
				switch {
				case hasSetting(k, "endpoint"):
					set["endpoint"] = base["endpoint"]
				case k.Name == "acme-dns":
					set = map[string]string{"server": base["endpoint"], "username": "u", "password": "secret-token", "subdomain": "a"}
				default:
					continue
				}
				if api != "" && !hasSetting(k, "api") {
					continue
				}
				set["api"] = api
				if api == "" {
					delete(set, "api")
				}
				fuzzProvider(t, k, set, answers{status, body})
			}
		}
	})
}

func hasSetting(k Kind, name string) bool {
	for _, s := range k.Settings {
		if s.Name == name {
			return true
		}
	}
	return false
}

func fuzzProvider(t *testing.T, k Kind, set map[string]string, a answers) {
	p, err := Open(k.Name, set)
	if err != nil {
		t.Fatal(err)
	}
	c := clientOf(p)
	c.http.Transport = a
	c.pace = 1
	ctx, cancel := context.WithTimeout(context.Background(), operationTime)
	defer cancel()
	check := func(err error) {
		if err == nil {
			return
		}
		msg := err.Error()
		if strings.Contains(msg, "secret-token") || len(msg) > 2000 || strings.ContainsFunc(msg, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%s: error is not fit to be shown: %q", k.Name, msg)
		}
	}
	rec := []libdns.Record{libdns.TXT{Name: "a", Text: "text"}}
	_, err = p.AppendRecords(ctx, "example.com.", rec)
	check(err)
	_, err = p.DeleteRecords(ctx, "example.com.", rec)
	check(err)
	if f, ok := p.(ZoneFinder); ok {
		_, err = f.FindZone(ctx, "a.b.example.com.")
		check(err)
	}
	if b, ok := p.(Publisher); ok {
		_, err = b.Bindings(ctx, "example.com.", "a")
		check(err)
		check(b.SetBindings(ctx, "example.com.", "a", nil))
	}
}

// FuzzDNSAnswer reads what a name server may send.
func FuzzDNSAnswer(f *testing.F) {
	for _, zone := range []string{
		"example.com. 1 IN SOA a. b. 1 2 3 4 5", "a.example.com. 1 IN CNAME b.example.com.", `a.example.com. 1 IN TXT "x" "\000"`,
		"a.example.com. 1 IN NS \\000.", "com. 1 IN SOA a. b. 1 2 3 4 5", ". 1 IN SOA a. b. 1 2 3 4 5", "a.example.com. 1 IN A 192.0.2.1",
		`a.example.com. 1 IN HTTPS 1 . alpn="h2,h3" ech="AEX+DQBBpQAgACA="`,
	} {
		rr, err := dns.NewRR(zone)
		if err != nil {
			f.Fatal(err)
		}
		m := new(dns.Msg).SetQuestion("a.example.com.", dns.TypeSOA)
		m.Response = true
		m.Answer = []dns.RR{rr}
		m.Ns = []dns.RR{rr}
		b, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m := new(dns.Msg)
		if m.Unpack(b) != nil {
			return
		}
		const name = "a.example.com"
		if zone, ok := zoneIn(m, name); ok && !within(name, zone) {
			t.Errorf("zone %q does not hold %s", zone, name)
		}
		if target, ok, err := aliasIn(m, name); ok && (err != nil || checkName(target) != nil) {
			t.Errorf("CNAME to %q, %v", target, err)
		}
		textsIn(m)
		addressesIn(m)
		useful(m)
		whatItSaid(m)
		for _, rr := range m.Answer {
			if h, ok := rr.(*dns.HTTPS); ok {
				_, _ = canonical(svcbData(&h.SVCB))
			}
		}
	})
}

// FuzzValues reads values as zone files have them.
func FuzzValues(f *testing.F) {
	for _, seed := range []string{``, `"`, `"a"`, `"a" "b"`, `"a\"b\\c\065"`, `"\999"`, `a"b`, `1 . alpn="h2,h3"`, `0 example.com.`, `1 . ech="AEX+DQBBpQAgACA="`, `1 . mandatory=alpn alpn=h2`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if checkText(s) == nil {
			if got := unquote(quote(s)); got != s {
				t.Errorf("unquote(quote(%q)) = %q", s, got)
			}
		}
		unquote(s)
		clean, err := canonical(s)
		if err != nil {
			return
		}
		again, err := canonical(clean)
		if err != nil || again != clean {
			t.Errorf("canonical(%q) = %q, of which canonical = %q, %v", s, clean, again, err)
		}
		if _, err := binding("a", clean); err != nil {
			return
		}
	})
}

// FuzzNames cleans names and reads settings.
func FuzzNames(f *testing.F) {
	for _, seed := range []string{"", ".", "a.", "*.example.com", "bücher.example", "A_b-c.Example.COM.", "1.1.1.1:53", "[::1]:53", "::1", "cloudfare"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if clean, err := cleanName(s); err == nil {
			if again, err := cleanName(clean); err != nil || again != clean {
				t.Errorf("cleanName(%q) = %q, of which cleanName = %q, %v", s, clean, again, err)
			}
			if len(clean) > 253 || strings.ContainsAny(clean, "/\\ ") {
				t.Errorf("cleanName(%q) = %q", s, clean)
			}
		}
		if name, zone, err := recordName(s, "example.com."); err == nil && !within(name, zone) {
			t.Errorf("recordName(%q) = %q in %q", s, name, zone)
		}
		_, _ = serverAddress(s, "53")
		if _, err := Open(s, map[string]string{s: s}); err == nil {
			t.Errorf("Open(%q) with nothing that is needed", s)
		}
	})
}
