package main_test

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weirproxy/weir/certs/dns01"
)

// certificateSettings are the objects of the schema whose settings CERTIFICATES.md
// lists.
var certificateSettings = []explainedObject{
	{"issuer", "", "acme: {@}\nsites: {a.example.org: {respond: hi}}"},
	{"eab", "eab.", "acme: {eab: {key_id: a, hmac: AAECAwQFBgcICQoLDA0ODw, @}}\nsites: {a.example.org: {respond: hi}}"},
	{"dns", "dns.", "acme: {dns: {provider: desec, @}}\nsites: {a.example.org: {respond: hi}}"},
	{"store", "", "store: {url: \"redis://localhost\", @}\nsites: {a.lan: {respond: hi}}"},
	{"certificates", "", "certificates: {@}\nsites: {a.lan: {respond: hi}}"},
	{"on_demand", "", "on_demand: {allow: a.example.org, @}\nsites: {default: {respond: hi}}"},
	{"remember", "remember.", "on_demand: {allow: a.example.org, remember: {@}}\nsites: {default: {respond: hi}}"},
	{"demand_limits", "limits.", "on_demand: {allow: a.example.org, limits: {@}}\nsites: {default: {respond: hi}}"},
	{"tls_defaults", "", "tls: {@}\nsites: {a.lan: {respond: hi}}"},
	{"session_tickets", "session_tickets.", "tls: {session_tickets: {@}}\nsites: {a.lan: {respond: hi}}"},
	{"ech", "ech.", "tls: {ech: {public_name: a.lan, @}}\nsites: {a.lan: {respond: hi}}"},
	{"tls", "", "sites: {a.lan: {respond: hi, tls: {@}}}"},
}

// TestCertificates_DocumentListsEverySetting holds the tables of CERTIFICATES.md to what
// there is, and to what holds where nothing is written.
func TestCertificates_DocumentListsEverySetting(t *testing.T) {
	t.Parallel()
	listsEverySetting(t, "CERTIFICATES.md", certificateSettings)
}

// TestCertificates_DocumentQuotesValidConfiguration holds its YAML to what weir accepts.
func TestCertificates_DocumentQuotesValidConfiguration(t *testing.T) {
	t.Parallel()
	quotesValidConfiguration(t, "CERTIFICATES.md", 5)
}

// TestCertificates_DocumentListsEveryProvider holds its table of DNS providers to the
// ones there are, and to what they can be told.
func TestCertificates_DocumentListsEveryProvider(t *testing.T) {
	t.Parallel()
	rows := map[string]string{}
	for line := range strings.Lines(readDocument(t, "CERTIFICATES.md")) {
		cells := strings.Split(line, "|")
		if len(cells) == 4 {
			if _, name, ok := strings.Cut(cells[1], "`"); ok {
				name, _, _ = strings.Cut(name, "`")
				rows[name] = cells[2]
			}
		}
	}
	for _, k := range dns01.Providers() {
		settings, ok := rows[k.Name]
		if !ok {
			t.Errorf("CERTIFICATES.md has no row for the provider %s", k.Name)
		}
		for _, s := range k.Settings {
			if s.Name == "endpoint" {
				continue // said of all below the table
			}
			if !strings.Contains(settings, "`"+s.Name+"`") {
				t.Errorf("the row of %s does not have its setting %s", k.Name, s.Name)
			}
		}
		known := func(name string) bool {
			return slices.ContainsFunc(k.Settings, func(s dns01.Setting) bool { return s.Name == name || slices.Contains(s.Choices, name) })
		}
		for i, name := range strings.Split(settings, "`") {
			if i%2 == 1 && !known(name) {
				t.Errorf("the row of %s has %s, which it does not know", k.Name, name)
			}
		}
	}
}

// TestCertificates_DocumentNamesMetricsThatThereAre holds its table of metrics to those
// that weir has.
func TestCertificates_DocumentNamesMetricsThatThereAre(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("meters_certs.go")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(weir_[a-z_]+)`").FindAllStringSubmatch(readDocument(t, "CERTIFICATES.md"), -1)
	if len(named) < 5 {
		t.Fatalf("found %d metrics in CERTIFICATES.md", len(named))
	}
	for _, m := range named {
		if !strings.Contains(string(source), strconv.Quote(m[1])) {
			t.Errorf("CERTIFICATES.md names %s, which weir does not have", m[1])
		}
	}
}
