package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirproxy/weir/edge/store"
)

// sqlAcquire gives a lease whose row is not there, or has expired, or is the holder's
// own. The row stays when the lease is released: so the fence is drawn while the row is
// locked, and grows, whoever waits for whom.
const sqlAcquire = `INSERT INTO weir_lease AS l (name, holder, fence, expires)
	VALUES ($1, $2, nextval('weir_version'), clock_timestamp() + $3 * interval '1 millisecond')
	ON CONFLICT (name) DO UPDATE SET
		holder = excluded.holder,
		fence = CASE WHEN l.holder = excluded.holder AND l.expires > clock_timestamp() THEN l.fence ELSE nextval('weir_version') END,
		expires = clock_timestamp() + $3 * interval '1 millisecond'
	WHERE l.expires <= clock_timestamp() OR l.holder = excluded.holder
	RETURNING fence`

// Acquire implements store.Engine.
func (e *engine) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (fence uint64, err error) {
	if err := e.ready(ctx); err != nil {
		return 0, err
	}
	err = e.pool.QueryRow(ctx, e.sql(sqlAcquire), name, holder, store.Millis(ttl)).Scan(&fence)
	if errors.Is(err, pgx.ErrNoRows) {
		err = fmt.Errorf("lease %q: %w", name, store.ErrHeld)
	}
	return fence, explain(err)
}

// Extend implements store.Engine.
func (e *engine) Extend(ctx context.Context, l store.Lease, ttl time.Duration) error {
	if err := e.ready(ctx); err != nil {
		return err
	}
	tag, err := e.pool.Exec(ctx, e.sql(`UPDATE weir_lease SET expires = clock_timestamp() + $4 * interval '1 millisecond'
		WHERE name = $1 AND holder = $2 AND fence = $3 AND expires > clock_timestamp()`),
		l.Name, l.Holder, int64(l.Fence), store.Millis(ttl))
	if err == nil && tag.RowsAffected() == 0 {
		err = fmt.Errorf("lease %q: %w", l.Name, store.ErrFenced)
	}
	return explain(err)
}

// Release implements store.Engine.
func (e *engine) Release(ctx context.Context, l store.Lease) error {
	if err := e.ready(ctx); err != nil {
		return err
	}
	_, err := e.pool.Exec(ctx, e.sql(`UPDATE weir_lease SET holder = '', expires = clock_timestamp()
		WHERE name = $1 AND holder = $2 AND (fence = $3 OR $3 = 0)`), l.Name, l.Holder, int64(l.Fence))
	return explain(err)
}
