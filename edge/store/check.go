package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// Report is what Check found.
type Report struct {
	Inspection
	Write, Read, Delete time.Duration // what one of each took
	// Clock is how far the engine's clock is ahead of this machine's.
	Clock time.Duration
}

// Worst returns the level of the worst finding.
func (r Report) Worst() Level {
	worst := Fine
	for _, f := range r.Findings {
		worst = max(worst, f.Level)
	}
	return worst
}

// Check writes, reads and deletes an entry below "check/", compares clocks, and asks the
// engine about itself. The error is the first step that did not work; the report holds
// what was found until then.
func (s *Store) Check(ctx context.Context) (Report, error) {
	r := Report{}
	i, err := call(ctx, s, kindInspect, s.engine.Inspect)
	if err != nil {
		return r, fmt.Errorf("check store: %w", err)
	}
	r.Inspection = i
	for _, step := range []func(context.Context, *Report) error{s.checkRoundTrip, s.checkClock} {
		if err := step(ctx, &r); err != nil {
			r.Findings = append(r.Findings, Finding{Wrong, err.Error()})
			return r, fmt.Errorf("check store: %w", err)
		}
	}
	return r, nil
}

func (s *Store) checkRoundTrip(ctx context.Context, r *Report) error {
	key, value := "check/"+rand.Text(), []byte(rand.Text())
	began := time.Now()
	version, err := s.PutNew(ctx, key, value, time.Minute)
	if err != nil {
		return err
	}
	r.Write = time.Since(began)
	began = time.Now()
	e, err := s.Get(ctx, key)
	if err != nil {
		return fmt.Errorf("read what was just written: %w", err)
	}
	r.Read = time.Since(began)
	if !bytes.Equal(e.Value, value) || e.Version != version {
		return fmt.Errorf("read what was just written: %w: it is something else", ErrDamaged)
	}
	began = time.Now()
	if err := s.Delete(ctx, key); err != nil {
		return err
	}
	r.Delete = time.Since(began)
	if _, err := s.Get(ctx, key); !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("read what was just deleted: %w: it is still there", ErrDamaged)
	}
	slow := Finding{Fine, fmt.Sprintf("writing took %v, reading %v", r.Write.Round(10*time.Microsecond), r.Read.Round(10*time.Microsecond))}
	if max(r.Write, r.Read, r.Delete) > s.gates[reads].deadline/4 {
		slow = Finding{Warning, slow.Text + ": slow; operations end after " + s.gates[reads].deadline.String()}
	}
	r.Findings = append(r.Findings, slow)
	return nil
}

func (s *Store) checkClock(ctx context.Context, r *Report) error {
	began := time.Now()
	now, err := s.Now(ctx)
	if err != nil {
		return err
	}
	took := time.Since(began)
	r.Clock = now.Sub(began.Add(took / 2))
	// It was read at some time while this took.
	most := (r.Clock.Abs() + took/2).Truncate(time.Millisecond) + time.Millisecond
	f := Finding{Fine, fmt.Sprintf("the store's clock differs from this machine's by %v at most", most)}
	if r.Clock.Abs() > time.Second+took {
		side := "ahead of"
		if r.Clock < 0 {
			side = "behind"
		}
		f = Finding{Warning, fmt.Sprintf("the store's clock is %v %s this machine's; locks and expiry go by the store's alone, certificates by both: have both set by NTP",
			r.Clock.Abs().Round(time.Millisecond), side)}
	}
	r.Findings = append(r.Findings, f)
	return nil
}
