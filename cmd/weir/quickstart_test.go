package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/weirproxy/weir/cmd/weir/config"
)

// TestQuickstart_AnswersAsItsReadmeSays runs the example and every curl command of
// its README, and compares with the lines below the command, up to an ellipsis.
func TestQuickstart_AnswersAsItsReadmeSays(t *testing.T) {
	t.Parallel()
	c, err := config.Load("../../examples/quickstart/weir.yaml", os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	c.Data, c.Admin.Address, c.Log.Format = t.TempDir(), "", "off"
	c.Listen.HTTP[0].Address, c.Listen.HTTPS[0].Address = "127.0.0.1:0", "127.0.0.1:0"
	p, err := start(quiet(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.close(context.Background()) })

	readme, err := os.ReadFile("../../examples/quickstart/README.md")
	if err != nil {
		t.Fatal(err)
	}
	commands := 0
	var got []string // what the command printed and was not yet compared
	var command string
	for line := range strings.Lines(string(readme)) {
		text, indented := strings.CutPrefix(strings.TrimRight(line, "\n"), "    ")
		switch {
		case strings.HasPrefix(text, "$ curl "):
			command = text
			got = curl(t, text, p.server.Addrs()[0].String())
			commands++
		case !indented || text == "…":
			got = nil
		case got != nil && (len(got) == 0 || !contains(&got, text)):
			t.Errorf("%s\nthe README says %q, which is not in what is left of the answer: %q", command, text, got)
		}
	}
	if commands < 3 {
		t.Errorf("the README has %d curl commands, want 3 at least", commands)
	}
}

// contains drops lines up to and with the one that is asked for.
func contains(lines *[]string, want string) bool {
	for i, l := range *lines {
		if l == want {
			*lines = (*lines)[i+1:]
			return true
		}
	}
	return false
}

// curl does what `$ curl [-i] URL` would, and returns the lines that it prints.
func curl(t *testing.T, command, address string) []string {
	t.Helper()
	words := strings.Fields(command)
	url := strings.Replace(words[len(words)-1], "localhost:8080", address, 1)
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "localhost"
	resp, err := (&http.Transport{DisableKeepAlives: true, DisableCompression: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if len(words) == 3 {
		return strings.Split(string(body), "\n")
	}
	lines := []string{resp.Proto + " " + resp.Status}
	for _, name := range []string{"Location", "Content-Type"} {
		if v := resp.Header.Get(name); v != "" {
			lines = append(lines, fmt.Sprintf("%s: %s", name, v))
		}
	}
	return append(lines, "")
}
