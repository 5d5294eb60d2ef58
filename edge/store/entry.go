package store

import "time"

// Entry is a key with its value.
type Entry struct {
	Key     string
	Value   []byte    // the caller's to keep and change
	Version uint64    // never 0; changes with each write
	Expires time.Time // by the engine's clock; zero for never
}

// Condition says in which state a key has to be for a batch to be written. The zero
// value accepts any.
type Condition struct {
	Absent  bool   // the key must not be there
	Version uint64 // unless 0, the key must be there with this version
}

// Op is one change to one key.
type Op struct {
	Key    string
	Value  []byte        // read, never kept
	Delete bool          // remove the key; one that is not there is no error, unless If asks for it
	TTL    time.Duration // the value goes away by itself after that long; 0 keeps it
	If     Condition
	// Quiet spares the engine telling watches of this change: for what is written often
	// and watched by nobody. It makes PostgreSQL several times faster under load.
	Quiet bool
}

// Batch is a list of changes that are made all or none. Keys must differ.
type Batch struct {
	Ops []Op
	// Held, unless nil, has the batch refused with [ErrFenced] if that lease is not
	// held at the moment of writing.
	Held *Lease
}

// Lease says who holds a name. It is a plain fact that may be out of date.
type Lease struct {
	Name   string
	Holder string // chosen by who acquired it, different for each
	Fence  uint64 // greater than that of every earlier holder of the name; never 0
}

// Limits of what is accepted.
const (
	MaxKey        = 640     // bytes of a key, or of a lease's name
	MaxValue      = 1 << 20 // bytes of a value
	MaxOps        = 128     // changes of a batch
	MaxBatch      = 8 << 20 // bytes of all keys and values of a batch
	MaxPage       = 1000    // entries that an engine returns at once
	MaxPageBytes  = 4 << 20 // after so many bytes of values a page is full
	longestTTL    = 100 * 365 * 24 * time.Hour
	longestLease  = time.Hour
	shortestLease = 10 * time.Millisecond
)
