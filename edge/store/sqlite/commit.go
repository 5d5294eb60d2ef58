package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/weirproxy/weir/edge/store"
)

const (
	sqlCount = `UPDATE counter SET value = max(value + 1, ?1) RETURNING value`
	sqlHeld  = `SELECT 1 FROM lease WHERE name = ?1 AND holder = ?2 AND fence = ?3 AND expires > ?4`
	sqlState = `SELECT version FROM entry WHERE key = ?1 AND (expires IS NULL OR expires > ?2)`
	sqlPut   = `INSERT INTO entry (key, value, version, expires) VALUES (?1, ?2, ?3, ?4)
		ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version, expires = excluded.expires`
	sqlDelete = `DELETE FROM entry WHERE key = ?1`
	sqlLog    = `INSERT INTO change (key) VALUES (?1)`
	sqlTrim   = `DELETE FROM change WHERE seq <= ?1`
	sqlSweep  = `DELETE FROM entry WHERE rowid IN (SELECT rowid FROM entry WHERE expires <= ?1 ORDER BY expires LIMIT 32)`
)

// logged is how many changes are kept for watches: those who look less often than that
// have missed something. They are trimmed now and then.
const logged, trimEvery = 4096, 256

// Commit implements store.Engine.
func (e *engine) Commit(ctx context.Context, b store.Batch) (version uint64, err error) {
	err = e.write(ctx, func(t *transaction) (err error) {
		version, err = commit(t, b, e.now())
		return err
	})
	if err != nil {
		return 0, err
	}
	return version, nil
}

// write does f, and tells the watches of this process.
func (e *engine) write(ctx context.Context, f func(*transaction) error) error {
	if err := e.writer.write(ctx, f); err != nil {
		return e.explain(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	close(e.change)
	e.change = make(chan struct{})
	return nil
}

func commit(t *transaction, b store.Batch, now time.Time) (uint64, error) {
	at := now.UnixMicro()
	if l := b.Held; l != nil {
		var one int
		err := t.row([]any{&one}, sqlHeld, l.Name, l.Holder, int64(l.Fence), at)
		if errors.Is(err, sql.ErrNoRows) {
			return 0, fmt.Errorf("lease %q: %w", l.Name, store.ErrFenced)
		}
		if err != nil {
			return 0, err
		}
	}
	var version int64
	if err := t.row([]any{&version}, sqlCount, at); err != nil {
		return 0, err
	}
	for _, op := range b.Ops {
		if err := t.change(op, version, at); err != nil {
			return 0, err
		}
	}
	_, err := t.exec(sqlSweep, at)
	return uint64(version), err
}

func (t *transaction) change(op store.Op, version, at int64) error {
	if op.If != (store.Condition{}) {
		var is uint64
		err := t.row([]any{&is}, sqlState, op.Key, at)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if is != op.If.Version { // 0 stands for absent, in both
			return fmt.Errorf("key %q: %w", op.Key, store.ErrConflict)
		}
	}
	if op.Delete {
		r, err := t.exec(sqlDelete, op.Key)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); n == 0 || err != nil {
			return err
		}
	} else {
		value, expires := op.Value, sql.NullInt64{}
		if value == nil {
			value = []byte{} // else it would be NULL
		}
		if op.TTL > 0 {
			expires = sql.NullInt64{Int64: at + 1000*store.Millis(op.TTL), Valid: true}
		}
		if _, err := t.exec(sqlPut, op.Key, value, version, expires); err != nil {
			return err
		}
	}
	if op.Quiet {
		return nil
	}
	r, err := t.exec(sqlLog, op.Key)
	if err != nil {
		return err
	}
	seq, err := r.LastInsertId()
	if err == nil && seq%trimEvery == 0 {
		_, err = t.exec(sqlTrim, seq-logged)
	}
	return err
}
