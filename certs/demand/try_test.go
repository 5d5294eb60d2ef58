package demand_test

import (
	"testing"

	"github.com/weirproxy/weir/certs/demand"
)

func TestTryAsk_TellsYesNoAndSilenceApart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		status    int
		yes, fail bool
	}{
		{"a no", 404, false, false},
		{"a yes to everything", 200, true, false},
		{"a failure", 500, false, true},
		{"a redirect", 302, false, true},
	} {
		e := newEndpoint(t, func(string) int { return c.status })
		yes, err := demand.TryAsk(t.Context(), e.URL)
		if yes != c.yes || (err != nil) != c.fail {
			t.Errorf("%s: yes %v, error %v, want %v and %v", c.name, yes, err, c.yes, c.fail)
		}
	}
	if yes, err := demand.TryAsk(t.Context(), "ftp://example.com"); yes || err == nil {
		t.Errorf("no URL to ask: yes %v, error %v", yes, err)
	}
}
