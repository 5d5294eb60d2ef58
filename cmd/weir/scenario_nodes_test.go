package main

import (
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/weirproxy/weir/certs/certstest"
	"github.com/weirproxy/weir/certs/storage"
	"github.com/weirproxy/weir/edge/store/storetest"
)

// twoNames are served by nodes that give their store back soon.
const twoNames = `
listen: {http: "${HTTP}", https: "${HTTPS}"}
admin: ${ADMIN}
store: {url: "${STORE}", lease: 3s}
acme: {ca: "${CA}", email: me@example.com}
certificates: {check: 1s}
sites:
  www.example.com:
    respond: hello
  api.example.com:
    respond: hello
`

// oneName is the same with one of them.
var oneName = strings.Replace(twoNames, "  api.example.com:\n    respond: hello\n", "", 1)

// answersOnly is of a node that has neither name.
const answersOnly = `
listen: {http: "${HTTP}", https: "${HTTPS}"}
admin: ${ADMIN}
store: ${STORE}
sites:
  localhost:
    tls: off
    respond: ok
`

// holder keeps orders at the authority back.
type holder struct {
	came    chan struct{} // one for each order
	release chan struct{} // closed when they may go on
}

// hold keeps the first n orders back.
func hold(ca *certstest.CA, n int64) *holder {
	h := &holder{make(chan struct{}, 100), make(chan struct{})}
	var count atomic.Int64
	ca.Delay(func(r *http.Request) time.Duration {
		if certstest.Kind(r) != "order" {
			return 0
		}
		h.came <- struct{}{}
		if count.Add(1) <= n {
			select {
			case <-h.release:
			case <-r.Context().Done():
			}
		}
		return 0
	})
	return h
}

func (h *holder) wait(t *testing.T, within time.Duration) time.Duration {
	t.Helper()
	began := time.Now()
	select {
	case <-h.came:
	case <-time.After(within):
		t.Fatalf("no order within %v", within)
	}
	return time.Since(began)
}

// Two nodes start with the same names, and the authority's validators come to a third
// one: an order for each name, one account, and the third has answered.
func TestScenario17_TwoNodesOrderOnceAndAThirdAnswers(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, url string) {
		plain, secure := twoPorts(t)
		ca := certstest.StartCA(t, certstest.Options{})
		ca.Serve(plain, secure) // at 127.0.0.1
		h := hold(ca, 100)
		startNode(t, ca, "127.0.0.1", plain, secure, url, answersOnly)
		nodes := []*acmeNode{
			startNode(t, ca, "127.0.0.2", plain, secure, url, twoNames),
			startNode(t, ca, "127.0.0.3", plain, secure, url, twoNames),
		}
		h.wait(t, 10*time.Second*busy)
		close(h.release)
		for _, name := range []string{"www.example.com", "api.example.com"} {
			serial := nodes[0].until(t, 10*time.Second*busy, "h2", name, any2)
			nodes[1].until(t, 10*time.Second*busy, "h3", name, func(_, s string) bool { return s == serial })
			if got := ca.OrdersFor(name); got != 1 {
				t.Errorf("%s: %d orders, want 1", name, got)
			}
		}
		validations := ca.Validations("http-01") + ca.Validations("tls-alpn-01")
		if ca.Accounts() != 1 || validations != 2 {
			t.Errorf("%d accounts and %d validations, want 1 and 2", ca.Accounts(), validations)
		}
	})
}

