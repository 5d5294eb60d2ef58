package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"sync"
	"time"

	"github.com/weirproxy/weir/edge/store"
)

// writer has the one connection that writes. Who has the turn does all that is queued in
// one transaction, so that what comes at the same time shares one flush to the disk.
type writer struct {
	db   *sql.DB
	file func() error  // whether the file is still there
	turn chan struct{} // holds a value while somebody writes

	conn    *sql.Conn // belongs to who has the turn, like what follows
	stmts   map[string]*sql.Stmt
	checked time.Time // when file was last asked

	mu    sync.Mutex // guards queue
	queue []*job
}

// job is one change. Its do writes all or, with an error, nothing.
type job struct {
	do   func(*transaction) error
	err  error
	done chan struct{}
}

// together is how many jobs share a transaction at most.
const together = 64

// write does f in a transaction. Only waiting for it ends with ctx: what has begun is
// done to its end, so that its outcome is known.
func (w *writer) write(ctx context.Context, f func(*transaction) error) error {
	j := &job{do: f, done: make(chan struct{})}
	w.mu.Lock()
	w.queue = append(w.queue, j)
	w.mu.Unlock()
	select {
	case <-j.done:
		return j.err
	case <-ctx.Done():
		if w.withdraw(j) {
			return ctx.Err()
		}
		<-j.done
		return j.err
	case w.turn <- struct{}{}:
	}
	defer func() { <-w.turn }()
	for {
		select {
		case <-j.done:
			return j.err
		default:
		}
		if err := w.begin(ctx); err != nil {
			w.withdraw(j)
			return err
		}
		w.finish(w.take())
	}
}

// withdraw takes j out of the queue; false if somebody is doing it.
func (w *writer) withdraw(j *job) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, q := range w.queue {
		if q == j {
			w.queue = append(w.queue[:i], w.queue[i+1:]...)
			return true
		}
	}
	return false
}

func (w *writer) take() []*job {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(len(w.queue), together)
	jobs := append([]*job(nil), w.queue[:n]...)
	w.queue = append(w.queue[:0], w.queue[n:]...)
	return jobs
}

// begin begins a transaction, for which it waits until ctx ends.
func (w *writer) begin(ctx context.Context) error {
	if now := time.Now(); now.Sub(w.checked) > time.Second {
		if err := w.file(); err != nil {
			return err
		}
		w.checked = now
	}
	for {
		err := w.connect(ctx)
		if err == nil {
			_, err = w.conn.ExecContext(ctx, "BEGIN IMMEDIATE")
		}
		if err == nil {
			return nil
		}
		if !isBusy(err) {
			w.hangUp()
			return err
		}
		if wait(ctx) != nil {
			return err
		}
	}
}

func (w *writer) connect(ctx context.Context) (err error) {
	if w.conn != nil {
		return nil
	}
	w.conn, err = w.db.Conn(ctx)
	w.stmts = make(map[string]*sql.Stmt)
	return err
}

// hangUp closes the connection, whose state is not known any more. The next who needs
// one makes it.
func (w *writer) hangUp() {
	if w.conn != nil {
		for _, s := range w.stmts {
			s.Close()
		}
		// This answer has database/sql throw it away.
		_ = w.conn.Raw(func(any) error { return driver.ErrBadConn })
		w.conn.Close()
		w.conn = nil
	}
}

// finish does jobs and commits.
func (w *writer) finish(jobs []*job) {
	tx := &transaction{w}
	var good []*job
	for _, j := range jobs {
		if j.err = tx.nested(j.do); j.err == nil {
			good = append(good, j)
		}
	}
	_, err := w.conn.ExecContext(context.Background(), "COMMIT")
	if err != nil {
		for _, j := range good {
			j.err = err
		}
		w.hangUp() // which rolls back
	}
	for _, j := range jobs {
		close(j.done)
	}
}

func (w *writer) close() error {
	w.turn <- struct{}{} // what is under way is finished; there is no next turn
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, j := range w.queue {
		j.err = fmt.Errorf("write: %w", store.ErrClosed)
		close(j.done)
	}
	w.queue = nil
	w.hangUp()
	return w.db.Close()
}
