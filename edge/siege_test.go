package edge

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/weirproxy/weir/edge/attack"
)

// What a siege may cost. The bound on a healthy client's p99 only tells a server
// that stalls from a busy machine, whose processors the attackers and whatever else
// runs there take as well; with WEIR_SIEGE=1, on a quiet machine, it is what weir
// promises.
const (
	promisedP99  = 100 * time.Millisecond
	tolerableP99 = 5 * time.Second
	memoryBound  = 128 << 20

	// connectionBound is what one connection over TLS may hold at its worst.
	connectionBound = 32 << 10
)

// nobody is who is asked to find out how long the machine itself makes clients wait.
const nobody = "nobody"

func earnest() bool { return os.Getenv("WEIR_SIEGE") != "" }

// citizens are healthy clients, one for each way to ask.
func (f *fortress) citizens(t *testing.T) (ask map[string]func(context.Context) error, leave func()) {
	t.Helper()
	conf := &tls.Config{RootCAs: f.ca.pool, ServerName: "a.test"}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		to := f.secure
		if strings.HasSuffix(address, ":80") {
			to = f.plain
		}
		return (&net.Dialer{}).DialContext(ctx, network, to)
	}
	h1 := &http.Transport{TLSClientConfig: conf.Clone(), DialContext: dial}
	h2 := &http.Transport{TLSClientConfig: conf.Clone(), DialContext: dial, ForceAttemptHTTP2: true}
	fresh := &http.Transport{TLSClientConfig: conf.Clone(), DialContext: dial, DisableKeepAlives: true}
	h3 := &http3.Transport{TLSClientConfig: conf.Clone()}
	get := func(rt http.RoundTripper, url string) func(context.Context) error {
		return func(ctx context.Context) error {
			req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
			if err != nil {
				return err
			}
			req.Host = "a.test"
			resp, err := rt.RoundTrip(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 || len(body) != 900 {
				return fmt.Errorf("%s, %d bytes, %v", resp.Status, len(body), err)
			}
			return nil
		}
	}
	return map[string]func(context.Context) error{
			"h1": get(h1, "http://a.test/"), "h1s": get(h1, "https://a.test/"), "h2": get(h2, "https://a.test/"),
			"h3": get(h3, "https://"+f.secure+"/"), "new h1s": get(fresh, "https://a.test/"),
		}, func() {
			h1.CloseIdleConnections()
			h2.CloseIdleConnections()
			h3.Close()
		}
}

// report is what a siege came to.
type report struct {
	before, worst, after vitals
	healthy              map[string]attack.Latencies
	gone                 time.Duration // from the attack's beginning until the server had none of its connections
	freed                time.Duration // from the attack's end to the server's being as before
}

// besiege runs assault beside healthy clients of every kind, which begin when it
// calls on, and waits until the server has nothing left of either.
func (f *fortress) besiege(t *testing.T, assault func(ctx context.Context, on func())) report {
	t.Helper()
	ask, leave := f.citizens(t)
	for name, once := range ask { // what is made once, and files that stay open, are there before
		if err := once(t.Context()); err != nil {
			t.Fatalf("%s before the attack: %v", name, err)
		}
	}
	if resp, err := http.Get("http://" + f.plain + "/big"); err != nil {
		t.Fatal(err)
	} else if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections()
	leave()
	r := report{healthy: map[string]attack.Latencies{}}
	r.before, _ = f.await(t, 0, 1<<20)
	ctx, over := context.WithCancel(t.Context())
	var mu sync.Mutex // guards r
	var all sync.WaitGroup
	ask, leave = f.citizens(t)
	ask[nobody] = func(context.Context) error { return nil }
	sample := func() {
		for name, once := range ask {
			all.Go(func() {
				l := attack.Sample(ctx, 20*time.Millisecond, once)
				mu.Lock()
				defer mu.Unlock()
				r.healthy[name] = l
			})
		}
	}
	all.Go(func() { r.worst, r.gone = f.watch(t, ctx, len(ask)-1) })
	assault(ctx, sample)
	over()
	all.Wait()
	leave()
	r.after, r.freed = f.await(t, r.before.Connections, r.before.Goroutines)
	return r
}

