package rotate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/weirproxy/weir/certs/storage"
)

// Status is how keys are at a moment.
type Status struct {
	Keys    int           // that are accepted
	Shared  bool          // they are those of all nodes, not made here because the store was away
	Age     time.Duration // since the key that is used began to be used
	Next    time.Time     // when another one will be; zero: not known
	Err     error         // of the last attempt to read or to rotate; nil if it worked
	ErrFrom time.Time     // since when there was an error each time
}

// shared is the part of a ring of keys that does not mind what they are for: it reads the
// record, follows it, and rotates it when that is due and no other node does.
type shared struct {
	name  string // of the record, in the store and as a lock: "secret/tickets"
	what  string // for the log
	store storage.Store
	log   *slog.Logger
	plan  schedule
	poll  time.Duration
	now   func() time.Time
	make  func(ring) (key, error) // a secret that is none of the ring's
	good  func(key) error
	apply func(*ring) time.Time // takes what is known, nil for nothing, and says when to be called again

	wake   chan struct{}
	cancel context.CancelFunc
	done   sync.WaitGroup

	// Of the goroutine that runs.
	held    *ring
	moved   time.Time // when another newest key was seen to come; zero: not in this process
	waiting bool      // another node is about to rotate

	mu      sync.Mutex // guards what follows
	err     error
	errFrom time.Time
}

// limit bounds one look at the record, whatever the store promises.
const limit = 15 * time.Second

func (s *shared) start() {
	s.wake = make(chan struct{}, 1)
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(context.Background())
	s.done.Go(func() { s.run(ctx) })
	s.done.Go(func() { s.store.Watch(ctx, s.name, s.changed) })
}

func (s *shared) close() {
	s.cancel()
	s.done.Wait()
}

func (s *shared) changed(key string) {
	if key != s.name && key != "" {
		return
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *shared) run(ctx context.Context) {
	for ctx.Err() == nil {
		began := time.Now()
		s.report(ctx, s.look(ctx))
		wait := s.poll + rand.N(s.poll/4+1)
		if s.waiting {
			wait = min(wait, time.Second)
		}
		if again := s.apply(s.held); !again.IsZero() {
			wait = min(wait, max(again.Sub(s.now()), 0))
		}
		s.sleep(ctx, began, wait)
	}
}

// sleep waits for news or the time to look again, and never less than a moment since the
// last look began: a store that cries all day is not asked all day.
func (s *shared) sleep(ctx context.Context, began time.Time, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return
	case <-s.wake:
	case <-timer.C:
	}
	if spare := min(s.poll/8, 200*time.Millisecond) - time.Since(began); spare > 0 {
		timer.Reset(spare)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
	}
}

// report keeps err for Status, and tells the log when it comes and goes.
func (s *shared) report(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	was := s.err
	s.err = err
	if err == nil {
		s.errFrom = time.Time{}
	} else if was == nil {
		s.errFrom = time.Now()
	}
	s.mu.Unlock()
	switch {
	case err != nil && (was == nil || was.Error() != err.Error()):
		s.log.Warn("shared keys not up to date", "keys", s.what, "err", err)
	case err == nil && was != nil:
		s.log.Info("shared keys up to date again", "keys", s.what)
	}
}

// status adds to s what went wrong last.
func (s *shared) status(st Status) Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Err, st.ErrFrom = s.err, s.errFrom
	return st
}

// look reads the record, follows it, and sees to it that it is there and up to date.
func (s *shared) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	s.waiting = false
	reading := ctx
	if s.held != nil {
		reading = storage.Fresh(ctx) // a copy is older than what is held
	}
	r, err := s.read(reading)
	switch {
	case err == nil:
		s.follow(r)
		if !s.plan.due(r, s.now()) || s.hasty() {
			return nil
		}
	case !absent(err) && !errors.Is(err, storage.ErrDamaged):
		return fmt.Errorf("read %s: %w", s.name, err) // of a newer weir, another's key, the store away: not ours to mend
	}
	if err := s.renew(ctx); err != nil {
		return fmt.Errorf("rotate %s: %w", s.name, err)
	}
	return nil
}

func (s *shared) read(ctx context.Context) (ring, error) {
	b, err := s.store.Get(ctx, s.name)
	if err != nil {
		return ring{}, err
	}
	return decodeRing(b, s.good)
}

// follow takes over what the record says.
func (s *shared) follow(r ring) {
	if s.held != nil && s.held.Keys[0].ID != r.Keys[0].ID {
		s.moved = time.Now()
	}
	s.held = &r
}

// hasty tells whether the record was rotated so lately that one of two nodes must have a
// clock, or a configuration, that the other thinks is wrong. They are to make keys
// slowly: each new one pushes an old one out.
func (s *shared) hasty() bool {
	return !s.moved.IsZero() && time.Since(s.moved) < s.plan.every/8
}

// renew makes the record, or rotates it, if no other node is at it.
func (s *shared) renew(ctx context.Context) (err error) {
	lock, err := s.store.TryLock(ctx, s.name)
	if errors.Is(err, storage.ErrHeld) {
		s.waiting = true
		return nil
	}
	if err != nil {
		return err
	}
	defer func() {
		// Not under ctx: the others should not have to wait until the lock runs out.
		after, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
		defer cancel()
		err = errors.Join(err, lock.Unlock(after))
	}()
	old, err := s.read(storage.Fresh(ctx)) // it may have been done meanwhile
	if err == nil && !s.plan.due(old, s.now()) {
		s.follow(old)
		return nil
	}
	next, err := s.next(old, err)
	if err != nil {
		return err
	}
	b, err := next.encode()
	if err != nil {
		return err
	}
	if err := lock.Put(ctx, s.name, b, 0); err != nil {
		return err
	}
	s.follow(next)
	s.log.Info("shared keys rotated", "keys", s.what, "next", next.Keys[0].Signs)
	return nil
}

// next returns what the record is to be. err says how reading the old one went.
func (s *shared) next(old ring, err error) (ring, error) {
	switch {
	case err == nil:
		if s.plan.wild(old.Keys[0], s.now()) {
			s.log.Warn("shared keys are from another time: is a clock wrong?", "keys", s.what, "signs", old.Keys[0].Signs)
		}
	case absent(err) && s.held == nil:
	case absent(err):
		s.log.Warn("shared keys were gone, and are written anew", "keys", s.what)
	case errors.Is(err, storage.ErrDamaged):
		s.log.Error("shared keys damaged, and made anew", "keys", s.what, "err", err)
	default:
		return ring{}, err
	}
	if err != nil && s.held != nil { // those that all nodes know are the best ones
		if old = *s.held; !s.plan.due(old, s.now()) {
			return old, nil
		}
	}
	fresh, err := s.make(old)
	if err != nil || len(old.Keys) > 0 {
		return s.plan.turn(old, fresh, s.now()), err
	}
	after, err := s.make(ring{Keys: []key{fresh}})
	return s.plan.first(fresh, after, s.now()), err
}

func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) }
