package dns01_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libdns/libdns"

	"github.com/weirproxy/weir/certs/dns01"
)

// subject is one provider with servers of its own.
type subject struct {
	name  string
	kind  string
	api   func() func(*world, http.ResponseWriter, *http.Request) // nil: DNS
	path  string                                                  // of the API
	set   map[string]string
	nodes bool // nodes that change one name at once do not get into each other's way
}

func subjects() []subject {
	one := func(f func(*world, http.ResponseWriter, *http.Request)) func() func(*world, http.ResponseWriter, *http.Request) {
		return func() func(*world, http.ResponseWriter, *http.Request) { return f }
	}
	token := map[string]string{"token": theToken}
	return []subject{
		{"cloudflare", "cloudflare", one(cloudflareAPI), "/client/v4", token, true},
		{"desec", "desec", one(desecAPI), "/api/v1", token, false},
		{"digitalocean", "digitalocean", one(digitalOceanAPI), "/v2", token, true},
		{"hetzner classic", "hetzner", one(hetznerClassicAPI), "/api/v1", map[string]string{"token": theToken, "api": "classic"}, true},
		{"hetzner cloud", "hetzner", hetznerCloudAPI, "/v1/", token, true},
		{"route53", "route53", one(route53API), "", map[string]string{"access_key": "AKIDEXAMPLE", "secret_key": theToken}, true},
		{"route53 waiting, by id", "route53", one(route53API), "", map[string]string{
			"access_key": "AKIDEXAMPLE", "secret_key": theToken, "session_token": "a/session+token=", "hosted_zone_id": "Z0", "wait": "yes",
		}, true},
		{"rfc2136", "rfc2136", nil, "", map[string]string{"key": "Weir.Key", "secret": tsigSecret}, true},
		{"rfc2136 over udp", "rfc2136", nil, "", map[string]string{"key": "weir.key.", "secret": tsigSecret, "transport": "udp", "algorithm": "hmac-sha512"}, true},
	}
}

// open starts the servers of a world and returns how to make a provider for them.
func (s subject) open(t testing.TB, w *world) func() dns01.Provider {
	set := map[string]string{}
	maps.Copy(set, s.set)
	if s.api != nil {
		set["endpoint"] = w.serve(t, s.api()) + s.path
	} else {
		set["server"] = startDNS(t, w).addr
	}
	return func() dns01.Provider {
		p, err := dns01.Open(s.kind, set)
		if err != nil {
			t.Fatal(err)
		}
		dns01.Impatient(p, 20*time.Second)
		return p
	}
}

func text(name, value string) []libdns.Record {
	return []libdns.Record{libdns.TXT{Name: name, TTL: 2 * time.Minute, Text: value}}
}

// TestProvider_Contract is what Provider promises, for all of them.
func TestProvider_Contract(t *testing.T) {
	t.Parallel()
	for _, s := range subjects() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range []struct{ name, at, absolute string }{
				{"deep", "_acme-challenge.a.b.c", "_acme-challenge.a.b.c.example.com"},
				{"below apex", "_acme-challenge", "_acme-challenge.example.com"},
				{"apex", "@", "example.com"},
				{"wildcard", "*", "*.example.com"},
				{"shared name", "_acme-challenge.other", "_acme-challenge.other.example.com"},
			} {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					keepsValuesApart(t, s, c.at, c.absolute)
				})
			}
			t.Run("refusals", func(t *testing.T) { t.Parallel(); refuses(t, s) })
			t.Run("at once", func(t *testing.T) { t.Parallel(); changesAtOnce(t, s) })
			t.Run("zones", func(t *testing.T) { t.Parallel(); findsZones(t, s) })
			t.Run("bindings", func(t *testing.T) { t.Parallel(); publishes(t, s) })
		})
	}
}

