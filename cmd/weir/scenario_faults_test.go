package main

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weirproxy/weir/certs/certstest"
	"github.com/weirproxy/weir/edge/store/storetest"
)

// renew has the node renew a name, and returns what it said.
func (n *acmeNode) renew(name string) error {
	_, err := (adminClient{n.admin}).do("POST", "/certificates/renew?name="+url.QueryEscape(name))
	return err
}

// A store that has no room: nothing is ordered that could not be kept. When it is only
// found out at the last write, the old certificate is whole, and a start without the
// authority serves it (finding 5).
func TestScenario21_NoRoomInTheStore(t *testing.T) {
	t.Parallel()
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		redis := storetest.StartRedis(t)
		limit := func(t *testing.T, to string) {
			t.Helper()
			if said, err := storetest.RedisCommand(redis.Addr, "CONFIG", "SET", "maxmemory", to); err != nil || said != "+OK" {
				t.Fatalf("%q, %v", said, err)
			}
		}
		noRoom(t, redis.URL, func(t *testing.T) { limit(t, "1") }, func(t *testing.T) { limit(t, "0") })
	})
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		dir := smallDisk(t)
		ballast := filepath.Join(dir, "ballast")
		noRoom(t, filepath.Join(dir, "weir.db"), func(t *testing.T) { fill(t, ballast) }, func(t *testing.T) {
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
		})
	})
}

func noRoom(t *testing.T, store string, full, free func(t *testing.T)) {
	const name = "www.example.com"
	conf := strings.Replace(oneName, "lease: 3s", "local_copy: false", 1)
	if !strings.Contains(store, "://") {
		conf = oneName
	}
	plain, secure := twoPorts(t)
	ca := certstest.StartCA(t, certstest.Options{HTTPPort: plain, TLSPort: secure})
	n := startNode(t, ca, "127.0.0.1", plain, secure, store, strings.Replace(conf, "  www.example.com", "  tls.localhost: {respond: ok}\n  www.example.com", 1))
	old := n.until(t, 10*time.Second*busy, "h2", name, any2)

	// A new name, from the beginning.
	full(t)
	const fresh = "new.example.com"
	n.configure(t, strings.Replace(conf, "  www.example.com", "  new.example.com: {respond: ok}\n  www.example.com", 1))
	if _, err := (adminClient{n.admin}).do("POST", "/reload"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * time.Second)
	if got := ca.OrdersFor(fresh); got != 0 {
		t.Errorf("%d orders while there is no room, want none", got)
	}
	free(t)
	n.until(t, 10*time.Second*busy, "h2", fresh, any2)

	// The write of the certificate alone.
	ca.Delay(func(r *http.Request) time.Duration {
		if certstest.Kind(r) == "finalize" {
			full(t)
		}
		return 0
	})
	said := make(chan error, 1)
	go func() { said <- n.renew(name) }()
	now := n.until(t, 20*time.Second*busy, "h2", name, func(_, s string) bool { return s != old })
	t.Logf("served from memory: %s instead of %s", now, old)
	n.crash(t)
	<-said
	ca.Down()
	m := n.again(t, conf)
	m.until(t, 10*time.Second*busy, "h2", name, func(_, s string) bool { return s == old })
	ca.Delay(nil)
	free(t)
	if c := stored(t, openShared(t, store), name); c.Serial != old {
		t.Errorf("stored is %s, want %s", c.Serial, old)
	}
}

