package attack

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Latencies is what healthy clients saw while an attack was on.
type Latencies struct {
	N      int // requests asked
	Failed int
	Err    error // of the first that failed
	P50    time.Duration
	P99    time.Duration
	Max    time.Duration
}

// String prints l on one line, for test logs.
func (l Latencies) String() string {
	return fmt.Sprintf("%d requests, %d failed (%v), p50 %v p99 %v max %v", l.N, l.Failed, l.Err, l.P50, l.P99, l.Max)
}

// Sample calls ask, one request of a healthy client, once every interval until ctx
// ends, and measures each call from when it was due: a server that stalls is
// charged for the requests that had to wait as well. A request that ctx's end
// interrupts, and those due behind it, count with the time they had waited.
func Sample(ctx context.Context, interval time.Duration, ask func(context.Context) error) Latencies {
	var l Latencies
	var took []time.Duration
	for due := time.Now(); ; due = due.Add(interval) {
		if now := time.Now(); now.Before(due) {
			select {
			case <-ctx.Done():
				return l.summed(took)
			case <-time.After(due.Sub(now)):
			}
		}
		err := ask(ctx)
		if ctx.Err() != nil {
			for now := time.Now(); due.Before(now); due = due.Add(interval) {
				l.N++
				took = append(took, now.Sub(due))
			}
			return l.summed(took)
		}
		l.N++
		took = append(took, time.Since(due))
		if err != nil {
			if l.Failed++; l.Err == nil {
				l.Err = err
			}
		}
	}
}

func (l Latencies) summed(took []time.Duration) Latencies {
	if len(took) == 0 {
		return l
	}
	slices.Sort(took)
	at := func(percent int) time.Duration { return took[(len(took)*percent+99)/100-1] }
	l.P50, l.P99, l.Max = at(50), at(99), took[len(took)-1]
	return l
}
