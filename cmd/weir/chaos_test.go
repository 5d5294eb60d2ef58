package main

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// leaver is a client of one protocol with one connection, which it can cut.
type leaver struct {
	http.RoundTripper
	url string
	cut func()
}

// dialled are the connections of a client. Transports close them when they see fit;
// cut does at once.
type dialled struct {
	mu  sync.Mutex // guards all
	all []net.Conn
}

func (d *dialled) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, strings.Replace(addr, "localhost", "127.0.0.1", 1))
	if err == nil {
		d.mu.Lock()
		d.all = append(d.all, c)
		d.mu.Unlock()
	}
	return c, err
}

func (d *dialled) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.all {
		c.Close()
	}
}

func (p *program) leaver(t *testing.T, proto string) *leaver {
	t.Helper()
	conf := &tls.Config{RootCAs: p.pool(t), ServerName: "localhost"}
	if proto == "h3" {
		conf.NextProtos = []string{"h3"}
		conn, err := quic.DialAddr(t.Context(), p.udp(), conf, nil)
		if err != nil {
			t.Fatal(err)
		}
		return &leaver{(&http3.Transport{}).NewClientConn(conn), "https://" + p.https, func() { conn.CloseWithError(0x100, "") }}
	}
	var conns dialled
	tr := &http.Transport{TLSClientConfig: conf, ForceAttemptHTTP2: proto == "h2", DialContext: conns.dial}
	l := &leaver{tr, "https://" + p.https, conns.cut}
	if proto == "h1" {
		l.url = "http://localhost:" + p.http[strings.LastIndexByte(p.http, ':')+1:]
	}
	return l
}

// parting is a way to leave: where in the exchange, and how.
type parting struct{ path, method string }

var partings = []parting{
	{"/silent", "GET"}, // waits for an answer
	{"/pause", "GET"},  // has a piece of it
	{"/pour", "GET"},   // reads none of an endless one
	{"/take", "POST"},  // uploads
}

// noticing is an upstream that says when it has noticed that a request is over, and
// how its body ended.
type noticing struct {
	reached chan struct{}
	ended   chan time.Time
	whole   atomic.Int32 // bodies that came to an end
}

func (u *noticing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() { u.ended <- time.Now() }()
	switch {
	case r.Method == "POST":
		if _, err := io.ReadFull(r.Body, make([]byte, 1024)); err != nil {
			return
		}
		u.reached <- struct{}{}
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			u.whole.Add(1)
		}
		return
	case strings.HasSuffix(r.URL.Path, "/pause"):
		io.WriteString(w, "a piece")
		http.NewResponseController(w).Flush()
	case strings.HasSuffix(r.URL.Path, "/pour"):
		// Until every buffer on the way is full; then the client leaves.
		u.reached <- struct{}{}
		for piece := make([]byte, 64<<10); ; {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	}
	u.reached <- struct{}{}
	<-r.Context().Done()
}

// serve starts it for each protocol of upstreams, and returns their addresses, and the
// certificate of the one over HTTP/3.
func (u *noticing) serve(t *testing.T) (plain, secure string, ca []byte) {
	t.Helper()
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := httptest.NewUnstartedServer(u)
	server.Config.Protocols = &protocols
	server.Start()
	t.Cleanup(server.CloseClientConnections)
	certified := httptest.NewTLSServer(u)
	t.Cleanup(certified.Close)
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h3 := &http3.Server{Handler: u, TLSConfig: http3.ConfigureTLSConfig(&tls.Config{Certificates: certified.TLS.Certificates})}
	go h3.Serve(udp)
	t.Cleanup(func() { h3.Close(); udp.Close() })
	return server.Listener.Addr().String(), udp.LocalAddr().String(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certified.Certificate().Raw})
}

