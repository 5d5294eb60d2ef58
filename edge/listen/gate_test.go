package listen_test

import (
	"errors"
	"net/netip"
	"sync"
	"testing"

	"github.com/weirproxy/weir/edge/listen"
)

func TestGate_LimitsInAllAndPerClient(t *testing.T) {
	t.Parallel()
	g := listen.NewGate(4, 2)
	for i, c := range []struct {
		addr string
		want error
	}{
		{"192.0.2.1", nil},
		{"::ffff:192.0.2.1", nil}, // the same client
		{"192.0.2.1", listen.ErrClientFull},
		{"2001:db8:0:1::1", nil},
		{"2001:db8:0:1:ffff::2", nil}, // the same /64
		{"2001:db8:0:2::1", listen.ErrFull},
	} {
		if got := g.Enter(netip.MustParseAddr(c.addr)); got != c.want {
			t.Errorf("step %d: Enter(%s) = %v; want %v", i, c.addr, got, c.want)
		}
	}
	if got := g.Enter(netip.Addr{}); got != listen.ErrFull {
		t.Errorf("Enter(unix) when full = %v; want ErrFull", got)
	}
	if g.Open() != 4 {
		t.Errorf("Open = %d; want 4", g.Open())
	}
	g.Leave(netip.MustParseAddr("192.0.2.1"))
	g.SetLimits(0, 2)
	if got := g.Enter(netip.MustParseAddr("2001:db8:0:2::1")); got != nil {
		t.Errorf("first of another /64 = %v; want nil", got)
	}
	if got := g.Enter(netip.MustParseAddr("2001:db8:0:1::3")); got != listen.ErrClientFull {
		t.Errorf("third of a /64 = %v; want ErrClientFull", got)
	}
	if got := g.Enter(netip.Addr{}); got != nil {
		t.Errorf("Enter(unix) with room = %v; want nil", got)
	}
}

func TestGate_ZeroIsUnlimitedAndLimitsChange(t *testing.T) {
	t.Parallel()
	g, a := listen.NewGate(0, 0), netip.MustParseAddr("192.0.2.1")
	for range 1000 {
		if err := g.Enter(a); err != nil {
			t.Fatalf("unlimited gate: %v", err)
		}
	}
	g.SetLimits(0, 1000)
	if err := g.Enter(a); !errors.Is(err, listen.ErrClientFull) {
		t.Errorf("after SetLimits(0, 1000) with 1000 inside: %v; want ErrClientFull", err)
	}
	g.SetLimits(1000, 0)
	if err := g.Enter(a); !errors.Is(err, listen.ErrFull) {
		t.Errorf("after SetLimits(1000, 0) with 1000 inside: %v; want ErrFull", err)
	}
}

func TestGate_ForgetsWhoLeft(t *testing.T) {
	t.Parallel()
	g := listen.NewGate(0, 0)
	const clients = 200_000 // some 3000 for each shard
	for i := range clients {
		_ = g.Enter(ipv4(i))
	}
	if got := g.Remembered(); got != clients {
		t.Fatalf("%d clients remembered; want %d", got, clients)
	}
	for i := range clients {
		g.Leave(ipv4(i))
	}
	if clients, maps := g.Remembered(), g.Maps(); clients != 0 || maps != 0 || g.Open() != 0 {
		t.Errorf("after all left: %d clients, %d maps, %d open; want none", clients, maps, g.Open())
	}
}

func TestGate_Hammer(t *testing.T) {
	t.Parallel()
	g := listen.NewGate(50, 5)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 2000 {
				a := ipv4((w*31 + i) % 20)
				if g.Enter(a) == nil {
					if n := g.Open(); n > 50+8 { // those about to be refused count for a moment
						t.Errorf("%d inside; want 50 at most", n)
					}
					g.Leave(a)
				}
			}
		})
	}
	wg.Wait()
	if g.Open() != 0 || g.Remembered() != 0 {
		t.Errorf("at the end %d inside, %d clients; want none", g.Open(), g.Remembered())
	}
}

func ipv4(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

func BenchmarkGate(b *testing.B) {
	for _, c := range []struct {
		name string
		addr netip.Addr
	}{{"IPv4", ipv4(1)}, {"IPv6", netip.MustParseAddr("2001:db8::1")}} {
		b.Run(c.name, func(b *testing.B) {
			g := listen.NewGate(10_000, 100)
			b.ReportAllocs()
			for b.Loop() {
				_ = g.Enter(c.addr)
				g.Leave(c.addr)
			}
		})
	}
	b.Run("parallel", func(b *testing.B) {
		g := listen.NewGate(10_000, 100)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				a := ipv4(i & 1023)
				if g.Enter(a) == nil {
					g.Leave(a)
				}
			}
		})
	})
}
