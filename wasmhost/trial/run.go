package trial

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	"github.com/weirproxy/weir/wasmhost"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/services"
)

// Options say how a Runner is made.
type Options struct {
	CacheDir string // where compiled code is kept; "": nowhere
	// Shared has cases use the same instances one after the other, where their settings
	// are equal. Else each case has its own.
	Shared bool
}

// Runner runs cases against one module, one after the other. Close ends it.
type Runner struct {
	code     []byte
	o        Options
	abi      string
	host     *wasmhost.Host
	ear      *ear
	store    *pantry
	stage    atomic.Pointer[stage]
	open     map[string]*subject // of cases that share
	services *services.Backend
	runs     int

	kept     *wasmhost.Plugin // has the module compiled for all cases; nil: it does not start by itself
	keptName string
	tried    bool
	crowd    bool // requests come many at a time
}

// New returns a runner for a module. It fails if that is of no ABI that weir knows.
func New(code []byte, o Options) (*Runner, error) {
	abi, err := wasmhost.Speaks(code)
	if err != nil {
		return nil, err
	}
	r := &Runner{code: code, o: o, abi: abi, ear: new(ear), open: map[string]*subject{}, store: new(pantry)}
	r.store.clear()
	r.services = services.New(services.Options{Store: r.store, Secrets: r.store})
	r.host, err = wasmhost.New(wasmhost.Options{Log: slog.New(r.ear), CacheDir: o.CacheDir, Upstream: r.callee, Services: r.services})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// ABI names what the module speaks.
func (r *Runner) ABI() string { return r.abi }

// Close ends what cases have shared.
func (r *Runner) Close() {
	for _, s := range r.open {
		s.close()
	}
	if r.kept != nil {
		r.kept.Close()
	}
	r.host.Close()
}

// callee finds what the guest of the case calls that is running.
func (r *Runner) callee(target string) (guest.Upstream, error) {
	s := r.stage.Load()
	if s == nil {
		return nil, errors.New("no case is running")
	}
	return s.callee(target)
}

// Compile has the module compiled for all cases, with the settings of one. Else the first
// that runs does that. A module that does not start with those is compiled for each.
func (r *Runner) Compile(ctx context.Context, c *Case) {
	if r.tried {
		return
	}
	r.tried = true
	s := c.Settings
	s.Name += "\x00"
	s.Space, r.keptName = s.Name, s.Name
	r.kept, _ = r.host.Open(ctx, r.code, s) // the case says why
}

// subject is a guest that is asked.
type subject struct {
	handle func(*exchange.Request, exchange.Handler) (*exchange.Response, error)
	name   string
	space  string
	close  func()
}

// subjectOf returns what a case asks, its own or a shared one.
func (r *Runner) subjectOf(ctx context.Context, c *Case) (*subject, func(), error) {
	s := c.Settings
	s.Space = "\x00" + strconv.Itoa(r.runs)
	if s.Limits.Instances == 0 && !s.Fresh && !r.crowd {
		s.Limits.Instances = 1 // another that starts meanwhile would count as what the request took
	}
	key := ""
	if r.o.Shared {
		s.Space = "\x00shared"
		key = fmt.Sprintf("%#v %#v %t", s, c.Use, c.Module)
		if one := r.open[key]; one != nil {
			return one, func() {}, nil
		}
	}
	p, err := r.host.Open(ctx, r.code, s)
	if err != nil {
		return nil, nil, err
	}
	one, err := r.use(ctx, c, p)
	if err != nil {
		p.Close()
		return nil, nil, err
	}
	one.name, one.space = s.Name, s.Space
	if r.o.Shared {
		r.open[key] = one
		return one, func() {}, nil
	}
	return one, one.close, nil
}

// use makes of a plugin what a case asks.
func (r *Runner) use(ctx context.Context, c *Case, p *wasmhost.Plugin) (*subject, error) {
	if c.Module || r.abi == "cgi" {
		h, back, err := p.Handler(ctx, c.Use)
		if err != nil {
			return nil, err
		}
		return &subject{
			handle: func(r *exchange.Request, _ exchange.Handler) (*exchange.Response, error) { return h.Handle(r) },
			close:  func() { back(); p.Close() },
		}, nil
	}
	f, back, err := p.Filter(ctx, c.Use)
	if err != nil {
		return nil, err
	}
	return &subject{handle: f.Handle, close: func() { back(); p.Close() }}, nil
}

var errLate = errors.New("the case took longer than it may")

// Run runs a case. The error says why it could not be run at all.
func (r *Runner) Run(ctx context.Context, c *Case) (*Outcome, error) {
	r.Compile(ctx, c)
	r.runs++
	ctx, cancel := context.WithTimeoutCause(ctx, cmp.Or(c.Timeout, 10*time.Second), errLate)
	defer cancel()
	o := &Outcome{ABI: r.abi}
	if !r.o.Shared {
		r.store.clear()
	}
	if err := r.stock(ctx, c); err != nil {
		return nil, err
	}
	r.ear.listen(c.Settings.Name)
	began := time.Now()
	sub, done, err := r.subjectOf(ctx, c)
	o.Start = time.Since(began)
	if err != nil {
		if o.Refused = err; errors.Is(context.Cause(ctx), errLate) {
			o.Late = true
		}
		r.ear.tell(o)
		return o, nil
	}
	defer r.ear.listen("")
	defer done()
	fuel, _ := r.taken(sub)
	s := &stage{c: c, used: map[*Answer]int{}, taken: func() int64 { _, memory := r.taken(sub); return memory }}
	r.stage.Store(s)
	defer r.stage.Store(nil)
	if err := s.ask(ctx, sub, o); err != nil {
		return nil, err
	}
	o.Late = errors.Is(context.Cause(ctx), errLate)
	for until := time.Now().Add(c.Expect.Within); ; {
		after, _ := r.taken(sub)
		o.Fuel, o.Metrics = after-fuel, r.metrics(sub)
		s.sample()
		s.tell(o)
		r.ear.tell(o)
		if err := r.left(context.WithoutCancel(ctx), c, o); err != nil || time.Now().After(until) || len(c.Check(o)) == 0 {
			return o, err
		}
		time.Sleep(later)
	}
}

// later is how often it is looked whether something has come that takes longer than the
// request: nobody tells of it.
const later = 5 * time.Millisecond

// ask has the guest answer the request of the case, and reads what it answers.
func (s *stage) ask(ctx context.Context, sub *subject, o *Outcome) error {
	if leaves := s.c.Request.Leaves; leaves > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, leaves, exchange.ErrClientGone)
		defer cancel()
	}
	who := &client{ctx: ctx}
	r := new(exchange.Request)
	if err := s.c.Request.request(r, who); err != nil {
		return fmt.Errorf("make the request: %w", err)
	}
	began := time.Now()
	r.Record.Start = began
	resp, err := sub.handle(r, s)
	s.sample()
	o.Response, o.Err = read(r, resp, err)
	o.Took = time.Since(began)
	r.Body.Close()
	r.End()
	if o.Response != nil {
		o.Response.Hints = who.hints
	}
	return nil
}