const leavingConf = `
listen: {http: "${HTTP}", https: "${HTTPS}"}
admin: "${ADMIN}"
log: {format: off}
upstreams:
  one: {to: "http://PLAIN"}
  two: {to: "h2c://PLAIN"}
  three: {to: "h3://SECURE", tls: {ca: ca.pem, server_name: example.com}}
sites:
  localhost:
    http: serve
    routes:
      - {match: /one/*, proxy: {upstream: one}}
      - {match: /two/*, proxy: {upstream: two}}
      - {match: /three/*, proxy: {upstream: three}}
`

// noticeWithin is how long an upstream may work on for a client that has left.
const noticeWithin = 100 * time.Millisecond

// TestChaos_ClientsThatLeave: over every protocol, to upstreams of every protocol,
// wherever the exchange is: the upstream learns at once that its client has left, and
// never takes what came of an upload for all of it.
func TestChaos_ClientsThatLeave(t *testing.T) {
	t.Parallel()
	const tries = 5
	u := &noticing{reached: make(chan struct{}, 1), ended: make(chan time.Time, 1)}
	plain, secure, ca := u.serve(t)
	dir := t.TempDir()
	write(t, dir, "ca.pem", string(ca))
	p := startProgram(t, dir, strings.NewReplacer("PLAIN", plain, "SECURE", secure).Replace(leavingConf))
	for _, proto := range []string{"h1", "h1s", "h2", "h3"} {
		for _, up := range []string{"/one", "/two", "/three"} {
			for _, way := range partings {
				for _, how := range []string{"cancels", "disconnects"} {
					var took []time.Duration
					for range tries {
						took = append(took, u.leave(t, p.leaver(t, proto), how, way.method, up+way.path))
					}
					slices.Sort(took)
					about := fmt.Sprintf("%-3s %-11s %s %s", proto, how, way.method, up+way.path)
					t.Logf("%s: median %v, longest %v", about, took[tries/2].Round(10*time.Microsecond), took[tries-1].Round(10*time.Microsecond))
					if took[tries/2] > noticeWithin {
						t.Errorf("%s: the upstream learned it after %v, want %v at most", about, took, noticeWithin)
					}
				}
			}
		}
	}
	if n := u.whole.Load(); n != 0 {
		t.Errorf("%d uploads that were cut came to an end upstream", n)
	}
}

// leave begins an exchange, leaves it, and returns how long after the upstream noticed.
func (u *noticing) leave(t *testing.T, l *leaver, how, method, path string) time.Duration {
	t.Helper()
	defer l.cut()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var body io.Reader
	if method == "POST" {
		body = io.MultiReader(strings.NewReader(strings.Repeat("~", 2048)), waiting{ctx.Done()})
	}
	req, err := http.NewRequestWithContext(ctx, method, l.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan struct{})
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		resp, err := l.RoundTrip(req)
		close(answered)
		if err == nil {
			<-ctx.Done()
			resp.Body.Close()
		}
	}()
	select {
	case <-u.reached:
	case <-time.After(time.Minute):
		t.Fatalf("%s %s reached nobody", method, path)
	}
	if strings.HasSuffix(path, "/pause") || strings.HasSuffix(path, "/pour") {
		<-answered
	}
	left := time.Now()
	if how == "cancels" {
		cancel()
	} else {
		l.cut()
	}
	select {
	case at := <-u.ended:
		cancel()
		<-asked
		return at.Sub(left)
	case <-time.After(20 * time.Second):
		t.Fatalf("%s %s: the upstream works on for a client that %s", method, path, how)
		return 0
	}
}

// waiting is the rest of a body that does not come.
type waiting struct{ end <-chan struct{} }

func (w waiting) Read([]byte) (int, error) {
	<-w.end
	return 0, errGivenUp
}

// moody is an upstream with moods. It counts what it was asked, by id.
type moody struct {
	*failures
	address string
	mood    atomic.Value // of string
	served  atomic.Int64

	mu     sync.Mutex // guards server
	server *http.Server
}

// failures is what has become of requests, over all upstreams and clients.
type failures struct {
	mu   sync.Mutex     // guards what follows
	sent map[string]int // how often upstreams got a request, by method and id
}