// The node that holds the lock is frozen beyond its lease: another one obtains the
// certificate, and the first one, thawed, takes that over and overwrites nothing.
func TestScenario18_FrozenHolder(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, url string) {
		const name = "www.example.com"
		plain, secure := twoPorts(t)
		ca := certstest.StartCA(t, certstest.Options{HTTPPort: plain, TLSPort: secure})
		ca.DNS.SetA(name, "127.0.0.2")
		h := hold(ca, 1)
		a := startNode(t, ca, "127.0.0.1", plain, secure, url, oneName)
		t.Cleanup(func() { _ = a.cmd.Process.Signal(syscall.SIGCONT) })
		h.wait(t, 10*time.Second*busy)
		a.signal(t, syscall.SIGSTOP)
		began := time.Now()
		b := startNode(t, ca, "127.0.0.2", plain, secure, url, oneName)
		serial := b.until(t, 15*time.Second*busy, "h2", name, any2)
		t.Logf("the other node serves %v after the first one froze", time.Since(began).Round(time.Millisecond))
		close(h.release)
		a.signal(t, syscall.SIGCONT)
		began = time.Now()
		a.until(t, 3*time.Second*busy, "h2", name, func(_, s string) bool { return s == serial })
		t.Logf("the first one serves the same %v after it thawed", time.Since(began).Round(time.Millisecond))
		shared := openShared(t, url)
		for deadline := time.Now().Add(3 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
			if c := stored(t, shared, name); c.Serial != serial {
				t.Fatalf("stored is %s, want %s", c.Serial, serial)
			}
			for _, n := range []*acmeNode{a, b} {
				if leaf, err := n.quick(name); err != nil || leaf.SerialNumber.Text(16) != serial {
					t.Fatalf("%s: %v, %v, want %s", n.address, leaf, err, serial)
				}
			}
		}
		if got := ca.OrdersFor(name); got > 2 {
			t.Errorf("%d orders, want 2 at most", got)
		}
	})
}

// A node that is told to stop while it has the lock gives it back: another one goes on.
func TestScenario27_StopGivesLocksBack(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, url string) {
		const name = "www.example.com"
		plain, secure := twoPorts(t)
		ca := certstest.StartCA(t, certstest.Options{HTTPPort: plain, TLSPort: secure})
		ca.DNS.SetA(name, "127.0.0.2")
		h := hold(ca, 1)
		// An exchange that lasts keeps the node from ending for as long.
		upstream, asked := silentUpstream(t)
		long := strings.Replace(oneName, "lease: 3s", "lease: 10m", 1) + "  slow.internal:\n    tls: off\n    proxy: " + upstream + "\ntimeouts: {drain: 5s}\n"
		a := startNode(t, ca, "127.0.0.1", plain, secure, url, long)
		a.killed = true // it is cut off, and says so when it ends
		slow, err := net.Dial("tcp", a.http)
		if err != nil {
			t.Fatal(err)
		}
		defer slow.Close()
		io.WriteString(slow, "GET / HTTP/1.1\r\nHost: slow.internal\r\n\r\n")
		<-asked
		h.wait(t, 10*time.Second*busy)
		b := startNode(t, ca, "127.0.0.2", plain, secure, url, long)
		select {
		case <-h.came:
			t.Fatal("both nodes have placed an order")
		case <-time.After(300 * time.Millisecond):
		}
		a.signal(t, syscall.SIGTERM)
		took := h.wait(t, 2*time.Second*busy)
		t.Logf("the other node went on after %v", took.Round(time.Millisecond))
		b.until(t, 10*time.Second*busy, "h2", name, any2)
	})
}

// silentUpstream takes connections and says nothing. asked has one for each.
func silentUpstream(t *testing.T) (address string, asked <-chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	came := make(chan struct{}, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			came <- struct{}{}
			defer c.Close()
		}
	}()
	return l.Addr().String(), came
}

// The stores as certificates see them: listing, deleting, fences, leases that run out,
// callers that leave. The stores' own suite is in their rooms.
func TestScenario28_StoresKeepTheContractOfCertificates(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, url string) {
		var n atomic.Int64
		certstest.TestStore(t, func(t *testing.T) (a, b storage.Store) {
			i := strconv.FormatInt(n.Add(1), 10)
			if !strings.Contains(url, "://") {
				at := filepath.Join(filepath.Dir(url), i+".db")
				return openShared(t, at), openShared(t, at)
			}
			return openPart(t, url, "part"+i), openPart(t, url, "part"+i)
		})
	})
}