func keepsValuesApart(t *testing.T, s subject, at, absolute string) {
	ctx := t.Context()
	w := newWorld()
	p := s.open(t, w)()
	before, others := w.values(absolute, "TXT"), w.others(absolute, "TXT")
	check := func(step string, want ...string) {
		t.Helper()
		want = append(slices.Clone(before), want...)
		slices.Sort(want)
		if got := w.values(absolute, "TXT"); !slices.Equal(got, want) {
			t.Fatalf("%s: TXT %s = %q, want %q", step, absolute, got, want)
		}
		if got := w.others(absolute, "TXT"); got != others {
			t.Fatalf("%s: other records are now\n%s\nwere\n%s", step, got, others)
		}
	}
	add := func(value string) {
		t.Helper()
		got, err := p.AppendRecords(ctx, "example.com.", text(at, value))
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 1 || got[0].RR().Data != value || got[0].RR().Name != at {
			t.Fatalf("AppendRecords = %v, want the record", got)
		}
	}
	drop := func(value string) {
		t.Helper()
		if _, err := p.DeleteRecords(ctx, "example.com.", text(at, value)); err != nil {
			t.Fatal(err)
		}
	}
	add(someText)
	check("one", someText)
	add(moreText)
	check("two", someText, moreText)
	add(someText)
	check("twice", someText, moreText)
	drop(someText)
	check("one gone", moreText)
	drop(someText)
	check("gone twice", moreText)
	drop(moreText)
	check("both gone")
	drop(moreText)
	check("gone twice")
	add(`with "quotes" and \ in it`)
	check("quotes", `with "quotes" and \ in it`)
	drop(`with "quotes" and \ in it`)
	check("end")

	both := append(text(at, someText), text(at, moreText)...)
	if got, err := p.AppendRecords(ctx, "example.com.", both); err != nil || len(got) != 2 {
		t.Fatalf("AppendRecords of two = %v, %v", got, err)
	}
	check("in one call", someText, moreText)
	if _, err := p.DeleteRecords(ctx, "example.com.", both); err != nil {
		t.Fatal(err)
	}
	check("end")
}

func refuses(t *testing.T, s subject) {
	ctx := t.Context()
	w := newWorld()
	p := s.open(t, w)()
	for _, c := range []struct{ name, zone, at, value, want string }{
		{"unicode", "example.com.", "_acme-challenge.bücher", someText, "punycode"},
		{"unicode zone", "bücher.example.", "@", someText, "punycode"},
		{"star inside", "example.com.", "a.*", someText, "cannot be in it"},
		{"empty label", "example.com.", "a..b", someText, "between dots"},
		{"long label", "example.com.", strings.Repeat("a", 64), someText, "63 bytes"},
		{"long name", "example.com.", strings.Repeat("a.", 125) + "a", someText, "253 bytes"},
		{"path", "example.com.", "../../zones", someText, "between dots"},
		{"slash", "example.com.", "a/b", someText, "cannot be in it"},
		{"other zone", "example.com.", "www.example.net.", someText, "not in zone"},
		{"no text", "example.com.", "a", "", "1 to 255 bytes"},
		{"long text", "example.com.", "a", strings.Repeat("x", 256), "1 to 255 bytes"},
		{"line break", "example.com.", "a", "x\ny", "printable"},
	} {
		for what, do := range map[string]func(context.Context, string, []libdns.Record) ([]libdns.Record, error){
			"append": p.AppendRecords, "delete": p.DeleteRecords,
		} {
			_, err := do(ctx, c.zone, text(c.at, c.value))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s, %s: error %v, want %q in it", c.name, what, err, c.want)
			}
		}
	}
	if _, err := p.AppendRecords(ctx, "example.com.", []libdns.Record{libdns.CNAME{Name: "a", Target: "b."}}); err == nil {
		t.Error("a CNAME was taken")
	}
	if asked := w.asked(); len(asked) > 0 {
		t.Errorf("what cannot be was asked for: %q", asked)
	}
	_, err := p.AppendRecords(ctx, "example.net.", text("a", someText))
	if !errors.Is(err, dns01.ErrNoZone) || !strings.Contains(fmt.Sprint(err), "example.net") {
		t.Errorf("unknown zone: error %v, want ErrNoZone and the zone's name", err)
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := p.AppendRecords(over, "example.com.", text("a", someText)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: error %v", err)
	}
	if got := w.values("a.example.com", "TXT"); len(got) > 0 {
		t.Errorf("cancelled: %q were put in", got)
	}
}