func (f *failures) note(id string) {
	f.mu.Lock()
	f.sent[id]++
	f.mu.Unlock()
}

func newMoody(t *testing.T, f *failures) *moody {
	t.Helper()
	m := &moody{failures: f, address: "127.0.0.1:0"}
	m.mood.Store("well")
	m.start(t)
	t.Cleanup(m.kill)
	return m
}

// start listens, at the same address each time.
func (m *moody) start(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", m.address)
	if err != nil {
		t.Fatal(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.address = l.Addr().String()
	m.server = &http.Server{Handler: m}
	go m.server.Serve(l)
}

// kill does what the kernel does for a process that is killed: the socket is closed,
// and every connection.
func (m *moody) kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.server.Close()
}

func (m *moody) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := r.Method + " " + r.Header.Get("X-Id")
	m.note(id)
	io.Copy(io.Discard, r.Body)
	switch m.mood.Load() {
	case "silent":
		<-r.Context().Done()
		return
	case "breaking":
		w.Header().Set("Content-Length", strconv.Itoa(1<<20))
		io.WriteString(w, strings.Repeat("~", 20000))
		http.NewResponseController(w).Flush()
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
		}
		return
	case "slow":
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for i := range id {
			<-tick.C
			io.WriteString(w, id[i:i+1])
			http.NewResponseController(w).Flush()
		}
		m.served.Add(1)
		return
	}
	m.served.Add(1)
	io.WriteString(w, id)
}

// moodConf has a pool of one that is always well, one of a well and a moody endpoint,
// and one of the moody endpoint alone.
const moodConf = `
listen: {http: "${HTTP}", https: "${HTTPS}"}
admin: "${ADMIN}"
upstreams:
  well: {to: WELL}
  pair: {to: [FRIEND, MOODY], eject: {failures: 3, for: 100ms}, timeouts: {response: 1500ms}}
  alone: {to: MOODY, timeouts: {response: 1500ms}}
sites:
  localhost:
    http: serve
    routes:
      - {match: /well, proxy: {upstream: well}}
      - {match: /pair, proxy: {upstream: pair}}
      - {match: /alone, proxy: {upstream: alone}}
`

// headLimit is response: above, and what the sweeper may overrun it by; what a busy
// machine adds is in slack. Machines have been seen to stand still for more than a second.
const (
	headLimit = 1500 * time.Millisecond
	slack     = 4 * time.Second
)

// asking is a client that asks without a pause, and what it got.
type asking struct {
	path string
	l    *leaver

	mu       sync.Mutex // guards what follows
	took     []time.Duration
	outcomes map[string]int // "200", "502", "cut" and so on, by method
	ended    int            // requests, in all
}

// run asks, every other time by POST, until ctx ends.
func (a *asking) run(ctx context.Context, t *testing.T, name string) {
	for i := 0; ctx.Err() == nil; i++ {
		method := []string{"GET", "POST"}[i%2]
		start := time.Now()
		outcome := a.l.ask(t, method, a.path, fmt.Sprintf("%s-%d", name, i))
		a.mu.Lock()
		a.took = append(a.took, time.Since(start))
		a.outcomes[method+" "+outcome]++
		a.ended++
		a.mu.Unlock()
	}
}

// soFar returns how many requests have ended.
func (a *asking) soFar() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ended
}

// ask asks once. An answer of 200 has to be whole and this request's own.
func (l *leaver) ask(t *testing.T, method, path, id string) (outcome string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var body io.Reader
	if method == "POST" {
		body = strings.NewReader("some words")
	}
	req, err := http.NewRequestWithContext(ctx, method, l.url+path, body)
	if err != nil {
		return err.Error()
	}
	req.GetBody = nil // the client must not ask twice by itself
	req.Header.Set("X-Id", id)
	resp, err := l.RoundTrip(req)
	if err != nil {
		return "cut"
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "stuck"
	case err != nil:
		return "cut"
	case resp.StatusCode == 200 && string(text) != method+" "+id:
		return fmt.Sprintf("%q for %s %s", text, method, id)
	}
	return strconv.Itoa(resp.StatusCode)
}

