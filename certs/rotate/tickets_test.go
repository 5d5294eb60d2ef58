package rotate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/certs/certstest"
	"github.com/weirproxy/weir/certs/storage"
)

// cluster is nodes on one store, in a bubble of time.
type cluster struct {
	testing.TB
	store certstest.MemoryStore
	log   *lines
}

func newCluster(t testing.TB) *cluster { return &cluster{TB: t, log: &lines{}} }

// lines is a log.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

type node struct {
	*Tickets
	store *certstest.Node
}

// open starts a node whose clock is late or early.
func (c *cluster) open(skew time.Duration, more ...func(*TicketOptions)) node {
	return c.openOn(c.store.Node(), skew, more...)
}

func (c *cluster) openOn(store *certstest.Node, skew time.Duration, more ...func(*TicketOptions)) node {
	// A look every five minutes, not every one, makes days in a bubble cheap.
	o := TicketOptions{Store: store, Poll: 5 * time.Minute, Log: slog.New(slog.NewTextHandler(c.log, nil)), Now: func() time.Time { return time.Now().Add(skew) }}
	for _, f := range more {
		f(&o)
	}
	return node{OpenTickets(o), store}
}

func (c *cluster) record() ring {
	c.Helper()
	r, err := decodeRing(c.store.Snapshot()["secret/tickets"], goodTicketKey)
	if err != nil {
		c.Fatal(err)
	}
	return r
}

func (n node) accepts(k [32]byte) bool { return slices.Contains(n.Keys(), k) }

// pass lets time go by, and all that is to happen in it.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestTickets_NodesAgreeAtOnceAndForgetTheirOwnKeyLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.store.Each((*certstest.Node).Down)
		var heard [][][32]byte
		store := c.store.Node()
		store.Down()
		a := c.openOn(store, 0, func(o *TicketOptions) {
			o.Changed = func(keys [][32]byte) { heard = append(heard, keys) }
		})
		defer a.Close()
		own := a.Keys()[0]
		if len(heard) != 1 || !slices.Equal(heard[0], a.Keys()) || len(a.Keys()) != 1 || a.Status().Shared {
			t.Fatalf("before the store answered: heard %d times, %d keys, %+v", len(heard), len(a.Keys()), a.Status())
		}
		pass(time.Hour)
		if s := a.Status(); !errors.Is(s.Err, certstest.ErrDown) || s.ErrFrom.IsZero() || s.Age != time.Hour {
			t.Errorf("store down: %+v", s)
		}
		store.Up()
		pass(time.Second)
		b := c.open(0)
		defer b.Close()
		pass(time.Second)
		if a.Keys()[0] != b.Keys()[0] || a.Keys()[0] == own {
			t.Errorf("nodes use %x and %x, own %x", a.Keys()[0][:4], b.Keys()[0][:4], own[:4])
		}
		if s := a.Status(); !s.Shared || s.Err != nil || s.Keys != 3 || s.Age > 2*time.Second || time.Until(s.Next) < 11*time.Hour {
			t.Errorf("shared: %+v", s)
		}
		pass(11 * time.Hour)
		if !a.accepts(own) {
			t.Error("own key forgotten within a period")
		}
		pass(time.Hour + time.Minute)
		if a.accepts(own) || !slices.Equal(a.Keys(), heard[len(heard)-1]) {
			t.Error("own key kept after a period, or change not told")
		}
	})
}

