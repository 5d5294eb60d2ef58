package demand

import (
	"fmt"
	"time"
)

// Reasons of a [Refusal].
const (
	ReasonName      = "name"       // no public authority could certify it: not a host name, an address, internal, a public suffix
	ReasonDenied    = "denied"     // it was asked about, and the answer was no; or it is not listed and nobody can be asked
	ReasonAsk       = "ask"        // asking failed
	ReasonAsks      = "asks"       // too many questions, by this client or in all
	ReasonCanceled  = "canceled"   // the caller's context ended before there was an answer
	ReasonInFlight  = "in-flight"  // as many issuances as may be are under way
	ReasonPerClient = "per-client" // a budget is spent
	ReasonPerDomain = "per-domain"
	ReasonTotal     = "total"
	ReasonClosed    = "closed" // the guard is
)

func reasons() []string {
	return []string{
		ReasonName, ReasonDenied, ReasonAsk, ReasonAsks, ReasonCanceled,
		ReasonInFlight, ReasonPerClient, ReasonPerDomain, ReasonTotal, ReasonClosed,
	}
}

// Refusal says why there is no certificate for a name. It may be shared: it must not be
// changed.
type Refusal struct {
	Name   string
	Reason string // one of the Reason constants
	Err    error  // the cause in words
	// Until is when asking again may help; zero for what does not change by waiting.
	Until time.Time
}

// Error implements error.
func (r *Refusal) Error() string {
	return fmt.Sprintf("refuse certificate for %s: %v", quote(r.Name), r.Err)
}

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Err }

// Stats count since New. Refusals count calls that were refused, so a no that is kept
// counts every time.
type Stats struct {
	Asks, Yes, No, Failures uint64            // questions, and what came of those that neither are in flight nor were ended by Close
	Stale                   uint64            // calls that got an old answer because nobody could be asked
	Refused                 map[string]uint64 // calls that were refused, by reason
	Issuances               uint64            // that Begin let through
	InFlight                int               // issuances now
	Asking                  int               // questions now
	Known                   int               // names with a yes that is kept
	Unknown                 int               // other names that are kept
}
