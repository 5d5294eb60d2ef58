package main

import (
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/cmd/weir/config"
)

func TestParseFrom(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"localhost:8443":         "https: 'localhost:8443' localhost auto",
		"localhost":              "http: 'localhost:80', https: 'localhost:443' localhost auto",
		"app.lan":                "http: ':80', https: ':443' app.lan auto",
		"app.lan:8443":           "https: ':8443' app.lan auto",
		":8080":                  "http: ':8080' default off",
		"127.0.0.1:8080":         "http: '127.0.0.1:8080' default off",
		"[::1]:8080":             "http: '[::1]:8080' default off",
		"[::1]":                  "http: '[::1]:80' default off",
		"http://example.com":     "http: ':80' example.com off",
		"http://localhost:8080/": "http: 'localhost:8080' localhost off",
		"https://:8443":          "https: ':8443' default auto",
		"https://127.0.0.1:8443": "https: '127.0.0.1:8443' default auto",
		"example.com":            "http: ':80', https: ':443' example.com auto",
		"https://example.com":    "http: ':80', https: ':443' example.com auto",
		"example.com:8443":       "https: ':8443' example.com auto",
		"ftp://x":                "want http:// or https://",
		"":                       "want localhost:8443",
		"a/b":                    "want localhost:8443",
		"unix:/tmp/weir.sock":    "want localhost:8443",
		"localhost:":             "want localhost:8443",
		"localhost:https":        "want localhost:8443",
		":65536":                 "want localhost:8443",
	} {
		f, err := parseFrom(s)
		got := f.listen() + " " + f.site() + " " + f.tls()
		if err != nil {
			got = err.Error()
			if strings.Contains(got, want) {
				continue
			}
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", s, got, want)
			continue
		}
		cmd := proxyCmd{From: s, To: []string{"9000", "unix:/a b"}, Targets: []string{"it's:1"}, ChangeHost: true, Cache: true, Header: []string{"X-A: ${b}"}}
		text, err := cmd.configuration()
		if err != nil {
			t.Errorf("%q: %v", s, err)
			continue
		}
		text = strings.Replace(text, "it''s:1", "its:1", 1) // what was quoted well is refused for what it is
		if _, err := config.Parse("weir proxy", []byte(text), config.Options{Dir: "."}); err != nil {
			t.Errorf("%q becomes a configuration that is refused:\n%s\n%v", s, text, err)
		}
	}
}

func TestPrintPools(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	pools := []poolJSON{
		{Name: "api", Endpoints: []endpointJSON{
			{Address: "10.0.0.1:9000", State: "up", InFlight: 3, Requests: 1204, Latency: 0.00123, Since: now.Add(-90 * time.Minute)},
			{Address: "10.0.0.2:9000", State: "ejected", Failures: failuresJSON{Connect: 4, Timeout: 1}, Since: now.Add(-4 * time.Second), Why: "5 failures in a row"},
		}},
		{Name: "dns", Error: "no such host"},
	}
	var b strings.Builder
	if err := printPools(&b, pools, now); err != nil {
		t.Fatal(err)
	}
	want := `UPSTREAM  ENDPOINT       STATE       NOW  CONNS  REQUESTS  FAILED  LATENCY  SINCE  WHY
api       10.0.0.1:9000  up          3    0      1204      0       1.2ms    2h     
          10.0.0.2:9000  ejected     0    0      0         5       -        4s     5 failures in a row
dns       -              unresolved                                                no such host
`
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	b.Reset()
	if err := printPools(&b, nil, now); err != nil || b.String() != "no upstreams\n" {
		t.Errorf("without upstreams: got %q, %v", b.String(), err)
	}
}
