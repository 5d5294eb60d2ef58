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
	sqlLease  = `SELECT holder, fence, expires FROM lease WHERE name = ?1`
	sqlGrant  = `INSERT OR REPLACE INTO lease (name, holder, fence, expires) VALUES (?1, ?2, ?3, ?4)`
	sqlExtend = `UPDATE lease SET expires = ?5 WHERE name = ?1 AND holder = ?2 AND fence = ?3 AND expires > ?4`
	sqlFree   = `DELETE FROM lease WHERE name = ?1 AND holder = ?2 AND (?3 = 0 OR fence = ?3)`
	sqlForget = `DELETE FROM lease WHERE rowid IN (SELECT rowid FROM lease WHERE expires <= ?1 LIMIT 8)`
)

// Acquire implements store.Engine.
func (e *engine) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (fence uint64, err error) {
	// Who waits for a lease looks often: that must not keep others from writing.
	var has string
	var until int64
	err = e.reading(ctx, func() error {
		return e.lease.QueryRowContext(ctx, name).Scan(&has, &fence, &until)
	})
	if err == nil && has != holder && until > e.now().UnixMicro() {
		return 0, fmt.Errorf("lease %q: %w", name, store.ErrHeld)
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, err
	}
	err = e.write(ctx, func(t *transaction) error {
		at := e.now().UnixMicro()
		err := t.row([]any{&has, &fence, &until}, sqlLease, name)
		switch {
		case err != nil && !errors.Is(err, sql.ErrNoRows):
			return err
		case err == nil && until > at && has != holder:
			return fmt.Errorf("lease %q: %w", name, store.ErrHeld)
		case err == nil && until > at: // asked again
		default:
			if err := t.row([]any{&fence}, sqlCount, at); err != nil {
				return err
			}
		}
		if _, err := t.exec(sqlGrant, name, holder, int64(fence), at+1000*store.Millis(ttl)); err != nil {
			return err
		}
		_, err = t.exec(sqlForget, at)
		return err
	})
	if err != nil {
		return 0, err
	}
	return fence, nil
}

// Extend implements store.Engine.
func (e *engine) Extend(ctx context.Context, l store.Lease, ttl time.Duration) error {
	return e.write(ctx, func(t *transaction) error {
		at := e.now().UnixMicro()
		r, err := t.exec(sqlExtend, l.Name, l.Holder, int64(l.Fence), at, at+1000*store.Millis(ttl))
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); n == 0 || err != nil {
			return errors.Join(fmt.Errorf("lease %q: %w", l.Name, store.ErrFenced), err)
		}
		return nil
	})
}

// Release implements store.Engine.
func (e *engine) Release(ctx context.Context, l store.Lease) error {
	return e.write(ctx, func(t *transaction) error {
		_, err := t.exec(sqlFree, l.Name, l.Holder, int64(l.Fence))
		return err
	})
}