// smallDisk mounts a file system of few megabytes.
func smallDisk(t *testing.T) string {
	t.Helper()
	needsRoot(t)
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=4m"); err != nil {
		if os.Getenv("WEIR_CI") != "" {
			t.Fatalf("mount a file system: %v", err)
		}
		t.Skipf("mount a file system: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// fill writes a file until there is no room.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 64 << 10; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// A process that is killed at any moment while it renews: after every restart, without
// the authority, every name is served, by a certificate whose key is there.
func TestFaults_KilledWhileRenewing(t *testing.T) {
	t.Parallel()
	names := []string{"www.example.com", "api.example.com"}
	plain, secure := twoPorts(t)
	ca := certstest.StartCA(t, certstest.Options{HTTPPort: plain, TLSPort: secure})
	store := filepath.Join(t.TempDir(), "weir.db")
	n := startNode(t, ca, "127.0.0.1", plain, secure, store, twoNames)
	for _, name := range names {
		n.until(t, 10*time.Second*busy, "h2", name, any2)
	}
	rounds := 10
	if testing.Short() {
		rounds = 3
	}
	// Of two rounds one is killed at any moment of an order, one about when the certificate
	// is written. It takes until the locks of who was killed before have run out.
	moments := []struct {
		kind  string
		later time.Duration
	}{{"order", 700 * time.Millisecond}, {"cert", 60 * time.Millisecond}}
	came := map[string]chan struct{}{"order": make(chan struct{}, 1), "cert": make(chan struct{}, 1)}
	ca.Delay(func(r *http.Request) time.Duration {
		select {
		case came[certstest.Kind(r)] <- struct{}{}:
		default:
		}
		return 0
	})
	for i := range rounds {
		moment := moments[i%2]
		select {
		case <-came[moment.kind]:
		default:
		}
		var work sync.WaitGroup
		for _, name := range names {
			work.Go(func() {
				for n.renew(name) == nil { // until it is killed
				}
			})
		}
		select {
		case <-came[moment.kind]:
		case <-time.After(10 * time.Second * busy):
			t.Fatalf("nothing is renewed\n%s", n.tail())
		}
		time.Sleep(rand.N(moment.later))
		n.crash(t)
		work.Wait()
		ca.Down()
		n = n.again(t, twoNames)
		for _, name := range names {
			n.until(t, 5*time.Second*busy, "h2", name, any2)
		}
		ca.Up()
	}
	for _, name := range names {
		stored(t, openShared(t, store), name)
	}
	t.Logf("%d orders, %d kills", len(ca.Orders()), rounds)
}

// A node that cannot reach the store, while the other one can, orders nothing and goes
// on serving; when it can again, it takes over what the other one obtained.
func TestFaults_SplitBrain(t *testing.T) {
	t.Parallel()
	const name = "www.example.com"
	redis := storetest.StartRedis(t)
	proxy := storetest.StartProxy(t, redis.Addr)
	plain, secure := twoPorts(t)
	ca := certstest.StartCA(t, certstest.Options{HTTPPort: plain, TLSPort: secure})
	a := startNode(t, ca, "127.0.0.1", plain, secure, "redis://"+proxy.Addr, oneName)
	old := a.until(t, 10*time.Second*busy, "h2", name, any2)
	ca.DNS.SetA(name, "127.0.0.2") // who is cut off cannot answer for the other
	b := startNode(t, ca, "127.0.0.2", plain, secure, redis.URL, oneName)
	b.until(t, 10*time.Second*busy, "h2", name, func(_, s string) bool { return s == old })
	proxy.Away()
	said := make(chan error, 1)
	go func() { said <- a.renew(name) }()
	if err := b.renew(name); err != nil {
		t.Fatal(err)
	}
	now := b.until(t, 5*time.Second*busy, "h2", name, func(_, s string) bool { return s != old })
	for range 20 {
		if leaf, err := a.quick(name); err != nil || leaf.SerialNumber.Text(16) != old {
			t.Errorf("the node that is cut off: %v, want %s", err, old)
		}
	}
	proxy.Pass()
	began := time.Now()
	a.until(t, 5*time.Second*busy, "h2", name, func(_, s string) bool { return s == now })
	t.Logf("the same on both nodes %v after they were one again", time.Since(began).Round(time.Millisecond))
	<-said
	for _, n := range []*acmeNode{a, b} {
		n.until(t, time.Second, "h2", name, func(_, s string) bool { return s == now })
	}
	if c := stored(t, openShared(t, redis.URL), name); c.Serial != now {
		t.Errorf("stored is %s, want %s", c.Serial, now)
	}
	if got := ca.OrdersFor(name); got != 2 {
		t.Errorf("%d orders, want 2", got)
	}
}
