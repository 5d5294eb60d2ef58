package sdktest

import (
	"time"

	"github.com/weirproxy/weir/sdk/internal/host"
)

// Impatient has a host take sooner what does not end for that.
func Impatient() Option {
	return func(h *Host) { h.mostSteps, h.mostAsked, h.longest = 10_000, 10_000, 50*time.Millisecond }
}

// Busy has a host take sooner what asks for ever for that, and be patient otherwise.
func Busy() Option {
	return func(h *Host) { h.mostSteps, h.mostAsked = 10_000, 10_000 }
}

// Guest has a guest tested that no filter is in.
func Guest(g host.Guest) Option {
	return func(h *Host) { h.make = func() host.Guest { return g } }
}
