package trial

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

// Pace says for how long requests are sent, and how many at a time.
type Pace struct {
	Time     time.Duration
	Parallel int
}

// Speed is what was measured. What Without and Extra say is zero where nothing can be left
// out: a module answers itself.
type Speed struct {
	Requests, Failed int64
	Err              error // why the first failed that did
	Elapsed          time.Duration
	With, Without    Spread // of a request
	Extra            Spread // with the filter more than without, of pairs that followed each other
	Fuel, StartFuel  int64  // of a request, and to start and configure an instance
	Allocs, Bytes    int64  // of the host, for a request, more than without
	Instances        int64
	Memory           int64 // of those, afterwards
	Compile, Start   time.Duration
}

// Bench has the guest answer the request of a case again and again, in turn with the same
// request without the guest. It is for a Runner that has run no case, and keeps no
// compiled code.
func (r *Runner) Bench(ctx context.Context, c *Case, p Pace) (*Speed, error) {
	v := new(Speed)
	r.crowd = p.Parallel > 1
	began := time.Now()
	r.Compile(ctx, c)
	v.Compile = time.Since(began)
	if err := r.stock(ctx, c); err != nil {
		return nil, err
	}
	sub, done, err := r.starts(ctx, c, v)
	if err != nil {
		return nil, err
	}
	defer done()
	s := &stage{c: c, quiet: true, taken: func() int64 { return 0 }}
	r.stage.Store(s)
	defer r.stage.Store(nil)
	single := c.Module || r.abi == "cgi"
	warm := &runner{s: s, sub: sub, single: single}
	warm.run(time.Now().Add(p.Time / 20))
	fuel, _ := r.taken(sub)
	all := make([]runner, max(p.Parallel, 1))
	began = time.Now()
	var wg sync.WaitGroup
	for i := range all {
		all[i] = runner{s: s, sub: sub, single: single}
		wg.Go(func() { all[i].run(began.Add(p.Time)) })
	}
	wg.Wait()
	v.Elapsed = time.Since(began)
	v.sum(all)
	after, memory := r.taken(sub)
	v.Memory, v.Instances = memory, r.host.Stats().Instances-r.keptInstances()
	if v.Requests > 0 {
		v.Fuel = (after - fuel) / v.Requests
	}
	v.Allocs, v.Bytes = warm.allocations()
	return v, nil
}

// keptInstances is how many instances the host has that serve no case.
func (r *Runner) keptInstances() (n int64) {
	for _, s := range r.host.Status() {
		if s.Name == r.keptName {
			n += s.Counters.Instances.Load()
		}
	}
	return n
}

// starts starts guests a few times, and returns the last one.
func (r *Runner) starts(ctx context.Context, c *Case, v *Speed) (sub *subject, done func(), err error) {
	const most = 15
	var times []time.Duration
	for began := time.Now(); len(times) < 3 || len(times) < most && time.Since(began) < time.Second; {
		if done != nil {
			done()
		}
		r.runs++
		from := time.Now()
		if sub, done, err = r.subjectOf(ctx, c); err != nil {
			return nil, nil, err
		}
		times = append(times, time.Since(from))
		v.StartFuel, _ = r.taken(sub)
	}
	v.Start = spreadOf(times).Median
	if r.kept == nil {
		v.Compile = 0 // it was compiled for each
	} else {
		v.Compile = max(0, v.Compile-v.Start)
	}
	return sub, done, nil
}

// runner sends requests one after the other.
type runner struct {
	s             *stage
	sub           *subject
	single        bool // there is nothing to compare with
	with, without []time.Duration
	sent, failed  int64
	err           error
	request       exchange.Request
}

// mostSamples bounds what one runner keeps; it goes on counting.
const mostSamples = 1 << 20

func (u *runner) run(until time.Time) {
	for now := time.Now(); now.Before(until); {
		err := u.once(u.sub.handle)
		between := time.Now()
		if u.sent++; err != nil {
			u.failed++
			if u.err == nil {
				u.err = err
			}
		}
		then := between
		if !u.single {
			u.once(alone) // it was answered by the case itself
			then = time.Now()
		}
		if len(u.with) < mostSamples {
			u.with, u.without = append(u.with, between.Sub(now)), append(u.without, then.Sub(between))
		}
		now = then
	}
}

// alone is a filter that does nothing.
func alone(r *exchange.Request, next exchange.Handler) (*exchange.Response, error) {
	return next.Handle(r)
}

func (u *runner) once(handle func(*exchange.Request, exchange.Handler) (*exchange.Response, error)) error {
	who := &client{ctx: context.Background()}
	r := &u.request
	if err := u.s.c.Request.request(r, who); err != nil {
		return err
	}
	resp, err := handle(r, u.s)
	_, err = read(r, resp, err)
	r.Body.Close()
	r.End()
	return err
}

// allocations counts what the host allocates for a request, beside what the request costs
// by itself.
func (u *runner) allocations() (count, bytes int64) {
	const rounds = 200
	measure := func(handle func(*exchange.Request, exchange.Handler) (*exchange.Response, error)) (int64, int64) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range rounds {
			if u.once(handle) != nil {
				break
			}
		}
		runtime.ReadMemStats(&after)
		return int64(after.Mallocs - before.Mallocs), int64(after.TotalAlloc - before.TotalAlloc)
	}
	count, bytes = measure(u.sub.handle)
	if !u.single {
		n, b := measure(alone)
		count, bytes = count-n, bytes-b
	}
	return max(0, (count+rounds/2)/rounds), max(0, (bytes+rounds/2)/rounds)
}

// sum adds up what runners have measured.
func (v *Speed) sum(all []runner) {
	var with, without, extra []time.Duration
	for i := range all {
		u := &all[i]
		v.Requests, v.Failed = v.Requests+u.sent, v.Failed+u.failed
		if v.Err == nil {
			v.Err = u.err
		}
		with = append(with, u.with...)
		if u.single {
			continue
		}
		without = append(without, u.without...)
		for k := range u.with {
			extra = append(extra, u.with[k]-u.without[k])
		}
	}
	v.With, v.Without, v.Extra = spreadOf(with), spreadOf(without), spreadOf(extra)
}
