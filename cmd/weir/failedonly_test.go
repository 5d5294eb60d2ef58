package main

import (
	"errors"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
)

type seen int

func (s *seen) Observe(*exchange.Request) { *s++ }

func TestFailedOnly_LeavesOutWhatClientsDid(t *testing.T) {
	t.Parallel()
	cut := errors.New("cut")
	for _, c := range []struct {
		name string
		rec  exchange.Record
		want seen
	}{
		{"good", exchange.Record{Status: 200}, 0},
		{"nothing there", exchange.Record{Status: 404, Err: exchange.ErrNotFound, Fault: exchange.Client}, 0},
		{"client left", exchange.Record{Status: 499, Err: exchange.ErrClientGone, Fault: exchange.Client}, 0},
		{"upstream's own error", exchange.Record{Status: 500}, 1},
		{"bad gateway", exchange.Record{Status: 502, Err: cut, Fault: exchange.Upstream}, 1},
		{"answer cut", exchange.Record{Status: 200, Err: cut, Fault: exchange.Upstream}, 1},
	} {
		var n seen
		failedOnly{&n}.Observe(&exchange.Request{Record: c.rec})
		if n != c.want {
			t.Errorf("%s: told %d times, want %d", c.name, n, c.want)
		}
	}
}
