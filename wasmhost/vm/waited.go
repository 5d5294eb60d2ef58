package vm

import "time"

// Waited excuses d of the call under way: a host function has waited that long for a
// client or an upstream, whose slowness is not the guest's. Only host functions may say so.
func (i *Instance) Waited(d time.Duration) {
	if !i.until.IsZero() {
		i.until = i.until.Add(d)
	}
}
