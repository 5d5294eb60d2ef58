package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/weirproxy/weir/edge/store"
)

// Commit implements store.Engine. One change is one statement; more are a transaction of
// two round trips.
func (e *engine) Commit(ctx context.Context, b store.Batch) (uint64, error) {
	if err := e.ready(ctx); err != nil {
		return 0, err
	}
	for {
		var version uint64
		var err error
		if len(b.Ops) == 1 {
			version, err = e.single(ctx, b.Ops[0], b.Held)
		} else {
			version, err = e.several(ctx, b)
		}
		if !again(err) || ctx.Err() != nil {
			return version, explain(err)
		}
	}
}

// One change. Each reads from held, which has a row only if the lease is held, and
// locks it then.
const (
	// The version is drawn again when the row is locked, so that versions of a key grow.
	sqlPut = `INSERT INTO weir_entry AS e (key, value, version, expires)
		SELECT $1::text, $2::bytea, nextval('weir_version'), clock_timestamp() + $3::bigint * interval '1 millisecond' FROM held
		ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = nextval('weir_version'), expires = excluded.expires`
	sqlNew     = sqlPut + ` WHERE e.expires <= clock_timestamp()`
	sqlReplace = `UPDATE weir_entry SET value = $2, version = nextval('weir_version'),
		expires = clock_timestamp() + $3::bigint * interval '1 millisecond' FROM held WHERE key = $1 AND version = $4 AND ` + alive
	sqlRemove    = `DELETE FROM weir_entry USING held WHERE key = $1`
	sqlRemoveOne = sqlRemove + ` AND version = $2 AND ` + alive

	sqlFree = `WITH held AS (SELECT 1 AS one), w AS (`
	sqlHeld = `WITH held AS (SELECT 1 AS one FROM weir_lease
		WHERE name = $%d AND holder = $%d AND fence = $%d AND weir_lease.expires > clock_timestamp() FOR SHARE), w AS (`

	// Both answer with a version, how many rows were changed, and whether the lease is
	// held; the first tells watches. A row that was removed has no version of use.
	sqlLoud = ` RETURNING key, version), n AS (SELECT version, pg_notify('weir_change', key) FROM w)
		SELECT coalesce(max(version), nextval('weir_version')), count(*), (SELECT count(*) FROM held) FROM n`
	sqlQuiet = ` RETURNING version)
		SELECT coalesce(max(version), nextval('weir_version')), count(*), (SELECT count(*) FROM held) FROM w`
)

// life is the parameter for a TTL; NULL makes the sum NULL, which is never.
func life(op store.Op) *int64 {
	if op.TTL == 0 {
		return nil
	}
	ms := store.Millis(op.TTL)
	return &ms
}

func bytesOf(op store.Op) []byte {
	if op.Value == nil {
		return []byte{} // else it would be NULL
	}
	return op.Value
}

func (e *engine) single(ctx context.Context, op store.Op, held *store.Lease) (version uint64, err error) {
	query, args := sqlPut, []any{op.Key, bytesOf(op), life(op)}
	wanted := int64(op.If.Version)
	switch {
	case op.Delete && wanted == 0:
		query, args = sqlRemove, []any{op.Key}
	case op.Delete:
		query, args = sqlRemoveOne, []any{op.Key, wanted}
	case op.If.Absent:
		query = sqlNew
	case wanted != 0:
		query, args = sqlReplace, append(args, wanted)
	}
	first, last := sqlFree, sqlLoud
	if held != nil {
		n := len(args)
		first = fmt.Sprintf(sqlHeld, n+1, n+2, n+3)
		args = append(args, held.Name, held.Holder, int64(held.Fence))
	}
	if op.Quiet {
		last = sqlQuiet
	}
	var changed, have int64
	err = e.pool.QueryRow(ctx, e.sql(first+query+last), args...).Scan(&version, &changed, &have)
	switch {
	case err != nil:
		return 0, err
	case have == 0:
		return 0, fmt.Errorf("lease %q: %w", held.Name, store.ErrFenced)
	case changed == 0 && op.If != (store.Condition{}):
		return 0, fmt.Errorf("key %q: %w", op.Key, store.ErrConflict)
	}
	return version, nil
}

