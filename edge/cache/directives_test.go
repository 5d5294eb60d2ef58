package cache

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

func header(t testing.TB, fields ...string) *exchange.Header {
	t.Helper()
	h := new(exchange.Header)
	for i := 0; i < len(fields); i += 2 {
		if err := h.Add(fields[i], fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// plain is what directives say of keeping: what the parser's tables compare.
type plain struct {
	noStore, noCache, private, public, mustRevalidate bool
	maxAge, sMaxAge                                   int64
	omit                                              string
}

func TestDirectives(t *testing.T) {
	t.Parallel()
	none := plain{maxAge: unsaid, sMaxAge: unsaid}
	with := func(change func(*plain)) plain { p := none; change(&p); return p }
	age := func(n int64) plain { return with(func(p *plain) { p.maxAge = n }) }
	noStore := with(func(p *plain) { p.noStore = true })
	for _, tt := range []struct {
		in   string // lines end at "\n"
		want plain
	}{
		{"", none},
		{" , ,, ", none},
		{"max-age=60", age(60)},
		{"MAX-AGE=60", age(60)},
		{`max-age="60"`, age(60)},
		{"max-age=0060", age(60)},
		{"max-age=60, max-age=30", age(30)},
		{"max-age=30\nmax-age=60", age(30)},
		{"max-age=99999999999999999999999999", age(forever)},
		{"max-age=-1", age(0)},
		{"max-age=+1", age(0)},
		{"max-age=1.5", age(0)},
		{"max-age=60s", age(0)},
		{"max-age='60'", age(0)},
		{"max-age", age(0)},
		{"max-age=", age(0)},
		{"max-age =60", age(0)},
		{"max-age= 60", age(0)},
		{`max-age="60`, age(0)},
		{"x-max-age=60", none},
		{`x="max-age=60"`, none},
		{`x="max-age=60, no-store", max-age=5`, age(5)},
		{`x="\", no-store", max-age=5`, age(5)},
		{`x="no-store, max-age=5`, plain{maxAge: 0, sMaxAge: unsaid}}, // "no-store is not a token
		{`x=", no-store, max-age=5`, plain{noStore: true, maxAge: 0, sMaxAge: unsaid}},
		{`public, x="`, plain{maxAge: 0, sMaxAge: unsaid}},
		{"no-store", noStore},
		{"No-Store ", noStore},
		{"no-store =x", noStore},
		{"no-store;a=b", noStore},
		{"no-store=", noStore},
		{"private", with(func(p *plain) { p.private = true })},
		{`private="x-a"`, with(func(p *plain) { p.private = true })},
		{"public", with(func(p *plain) { p.public = true })},
		{"public=no", none},
		{"no-cache", with(func(p *plain) { p.noCache = true })},
		{`no-cache="Set-Cookie, X-A"`, with(func(p *plain) { p.omit = "set-cookie x-a" })},
		{`no-cache=x-a`, with(func(p *plain) { p.noCache = true })},
		{`no-cache=""`, with(func(p *plain) { p.noCache = true })},
		{"must-revalidate, s-maxage=9", with(func(p *plain) { p.mustRevalidate, p.sMaxAge = true, 9 })},
		{"s-maxage=9, s-maxage=x", with(func(p *plain) { p.sMaxAge = 0 })},
	} {
		h := new(exchange.Header)
		for line := range strings.SplitSeq(tt.in, "\n") {
			h.Append("cache-control", line)
		}
		d := parseDirectives(h, "cache-control")
		got := plain{d.noStore, d.noCache, d.private, d.public, d.mustRevalidate, d.maxAge, d.sMaxAge, strings.Join(d.omit, " ")}
		if got != tt.want {
			t.Errorf("%q:\n got %+v\nwant %+v", tt.in, got, tt.want)
		}
	}
}

// slowDirectives is a second reading of what forbids: it takes the field apart at every
// comma, quotes or not. What the parser finds forbidden is a subset of that, and all of
// it where there is no quote.
func slowDirectives(value string) (noStore, private bool) {
	for item := range strings.SplitSeq(value, ",") {
		name, _, _ := strings.Cut(item, "=")
		name, _, _ = strings.Cut(name, ";")
		switch strings.ToLower(strings.Trim(name, " \t")) {
		case "no-store":
			noStore = true
		case "private":
			private = true
		}
	}
	return noStore, private
}

func FuzzDirectives(f *testing.F) {
	for _, s := range []string{"max-age=60, public", `no-cache="a, b", s-maxage="9"`, `x="\",no-store`, "private;a=b", `"`, "max-stale, min-fresh=5,only-if-cached"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !exchange.ValidValue(s) {
			return
		}
		h := header(t, "cache-control", s)
		d := parseDirectives(h, "cache-control")
		for _, n := range []int64{d.maxAge, d.sMaxAge, d.maxStale, d.minFresh, d.whileRevalidate, d.ifError} {
			if n < unsaid || n > forever {
				t.Errorf("%q: %d is out of range", s, n)
			}
		}
		noStore, private := slowDirectives(s)
		if d.noStore && !noStore || d.private && !private {
			t.Errorf("%q: found what is not there: %+v", s, d)
		}
		if !strings.Contains(s, `"`) && (d.noStore != noStore || d.private != private) {
			t.Errorf("%q: got no-store %v, private %v, want %v, %v", s, d.noStore, d.private, noStore, private)
		}
		if d.broken && (d.public || d.maxAge > 0 || d.sMaxAge > 0) {
			t.Errorf("%q: a broken field allows something: %+v", s, d)
		}
		// Order does not matter, and to say it twice changes nothing.
		h.Append("cache-control", s)
		again := parseDirectives(h, "cache-control")
		again.omit, d.omit = nil, nil
		if !reflect.DeepEqual(d, again) {
			t.Errorf("%q: twice: got %+v, want %+v", s, again, d)
		}
	})
}

func TestPolicy_Freshness(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	const date, later = "Sat, 21 Nov 2026 12:00:00 GMT", "Sat, 21 Nov 2026 12:01:00 GMT"
	for _, tt := range []struct {
		name          string
		fields        []string
		lifetime, age int64
	}{
		{"nothing", nil, unsaid, 0},
		{"max-age", []string{"cache-control", "max-age=60"}, 60, 0},
		{"s-maxage wins", []string{"cache-control", "max-age=60, s-maxage=5"}, 5, 0},
		{"max-age over Expires", []string{"cache-control", "max-age=5", "expires", later}, 5, 0},
		{"Expires", []string{"date", date, "expires", later}, 60, 0},
		{"Expires without Date", []string{"expires", later}, 60, 0},
		{"Expires is no date", []string{"date", date, "expires", "0"}, 0, 0},
		{"Expires twice", []string{"date", date, "expires", later, "expires", later}, 0, 0},
		{"Expires before Date", []string{"date", later, "expires", date}, 0, 0},
		{"Date long ago", []string{"date", "Sat, 21 Nov 2026 11:00:00 GMT", "cache-control", "max-age=60"}, 60, 3600},
		{"Date in the future", []string{"date", later, "cache-control", "max-age=60"}, 60, 0},
		{"Date is none", []string{"date", "yesterday", "cache-control", "max-age=60"}, 60, 0},
		{"Age", []string{"age", "30", "cache-control", "max-age=60"}, 60, 30},
		{"Age is huge", []string{"age", "99999999999999999999", "cache-control", "max-age=60"}, 60, forever},
		{"Age is negative", []string{"age", "-30", "cache-control", "max-age=60"}, 0, 0},
		{"Age is text", []string{"age", "old", "cache-control", "max-age=60"}, 0, 0},
		{"Age is quoted", []string{"age", `"0"`, "cache-control", "max-age=60"}, 0, 0},
		{"Age twice", []string{"age", "0", "age", "0", "cache-control", "max-age=60"}, 0, 0},
		{"Age as a list", []string{"age", "5,70", "cache-control", "max-age=60"}, 60, 5},
		{"Age joined", []string{"age", "5, 70", "cache-control", "max-age=60"}, 0, 0},
		{"targeted", []string{"cdn-cache-control", "max-age=9", "cache-control", "no-store", "expires", later}, 9, 0},
		{"targeted alone counts", []string{"cdn-cache-control", "public", "cache-control", "max-age=60", "expires", later}, unsaid, 0},
		{"targeted is empty", []string{"cdn-cache-control", " ", "cache-control", "max-age=60"}, 60, 0},
		{"Surrogate-Control", []string{"surrogate-control", "max-age=9", "cache-control", "max-age=60"}, 9, 0},
		{"Surrogate-Control for us", []string{"surrogate-control", "max-age=9;weir"}, 9, 0},
		{"Surrogate-Control for others", []string{"surrogate-control", "max-age=9;akamai"}, unsaid, 0},
	} {
		h := new(exchange.Header)
		for i := 0; i < len(tt.fields); i += 2 {
			h.Append(tt.fields[i], tt.fields[i+1])
		}
		p := policyOf(h, now, 0)
		if p.lifetime != tt.lifetime || p.age < min(tt.age, 1) || p.age != tt.age && tt.age != forever {
			t.Errorf("%s %q: got lifetime %d, age %d, want %d, %d", tt.name, tt.fields, p.lifetime, p.age, tt.lifetime, tt.age)
		}
	}
	if got := policyOf(header(t, "age", "5"), now, 3*time.Second).age; got != 8 {
		t.Errorf("age of a response that took 3 s: got %d, want 8", got)
	}
}
