package demand

import (
	"hash/maphash"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// exact is one key's bucket without a table.
type exact struct{ paid time.Duration }

func (e *exact) take(r Rate, now time.Duration) bool {
	step := r.Per / time.Duration(r.N)
	if max(e.paid, now)+step > now+r.Per {
		return false
	}
	e.paid = max(e.paid, now) + step
	return true
}

// However full the table is, nothing passes that the key's own bucket would refuse.
func TestBuckets_ForgetNoDebt(t *testing.T) {
	t.Parallel()
	rate := Rate{5, time.Minute}
	random := rand.New(rand.NewPCG(1, 2))
	for _, places := range []int{1, 7, 64, 8192} {
		b := newBuckets(rate, places)
		seed := maphash.MakeSeed()
		own := map[uint64]*exact{}
		now := time.Duration(0)
		passed, wronged := 0, 0
		for range 200_000 {
			now += time.Duration(random.Int64N(int64(100 * time.Millisecond)))
			n := random.Uint64N(300)
			key := maphash.Comparable(seed, n)
			if own[n] == nil {
				own[n] = &exact{}
			}
			mirror := *own[n]
			would := mirror.take(rate, now)
			if b.wait(key, now) > 0 {
				if would {
					wronged++
				}
				continue
			}
			if !own[n].take(rate, now) {
				t.Fatalf("%d places: key %d passes at %v, although its budget is spent", places, n, now)
			}
			passed++
			b.take(key, now)
		}
		if passed == 0 {
			t.Errorf("%d places: nothing passes", places)
		}
		if places == 8192 && wronged > passed/100 {
			t.Errorf("%d places: %d of %d refused for the debts of others", places, wronged, passed)
		}
	}
}

func TestBuckets_WaitIsUntilTheNextToken(t *testing.T) {
	t.Parallel()
	b := newBuckets(Rate{4, time.Minute}, 8)
	for i := range 4 {
		if w := b.wait(1, 0); w != 0 {
			t.Fatalf("take %d waits %v", i, w)
		}
		b.take(1, 0)
	}
	if w := b.wait(1, 0); w != 15*time.Second {
		t.Errorf("wait = %v; want 15s", w)
	}
	if w := b.wait(1, 15*time.Second); w != 0 {
		t.Errorf("wait after 15s = %v; want 0", w)
	}
}

func TestClients_AreSubscribers(t *testing.T) {
	t.Parallel()
	addr := netip.MustParseAddr
	for _, c := range []struct {
		name   string
		spend  string
		asks   string
		spared bool
	}{
		{"the same", "192.0.2.1", "192.0.2.1", false},
		{"mapped", "192.0.2.1", "::ffff:192.0.2.1", false},
		{"another address", "192.0.2.1", "192.0.2.2", true},
		{"the same /64", "2001:db8::1", "2001:db8::ffff:1", false},
		{"with a zone", "fe80::1", "fe80::1%eth0", false},
		{"another /64", "2001:db8::1", "2001:db8:0:1::1", true},
	} {
		b := newClients(maphash.MakeSeed(), Rate{2, time.Minute})
		b.take(addr(c.spend), 0)
		b.take(addr(c.spend), 0)
		if got := b.wait(addr(c.asks), 0) == 0; got != c.spared {
			t.Errorf("%s: %s has a token after %s spent all: %v; want %v", c.name, c.asks, c.spend, got, c.spared)
		}
	}
	b := newClients(maphash.MakeSeed(), Rate{2, time.Minute})
	passed := 0
	for i := range 100 {
		client := netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 0, 0, byte(i)})
		if b.wait(client, 0) == 0 {
			b.take(client, 0)
			passed++
		}
	}
	if passed != 8 {
		t.Errorf("100 networks of one /48 pass %d times; want 8, which is four times the budget of one", passed)
	}
	b.take(netip.Addr{}, 0)
	b.take(netip.Addr{}, 0)
	if b.wait(netip.Addr{}, 0) == 0 {
		t.Error("clients without address have no budget")
	}
}