// The promise of the room: what one node gives out, at any time, all accept, for as long
// as tickets are good. Clocks are half a minute apart, nodes are restarted, and cannot
// reach the store for hours.
func TestTickets_EveryNodeAcceptsWhatAnyNodeGivesOut(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { giveAndTake(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func giveAndTake(t *testing.T, r *rand.Rand) {
	const good = 3*12*time.Hour - 2*time.Minute
	type ticket struct {
		key [32]byte
		at  time.Time
		by  int
	}
	c := newCluster(t)
	var skews [3]time.Duration
	var nodes [3]node
	var upAt [3]time.Time
	for i := range nodes {
		skews[i] = time.Duration(r.Int64N(int64(30*time.Second))) - 15*time.Second
		nodes[i] = c.open(skews[i])
		pass(time.Second)
	}
	defer func() {
		for _, n := range nodes {
			n.Close()
		}
	}()
	pass(5 * time.Second)
	start, used := time.Now(), map[[32]byte]bool{}
	var tickets []ticket
	for time.Since(start) < 10*24*time.Hour {
		pass(time.Duration(r.Int64N(int64(time.Hour))))
		switch i := r.IntN(len(nodes)); r.IntN(40) {
		case 0: // a restart, of a node that can reach the store
			if upAt[i].IsZero() {
				nodes[i].Close()
				nodes[i] = c.openOn(nodes[i].store, skews[i])
				pass(time.Second)
			}
		case 1: // an outage of less than a period
			nodes[i].store.Down()
			upAt[i] = time.Now().Add(time.Duration(r.Int64N(int64(5 * time.Hour))))
		}
		for i := range nodes {
			if !upAt[i].IsZero() && time.Now().After(upAt[i]) {
				nodes[i].store.Up()
				upAt[i] = time.Time{}
			}
			k := nodes[i].Keys()[0]
			tickets = append(tickets, ticket{k, time.Now(), i})
			used[k] = true
		}
		tickets = slices.DeleteFunc(tickets, func(k ticket) bool { return time.Since(k.at) > good })
		for i := range nodes {
			k := tickets[r.IntN(len(tickets))]
			for _, k := range []ticket{k, tickets[0], tickets[len(tickets)-1]} {
				if !nodes[i].accepts(k.key) {
					t.Fatalf("after %v node %d refuses what node %d gave out %v ago", time.Since(start), i, k.by, time.Since(k.at))
				}
			}
		}
	}
	if len(used) < 19 || len(used) > 22 {
		t.Errorf("%d keys were used in 10 days, want 20", len(used))
	}
}

func TestTickets_DropsKeysAfterKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		a, b := c.open(0), c.open(0)
		defer a.Close()
		defer b.Close()
		pass(13 * time.Hour)
		k := a.Keys()[0]
		for i := range 4 {
			if !a.accepts(k) || !b.accepts(k) {
				t.Errorf("after %d periods refused", i)
			}
			pass(12 * time.Hour)
			if n := len(c.record().Keys); n > 5 {
				t.Errorf("%d keys in the record", n)
			}
		}
		if a.accepts(k) || b.accepts(k) {
			t.Error("accepted after four periods")
		}
	})
}

// No rotation depends on one node: whoever held the lock died, and took it along.
func TestTickets_RotatesWhenTheHolderOfTheLockIsDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		a, b := c.open(0), c.open(0)
		defer a.Close()
		defer b.Close()
		pass(11 * time.Hour)
		dead, err := c.store.Node().TryLock(t.Context(), "secret/tickets")
		if err != nil {
			t.Fatal(err)
		}
		old := a.Keys()[0]
		pass(2 * time.Hour)
		if a.Keys()[0] == old || a.Keys()[0] != b.Keys()[0] {
			t.Error("the next key, known since long, is not used")
		}
		if err := a.Status().Err; err != nil || len(c.record().Keys) != 2 {
			t.Errorf("while another holds the lock: %v, %d keys", err, len(c.record().Keys))
		}
		c.store.Expire("secret/tickets", false)
		pass(10 * time.Second)
		r := c.record()
		if len(r.Keys) != 3 || c.store.Held("secret/tickets") {
			t.Errorf("%d keys, want 3; lock held: %v", len(r.Keys), c.store.Held("secret/tickets"))
		}
		if err := dead.Put(t.Context(), "secret/tickets", []byte("junk"), 0); !errors.Is(err, storage.ErrLost) {
			t.Errorf("the dead one writes: %v", err)
		}
	})
}

func TestTickets_RotatesWhenANodeIsKilledAtAnyWrite(t *testing.T) {
	for write := 1; write <= 3; write++ {
		for name, fault := range map[string]func(*certstest.Node, int){"killed": (*certstest.Node).FailWrite, "answer lost": (*certstest.Node).LoseAnswer} {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t)
				a, b := c.open(0), c.open(10*time.Second)
				defer a.Close()
				defer b.Close()
				pass(11*time.Hour + 50*time.Minute)
				fault(a.store, write)
				fault(b.store, write)
				pass(20 * time.Minute)
				if a.Keys()[0] != b.Keys()[0] {
					t.Errorf("%s at %d: nodes disagree", name, write)
				}
				c.store.Expire("secret/tickets", false)
				c.store.Each((*certstest.Node).Up)
				pass(7 * time.Minute)
				if r := c.record(); len(r.Keys) != 3 || !slices.Equal(a.Keys(), b.Keys()) && len(a.Keys()) != len(b.Keys()) {
					t.Errorf("%s at %d: %d keys, want 3", name, write, len(r.Keys))
				}
				if err := errors.Join(a.Status().Err, b.Status().Err); err != nil {
					t.Errorf("%s at %d: %v", name, write, err)
				}
			})
		}
	}
}

func TestTickets_GoesOnWhileTheStoreIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		a, b := c.open(0), c.open(20*time.Second)
		defer a.Close()
		defer b.Close()
		pass(time.Hour)
		before := a.Keys()[0]
		c.store.Each((*certstest.Node).Down)
		pass(12 * time.Hour)
		first := a.Keys()[0]
		if first == before || first != b.Keys()[0] {
			t.Error("not on to the next key in an outage")
		}
		pass(5 * 24 * time.Hour)
		if a.Keys()[0] != first || !a.accepts(before) {
			t.Error("keys changed without the store")
		}
		c.store.Each((*certstest.Node).Up)
		pass(time.Second)
		if a.Keys()[0] != first || len(a.Keys()) != 3 {
			t.Errorf("right after the outage: %d keys", len(a.Keys()))
		}
		pass(18 * time.Minute) // the lead
		if a.Keys()[0] == first || a.Keys()[0] != b.Keys()[0] || !a.accepts(first) {
			t.Error("a key of five days is not replaced soon after the outage")
		}
	})
}

func TestTickets_MendsTheRecord(t *testing.T) {
	for _, tt := range []struct {
		name string
		harm func(c *cluster)
	}{
		{"damaged", func(c *cluster) { c.put("junk") }},
		{"no keys", func(c *cluster) { c.put(`{"version":1,"keys":[]}`) }},
		{"short secret", func(c *cluster) {
			c.put(`{"version":1,"keys":[{"id":"x","created":"2026-01-01T00:00:00Z","signs":"2026-01-01T00:00:00Z","secret":"AAAA"}]}`)
		}},
		{"gone", func(c *cluster) { c.store.Node().Delete(c.Context(), "secret/tickets") }},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t)
			a, b := c.open(0), c.open(0)
			defer a.Close()
			defer b.Close()
			pass(30 * time.Hour)
			was := c.record()
			tt.harm(c)
			pass(2 * time.Second)
			now := c.record()
			if len(was.Keys) != 4 || len(now.Keys) != 4 || was.Keys[0].ID != now.Keys[0].ID || a.Keys()[0] != b.Keys()[0] {
				t.Errorf("%s: had %d keys, has %d; nodes agree %v", tt.name, len(was.Keys), len(now.Keys), a.Keys()[0] == b.Keys()[0])
			}
			if alarm := c.log.count("level=ERROR"); (alarm == 1) != (tt.name != "gone") {
				t.Errorf("%s: %d alarms", tt.name, alarm)
			}
			// And where nobody knows better.
			a.Close()
			b.Close()
			tt.harm(c)
			d := c.open(0)
			defer d.Close()
			pass(2 * time.Second)
			if now := c.record(); len(now.Keys) != 2 || now.Keys[0].ID == was.Keys[0].ID || !d.Status().Shared {
				t.Errorf("%s, new node: %d keys", tt.name, len(now.Keys))
			}
		})
	}
}

func (c *cluster) put(value string) {
	c.Helper()
	if err := c.store.Node().Put(c.Context(), "secret/tickets", []byte(value), 0); err != nil {
		c.Fatal(err)
	}
}

// What this weir cannot read, another one may need.
func TestTickets_LeavesTheRecordOfOthersAlone(t *testing.T) {
	var sealing certstest.MemoryStore
	sealer, err := storage.Seal(sealing.Node(), bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	if err := sealer.Put(t.Context(), "secret/tickets", []byte(`{"version":1}`), 0); err != nil {
		t.Fatal(err)
	}
	sealed := string(sealing.Snapshot()["secret/tickets"])
	for _, tt := range []struct {
		name, record string
		wrap         func(storage.Store) storage.Store
		want         error
	}{
		{"newer", `{"version":2,"keys":"?"}`, storage.Plain, storage.ErrNewer},
		{"sealed", sealed, storage.Plain, storage.ErrSealed},
		{"sealed, and nobody looked", sealed, func(s storage.Store) storage.Store { return s }, storage.ErrSealed},
		{"another key", sealed, func(s storage.Store) storage.Store {
			s, err := storage.Seal(s, bytes.Repeat([]byte{8}, 32))
			if err != nil {
				t.Fatal(err)
			}
			return s
		}, storage.ErrOtherKey},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t)
			c.put(tt.record)
			a := c.open(0, func(o *TicketOptions) { o.Store = tt.wrap(o.Store) })
			defer a.Close()
			pass(5 * time.Hour)
			if got := string(c.store.Snapshot()["secret/tickets"]); got != tt.record {
				t.Errorf("%s: record is now %q", tt.name, got)
			}
			if s := a.Status(); !errors.Is(s.Err, tt.want) || s.Shared || s.Keys != 1 {
				t.Errorf("%s: %+v, want %v", tt.name, s, tt.want)
			}
			if n := c.log.count("not up to date"); n != 1 {
				t.Errorf("%s: %d complaints", tt.name, n)
			}
		})
	}
}

