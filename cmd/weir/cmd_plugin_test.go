package main

import (
	"strings"
	"testing"
	"time"
)

func TestPrintPlugins_TellsWhatCallsCost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		p    pluginJSON
		want string
	}{
		{"not called", pluginJSON{}, "-"},
		{"timed", pluginJSON{Calls: 10, CPU: 0.002, Fuel: 5}, "200µs"},
		{"not timed yet", pluginJSON{Calls: 2, Fuel: 6000}, "3µs"},
	} {
		c.p.Name, c.p.ABI, c.p.Since = "p", "cgi", time.Unix(0, 0)
		var b strings.Builder
		if err := printPlugins(&b, []pluginJSON{c.p}, time.Unix(5, 0)); err != nil {
			t.Fatal(err)
		}
		head, line, _ := strings.Cut(b.String(), "\n")
		if got := strings.Fields(line[strings.Index(head, "CPU/CALL"):])[0]; got != c.want {
			t.Errorf("%s: got %q, want %q, in\n%s", c.name, got, c.want, b.String())
		}
	}
}
