package exchange_test

import (
	"slices"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/edge/exchange/exchangetest"
)

type ender struct {
	name string
	told *[]string
}

func (e ender) End(r *exchange.Request) { *e.told = append(*e.told, e.name+r.Path) }

func TestRequest_TellsOfItsEndOnceAndTheLastFirst(t *testing.T) {
	t.Parallel()
	var told []string
	r := exchangetest.NewRequest("GET", "/x")
	r.AtEnd(ender{"outer", &told})
	r.AtEnd(ender{"inner", &told})
	r.End()
	r.End()
	if want := []string{"inner/x", "outer/x"}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
	r.AtEnd(ender{"old", &told})
	r.Reset(r.Conn, r.Stream())
	r.End()
	if len(told) != 2 {
		t.Errorf("told of another exchange's end: %v", told)
	}
}
