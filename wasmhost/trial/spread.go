package trial

import (
	"slices"
	"time"
)

// Spread says how long something took: the median, and what a quarter of all, three
// quarters and 99 of 100 did not exceed.
type Spread struct{ Low, Median, High, P99 time.Duration }

// spreadOf sorts all.
func spreadOf(all []time.Duration) Spread {
	if len(all) == 0 {
		return Spread{}
	}
	slices.Sort(all)
	at := func(percent int) time.Duration { return all[(len(all)-1)*percent/100] }
	return Spread{at(25), at(50), at(75), at(99)}
}
