package corpus

import (
	"os"
	"strings"
	"testing"

	"github.com/weirproxy/weir/wasmhost/wasm"
)

// TestCorpus_Builds makes all guests, or finds that they are there, and looks whether
// they are what the list says.
func TestCorpus_Builds(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, g := range Guests() {
		if names[g.Name] {
			t.Errorf("two guests are called %s", g.Name)
		}
		names[g.Name] = true
		t.Run(g.Name, func(t *testing.T) {
			t.Parallel()
			code, err := os.ReadFile(g.File(t))
			if err != nil {
				t.Fatal(err)
			}
			m, err := wasm.Parse(code)
			if err != nil {
				t.Fatalf("Parse: %v", err)
			}
			if got := speaks(m); got != g.ABI {
				t.Errorf("%d bytes speak %q, want %q", len(code), got, g.ABI)
			}
		})
	}
}

// speaks tells the ABI of a module by its exports.
func speaks(m *wasm.Module) ABI {
	for _, e := range m.Exports {
		if strings.HasPrefix(e.Name, "proxy_abi_version_") {
			return ProxyWasm
		}
	}
	switch {
	case m.HasFunc("handle_request"):
		return HTTPWasm
	case m.HasFunc("_start"):
		return Command
	}
	return ""
}

// TestCorpus_IDs holds recipes to telling their modules apart: what is kept under an id
// is taken for the module.
func TestCorpus_IDs(t *testing.T) {
	t.Parallel()
	ids := map[string]string{}
	for _, g := range Guests() {
		if other := ids[g.from.id()]; other != "" {
			t.Errorf("%s and %s have the id %q", g.Name, other, g.from.id())
		}
		ids[g.from.id()] = g.Name
	}
	if a, b := digest("rust"), digest("c"); a == b || len(a) != 12 {
		t.Errorf("digests of two directories: %q and %q, want different ones of 12 digits", a, b)
	}
	if got := digest("nowhere"); !strings.Contains(got, "nowhere") {
		t.Errorf("digest of nothing: %q, want an error", got)
	}
}
