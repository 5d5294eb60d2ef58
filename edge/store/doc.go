// Package store is what the nodes of one weir share: certificates, users, sessions,
// counters, whatever guests keep. Values lie under keys; every write gives a key a new
// version, so that a change can be made dependent on what was read; values may expire;
// prefixes can be listed and watched; and a name can be leased to one node at a time.
//
// A [Store] is what the rest of weir uses. It stands on an [Engine], of which there are
// three: [github.com/weirproxy/weir/edge/store/sqlite] for the nodes of one machine,
// [github.com/weirproxy/weir/edge/store/redis] and
// [github.com/weirproxy/weir/edge/store/postgres] for many. Each describes in its own
// words where its data lie, so that an operator can look. This package imports none of
// them; who opens a store chooses by the scheme of its URL:
//
//	./data/weir.db, sqlite:/var/lib/weir/weir.db   sqlite.Open
//	redis://, rediss://, unix://                   redis.Open
//	postgres://, postgresql://                     postgres.Open
//
//	engine, err := sqlite.Open(ctx, sqlite.Options{Path: "./data/weir.db"})
//	…
//	s := store.New(engine, store.Options{})
//	defer s.Close()
//
// # What can be relied on
//
// A write that was acknowledged is read by every later call on every node. A [Batch] is
// written whole or not at all, and only if all its conditions hold. Versions are not
// used twice for a key, also not after it was deleted and made again.
//
// Every operation ends at its deadline, [Options].Deadline or the caller's if that is
// sooner, even if the engine hangs in a system call. Such calls are left behind, and
// when too many are, further operations fail at once rather than pile up. While the
// engine cannot be reached, most operations fail at once, and one now and then tries.
//
// An error that is [ErrUnavailable] says that there was no answer. What was asked for
// may have been done nevertheless: read again, or write with a condition.
//
// # Leases and fencing
//
// A lease is a name that one holder has for a time. Nobody can be sure to still hold one:
// the process may have slept since it looked. So a lease carries a fence, a number that
// grows with every holder of the name, and a [Batch] can name the lease under which it
// is written: the engine refuses it with [ErrFenced] once the lease is not held any more.
// A lease that is not written under is good for saving work, not for safety.
//
// # Clocks
//
// Expiry and leases are judged by one clock, the engine's: that of Redis or PostgreSQL,
// or of the one machine whose processes share a file. The clocks of nodes do not matter.
package store
