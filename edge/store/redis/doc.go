// Package redis keeps a store in Redis, or in what speaks its language (Valkey), for the
// nodes of a cluster.
//
// # Where the data are
//
// All keys begin with a prefix, which is the hash tag {weir} unless set otherwise, so
// that a Redis Cluster keeps them in one place:
//
//	{weir}:k:KEY    a value: its version, its expiry (Unix time in milliseconds, 0 for
//	                never), a newline, then the bytes. Expiry is Redis' own.
//	{weir}:l:NAME   a lease: its fence and its holder. Expiry is Redis' own.
//	{weir}:i        all keys, a sorted set with scores of 0: in the order of bytes
//	{weir}:x        keys that expire, by when: those that have are taken out of the two
//	                sets by later commits and lists, some at a time
//	{weir}:n        the number that was last used as a version or fence
//	{weir}:w        the channel that keys are published on when they are written or removed
//
// Commits, leases and lists are Lua scripts, each of which Redis does whole, by its own
// clock. They are sent again when Redis has forgotten them.
//
// # What can be relied on
//
// As much as Redis keeps: the append-only file should be on, which loses up to a second
// at a crash of the machine (appendfsync everysec), and maxmemory-policy has to be
// noeviction; Check looks for both. Versions and fences are the larger of the last one
// plus 1 and Redis' time in microseconds, so they grow even when Redis has lost its
// latest writes: at a failover, or when it was restarted without a file. A lease may be
// lost with them; a fence of before is refused then.
//
// Commands that got no answer are not sent again. Commands on a connection that is
// broken fail; the next one makes a new connection.
package redis
