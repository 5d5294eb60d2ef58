package vm

import "time"

// Limits bound an instance. The zero value of a field means the default behind it.
type Limits struct {
	Memory int64 // bytes of linear memory; 64 MiB
	// CPU is for one call into the guest, Request for all calls of one request. They
	// are counted as fuel, which a guest burns by the instruction, and host functions by
	// what they do: about a unit for each nanosecond, but the same on any machine and
	// under any load. What a guest burns in a millisecond of a Xeon of 2026 was 0.7 to 2.6
	// ms for integers, calls and Go, 0.3 for chained floating point, and 0.01 where each
	// load misses all caches: that is what Wall is for. 20 ms, 100 ms or CPU where that is more.
	//
	// Where Request is 0, which WithDefaults leaves, a request earns more by what goes by:
	// see [Budget].
	CPU, Request time.Duration
	// Start is as CPU, for starting an instance and configuring it; 5 s.
	Start time.Duration
	// Wall bounds one call by the clock, sleeping and waiting host functions included; 1 s.
	Wall time.Duration
	// Instances is how many may live at a time: of a pool, 64; of a shard, one for
	// each processor.
	Instances int
	// Queue is how long a request waits for an instance; 1 s.
	Queue time.Duration
	// Body is how many bytes of a body are held for a guest that wants it whole; 1 MiB.
	Body int64
	// Logs is how many lines a second an instance may log; 100. More are counted.
	Logs int
	// Calls is how many calls out may be in flight for one instance; 64.
	Calls int
}

// request is Request, where it is the default as well.
func (l *Limits) request() time.Duration {
	if l.Request == 0 {
		return max(100*time.Millisecond, l.CPU)
	}
	return l.Request
}

// fuel returns how much of it stands for d.
func fuel(d time.Duration) int64 { return d.Nanoseconds() }

// WithDefaults returns l with its zero fields filled in.
func (l Limits) WithDefaults() Limits {
	or := func(d *time.Duration, n time.Duration) {
		if *d == 0 {
			*d = n
		}
	}
	or(&l.CPU, 20*time.Millisecond)
	or(&l.Start, 5*time.Second)
	or(&l.Wall, time.Second)
	or(&l.Queue, time.Second)
	if l.Memory == 0 {
		l.Memory = 64 << 20
	}
	if l.Body == 0 {
		l.Body = 1 << 20
	}
	if l.Logs == 0 {
		l.Logs = 100
	}
	if l.Calls == 0 {
		l.Calls = 64
	}
	return l
}
