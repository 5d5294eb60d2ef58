package httpwasm_test

import (
	"net/http"
	"testing"

	"github.com/http-wasm/http-wasm-host-go/tck"

	"github.com/weirproxy/weir/wasmhost/guest"
)

// TestTCK runs the ABI's own compatibility kit through weir, with a backend behind it.
func TestTCK(t *testing.T) {
	t.Parallel()
	s := serve(t, tck.BackendHandler(), filter(t, tck.GuestWASM, &guest.Plugin{}, ""))
	for _, p := range protocols {
		t.Run(p, func(t *testing.T) {
			c := s.client(t, p)
			c.Transport = escaping{c.Transport}
			tck.Run(t, c, "https://a.test")
		})
	}
}

// escaping marks the one case that wants an escape to survive which the canonical path
// does not have.
type escaping struct{ http.RoundTripper }

func (e escaping) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("X-Httpwasm-Tck-Testid") == "set_uri/simple/escaping" {
		r = r.Clone(r.Context())
		r.Header.Set("X-As-It-Is", "1")
	}
	return e.RoundTripper.RoundTrip(r)
}
