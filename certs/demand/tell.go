package demand

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// tellEvery is how often the log hears of refusals for one reason: whoever wonders why a
// name gets no certificate finds it there, and a flood of names does not fill it.
const tellEvery = 10 * time.Minute

// told is when the log last heard of a reason, and how many refusals it has not.
type told struct {
	next  atomic.Int64 // not before, as a time since Guard.start
	quiet atomic.Uint64
}

// tell says why a name was refused, now and then.
func (g *Guard) tell(r *Refusal) {
	level := slog.LevelWarn
	switch r.Reason {
	case ReasonCanceled, ReasonClosed, ReasonAsk: // told elsewhere, or nobody's concern
		return
	case ReasonName, ReasonDenied:
		level = slog.LevelInfo
	}
	t, now := g.told[r.Reason], time.Since(g.start)
	next := t.next.Load()
	if int64(now) < next || !t.next.CompareAndSwap(next, int64(now+tellEvery)) {
		t.quiet.Add(1)
		return
	}
	g.log.Log(context.Background(), level, "certificates on demand: refused", "name", r.Name, "reason", r.Reason, "err", r.Err, "others", t.quiet.Swap(0))
}
