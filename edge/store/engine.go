package store

import (
	"context"
	"time"
)

// Engine is where a [Store] keeps things. Its methods are safe for concurrent use and
// try to end when ctx does, with an error that is [ErrUnavailable] or ctx's. They are
// called with what Store has checked: valid keys that differ within a batch, limits kept.
// The suite of edge/store/storetest says the rest.
type Engine interface {
	// Get returns the entry, or an error that is ErrNotFound. An entry that has expired
	// is not there, for this and all other methods.
	Get(ctx context.Context, key string) (Entry, error)
	// List returns entries whose keys begin with prefix and are greater than after, in
	// the order of their bytes; at most limit. It may stop earlier to keep a page small,
	// but not before the first; more tells whether it did.
	List(ctx context.Context, prefix, after string, limit int) (page []Entry, more bool, err error)
	// Commit writes a batch and returns the version that all its keys have now.
	Commit(ctx context.Context, b Batch) (version uint64, err error)
	// Acquire gives the lease of that name to holder for ttl if nobody has it; the error
	// is ErrHeld if somebody has. If holder has it already, it is extended and keeps its
	// fence, so that a lost answer can be asked for again.
	Acquire(ctx context.Context, name, holder string, ttl time.Duration) (fence uint64, err error)
	// Extend lets the lease last for ttl from now; ErrFenced if it is not held any more.
	Extend(ctx context.Context, l Lease, ttl time.Duration) error
	// Release gives the lease back. One that is not held is left alone, without an
	// error. Fence 0 stands for any: the holder is what counts.
	Release(ctx context.Context, l Lease) error
	// Watch calls changed with "" as soon as it will miss nothing more, then at least
	// once with each key below prefix that anybody writes or removes. Expiry is not
	// told. When it may have missed something and can go on, it calls changed with ""
	// again. It returns when ctx ends or the connection is lost.
	Watch(ctx context.Context, prefix string, changed func(key string)) error
	// Now reads the clock that expiry and leases are judged by.
	Now(ctx context.Context) (time.Time, error)
	// Inspect looks for what an operator should know.
	Inspect(ctx context.Context) (Inspection, error)
	// Close frees connections and files. Operations that are under way fail or finish.
	Close() error
}

// Inspection is what an engine says of itself.
type Inspection struct {
	Engine   string // "sqlite", "redis", "postgres"
	Version  string // of the server or library
	Place    string // where the data are, without passwords
	Findings []Finding
}

// Finding is one thing that was looked at.
type Finding struct {
	Level Level
	Text  string // a sentence for the operator, with what to do
}

// Level says how bad a finding is.
type Level int

// Levels of findings.
const (
	Fine    Level = iota // as it should be
	Warning              // works, but can lose data or fail later
	Wrong                // does not work, or loses data
)

// String returns "ok", "warning" or "wrong".
func (l Level) String() string {
	switch l {
	case Fine:
		return "ok"
	case Warning:
		return "warning"
	default:
		return "wrong"
	}
}