// take returns what has come since the last take: outcomes, and the 99th percentile.
func (a *asking) take() (outcomes map[string]int, p99 time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	outcomes, took := a.outcomes, a.took
	a.outcomes, a.took = map[string]int{}, nil
	slices.Sort(took)
	if len(took) > 0 {
		p99 = took[(len(took)*99+99)/100-1]
	}
	return outcomes, p99
}

// until waits for something that metrics tell.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for start := time.Now(); !f(); <-tick.C {
		if time.Since(start) > 30*time.Second {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// ordeal is what clients go through while an upstream fails.
type ordeal struct {
	*program
	bad       *moody
	calm      []*asking // ask the healthy site
	pair      []*asking // ask the pool
	ejections float64   // so far
}

// of returns a metric of the moody endpoint in the pool.
func (o *ordeal) of(t *testing.T, metric string) float64 {
	return o.metric(t, fmt.Sprintf(`%s{pool="pair",endpoint=%q}`, metric, o.bad.address))
}

// begin lets clients of each protocol ask both; end stops them.
func (o *ordeal) begin(t *testing.T) (end func()) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	for _, proto := range []string{"h1", "h1s", "h2", "h3"} {
		for i, path := range []string{"/well", "/pair", "/pair"} {
			a := &asking{path: path, l: o.leaver(t, proto), outcomes: map[string]int{}}
			if path == "/well" {
				o.calm = append(o.calm, a)
			} else {
				o.pair = append(o.pair, a)
			}
			load.Go(func() {
				defer a.l.cut()
				a.run(ctx, t, fmt.Sprintf("%s-%d", proto, i))
			})
		}
	}
	return func() { stop(); load.Wait() }
}

// ejected waits until the endpoint has been taken out.
func (o *ordeal) ejected(t *testing.T) {
	t.Helper()
	until(t, "an ejection", func() bool { return o.of(t, "weir_upstream_ejections_total") > o.ejections })
	until(t, "the endpoint to be out", func() bool { return o.of(t, "weir_upstream_up") == 0 })
	o.ejections = o.of(t, "weir_upstream_ejections_total")
}

// recovered waits until it is asked again, and what was asked before has ended: a request
// that nobody answered is that of the time before.
func (o *ordeal) recovered(t *testing.T) {
	t.Helper()
	before := o.bad.served.Load()
	for _, a := range o.pair {
		n := a.soFar()
		until(t, "an answer", func() bool { return a.soFar() > n })
	}
	until(t, "the endpoint to be asked again", func() bool { return o.bad.served.Load() > before+50 && o.of(t, "weir_upstream_up") == 1 })
	o.ejections = o.of(t, "weir_upstream_ejections_total") // it may have been tried, and failed, before
}

// report tells what has become of requests since the last report. At the healthy site
// nothing may have failed; at the pool, only as allowed says.
func (o *ordeal) report(t *testing.T, phase, allowed string) {
	t.Helper()
	all, worst := takeAll(o.pair)
	calm, steady := takeAll(o.calm)
	t.Logf("%s: pool %v, p99 %v; healthy site %v, p99 %v", phase, all, worst.Round(time.Millisecond), calm, steady.Round(100*time.Microsecond))
	for k, n := range all {
		if !strings.HasSuffix(k, " 200") && !strings.Contains(allowed, k) {
			t.Errorf("%s: %d requests to the pool ended in %s; only %q may", phase, n, k, allowed)
		}
	}
	for k, n := range calm {
		if !strings.HasSuffix(k, " 200") {
			t.Errorf("%s: %d requests to the healthy site ended in %s", phase, n, k)
		}
	}
	if worst > 2*headLimit+slack || steady > slack {
		t.Errorf("%s: p99 is %v, of the healthy site %v", phase, worst, steady)
	}
}

