package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirproxy/weir/edge/store"
)

// Now implements store.Engine.
func (e *engine) Now(ctx context.Context) (now time.Time, err error) {
	err = e.pool.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&now)
	return now.UTC(), explain(err)
}

// alive is the condition that an entry has not expired.
const alive = `(weir_entry.expires IS NULL OR weir_entry.expires > clock_timestamp())`

// Get implements store.Engine.
func (e *engine) Get(ctx context.Context, key string) (store.Entry, error) {
	if err := e.ready(ctx); err != nil {
		return store.Entry{}, err
	}
	entry := store.Entry{Key: key}
	var expires *time.Time
	err := e.pool.QueryRow(ctx, e.sql(`SELECT value, version, expires FROM weir_entry WHERE key = $1 AND `+alive), key).
		Scan(&entry.Value, &entry.Version, &expires)
	if errors.Is(err, pgx.ErrNoRows) {
		return store.Entry{}, store.ErrNotFound
	}
	entry.Expires = instant(expires)
	return entry, explain(err)
}

func instant(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// List implements store.Engine. The sum runs over lengths, which PostgreSQL knows
// without reading the values.
func (e *engine) List(ctx context.Context, prefix, after string, limit int) ([]store.Entry, bool, error) {
	if err := e.ready(ctx); err != nil {
		return nil, false, err
	}
	from, to := store.Range(prefix, after)
	rows, err := e.pool.Query(ctx, e.sql(`SELECT key, value, version, expires FROM (
			SELECT *, sum(octet_length(value)) OVER (ORDER BY key ROWS UNBOUNDED PRECEDING) - octet_length(value) AS before
			FROM weir_entry WHERE key BETWEEN $1 AND $2 AND `+alive+` ORDER BY key LIMIT $3) t
		WHERE before < $4 ORDER BY key`), from, to, min(limit, store.MaxPage), store.MaxPageBytes)
	if err != nil {
		return nil, false, explain(err)
	}
	size := 0
	page, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (entry store.Entry, err error) {
		var expires *time.Time
		err = row.Scan(&entry.Key, &entry.Value, &entry.Version, &expires)
		entry.Expires = instant(expires)
		size += len(entry.Value)
		return entry, err
	})
	if err != nil {
		return nil, false, explain(err)
	}
	return page, len(page) < limit && size >= store.MaxPageBytes, nil
}
