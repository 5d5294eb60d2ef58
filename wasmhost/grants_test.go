package wasmhost

import (
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/wasmhost/guest"
)

// asked is an upstream that notes which host it is called for.
type asked struct{ host, scheme string }

func (a *asked) Do(c *exchange.Call, _ *exchange.Response) error {
	a.host, a.scheme = c.Authority, c.Scheme
	return nil
}

func TestUpstream_OfAURLIsItsHost(t *testing.T) {
	t.Parallel()
	g := Grants{Upstreams: []string{"users"}, URLs: []string{"https://api.example.com"}}
	for target, want := range map[string]asked{
		"https://api.example.com/v1": {"", ""}, // its own
		"users":                      {"admin.internal", "http"},
	} {
		var got asked
		up, err := g.upstream(func(string) (guest.Upstream, error) { return &got, nil })(target)
		if err != nil {
			t.Fatal(err)
		}
		if err := up.Do(&exchange.Call{Authority: "admin.internal", Scheme: "http"}, nil); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("call of %s went to %+v, want %+v", target, got, want)
		}
	}
}
