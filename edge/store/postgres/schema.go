package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/weirproxy/weir/edge/store"
)

const format = 1

// Schema returns the statements that make what the engine needs.
func Schema(prefix string) string {
	return strings.ReplaceAll(`CREATE SEQUENCE IF NOT EXISTS weir_version;
CREATE TABLE IF NOT EXISTS weir_entry (
	key     text COLLATE "C" PRIMARY KEY,
	value   bytea NOT NULL,
	version bigint NOT NULL,
	expires timestamptz
);
CREATE INDEX IF NOT EXISTS weir_entry_expires ON weir_entry (expires) WHERE expires IS NOT NULL;
CREATE TABLE IF NOT EXISTS weir_lease (
	name    text COLLATE "C" PRIMARY KEY,
	holder  text NOT NULL,
	fence   bigint NOT NULL,
	expires timestamptz NOT NULL
);
CREATE TABLE IF NOT EXISTS weir_format (format int NOT NULL);
INSERT INTO weir_format SELECT 1 WHERE NOT EXISTS (SELECT FROM weir_format);
`, "weir_", prefix)
}

// ready has the tables made and looked at, once.
func (e *engine) ready(ctx context.Context) error {
	if e.made.Load() {
		return nil
	}
	select {
	case e.making <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-e.making }()
	if e.made.Load() {
		return nil
	}
	err := e.make(ctx)
	if startupRefused(err) { // a pool that knows no settings of sessions
		e.plain.Store(true)
		err = e.make(ctx)
	}
	if err != nil {
		return fmt.Errorf("look for tables %s*: %w", e.prefix, explain(err))
	}
	e.made.Store(true)
	return nil
}

func (e *engine) make(ctx context.Context) error {
	there, err := e.there(ctx)
	if err != nil {
		return err
	}
	if !there {
		// Two nodes that start at once would both find nothing: who has the lock makes
		// the tables, and the other finds them. The lock ends with the transaction.
		err := pgx.BeginFunc(ctx, e.pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtext($1))", e.prefix+"format"); err != nil {
				return err
			}
			for stmt := range strings.SplitSeq(Schema(e.prefix), ";\n") {
				if _, err := tx.Exec(ctx, stmt); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("create tables: %w", err)
		}
	}
	var is int
	err = e.pool.QueryRow(ctx, e.sql("SELECT format FROM weir_format LIMIT 1")).Scan(&is)
	if err == nil && is != format {
		return fmt.Errorf("the tables are of format %d, this program knows %d", is, format)
	}
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	return e.advance(ctx)
}

func (e *engine) there(ctx context.Context) (there bool, err error) {
	var encoding string
	err = e.pool.QueryRow(ctx, `SELECT current_setting('server_encoding'),
		to_regclass($1) IS NOT NULL AND to_regclass($2) IS NOT NULL AND to_regclass($3) IS NOT NULL AND to_regclass($4) IS NOT NULL`,
		e.prefix+"version", e.prefix+"entry", e.prefix+"lease", e.prefix+"format").Scan(&encoding, &there)
	if err == nil && encoding != "UTF8" {
		err = fmt.Errorf("the database's encoding is %s, and has to be UTF8", encoding)
	}
	return there, err
}

// advance puts the sequence ahead to the time, unless it is near already: what other
// nodes draw meanwhile is far behind then. A role that may not do so leaves it.
func (e *engine) advance(ctx context.Context) error {
	var may bool
	err := e.pool.QueryRow(ctx, e.sql(`SELECT has_sequence_privilege('weir_version', 'UPDATE')
		AND has_sequence_privilege('weir_version', 'SELECT')`)).Scan(&may)
	if err != nil || !may {
		return err
	}
	return pgx.BeginFunc(ctx, e.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtext($1))", e.prefix+"version"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, e.sql(`SELECT setval('weir_version', now) FROM
			(SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now) t, weir_version
			WHERE last_value < now - 60000000`))
		return err
	})
}

// explain wraps an error of the server or the connection with what it means here.
func explain(err error) error {
	if err == nil || errors.Is(err, store.ErrUnavailable) {
		return err
	}
	if said, ok := pgError(err); ok {
		switch class := said.Code[:min(2, len(said.Code))]; {
		case class == "08", class == "57", class == "40",
			said.Code == "25P03", said.Code == "25006", said.Code == "53300", said.Code == "55P03":
			return fmt.Errorf("%w: postgres: %w", store.ErrUnavailable, err)
		case said.Code == "53100":
			return fmt.Errorf("%w: %w", errFull, err)
		}
		return fmt.Errorf("postgres: %w", err)
	}
	if ours(err) {
		return err
	}
	return fmt.Errorf("%w: postgres: %w", store.ErrUnavailable, err)
}