// takeAll adds up what clients have got, and takes the worst of their percentiles.
func takeAll(askers []*asking) (outcomes map[string]int, worst time.Duration) {
	outcomes = map[string]int{}
	for _, a := range askers {
		got, p99 := a.take()
		for k, n := range got {
			outcomes[k] += n
		}
		worst = max(worst, p99)
	}
	return outcomes, worst
}

// alone asks the moody endpoint where there is no other.
func (o *ordeal) alone(t *testing.T, want string, in time.Duration) {
	t.Helper()
	for _, proto := range []string{"h1", "h1s", "h2", "h3"} {
		for _, method := range []string{"GET", "POST"} {
			l, start := o.leaver(t, proto), time.Now()
			got := l.ask(t, method, "/alone", fmt.Sprintf("alone-%s-%d", proto, start.UnixNano()))
			if took := time.Since(start); got != want || took > in {
				t.Errorf("%s over %s to an endpoint that is %s: %s after %v, want %s within %v", method, proto, o.bad.mood.Load(), got, took, want, in)
			}
			l.cut()
		}
	}
}

// TestChaos_UpstreamsThatFail: one of two endpoints is killed, refuses, is silent,
// breaks off, is slow. Who asks elsewhere notices nothing; who asks the pool gets the
// right status in time; metrics tell of ejection and recovery; and no POST is ever sent
// twice, no GET three times.
func TestChaos_UpstreamsThatFail(t *testing.T) {
	t.Parallel()
	f := &failures{sent: map[string]int{}}
	well, friend, bad := newMoody(t, f), newMoody(t, f), newMoody(t, f)
	o := &ordeal{bad: bad, program: startProgram(t, t.TempDir(),
		strings.NewReplacer("WELL", well.address, "FRIEND", friend.address, "MOODY", bad.address).Replace(moodConf))}
	end := o.begin(t)
	defer end()
	defer func() {
		if t.Failed() {
			t.Log("why requests failed:\n" + o.grep(`"status":502`, `"status":504`))
		}
	}()
	o.recovered(t)
	o.report(t, "all well", "")
	for range 3 {
		bad.kill()
		o.ejected(t)
		// What was on its way when it was killed may be lost, but not what came after.
		o.report(t, "killed", "POST 502 GET cut POST cut")
		o.alone(t, "502", slack)
		o.report(t, "refusing", "")
		bad.start(t)
		o.recovered(t)
		o.report(t, "back", "")
	}
	for _, m := range []struct {
		mood, alone string
		in          time.Duration
		allowed     string
	}{
		{"silent", "504", 2*headLimit + slack, "GET 504 POST 504"},
		{"breaking", "cut", slack, "GET cut POST cut"},
	} {
		bad.mood.Store(m.mood)
		o.ejected(t)
		o.alone(t, m.alone, m.in)
		o.report(t, m.mood, m.allowed)
		bad.mood.Store("well")
		o.recovered(t)
		o.report(t, "well after "+m.mood, m.allowed)
	}
	bad.mood.Store("slow")
	before := bad.served.Load()
	until(t, "slow answers", func() bool { return bad.served.Load() > before+20 })
	o.alone(t, "200", 10*time.Second)
	o.report(t, "slow", "")
	if n := o.of(t, "weir_upstream_ejections_total"); n != o.ejections {
		t.Errorf("an endpoint that is slow was ejected %v times", n-o.ejections)
	}
	end()
	f.check(t)
}

// check looks for requests that were sent too often.
func (f *failures) check(t *testing.T) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	twice := 0
	for id, n := range f.sent {
		most := 1
		if strings.HasPrefix(id, "GET ") {
			most = 2
		}
		if n == 2 {
			twice++
		}
		if n > most {
			t.Errorf("%s was sent %d times", id, n)
		}
	}
	t.Logf("%d requests, of which %d were sent twice", len(f.sent), twice)
}