// The store is away when a node starts. With a copy on its disk it serves at once;
// without, as soon as the store is back.
func TestScenario19_StoreDownAtStart(t *testing.T) {
	t.Parallel()
	const name = "www.example.com"
	redis := storetest.StartRedis(t)
	plain, secure := twoPorts(t)
	ca := certstest.StartCA(t, certstest.Options{HTTPPort: plain, TLSPort: secure})
	without := strings.Replace(oneName, "lease: 3s", "local_copy: false", 1)
	a := startNode(t, ca, "127.0.0.1", plain, secure, redis.URL, oneName)
	serial := a.until(t, 10*time.Second*busy, "h2", name, any2)
	b := startNode(t, ca, "127.0.0.2", plain, secure, redis.URL, without)
	b.until(t, 10*time.Second*busy, "h2", name, func(_, s string) bool { return s == serial })
	a.stop(t)
	b.stop(t)
	redis.Stop()
	ca.Down()

	a = a.again(t, oneName)
	began := time.Now()
	a.until(t, 2*time.Second*busy, "h2", name, func(_, s string) bool { return s == serial })
	t.Logf("with a copy: served %v after the start", time.Since(began).Round(time.Millisecond))

	b = b.again(t, without)
	started := time.Now()
	if _, err := (adminClient{b.admin}).do("GET", "/certificates"); err != nil {
		t.Errorf("the admin listener while the store is away: %v", err)
	}
	time.Sleep(time.Until(started.Add(3 * time.Second)))
	redis.Start()
	began = time.Now()
	b.until(t, 4*time.Second*busy, "h2", name, func(_, s string) bool { return s == serial })
	t.Logf("without: served %v after the store was back", time.Since(began).Round(time.Millisecond))
	if got := ca.OrdersFor(name); got != 1 {
		t.Errorf("%d orders, want 1", got)
	}
}

// The store does not answer and does not refuse either, and the configuration is
// reloaded: handshakes for what is in memory notice nothing (finding 3).
func TestScenario20_StoreHangsWhileReloading(t *testing.T) {
	t.Parallel()
	redis := storetest.StartRedis(t)
	plain, secure := twoPorts(t)
	ca := certstest.StartCA(t, certstest.Options{HTTPPort: plain, TLSPort: secure})
	n := startNode(t, ca, "127.0.0.1", plain, secure, redis.URL, twoNames)
	names := []string{"www.example.com", "api.example.com"}
	for _, name := range names {
		n.until(t, 10*time.Second*busy, "h2", name, any2)
	}
	measure := func(done func(i int) bool) (took []time.Duration) {
		for i := 0; !done(i); i++ {
			began := time.Now()
			if _, err := n.quick(names[i%2]); err != nil {
				t.Errorf("handshake %d: %v", i, err)
			}
			took = append(took, time.Since(began))
		}
		return took
	}
	before := measure(func(i int) bool { return i >= 400 })
	redis.Pause()
	t.Cleanup(redis.Resume)
	reloaded := make(chan error, 1)
	n.configure(t, strings.Replace(twoNames, "  api.example.com:\n    respond: hello", "  api.example.com:\n    respond: hello\n  new.example.com:\n    respond: new", 1))
	began := time.Now()
	go func() {
		_, err := (adminClient{n.admin}).do("POST", "/reload")
		reloaded <- err
	}()
	var took time.Duration
	during := measure(func(i int) bool {
		if took == 0 {
			select {
			case err := <-reloaded:
				if took = time.Since(began); err != nil {
					t.Errorf("reload: %v", err)
				}
			default:
			}
		}
		return i >= 400 && took > 0 || time.Since(began) > time.Minute
	})
	was, is := percentile(before, 99), percentile(during, 99)
	t.Logf("handshakes: p99 %v before, %v while the store hangs (p50 %v and %v); the reload took %v", was, is, percentile(before, 50), percentile(during, 50), took)
	if is > 50*time.Millisecond+4*was {
		t.Errorf("p99 of handshakes while the store hangs is %v, want 50 ms; before it was %v", is, was)
	}
	if took == 0 {
		t.Error("the reload does not end while the store hangs")
	}
}
