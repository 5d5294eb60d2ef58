package vm

import (
	"testing"
	"time"
)

// TestBudget_EarnsByWhatGoesBy: a request that is given no limit of its own can go on for
// as long as there is content, or time; one that is, cannot.
func TestBudget_EarnsByWhatGoesBy(t *testing.T) {
	t.Parallel()
	auto := Limits{}.WithDefaults()
	b := auto.NewBudget()
	all := b.left
	for range 1000 {
		b.left -= all / 2
		b.Passed(1 << 20)
		if b.left != all {
			t.Fatalf("%d left after a piece of a MiB, want %d", b.left, all)
		}
	}
	b.left = 0
	b.Passed(10)
	b.Made(10)
	if want := int64(perPiece + 10*perByte + 10*perMade); b.left != want {
		t.Errorf("earned %d, want %d", b.left, want)
	}
	strict := Limits{Request: 100 * time.Millisecond}.WithDefaults()
	b = strict.NewBudget()
	b.left = 0
	b.Passed(1 << 20)
	b.Made(1 << 20)
	if b.left != 0 || b.earns {
		t.Errorf("a limit that was given earns %d", b.left)
	}
}

func TestBudget_EarnsAHundredthOfTheTime(t *testing.T) {
	t.Parallel()
	l := Limits{CPU: 300 * time.Millisecond}.WithDefaults()
	b := l.NewBudget()
	if b.left != int64(300*time.Millisecond) {
		t.Errorf("begins with %d, want what one call has", b.left)
	}
	b.left = 0
	now := time.Now()
	b.earn(now)
	if b.left != 0 {
		t.Errorf("earned %d for the time before", b.left)
	}
	b.earn(now.Add(time.Second))
	if b.left != int64(10*time.Millisecond) {
		t.Errorf("earned %v in a second, want 10ms", time.Duration(b.left))
	}
	b.earn(now.Add(time.Hour))
	if b.left != int64(300*time.Millisecond) {
		t.Errorf("earned %v in an hour, want as much as it began with", time.Duration(b.left))
	}
}
