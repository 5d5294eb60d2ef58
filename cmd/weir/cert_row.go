package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/weirproxy/weir/certs"
	"github.com/weirproxy/weir/certs/storage"
)

// certRow is what is known of one name's certificate, as `weir cert ls --json` says it.
type certRow struct {
	Name  string `json:"name"`
	State string `json:"state"` // ok, renewing, due, expiring, expired, failing, none
	// From is "acme", "file", "internal", or "store" for what is kept of a name that no
	// site has; Issuer is who signed, for people.
	From      string    `json:"from"`
	Issuer    string    `json:"issuer,omitempty"`
	Serial    string    `json:"serial,omitempty"`
	NotBefore time.Time `json:"not_before,omitzero"`
	NotAfter  time.Time `json:"not_after,omitzero"`
	Obtained  time.Time `json:"obtained,omitzero"`
	Node      string    `json:"node,omitempty"`
	RenewAt   time.Time `json:"renew_at,omitzero"`
	// Next is when weir will do something about it, as far as that is known.
	Next      time.Time      `json:"next,omitzero"`
	OnDemand  bool           `json:"on_demand,omitempty"`
	CoveredBy string         `json:"covered_by,omitempty"` // the wildcard that is served
	File      string         `json:"file,omitempty"`
	Unsaved   bool           `json:"unsaved,omitempty"` // it is not in the store yet
	Busy      bool           `json:"-"`
	Live      bool           `json:"-"` // the running weir knows the name
	Broken    string         `json:"broken,omitempty"`
	Failed    *certs.Failure `json:"failed,omitempty"`
	Why       string         `json:"why,omitempty"`
}

// take fills in what the store has.
func (r *certRow) take(c *storage.Cert, renewAt time.Time) {
	r.Serial, r.NotBefore, r.NotAfter = c.Serial, c.NotBefore, c.NotAfter
	r.Obtained, r.Node, r.RenewAt = c.Obtained, c.Node, renewAt
}

// hear fills in what the running weir knows beyond that, or knows better.
func (r *certRow) hear(s *certs.Status) {
	if s.Serial != "" && (r.Serial == "" || s.Unsaved) {
		r.Serial, r.NotBefore, r.NotAfter, r.Obtained = s.Serial, s.NotBefore, s.NotAfter, s.Obtained
	}
	if s.Serial == r.Serial && !s.RenewAt.IsZero() {
		r.RenewAt = s.RenewAt
	}
	r.Live, r.Busy, r.Next, r.Unsaved = true, s.Busy, s.Next, s.Unsaved
	r.OnDemand = r.OnDemand || s.Demand
	if s.Failed != nil {
		r.fail(s.Failed)
	}
}

// fail notes what went wrong, unless it is older than the certificate.
func (r *certRow) fail(f *certs.Failure) {
	if !f.At.Before(r.Obtained) && (r.Failed == nil || !f.At.Before(r.Failed.At)) {
		r.Failed = f
	}
}

// life is how long the certificate was good for when it came.
func (r *certRow) life() time.Duration {
	from := r.NotBefore
	if r.Obtained.After(from) && r.Obtained.Before(r.NotAfter) {
		from = r.Obtained
	}
	return r.NotAfter.Sub(from)
}

// settle says how it stands, and why.
func (r *certRow) settle(now time.Time) {
	r.State, r.Why = r.stateAt(now), ""
	switch {
	case r.Broken != "":
		r.Why = r.Broken
	case r.State == "renewing":
		r.Why = "being obtained"
	case r.Failed != nil:
		r.Why = "again " + r.again(now) + "; " + whyFailed(r.Failed)
	case r.From == "internal":
		r.Why = "signed as needed, for a day each"
	case r.From == "file":
		r.Why = "from " + r.File
	case r.From == "store":
		r.Why = "no site has this name"
	case r.CoveredBy != "":
		r.Why = r.CoveredBy + " covers it"
	case r.Unsaved:
		r.Why = "not in the store yet"
	case r.OnDemand && r.State == "none":
		r.Why = "on demand: when a client asks"
	case r.OnDemand:
		r.Why = "on demand"
	case r.State == "none", r.State == "due", r.State == "expired", r.State == "expiring":
		r.Why = "when weir runs"
		if r.Live {
			r.Why = "next " + whenText(r.Next, now)
		}
	}
}

func (r *certRow) stateAt(now time.Time) string {
	left, due := r.NotAfter.Sub(now), !r.RenewAt.IsZero() && !now.Before(r.RenewAt)
	switch {
	case r.From == "internal" && r.Failed == nil:
		return "ok"
	case r.Broken != "":
		return "failing"
	case !r.NotAfter.IsZero() && left <= 0:
		return "expired"
	case r.Busy && (due || r.NotAfter.IsZero() || r.Failed != nil):
		return "renewing" // else the authority is asked when to, or it was obtained just now
	case r.Failed != nil:
		return "failing"
	case r.NotAfter.IsZero():
		return "none"
	case left <= r.life()/10:
		return "expiring"
	case due:
		return "due"
	}
	return "ok"
}

// again says when weir tries again.
func (r *certRow) again(now time.Time) string {
	if !r.Live && !r.Failed.Next.After(now) {
		return "when weir runs"
	}
	return whenText(r.Failed.Next, now)
}

// whyFailed says in a line what went wrong, what to do first.
func whyFailed(f *certs.Failure) string {
	text := cmp.Or(f.Saw, f.Error)
	if f.Challenge != "" {
		text = f.Challenge + ": " + text
	}
	if f.Hint != "" {
		return f.Hint + "; " + text
	}
	return text
}

// whenText says when something will be, from now.
func whenText(at, now time.Time) string {
	switch d := at.Sub(now); {
	case at.IsZero():
		return "at an unknown time"
	case d <= 0:
		return "now"
	default:
		return "in " + span(d)
	}
}

// span prints a duration in its largest unit, in which it has two digits or so.
func span(d time.Duration) string {
	switch d = d.Abs(); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// dated prints a day, and how far away it is.
func dated(at, now time.Time) string {
	switch d := at.Sub(now); {
	case at.IsZero():
		return "-"
	case d < 0:
		return at.Local().Format(time.DateOnly) + " (" + span(d) + " ago)"
	default:
		return at.Local().Format(time.DateOnly) + " (" + span(d) + ")"
	}
}

// compareRows orders by name, wildcards beside what they cover.
func compareRows(a, b *certRow) int {
	return cmp.Or(strings.Compare(strings.TrimPrefix(a.Name, "*."), strings.TrimPrefix(b.Name, "*.")), strings.Compare(a.Name, b.Name))
}