// watch looks at the server's vitals until ctx ends, and returns the highest of
// each, and for how long it had more connections than its healthy clients open.
func (f *fortress) watch(t *testing.T, ctx context.Context, healthy int) (worst vitals, gone time.Duration) {
	start := time.Now()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		v := f.vitals(t, "look")
		worst.Goroutines, worst.Connections = max(worst.Goroutines, v.Goroutines), max(worst.Connections, v.Connections)
		worst.Memory, worst.Resident = max(worst.Memory, v.Memory), max(worst.Resident, v.Resident)
		if v.Connections > healthy {
			gone = time.Since(start)
		}
		select {
		case <-ctx.Done():
			return worst, gone
		case <-tick.C:
		}
	}
}

// await waits until the server has no more connections and goroutines than these.
// There is nothing that tells: connections end in another process.
func (f *fortress) await(t *testing.T, connections, goroutines int) (v vitals, took time.Duration) {
	t.Helper()
	start := time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		v, took = f.vitals(t, "collect"), time.Since(start)
		if v.Connections <= connections && v.Goroutines <= goroutines || t.Failed() || took > 20*time.Second {
			break
		}
	}
	return v, took
}

// check holds what every siege has to keep.
func (r report) check(t *testing.T) {
	t.Helper()
	bound := tolerableP99
	if earnest() {
		bound = promisedP99 + r.healthy[nobody].P99
	}
	t.Logf("asking  %-8s %v", nobody, r.healthy[nobody])
	for _, name := range []string{"h1", "h1s", "h2", "h3", "new h1s"} {
		l := r.healthy[name]
		t.Logf("healthy %-8s %v", name, l)
		if l.N == 0 || l.Failed > 0 || l.P99 > bound {
			t.Errorf("healthy %s: %v, want none failed and a p99 within %v", name, l, bound)
		}
	}
	t.Logf("memory %d -> %d -> %d MiB, resident %d -> %d -> %d MiB, goroutines %d -> %d -> %d, connections %d at most, gone after %v; as before %v later",
		r.before.Memory>>20, r.worst.Memory>>20, r.after.Memory>>20, r.before.Resident>>20, r.worst.Resident>>20, r.after.Resident>>20,
		r.before.Goroutines, r.worst.Goroutines, r.after.Goroutines, r.worst.Connections, r.gone.Round(time.Millisecond), r.freed.Round(time.Millisecond))
	// Thousands of connections may cost what each may cost while it shakes hands.
	if bound := max(memoryBound, r.worst.Connections*connectionBound); int(r.worst.Memory) > int(r.before.Memory)+bound {
		t.Errorf("memory grew from %d to %d bytes, want at most %d more", r.before.Memory, r.worst.Memory, bound)
	}
	if r.after.Connections > r.before.Connections || r.after.Goroutines > r.before.Goroutines || r.after.Files > r.before.Files {
		t.Errorf("left behind: %+v, was %+v", r.after, r.before)
	}
}

// target is the fortress as its attackers see it.
func (f *fortress) target() attack.Target {
	return attack.Target{Addr: f.secure, Host: "a.test", TLS: &tls.Config{RootCAs: f.ca.pool, ServerName: "a.test"}}
}

// slow are the attacks that hold on for as long as they are let, and what they ask for.
var slow = map[string]string{
	"tls/SlowHandshake": "/", "h1/SlowHeaders": "/", "h1/SlowBody": "/upload", "h1/SlowChunk": "/upload", "h1/SlowReader": "/big",
	"h1/IdleHerd": "/", "h2/ZeroWindow": "/big", "h2/HeldHeaders": "/", "h2/DrippedData": "/upload", "h3/HeldHeaders": "/", "h3/HeldBody": "/upload",
}

// TestSiege_Slow lets all slow attackers at the server at once. All must be gone by
// the longest deadline there is: a stalled stream's, and then an idle connection's.
//
// The sieges are not parallel to anything: what they measure is not to be the work
// of other tests.
func TestSiege_Slow(t *testing.T) {
	p, conns, deadline := short, 4, 12*time.Second
	if earnest() {
		p, conns, deadline = usual, 20, 2*time.Minute
	}
	f := newFortress(t, p)
	var mu sync.Mutex
	came := map[string]attack.Stats{}
	r := f.besiege(t, func(ctx context.Context, on func()) {
		on()
		ctx, cancel := context.WithTimeout(ctx, deadline)
		defer cancel()
		var all sync.WaitGroup
		launch := func(name string, a attack.Attack, target attack.Target) {
			target.Conns, target.Path = conns, slow[a.String()]
			all.Go(func() {
				s, err := a.Run(ctx, target)
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				mu.Lock()
				defer mu.Unlock()
				came[name] = s
			})
		}
		for _, a := range attack.All() {
			if slow[a.String()] == "" {
				continue
			}
			launch(a.String(), a, f.target())
			if a.Proto == "h1" {
				launch("plain "+a.String(), a, attack.Target{Addr: f.plain, Host: "a.test"})
			}
		}
		all.Wait()
	})
	for name, s := range came {
		t.Logf("%-22s %v", name, s)
		if s.Opened != conns || s.Ends["open"]+s.Ends["whole"] > 0 {
			t.Errorf("%s: %v, want all %d connections opened and none left open", name, s, conns)
		}
	}
	if r.gone >= deadline {
		t.Errorf("attackers were connected for all of %v", deadline)
	}
	r.check(t)
}