// several commits a batch. All rows are locked in the order of keys.
func (e *engine) several(ctx context.Context, b store.Batch) (version uint64, err error) {
	conn, err := e.pool.Acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Release() // closes what is within a transaction
	ops := slices.SortedFunc(slices.Values(b.Ops), func(a, b store.Op) int { return cmp.Compare(a.Key, b.Key) })
	version, states, err := e.lock(ctx, conn.Conn(), b.Held, ops)
	if err == nil {
		err = judge(ops, states)
	}
	if err == nil {
		err = e.apply(ctx, conn.Conn(), ops, states, version)
	}
	if err != nil {
		if _, undone := conn.Exec(ctx, "ROLLBACK"); undone != nil && ours(err) {
			err = undone // the lease or condition was read in a transaction that did not end well
		}
		return 0, err
	}
	return version, nil
}

// state is what a row was when it was locked.
type state struct {
	version uint64
	expired bool
}

// lock begins a transaction and locks the lease and the rows that are there.
func (e *engine) lock(ctx context.Context, conn *pgx.Conn, held *store.Lease, ops []store.Op) (version uint64, _ map[string]state, err error) {
	keys := make([]string, len(ops))
	for i, op := range ops {
		keys[i] = op.Key
	}
	batch := &pgx.Batch{}
	batch.Queue("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
	// By transaction, for pools that do not know these settings for sessions.
	batch.Queue("SET LOCAL statement_timeout = " + millis(e.limit))
	batch.Queue("SET LOCAL idle_in_transaction_session_timeout = " + millis(frozen))
	if held != nil {
		var one int
		batch.Queue(e.sql(`SELECT 1 FROM weir_lease WHERE name = $1 AND holder = $2 AND fence = $3
			AND expires > clock_timestamp() FOR SHARE`), held.Name, held.Holder, int64(held.Fence)).
			QueryRow(func(row pgx.Row) error { return row.Scan(&one) })
	}
	batch.Queue(e.sql("SELECT nextval('weir_version')")).QueryRow(func(row pgx.Row) error { return row.Scan(&version) })
	states := make(map[string]state, len(ops))
	batch.Queue(e.sql(`SELECT key, version, NOT `+alive+` FROM weir_entry WHERE key = ANY($1) ORDER BY key FOR UPDATE`), keys).
		Query(func(rows pgx.Rows) error {
			var key string
			var s state
			_, err := pgx.ForEachRow(rows, []any{&key, &s.version, &s.expired}, func() error {
				states[key] = s
				return nil
			})
			return err
		})
	err = conn.SendBatch(ctx, batch).Close()
	if errors.Is(err, pgx.ErrNoRows) {
		err = fmt.Errorf("lease %q: %w", held.Name, store.ErrFenced)
	}
	return version, states, err
}

func judge(ops []store.Op, states map[string]state) error {
	for _, op := range ops {
		is, there := states[op.Key]
		there = there && !is.expired
		if op.If.Absent && there || op.If.Version != 0 && (!there || is.version != op.If.Version) {
			return fmt.Errorf("key %q: %w", op.Key, store.ErrConflict)
		}
	}
	return nil
}

// apply writes and commits.
func (e *engine) apply(ctx context.Context, conn *pgx.Conn, ops []store.Op, states map[string]state, version uint64) error {
	batch := &pgx.Batch{}
	for _, op := range ops {
		_, there := states[op.Key]
		if op.Delete {
			if !there {
				continue // what is made meanwhile comes after us
			}
			batch.Queue(e.sql("DELETE FROM weir_entry WHERE key = $1"), op.Key)
		} else {
			query := `INSERT INTO weir_entry AS e (key, value, version, expires)
				VALUES ($1, $2, $4, clock_timestamp() + $3 * interval '1 millisecond')`
			if there || !op.If.Absent { // else another's row is a conflict, and fails
				query += ` ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version, expires = excluded.expires`
			}
			batch.Queue(e.sql(query), op.Key, bytesOf(op), life(op), int64(version))
		}
		if !op.Quiet {
			batch.Queue(e.sql("SELECT pg_notify('weir_change', $1)"), op.Key)
		}
	}
	batch.Queue("COMMIT")
	err := conn.SendBatch(ctx, batch).Close()
	if said, ok := pgError(err); ok && said.Code == "23505" { // unique_violation
		return fmt.Errorf("%w: made by another at the same time", store.ErrConflict)
	}
	return err
}
