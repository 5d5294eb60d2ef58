package postgres

import (
	"context"
	"time"
)

// sweep deletes what has expired, until ctx ends.
func (e *engine) sweep(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !e.made.Load() {
			continue
		}
		for _, query := range []string{
			`DELETE FROM weir_entry WHERE key IN (SELECT key FROM weir_entry
				WHERE expires <= clock_timestamp() ORDER BY expires LIMIT 1000 FOR UPDATE SKIP LOCKED)`,
			`DELETE FROM weir_lease WHERE name IN (SELECT name FROM weir_lease
				WHERE expires <= clock_timestamp() - interval '1 day' LIMIT 1000 FOR UPDATE SKIP LOCKED)`,
		} {
			for range 100 { // the rest comes next time
				deleting, cancel := context.WithTimeout(ctx, e.limit)
				tag, err := e.pool.Exec(deleting, e.sql(query))
				cancel()
				if err != nil || tag.RowsAffected() < 1000 {
					break
				}
			}
		}
	}
}
