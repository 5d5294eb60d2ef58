package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"
)

const sqlChanges = `SELECT seq, key FROM change WHERE seq >= ?1 ORDER BY seq LIMIT 8192`

// Watch implements store.Engine. The file says in its header that somebody has written
// (PRAGMA data_version), which costs a few microseconds to ask.
func (e *engine) Watch(ctx context.Context, prefix string, changed func(key string)) (err error) {
	db, err := sql.Open("sqlite", source(e.path, false))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	w := watch{db: db, prefix: prefix, changed: changed}
	tick := time.NewTicker(e.poll)
	defer tick.Stop()
	for {
		e.mu.Lock()
		wrote := e.change
		e.mu.Unlock()
		if err := e.reading(ctx, func() error { return w.look(ctx) }); err != nil {
			return err
		}
		select {
		case <-wrote:
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

type watch struct {
	db      *sql.DB // of one connection
	prefix  string
	changed func(string)
	begun   bool
	version int64 // of the data, for this connection
	last    int64 // change that was told
}

// look tells what has changed since it was called before.
func (w *watch) look(ctx context.Context) error {
	var version int64
	if err := w.db.QueryRowContext(ctx, "PRAGMA data_version").Scan(&version); err != nil {
		return err
	}
	if w.begun && version == w.version {
		return nil
	}
	if !w.begun {
		if err := w.restart(ctx); err != nil {
			return err
		}
	} else if err := w.tell(ctx); err != nil {
		return err
	}
	w.begun, w.version = true, version
	return nil
}

// restart begins behind the last change there is.
func (w *watch) restart(ctx context.Context) error {
	if err := w.db.QueryRowContext(ctx, "SELECT coalesce(max(seq), 0) FROM change").Scan(&w.last); err != nil {
		return err
	}
	w.changed("")
	return nil
}

// tell tells the keys of changes after the last. That one has to be there still: else
// the log was trimmed, or the file is another.
func (w *watch) tell(ctx context.Context) error {
	rows, err := w.db.QueryContext(ctx, sqlChanges, w.last)
	if err != nil {
		return err
	}
	defer rows.Close()
	seen := make(map[string]bool)
	next := w.last
	if next == 0 {
		next = 1
	}
	for rows.Next() {
		var seq int64
		var key string
		if err := rows.Scan(&seq, &key); err != nil {
			return err
		}
		if seq != next {
			rows.Close()
			return w.restart(ctx)
		}
		if next++; seq > w.last && strings.HasPrefix(key, w.prefix) && !seen[key] {
			seen[key] = true
			w.changed(key)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if next-1 < w.last {
		rows.Close()
		return w.restart(ctx)
	}
	w.last = next - 1
	return nil
}
