package clients

import (
	"encoding/xml"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// H2SpecCase is one case of h2spec, or of its generic part.
type H2SpecCase struct {
	Section string // "6.5.3" as h2spec numbers it
	Title   string
	Failure string // what was expected and what came; "" if the case passed
	Skipped bool
}

// H2Spec runs all cases of h2spec, the strict ones too, against the HTTP/2 server
// at addr, and returns what came of each. h2spec cannot be given a root to trust,
// so secure has it accept any certificate; everyone else verifies them.
func H2Spec(t testing.TB, addr string, secure bool) []H2SpecCase {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	report := filepath.Join(t.TempDir(), "report.xml")
	args := []string{"--strict", "--timeout", "3", "--host", host, "--port", port, "--junit-report", report}
	if secure {
		args = append(args, "--tls", "--insecure")
	}
	out, diag, runErr := run(t, nil, Find(t, "h2spec"), args...) // exits 1 where a case failed
	data, err := os.ReadFile(report)
	if err != nil {
		t.Fatalf("h2spec %q made no report: %v\n%s%s", args, runErr, out, diag)
	}
	cases, err := parseH2Spec(data)
	if err != nil || len(cases) == 0 {
		t.Fatalf("read report of h2spec: %d cases, %v", len(cases), err)
	}
	return cases
}

func parseH2Spec(report []byte) ([]H2SpecCase, error) {
	var suites struct {
		Suites []struct {
			Cases []struct {
				Package string    `xml:"package,attr"`
				Class   string    `xml:"classname,attr"`
				Failure string    `xml:"failure"`
				Error   string    `xml:"error"`
				Skipped *struct{} `xml:"skipped"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(report, &suites); err != nil {
		return nil, err
	}
	var cases []H2SpecCase
	for _, suite := range suites.Suites {
		for _, c := range suite.Cases {
			cases = append(cases, H2SpecCase{c.Package, c.Class, c.Failure + c.Error, c.Skipped != nil})
		}
	}
	return cases, nil
}