// read takes a response as a client does. What fails is answered as the edge does that.
func read(r *exchange.Request, resp *exchange.Response, err error) (*Got, error) {
	if err == nil && (resp == nil || resp.Body == nil) {
		err = errors.New("there is neither a response nor an error")
	}
	if err != nil {
		if errors.Is(err, exchange.ErrClientGone) || errors.Is(err, errLate) || errors.Is(err, context.Canceled) {
			return nil, err
		}
		status, e := statusOf(err)
		got := &Got{Status: status}
		if e != nil {
			got.Header = e.Fields
		}
		r.Record.Status = status
		return got, err
	}
	defer resp.Body.Close()
	if resp.Tunnel != nil {
		resp.Tunnel.Close()
	}
	got := &Got{Status: resp.Status, Header: fieldsOf(&resp.Header)}
	r.Record.Status = resp.Status
	if r.Method == http.MethodHead || resp.Status == http.StatusNoContent || resp.Status == http.StatusNotModified {
		return got, nil
	}
	got.Header = framed(got.Header, resp.Body.Len())
	got.keep(watched{resp.Body, r})
	if r.Record.Sent = got.Size; got.Err != nil {
		return got, got.Err
	}
	got.Trailer = fieldsOf(&resp.Trailer)
	return got, nil
}

// watched is a body that somebody reads who may go away.
type watched struct {
	exchange.Body
	r *exchange.Request
}

// Read reads while the client waits.
func (w watched) Read(p []byte) (int, error) {
	if i, ok := w.Body.(exchange.Interrupter); ok {
		w.r.Watch(i)
		defer w.r.Watch(nil)
	}
	if err := context.Cause(w.r.Context()); err != nil {
		return 0, err
	}
	n, err := w.Body.Read(p)
	if errors.Is(err, exchange.ErrPause) && n == 0 {
		err = nil
	}
	return n, err
}

// taken tells what the plugin has burnt so far, and what its instances have.
func (r *Runner) taken(sub *subject) (fuel, memory int64) {
	for _, s := range r.host.Status() {
		if s.Name == sub.name {
			fuel += s.Counters.Fuel.Load()
			memory += s.Counters.Memory.Load()
		}
	}
	return fuel, memory
}

// metrics are those of the guest.
func (r *Runner) metrics(sub *subject) map[string]int64 {
	all := map[string]int64{}
	for _, m := range r.host.Metrics() {
		if m.VMID == sub.space {
			all[m.Name] = m.Value + int64(m.Count)
		}
	}
	return all
}
