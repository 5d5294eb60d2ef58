package dns01_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/certs/dns01"
)

// openAt opens a provider whose API answers what f says, if it says something.
func openAt(t *testing.T, name string, w *world, f func(rw http.ResponseWriter, r *http.Request) bool) dns01.Provider {
	t.Helper()
	i := slices.IndexFunc(subjects(), func(s subject) bool { return s.name == name })
	p := subjects()[i].open(t, w)()
	w.setFault(func(_ int, rw http.ResponseWriter, r *http.Request) bool { return f(rw, r) })
	return p
}

// wantError has p add a record, which must fail as said.
func wantError(t *testing.T, p dns01.Provider, want ...string) {
	t.Helper()
	_, err := p.AppendRecords(t.Context(), "example.com.", text("_acme-challenge", someText))
	for _, s := range want {
		if err == nil || !strings.Contains(err.Error(), s) {
			t.Errorf("error %v, want %q in it", err, s)
		}
	}
}

func TestRoute53_ChoosesNoneOfSeveralZones(t *testing.T) {
	t.Parallel()
	p := openAt(t, "route53", newWorld(), func(rw http.ResponseWriter, r *http.Request) bool {
		_, _ = io.WriteString(rw, `<ListHostedZonesByNameResponse><HostedZones>`+
			`<HostedZone><Id>/hostedzone/ZA</Id><Name>example.com.</Name></HostedZone>`+
			`<HostedZone><Id>/hostedzone/ZB</Id><Name>example.com.</Name></HostedZone></HostedZones></ListHostedZonesByNameResponse>`)
		return true
	})
	wantError(t, p, "several (ZA, ZB)", "hosted_zone_id")
}

func TestRoute53_LeavesRoutedSetsAlone(t *testing.T) {
	t.Parallel()
	for _, part := range []string{"<SetIdentifier>blue</SetIdentifier><Weight>1</Weight>", "<AliasTarget><DNSName>x.</DNSName></AliasTarget>"} {
		w := newWorld()
		p := openAt(t, "route53", w, func(rw http.ResponseWriter, r *http.Request) bool {
			if r.Method != "GET" || !strings.HasSuffix(r.URL.Path, "/rrset") {
				return false
			}
			fmt.Fprintf(rw, `<ListResourceRecordSetsResponse><ResourceRecordSets><ResourceRecordSet><Name>_acme-challenge.example.com.</Name>`+
				`<Type>TXT</Type>%s</ResourceRecordSet></ResourceRecordSets></ListResourceRecordSetsResponse>`, part)
			return true
		})
		wantError(t, p, "policy or an alias")
		if slices.ContainsFunc(w.asked(), func(s string) bool { return strings.HasPrefix(s, "POST") }) {
			t.Error("the set was written")
		}
	}
}

func TestRoute53_GivesUpOnChangesThatAreAlwaysLate(t *testing.T) {
	t.Parallel()
	w := newWorld()
	p := openAt(t, "route53", w, func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method != "POST" {
			return false
		}
		rw.WriteHeader(400)
		_, _ = io.WriteString(rw, `<ErrorResponse><Error><Type>Sender</Type><Code>PriorRequestNotComplete</Code>`+
			`<Message>The request was rejected because Route 53 was still processing a prior request.</Message></Error></ErrorResponse>`)
		return true
	})
	wantError(t, p, "change records at route53", "PriorRequestNotComplete", "400")
	if n := len(w.asked()); n > 25 {
		t.Errorf("%d requests", n)
	}
}

func TestHetznerCloud_TellsHowAnActionEnded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ action, want string }{
		{`{"id":1,"status":"error","error":{"code":"action_failed","message":"Action failed"}}`, "Action failed (action_failed)"},
		{`{"id":1,"status":"unheard-of","error":null}`, "unheard-of"},
		{`{}`, `ended as ""`},
	} {
		p := openAt(t, "hetzner cloud", newWorld(), func(rw http.ResponseWriter, r *http.Request) bool {
			if !strings.HasPrefix(r.URL.Path, "/v1/actions/") {
				return false
			}
			_, _ = io.WriteString(rw, `{"action":`+c.action+`}`)
			return true
		})
		wantError(t, p, "add records at hetzner", c.want)
	}
}

// The record that another node just put in is no error.
func TestCloudflare_TakesADoubleForSuccess(t *testing.T) {
	t.Parallel()
	for _, code := range []int{81057, 81058} {
		p := openAt(t, "cloudflare", newWorld(), func(rw http.ResponseWriter, r *http.Request) bool {
			if r.Method != "POST" {
				return false
			}
			cloudflareError(rw, 400, code, "An identical record already exists.")
			return true
		})
		if _, err := p.AppendRecords(t.Context(), "example.com.", text("_acme-challenge", someText)); err != nil {
			t.Errorf("%d: %v", code, err)
		}
	}
	p := openAt(t, "cloudflare", newWorld(), func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method != "POST" {
			return false
		}
		cloudflareError(rw, 400, 1004, "DNS Validation Error")
		return true
	})
	wantError(t, p, "DNS Validation Error (1004)", "create record at cloudflare: 400")
}

func TestDeSEC_RaisesTTLToWhatTheZoneAllows(t *testing.T) {
	t.Parallel()
	w := newWorld()
	p := openAt(t, "desec", w, func(http.ResponseWriter, *http.Request) bool { return false })
	recs := text("_acme-challenge", someText)
	if _, err := p.AppendRecords(t.Context(), "example.com.", recs); err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if last := w.recs[len(w.recs)-1]; last.ttl != int(time.Hour/time.Second) {
		t.Errorf("TTL %d, want the least that the zone allows", last.ttl)
	}
}

func TestDeSEC_TellsWhatIsWrongWithWhichField(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"records":["Cannot parse record contents."],"ttl":["Too low."]}`:  "records: Cannot parse record contents.; ttl: Too low.",
		`[{},{"non_field_errors":["Another RRset exists."]}]`:               "non_field_errors: Another RRset exists.",
		`{"detail":"You do not have permission to perform this action."}`:   "You do not have permission",
		`{"non_field_errors":{"a":["one"],"b":["two","three"]},"c":"four"}`: "c: four; a: one; b: two; b: three",
	} {
		p := openAt(t, "desec", newWorld(), func(rw http.ResponseWriter, r *http.Request) bool {
			if r.Method == "GET" {
				return false
			}
			rw.WriteHeader(403)
			_, _ = io.WriteString(rw, body)
			return true
		})
		wantError(t, p, want, "write records at desec: 403 Forbidden", "may these credentials change this zone?")
	}
}
