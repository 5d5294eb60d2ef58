package httpwasm

import (
	"context"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
	abi "github.com/weirproxy/weir/sdk/abi/httpwasm"
	"github.com/weirproxy/weir/wasmhost/guest"
	"github.com/weirproxy/weir/wasmhost/vm"
)

// filter is one use of a plugin.
type filter struct {
	plugin *guest.Plugin
	pool   *vm.Pool
}

var _ exchange.Filter = (*filter)(nil)

// Handle implements exchange.Filter.
func (f *filter) Handle(r *exchange.Request, next exchange.Handler) (*exchange.Response, error) {
	v, err := f.take(r)
	if err != nil {
		return f.bypass(r, next, err)
	}
	i := v.State.(*instance)
	f.plugin.Counters.Streams.Add(1)
	x := &i.x
	x.begin(r, i.features, v.Limits.NewBudget(), v.Limits.Body)
	proceed, id, err := i.request()
	switch {
	case err == nil && proceed:
		return f.proceed(i, next, id)
	case err == nil:
		r.Record.Plugin = f.plugin.Name
		resp := x.reply()
		f.leave(i)
		return resp, nil
	}
	open := x.ignorable(f.plugin)
	if open {
		x.restore()
	}
	f.leave(i)
	if open {
		return next.Handle(r)
	}
	return nil, err
}

// take returns an instance, and counts the waiting for it.
func (f *filter) take(r *exchange.Request) (*vm.Instance, error) {
	var began time.Time
	v, err := f.pool.Get(func() <-chan struct{} {
		began = time.Now()
		return r.Context().Done()
	})
	if !began.IsZero() {
		f.plugin.Counters.Waits.Add(1)
		f.plugin.Counters.Waited.Add(int64(time.Since(began)))
	}
	return v, err
}

// bypass is for a request that gets no instance.
func (f *filter) bypass(r *exchange.Request, next exchange.Handler, err error) (*exchange.Response, error) {
	if ctx := r.Context(); ctx.Err() != nil { // that is why the waiting has ended
		return nil, context.Cause(ctx)
	}
	err = f.plugin.Fail(r, err)
	if f.plugin.Open {
		return next.Handle(r)
	}
	return nil, err
}

// proceed calls the next handler, and shows the guest what it answers.
func (f *filter) proceed(i *instance, next exchange.Handler, id uint32) (*exchange.Response, error) {
	defer f.leave(i) // next may panic
	x := &i.x
	x.pass()
	resp, err := next.Handle(x.r)
	x.answered(resp, err, f.plugin.Open)
	failure := i.response(id, err != nil)
	switch {
	case err != nil:
		return nil, err
	case failure == nil:
		x.finish()
	case x.ignorable(f.plugin):
		x.undo()
	default:
		resp.Body.Close()
		if resp.Tunnel != nil {
			resp.Tunnel.Close()
		}
		return nil, failure
	}
	return resp, nil
}

// leave gives the instance back. Protocols go by the request's method when they frame the
// response: it has to be the client's again.
func (f *filter) leave(i *instance) {
	i.x.r.Method = i.x.method
	if i.x.copy != nil {
		i.x.copy.release()
	}
	i.x.end()
	i.flush()
	f.pool.Put(i.vm)
	f.plugin.Counters.Streams.Add(-1)
}

// request calls handle_request. An error is what becomes of the exchange.
func (i *instance) request() (proceed bool, id uint32, err error) {
	v, err := i.call(i.handleRequest)
	proceed, id = abi.Next(v)
	return proceed, id, i.verdict(err)
}

// response calls handle_response.
func (i *instance) response(id uint32, failed bool) error {
	isError := uint64(0)
	if failed {
		isError = 1
	}
	_, err := i.call(i.handleResponse, uint64(id), isError)
	return i.verdict(err)
}

func (i *instance) call(f *vm.Func, args ...uint64) (uint64, error) {
	c, fuel, nanos := &i.plugin.Counters, i.vm.Spent(), i.vm.Nanos()
	v, err := i.vm.Call(f, &i.x.budget, args...)
	c.Calls.Add(1)
	c.Fuel.Add(i.vm.Spent() - fuel)
	if n := i.vm.Nanos() - nanos; n > 0 {
		c.Nanos.Add(n)
	}
	if err != nil {
		i.plugin.Trapped(i.x.r, err)
	}
	return v, err
}

// verdict says what becomes of the exchange after a call.
func (i *instance) verdict(err error) error {
	x := &i.x
	switch {
	case err != nil:
		i.vm.Close() // also one that was not called, its budget used up: it has not ended what it began
		return i.plugin.Fail(x.r, err)
	case x.err == errWrittenSize:
		return i.plugin.Fail(x.r, x.err)
	}
	return x.err
}