// A node that starts while the store is away takes what the copy on its disk has.
func TestTickets_StartsWithTheCopyWhileTheStoreIsDown(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "copy")
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		store := c.store.Node()
		mirrored, err := storage.Mirror(store, dir, storage.MirrorOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer mirrored.Close()
		over := func(o *TicketOptions) { o.Store = mirrored }
		a := c.openOn(store, 0, over)
		b := c.open(0)
		defer b.Close()
		pass(time.Hour)
		a.Close()
		store.Down()
		a = c.openOn(store, 0, over)
		defer a.Close()
		pass(time.Second)
		if s := a.Status(); !s.Shared || a.Keys()[0] != b.Keys()[0] {
			t.Errorf("status %+v", s)
		}
		for range 2 {
			pass(7 * time.Minute)
			if s := a.Status(); !errors.Is(s.Err, certstest.ErrDown) {
				t.Errorf("that the store is down is not told: %+v", s)
			}
			pass(12 * time.Hour)
		}
		if !b.accepts(a.Keys()[0]) {
			t.Error("after a day: keys are not those of others")
		}
	})
}

// blinks is a store whose reads fail while told so, and all else works.
type blinks struct {
	*certstest.Node
	fail *atomic.Bool
}

func (b blinks) Get(ctx context.Context, key string) ([]byte, error) {
	if b.fail.Load() {
		return nil, certstest.ErrDown
	}
	return b.Node.Get(ctx, key)
}

// What is about to be written is made from what the store has, never from a copy of it.
func TestTickets_NeverWritesWhatACopySaid(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "copy")
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		store := blinks{c.store.Node(), new(atomic.Bool)}
		mirrored, err := storage.Mirror(store, dir, storage.MirrorOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer mirrored.Close()
		over := func(o *TicketOptions) { o.Store = mirrored }
		a := c.openOn(store.Node, 0, over)
		pass(time.Hour)
		a.Close()
		store.fail.Store(true)
		b := c.open(0)
		defer b.Close()
		pass(40 * time.Hour) // the copy is three rotations behind
		a = c.openOn(store.Node, 0, over)
		defer a.Close()
		pass(time.Hour)
		if r := c.record(); len(r.Keys) != 5 || !b.accepts([32]byte(r.Keys[0].Secret)) || a.Status().Err == nil {
			t.Errorf("%d keys in the record, status %+v", len(r.Keys), a.Status())
		}
		store.fail.Store(false)
		pass(7 * time.Minute)
		if a.Keys()[0] != b.Keys()[0] || a.Status().Err != nil {
			t.Errorf("nodes disagree; status %+v", a.Status())
		}
	})
}

// One clock that is a year off costs tickets some of their time, and nothing else.
func TestTickets_SurvivesAClockThatIsWrong(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for _, off := range []time.Duration{year, -year, 36 * time.Hour, -36 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t)
			a, b, mad := c.open(0), c.open(10*time.Second), node{}
			defer a.Close()
			defer b.Close()
			pass(20 * time.Hour)
			mad = c.open(off)
			defer mad.Close()
			used := map[[32]byte]bool{}
			for range 4 * 24 * 6 {
				pass(10 * time.Minute)
				k := a.Keys()[0]
				used[k] = true
				if !b.accepts(k) || !mad.accepts(k) || !a.accepts(b.Keys()[0]) || !a.accepts(mad.Keys()[0]) {
					t.Fatalf("%v off: nodes refuse each other's keys", off)
				}
			}
			// A node makes a key every eighth of a period at most.
			if len(used) < 3 || len(used) > 4*2*8*2 {
				t.Errorf("%v off: %d keys in four days", off, len(used))
			}
		})
	}
}

func TestTickets_FollowsAShorterPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		a := c.open(0, func(o *TicketOptions) { o.Every = 1000 * time.Hour })
		pass(time.Hour)
		a.Close()
		b := c.open(0)
		defer b.Close()
		first := b.Keys()[0]
		pass(13 * time.Hour)
		if b.Keys()[0] == first {
			t.Error("the key of a longer period is used on")
		}
	})
}

func TestTickets_HearsOfChangesWithoutPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		slow := func(o *TicketOptions) { o.Poll = 5 * time.Hour }
		store := c.store.Node()
		store.Down()
		a := c.openOn(store, 0, slow)
		defer a.Close()
		pass(time.Minute)
		b := c.open(0, slow)
		defer b.Close()
		store.Up()
		pass(time.Second)
		if a.Keys()[0] != b.Keys()[0] {
			t.Error("not heard of")
		}
	})
}

// A store that tells of changes all the time, or that fails at once, is not asked all the
// time.
func TestTickets_DoesNotFloodTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		a := c.open(0)
		defer a.Close()
		other := c.store.Node()
		pass(time.Second)
		record := c.store.Snapshot()["secret/tickets"]
		before := c.store.Calls("get")
		for range 10_000 {
			other.Put(t.Context(), "secret/tickets", record, 0)
			pass(time.Millisecond)
		}
		if n := c.store.Calls("get") - before; n < 10 || n > 60 {
			t.Errorf("asked %d times in 10 s", n)
		}
		a.store.Down()
		before = c.store.Calls("get")
		pass(time.Hour)
		if n := c.store.Calls("get") - before; n < 8 || n > 13 {
			t.Errorf("asked %d times in an hour of outage", n)
		}
	})
}

// Of nodes that find the record due at the same time, the second one leaves it.
func TestTickets_LooksAgainUnderTheLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		a := c.open(0)
		pass(time.Second)
		a.Close()
		before := c.store.Calls("put")
		if err := a.renew(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := c.store.Calls("put") - before; n != 0 || c.store.Held("secret/tickets") {
			t.Errorf("%d writes, lock held: %v", n, c.store.Held("secret/tickets"))
		}
	})
}

func TestTickets_CloseWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		a := c.open(0)
		a.store.Hang()
		pass(time.Minute)
		began := time.Now()
		a.Close()
		a.Close()
		if took := time.Since(began); took > 0 {
			t.Errorf("took %v", took)
		}
		if len(a.Keys()) == 0 {
			t.Error("no keys after Close")
		}
	})
}

func TestRing_DecodeRefusesWhatIsDamaged(t *testing.T) {
	t.Parallel()
	r := ring{Keys: []key{newTicketKey(), newTicketKey()}}
	for i := range r.Keys {
		r.Keys[i].ID, r.Keys[i].Created, r.Keys[i].Signs = fmt.Sprint(i), time.Now(), time.Now()
	}
	good, err := r.encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decodeRing(good, goodTicketKey); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(r *ring){
		"no id":     func(r *ring) { r.Keys[0].ID = "" },
		"same id":   func(r *ring) { r.Keys[0].ID = "1" },
		"no time":   func(r *ring) { r.Keys[0].Signs = time.Time{} },
		"no secret": func(r *ring) { r.Keys[0].Secret = nil },
		"many":      func(r *ring) { r.Keys = slices.Repeat(r.Keys, 40) },
	} {
		bad := ring{Keys: slices.Clone(r.Keys)}
		change(&bad)
		b, err := bad.encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeRing(b, goodTicketKey); !errors.Is(err, storage.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, b := range [][]byte{nil, good[1:], append(slices.Clone(good), "{}"...), bytes.Repeat([]byte(" "), 1<<20)} {
		if _, err := decodeRing(b, goodTicketKey); !errors.Is(err, storage.ErrDamaged) {
			t.Errorf("%.60q: %v", b, err)
		}
	}
}

func FuzzDecodeRing(f *testing.F) {
	p := plan(0, 12*time.Hour, 0, 4, 0)
	r := p.first(newTicketKey(), newTicketKey(), time.Unix(1e9, 0))
	b, err := r.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b, int64(1e9))
	f.Fuzz(func(t *testing.T, b []byte, at int64) {
		r, err := decodeRing(b, goodTicketKey)
		if err != nil {
			return
		}
		now := time.Unix(at%(1<<33), 0)
		if len(r.at(now)) == 0 {
			t.Errorf("%q: no keys", b)
		}
		next := p.turn(r, newTicketKey(), now)
		if n := len(next.Keys); n == 0 || n > mostKeys {
			t.Errorf("%q: %d keys after a turn", b, n)
		}
		if out, err := next.encode(); err == nil {
			if _, err := decodeRing(out, goodTicketKey); err != nil {
				t.Errorf("%q becomes %q: %v", b, out, err)
			}
		}
	})
}

func BenchmarkTickets_Keys(b *testing.B) {
	tickets := OpenTickets(TicketOptions{Store: new(certstest.MemoryStore).Node()})
	defer tickets.Close()
	b.ReportAllocs()
	for b.Loop() {
		if len(tickets.Keys()) == 0 {
			b.Fatal("no keys")
		}
	}
}
