package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/weirproxy/weir/edge/store"
)

// Options are the settings of an engine.
type Options struct {
	Path string // of the file, which is made, and its directory, if it is not there
	// Poll is how often a watch looks for changes of other processes; 0 means 200 ms.
	// Those of this process are seen at once.
	Poll time.Duration
}

type engine struct {
	path  string
	id    os.FileInfo // of the file when it was opened
	poll  time.Duration
	read  *sql.DB
	get   *sql.Stmt
	list  *sql.Stmt
	lease *sql.Stmt
	now   func() time.Time

	writer writer

	mu     sync.Mutex
	change chan struct{} // closed when this process has written
}

var _ store.Engine = (*engine)(nil)

// Open opens the file, and makes it if there is none.
func Open(ctx context.Context, o Options) (store.Engine, error) {
	e, err := open(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", o.Path, err)
	}
	return e, nil
}

func open(ctx context.Context, o Options) (*engine, error) {
	path, info, err := prepare(ctx, o.Path)
	if err != nil {
		return nil, err
	}
	if o.Poll <= 0 {
		o.Poll = 200 * time.Millisecond
	}
	e := &engine{path: path, id: info, poll: o.Poll, now: time.Now, change: make(chan struct{})}
	e.writer = writer{turn: make(chan struct{}, 1), file: e.present}
	if e.read, err = sql.Open("sqlite", source(path, false)); err != nil {
		return nil, err
	}
	e.read.SetMaxOpenConns(4)
	e.read.SetMaxIdleConns(4)
	if e.writer.db, err = sql.Open("sqlite", source(path, true)); err != nil {
		return nil, errors.Join(err, e.read.Close())
	}
	e.writer.db.SetMaxOpenConns(1)
	if err := e.begin(ctx); err != nil {
		return nil, errors.Join(e.explain(err), e.Close())
	}
	return e, nil
}

// begin looks whether the file is what it should be.
func (e *engine) begin(ctx context.Context) error {
	if err := verify(ctx, e.read); err != nil {
		return err
	}
	var err error
	for _, s := range []struct {
		to  **sql.Stmt
		sql string
	}{
		{&e.get, `SELECT value, version, expires FROM entry WHERE key = ?1 AND (expires IS NULL OR expires > ?2)`},
		{&e.list, `SELECT key, value, version, expires FROM entry
			WHERE key BETWEEN ?1 AND ?2 AND (expires IS NULL OR expires > ?3) ORDER BY key LIMIT ?4`},
		{&e.lease, `SELECT holder, fence, expires FROM lease WHERE name = ?1`},
	} {
		if *s.to, err = e.read.PrepareContext(ctx, s.sql); err != nil {
			return err
		}
	}
	return nil
}

// Close implements store.Engine. The last process that closes the file folds the log
// into it.
func (e *engine) Close() error {
	return errors.Join(e.writer.close(), e.read.Close())
}

// Now implements store.Engine.
func (e *engine) Now(context.Context) (time.Time, error) { return e.now(), nil }

// Get implements store.Engine.
func (e *engine) Get(ctx context.Context, key string) (store.Entry, error) {
	entry := store.Entry{Key: key}
	var expires sql.NullInt64
	err := e.reading(ctx, func() error {
		return e.get.QueryRowContext(ctx, key, e.now().UnixMicro()).Scan(&entry.Value, &entry.Version, &expires)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return entry, store.ErrNotFound
	}
	entry.Expires = instant(expires)
	return entry, err
}

// List implements store.Engine.
func (e *engine) List(ctx context.Context, prefix, after string, limit int) (page []store.Entry, more bool, err error) {
	from, to := store.Range(prefix, after)
	err = e.reading(ctx, func() error {
		page, more = nil, false
		rows, err := e.list.QueryContext(ctx, from, to, e.now().UnixMicro(), min(limit, store.MaxPage))
		if err != nil {
			return err
		}
		defer rows.Close()
		size := 0
		for rows.Next() {
			var entry store.Entry
			var expires sql.NullInt64
			if err := rows.Scan(&entry.Key, &entry.Value, &entry.Version, &expires); err != nil {
				return err
			}
			entry.Expires = instant(expires)
			page = append(page, entry)
			if size += len(entry.Value); size >= store.MaxPageBytes {
				more = true
				break
			}
		}
		return rows.Err()
	})
	return page, more, err
}

// reading does f, and again while the file is locked, which readers meet seldom: when
// another process opens the file after a crash.
func (e *engine) reading(ctx context.Context, f func() error) error {
	for {
		err := f()
		if !isBusy(err) || wait(ctx) != nil {
			return e.explain(err)
		}
	}
}

func wait(ctx context.Context) error {
	t := time.NewTimer(5 * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func instant(micros sql.NullInt64) time.Time {
	if !micros.Valid {
		return time.Time{}
	}
	return time.UnixMicro(micros.Int64).UTC()
}

// present returns an error if the file is not any more what was opened: what would be
// written now, nobody would find.
func (e *engine) present() error {
	info, err := os.Stat(e.path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%w: %s was removed while it is in use; put it back from a backup, and restart", store.ErrDamaged, e.path)
	case err != nil:
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	case !os.SameFile(info, e.id):
		return fmt.Errorf("%w: %s was replaced while it is in use; restart", store.ErrDamaged, e.path)
	}
	return nil
}
