// Package postgres keeps a store in PostgreSQL, 12 or later, for the nodes of a cluster.
//
// # Where the data are
//
// In the first schema of the role's search_path, with a prefix that is weir_ unless set
// otherwise:
//
//	weir_entry    key, value, version, expires (NULL for never)
//	weir_lease    name, holder, fence, expires; those that ended a day ago are removed
//	weir_format   one row: the format of these tables
//	weir_version  a sequence: the number that was last used as a version or fence
//	weir_change   the channel (NOTIFY) on which keys are told when they are written or removed
//
// They are made when they are first used and not there. If the role may not create
// tables, have them made by one that may, as [Schema] says, and grant SELECT, INSERT,
// UPDATE and DELETE on the tables, and SELECT and UPDATE on the sequence.
//
// # What can be relied on
//
// Commits are transactions (READ COMMITTED). One that is fenced locks the lease's row
// FOR SHARE, so that nobody is given the lease between the check and the commit.
// Expiry and leases go by clock_timestamp() of the server. A node that freezes within a
// transaction holds its locks for two seconds (idle_in_transaction_session_timeout).
// The sequence is put ahead to the time in microseconds when an engine starts, so that
// versions do not come again after an older dump was restored; restart all nodes then.
//
// # Pools of connections
//
// Nothing depends on a session, so PgBouncer may pool by transaction; give
// Options.WatchURL a way around it, as LISTEN needs a session. Statements are not
// prepared, unless the URL says default_query_exec_mode=cache_statement. NOTIFY has
// PostgreSQL commit one after the other that do.
package postgres
