package vm

import "time"

// Budget is what is left of Limits.Request. Where that is the default, it is not for ever:
// a stream of events may go on for days, and a body have gigabytes. So it earns by the
// content that goes by, and by the time, once most of it is spent; never more at a time
// than it began with.
type Budget struct {
	left, most int64
	earns      bool
	since      time.Time // when it earned by time last; zero: it had enough
}

const (
	perByte  = 256   // fuel: enough to parse it, in Go
	perMade  = 16    // for a byte that the guest makes itself
	perPiece = 50000 // of content, for what comes with each: a callback, an event
	perTime  = 100   // a hundredth of a processor
)

// NewBudget returns the budget of one request. Limits have their defaults.
func (l *Limits) NewBudget() Budget {
	n := fuel(l.request())
	return Budget{left: n, most: n, earns: l.Request == 0}
}

// Passed says that a piece of content goes by, of so many bytes.
func (b *Budget) Passed(bytes int) {
	if b.earns {
		b.left = min(b.left+perPiece+perByte*int64(bytes), b.most)
	}
}

// Made says that the guest has written so many bytes of content of its own.
func (b *Budget) Made(bytes int) {
	if b.earns {
		b.left = min(b.left+perMade*int64(bytes), b.most)
	}
}

// Spend takes n units away, for what the host has done elsewhere for the guest. They may
// be more than there are: the next call is refused then.
func (b *Budget) Spend(n int64) { b.left -= n }

func (b *Budget) earn(now time.Time) {
	if !b.since.IsZero() {
		b.left = min(b.left+int64(now.Sub(b.since))/perTime, b.most)
	}
	b.since = now
}
