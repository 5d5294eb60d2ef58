package postgres

import (
	"context"
	"fmt"

	"github.com/weirproxy/weir/edge/store"
)

// Inspect implements store.Engine.
func (e *engine) Inspect(ctx context.Context) (store.Inspection, error) {
	i := store.Inspection{Engine: "postgres", Place: e.place}
	if err := e.ready(ctx); err != nil {
		return i, err
	}
	var number int
	var standby, encrypted, local, granted bool
	var fsync, synchronous string
	err := e.pool.QueryRow(ctx, e.sql(`SELECT current_setting('server_version'), current_setting('server_version_num')::int,
		pg_is_in_recovery(), current_setting('fsync'), current_setting('synchronous_commit'),
		coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false),
		inet_server_addr() IS NULL OR inet_server_addr() <<= '127.0.0.0/8' OR inet_server_addr() = '::1',
		has_table_privilege('weir_entry', 'SELECT') AND has_table_privilege('weir_entry', 'INSERT')
		AND has_table_privilege('weir_entry', 'UPDATE') AND has_table_privilege('weir_entry', 'DELETE')
		AND has_table_privilege('weir_lease', 'SELECT') AND has_table_privilege('weir_lease', 'INSERT')
		AND has_table_privilege('weir_lease', 'UPDATE') AND has_table_privilege('weir_lease', 'DELETE')`)).
		Scan(&i.Version, &number, &standby, &fsync, &synchronous, &encrypted, &local, &granted)
	if err != nil {
		return i, explain(err)
	}
	add := func(level store.Level, format string, args ...any) {
		i.Findings = append(i.Findings, store.Finding{Level: level, Text: fmt.Sprintf(format, args...)})
	}
	if number < 120000 {
		add(store.Warning, "PostgreSQL %s is older than 12, which is the oldest that weir is made for", i.Version)
	} else {
		add(store.Fine, "PostgreSQL %s", i.Version)
	}
	if standby {
		add(store.Wrong, "this server is a standby: writes fail; name the primary, or all with target_session_attrs=read-write")
	}
	if fsync == "off" {
		add(store.Wrong, "fsync is off: a crash of the machine destroys the database")
	}
	if synchronous == "off" {
		add(store.Warning, "synchronous_commit is off: a crash loses the last writes; have it on for weir's role")
	} else {
		add(store.Fine, "synchronous_commit is %s", synchronous)
	}
	if !encrypted && !local {
		add(store.Warning, "the connection is not encrypted: add sslmode=verify-full")
	}
	if !granted {
		add(store.Wrong, "the role lacks rights on %sentry or %slease: grant SELECT, INSERT, UPDATE and DELETE", e.prefix, e.prefix)
	}
	return i, nil
}