func changesAtOnce(t *testing.T, s subject) {
	w := newWorld()
	open := s.open(t, w)
	nodes := []dns01.Provider{open()}
	if s.nodes {
		nodes = append(nodes, open(), open())
	}
	const each = 4
	var want []string
	var all sync.WaitGroup
	for n, p := range nodes {
		for i := range each {
			value := fmt.Sprintf("value-%d-%d", n, i)
			if i > 0 {
				want = append(want, value)
			}
			all.Go(func() {
				if _, err := p.AppendRecords(t.Context(), "example.com.", text("_acme-challenge", value)); err != nil {
					t.Error(err)
				}
				if i > 0 {
					return
				}
				if _, err := p.DeleteRecords(t.Context(), "example.com.", text("_acme-challenge", value)); err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	if got := w.values("_acme-challenge.example.com", "TXT"); !slices.Equal(got, want) {
		t.Errorf("after changes at once: %q, want %q", got, want)
	}
}

func findsZones(t *testing.T, s subject) {
	p, ok := s.open(t, newWorld())().(dns01.ZoneFinder)
	if !ok {
		t.Fatal("the provider finds no zones")
	}
	for name, want := range map[string]string{
		"_acme-challenge.a.b.example.com.":  "example.com.",
		"example.com":                       "example.com.",
		"_acme-challenge.deep.example.org.": "deep.example.org.",
	} {
		if s.set["hosted_zone_id"] != "" && want != "example.com." {
			want = ""
		}
		zone, err := p.FindZone(t.Context(), name)
		if zone != want || (err != nil) != (want == "") {
			t.Errorf("FindZone(%q) = %q, %v, want %q", name, zone, err, want)
		}
	}
	if zone, err := p.FindZone(t.Context(), "_acme-challenge.example.org"); !errors.Is(err, dns01.ErrNoZone) {
		t.Errorf("FindZone of a name above a zone = %q, %v, want ErrNoZone", zone, err)
	}
	if zone, err := p.FindZone(t.Context(), "bücher.example.com"); err == nil {
		t.Errorf("FindZone of unicode = %q", zone)
	}
}

func publishes(t *testing.T, s subject) {
	ctx := t.Context()
	w := newWorld()
	provider := s.open(t, w)()
	p, ok := provider.(dns01.Publisher)
	if want := s.name != "digitalocean" && s.name != "hetzner classic"; ok != want {
		t.Fatalf("it is a Publisher: %v, want %v", ok, want)
	}
	if !ok {
		return
	}
	others := w.others("www.example.com", "HTTPS")
	got, err := p.Bindings(ctx, "example.com.", "www")
	if err != nil || len(got) != 0 {
		t.Fatalf("Bindings of none = %v, %v", got, err)
	}
	first := libdns.ServiceBinding{Scheme: "https", TTL: 5 * time.Minute, Priority: 1, Target: ".", Params: libdns.SvcParams{
		"alpn": {"h2", "h3"}, "ech": {"AEX+DQBBpQAgACA="},
	}}
	second := libdns.ServiceBinding{Scheme: "https", TTL: 5 * time.Minute, Priority: 2, Target: "cdn.example.net.", Params: libdns.SvcParams{}}
	for _, set := range [][]libdns.ServiceBinding{{first}, {first, second}, {first, second}, {second}, {}, {}} {
		if err := p.SetBindings(ctx, "example.com.", "www", set); err != nil {
			t.Fatal(err)
		}
		got, err := p.Bindings(ctx, "example.com.", "www")
		if err != nil {
			t.Fatal(err)
		}
		if g, w := bindings(got), bindings(set); g != w {
			t.Errorf("Bindings = %s, want %s", g, w)
		}
	}
	if got := w.others("www.example.com", "HTTPS"); got != others {
		t.Errorf("other records are now\n%s\nwere\n%s", got, others)
	}
}

func bindings(all []libdns.ServiceBinding) string {
	var b []string
	for _, s := range all {
		b = append(b, fmt.Sprintf("%d %s alpn=%v ech=%v", s.Priority, s.Target, s.Params["alpn"], s.Params["ech"]))
	}
	slices.Sort(b)
	return strings.Join(b, " | ")
}

func TestProvider_ShowsNoSecrets(t *testing.T) {
	t.Parallel()
	for _, s := range subjects() {
		p := s.open(t, newWorld())()
		for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
			shown := fmt.Sprintf(format, p)
			if strings.Contains(shown, theToken) || strings.Contains(shown, tsigSecret) {
				t.Errorf("%s as %s shows its secret: %s", s.name, format, shown)
			}
		}
	}
}
