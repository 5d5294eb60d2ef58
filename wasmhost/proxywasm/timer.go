package proxywasm

import (
	"time"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
)

// shortestTick keeps guests that ask for less from having a processor to themselves:
// ticks are nobody's request, so no request's budget bounds them.
const shortestTick = 10 * time.Millisecond

// ticker is a root's timer. It belongs to who holds the instance.
type ticker struct {
	period time.Duration // 0: stopped
	timer  *time.Timer   // nil: never started
	set    int           // how often the period was set: a tick of an earlier one is void
}

// proxySetTickPeriodMilliseconds has the period; 0 stops.
func proxySetTickPeriodMilliseconds(i *instance, a []uint64) abi.Status {
	if i.effective == nil {
		return abi.InternalFailure
	}
	if i.lone != nil {
		return abi.OK // its root's timer runs elsewhere
	}
	rt := i.effective.root
	t := &rt.ticker
	t.set++
	t.period = time.Duration(u32(a[0])) * time.Millisecond
	if t.timer != nil {
		t.timer.Stop()
	}
	if t.period == 0 {
		return abi.OK
	}
	t.period = max(t.period, shortestTick)
	if t.timer == nil {
		rt.closers = append(rt.closers, func() { t.period = 0; t.timer.Stop() })
	}
	rt.wind()
	return abi.OK
}

// wind has the root tick once when its period is over.
func (rt *root) wind() {
	t := &rt.ticker
	set := t.set
	t.timer = time.AfterFunc(t.period, func() {
		rt.background(func() { rt.tick(set) })
	})
}

// tick calls the guest. The next period begins when that is over: ticks never pile up.
func (rt *root) tick(set int) {
	t := &rt.ticker
	if t.period == 0 || set != t.set {
		return
	}
	_, err := rt.i.enter(&rt.guestContext, nil, rt.i.exports.tick, uint64(rt.id))
	if err == nil && t.period != 0 && set == t.set {
		rt.wind()
	}
}

// proxyGetCurrentTimeNanoseconds has where to put it.
func proxyGetCurrentTimeNanoseconds(i *instance, a []uint64) abi.Status {
	if !i.vm.PutUint64(u32(a[0]), uint64(time.Now().UnixNano())) {
		return abi.InvalidMemoryAccess
	}
	return abi.OK
}
