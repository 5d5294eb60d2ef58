package rotate

import (
	"log/slog"
	"time"
)

// skew is how far the clocks of nodes may be apart without any harm.
const skew = time.Minute

// plan completes options to a schedule. Periods that are short, as in tests, get a lead
// and a tolerance that are short as well.
func plan(every, usual time.Duration, keep, usually int, poll time.Duration) schedule {
	if every <= 0 {
		every = usual
	}
	if keep <= 0 {
		keep = usually
	}
	keep = min(keep, mostKeys-2)
	// Two looks at the record, one of which may fail, by nodes of which one is early and
	// the other late.
	lead := min(3*pollOf(poll)+2*skew, every/2)
	return schedule{every: every, keep: keep, lead: lead}
}

func pollOf(d time.Duration) time.Duration {
	if d <= 0 {
		return time.Minute
	}
	return d
}

func orSilent(l *slog.Logger) *slog.Logger {
	if l == nil {
		return slog.New(slog.DiscardHandler)
	}
	return l
}

func orNow(now func() time.Time) func() time.Time {
	if now == nil {
		return time.Now
	}
	return now
}

// changeAfter is when another key begins to sign; zero if none will.
func changeAfter(r ring, now time.Time) time.Time {
	if i := r.signer(now); i > 0 {
		return r.Keys[i-1].Signs
	}
	return time.Time{}
}

// earliest returns the earlier of two times, of which zero is none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
