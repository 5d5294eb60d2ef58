package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/weirproxy/weir/edge/exchange"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scripted is a client whose answers a function gives. It notes what was asked.
type scripted struct {
	address string
	answer  func(address string, c *exchange.Call, resp *exchange.Response) error

	mu          sync.Mutex
	calls       int
	idleClosed  int
	closed      bool
	authorities []string
}

func (s *scripted) Do(c *exchange.Call, resp *exchange.Response) error {
	s.mu.Lock()
	s.calls++
	s.authorities = append(s.authorities, c.Authority)
	s.mu.Unlock()
	return s.answer(s.address, c, resp)
}

func (s *scripted) CloseIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idleClosed++
}

func (s *scripted) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

func (s *scripted) connections() (open, idle int, made uint64) { return 1, 1, 2 }

// names is a name server.
type names struct {
	mu       sync.Mutex
	ips      map[string]string // addresses, with spaces
	services map[string][]*net.SRV
	asked    int
}

func (n *names) set(name, ips string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ips[name] = ips
}

func (n *names) lookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked++
	list, ok := n.ips[host]
	if !ok {
		return nil, fmt.Errorf("lookup %s: no such host", host)
	}
	var all []netip.Addr
	for ip := range strings.FieldsSeq(list) {
		all = append(all, netip.MustParseAddr(ip))
	}
	return all, nil
}

func (n *names) lookupSRV(_ context.Context, _, _, name string) (string, []*net.SRV, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked++
	list, ok := n.services[name]
	if !ok {
		return "", nil, fmt.Errorf("lookup %s: no such service", name)
	}
	return name, list, nil
}

// world is Upstreams with scripted clients.
type world struct {
	*Upstreams
	names *names
	mu    sync.Mutex
	all   map[string]*scripted // the newest of an address
}

func newWorld(t testing.TB, answer func(address string, c *exchange.Call, resp *exchange.Response) error) *world {
	n := &names{ips: map[string]string{}, services: map[string][]*net.SRV{}}
	w := &world{names: n, all: map[string]*scripted{}}
	w.Upstreams = New(Options{LookupNetIP: n.lookupNetIP, LookupSRV: n.lookupSRV, Key: func() []byte { return []byte("k") }})
	w.connect = func(p *Pool, e *endpoint) client {
		w.mu.Lock()
		defer w.mu.Unlock()
		s := &scripted{address: e.address, answer: answer}
		w.all[e.address] = s
		return s
	}
	t.Cleanup(w.Close)
	return w
}

func (w *world) client(address string) *scripted {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all[address]
}

// asked is how many calls address got.
func (w *world) asked(address string) int {
	s := w.client(address)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

func (w *world) pool(t testing.TB, s Settings) *Pool {
	t.Helper()
	p, err := w.Pool("app", s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// hosts are endpoints http://HOST for every word.
func hosts(words string) (list []Endpoint) {
	for w := range strings.FieldsSeq(words) {
		list = append(list, Endpoint{URL: "http://" + w})
	}
	return list
}

func newCall() *exchange.Call {
	return &exchange.Call{Method: "GET", Authority: "example.com", Scheme: "http", Target: "/", Body: exchange.NoBody}
}

// ask makes a call and reads its response to the end.
func ask(p *Pool, c *exchange.Call) (status int, r Result, err error) {
	var resp exchange.Response
	r, err = p.Do(c, &resp)
	if err != nil {
		return 0, r, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp.Status, r, err
}

func ok(_ string, _ *exchange.Call, resp *exchange.Response) error {
	resp.Status, resp.Body = 200, exchange.NoBody
	return nil
}

func status(n int) func(string, *exchange.Call, *exchange.Response) error {
	return func(_ string, _ *exchange.Call, resp *exchange.Response) error {
		resp.Status, resp.Body = n, exchange.NoBody
		return nil
	}
}

var errBroken = errors.New("connection broken")

func broken(status int) error {
	return &exchange.Error{Fault: exchange.Upstream, Status: status, Err: errBroken}
}

// refused is a connection that could not be made.
func refused(string, *exchange.Call, *exchange.Response) error { return broken(502) }

// statusOf is that of an error.
func statusOf(err error) int {
	e, ok := errors.AsType[*exchange.Error](err)
	if !ok {
		return 0
	}
	return e.Status
}
