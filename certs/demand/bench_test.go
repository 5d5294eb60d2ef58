package demand_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/weirproxy/weir/certs/demand"
)

func BenchmarkAllowed(b *testing.B) {
	o := oracles("kept.example.com")
	var allow []string
	for i := range 10_000 {
		allow = append(allow, fmt.Sprintf("*.c%d.example.net", i))
	}
	g := guard(b, demand.Options{Decide: o.decide, Allow: allow, Yes: 24 * time.Hour, No: 24 * time.Hour})
	for _, c := range []struct{ name, host string }{
		{"keptYes", "kept.example.com"}, {"keptNo", "no.example.com"}, {"listed10000", "a.c77.example.net"}, {"badName", "a_b.example.com"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			ctx := context.Background()
			for b.Loop() {
				g.Allowed(ctx, c.host, client)
			}
		})
	}
	b.Run("spentBudget", func(b *testing.B) {
		for i := range 200 {
			g.Allowed(context.Background(), fmt.Sprintf("r%d.example.com", i), client)
		}
		b.ReportAllocs()
		for b.Loop() {
			g.Allowed(context.Background(), "x.example.com", client)
		}
	})
}

func BenchmarkBegin(b *testing.B) {
	much := demand.Rate{N: 1 << 40, Per: time.Hour}
	g := guard(b, demand.Options{Allow: []string{"example.com"}, Total: much, PerClient: much, PerDomain: much})
	b.ReportAllocs()
	for b.Loop() {
		done, err := g.Begin("a.example.com", client)
		if err != nil {
			b.Fatal(err)
		}
		done()
	}
}