// verdicts say what must come of an attack, by how its connections or streams end:
// whoever floods is cut off, and no message that is not whole is answered with 200.
var verdicts = map[string]string{
	"h2/RapidReset": "goaway|closed", "h2/MadeYouReset": "goaway|closed", "h2/ContinuationFlood": "goaway|closed",
	"h2/SettingsFlood": "goaway|closed", "h2/TableFlood": "goaway|closed", "h2/PingFlood": "goaway|closed", "h2/EmptyFrames": "goaway|closed",
	"h3/ShortBody": "400|reset", "h3/LongBody": "400|reset", "h3/NoBody": "400|reset",
	"h3/BlockedHeaders": "reset|closed", "h3/QPACKBomb": "431|reset", "h3/QPACKEncoderFlood": "closed",
}

// TestSiege_Floods runs everything that comes fast, one attack after the other. An
// attacker that has sent all it had, or is cut, comes back at once.
func TestSiege_Floods(t *testing.T) {
	f := newFortress(t, short)
	conns, lasting := 1, 300*time.Millisecond
	if earnest() {
		conns, lasting = 2, 2*time.Second
	}
	for _, a := range attack.All() {
		if slow[a.String()] != "" {
			continue
		}
		t.Run(a.String(), func(t *testing.T) {
			target := f.target()
			target.Conns, target.Path = conns, "/upload"
			came := map[string]int{}
			r := f.besiege(t, func(ctx context.Context, on func()) {
				on()
				ctx, cancel := context.WithTimeout(ctx, lasting+30*time.Second)
				defer cancel()
				for start := time.Now(); time.Since(start) < lasting; {
					s, err := a.Run(ctx, target)
					if err != nil {
						t.Error(err)
						return
					}
					came["connections"] += s.Opened
					came["sent"] += s.Sent
					for how, n := range s.Ends {
						came[how] += n
					}
				}
			})
			t.Log(came)
			for how := range came {
				if want := verdicts[a.String()]; want != "" && how != "connections" && how != "sent" && !slices.ContainsFunc(strings.Split(want, "|"), func(w string) bool { return strings.HasPrefix(how, w) }) {
					t.Errorf("ended by %q, want %s", how, want)
				}
			}
			r.check(t)
		})
	}
}

// TestSiege_IdleHerd holds thousands of idle connections over TLS: they must be
// cheap and in nobody's way.
func TestSiege_IdleHerd(t *testing.T) {
	herd, watched := 2000, time.Second
	if testing.Short() || raced {
		herd = 300
	}
	if earnest() {
		herd, watched = 5000, 20*time.Second
	}
	f := newFortress(t, usual)
	target := f.target()
	target.Conns = herd
	var s attack.Stats
	var grazing vitals
	r := f.besiege(t, func(ctx context.Context, on func()) {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		target.Ready = func() {
			grazing = f.vitals(t, "collect")
			on()
			time.AfterFunc(watched, cancel)
		}
		var err error
		if s, err = attack.IdleHerd(ctx, target); err != nil {
			t.Error(err)
		}
	})
	t.Log(s)
	if s.Opened != herd || s.Ends["open"] != herd {
		t.Errorf("%v, want all of %d connections held until the end", s, herd)
	}
	each := (int(grazing.Memory) - int(r.before.Memory)) / herd
	t.Logf("an idle connection over TLS: %d bytes of heap and stack, %d resident", each, (int(grazing.Resident)-int(r.before.Resident))/herd)
	if grazing.Connections < herd || each > connectionBound && !raced {
		t.Errorf("%d connections at %d bytes each, want %d at 32 KiB at most", grazing.Connections, each, herd)
	}
	r.check(t)
}
