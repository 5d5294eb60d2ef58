package vm

import "sync/atomic"

// Usage is what some instances are and have: those that were counted in. It is safe for
// concurrent use.
type Usage struct {
	Instances atomic.Int64 // alive now
	Memory    atomic.Int64 // bytes of linear memory, of those
}

// CountIn has the instance counted in u until it is closed, and what it takes by then. It
// is called once.
func (i *Instance) CountIn(u *Usage) {
	i.usage = u
	u.Instances.Add(1)
	u.Memory.Add(int64(len(i.memory)))
}

// uses says that the instance has n bytes of memory more.
func (i *Instance) uses(n int64) {
	i.program.engine.memories.live.Add(n)
	if i.usage != nil {
		i.usage.Memory.Add(n)
	}
}

// countOut ends what CountIn began.
func (i *Instance) countOut() {
	if i.usage != nil {
		i.usage.Instances.Add(-1)
		i.usage.Memory.Add(-int64(len(i.memory)))
	}
}
