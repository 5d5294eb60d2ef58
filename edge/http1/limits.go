package http1

import "time"

// Limits bound what is read before a handler can judge it. A zero field means
// the default named behind it.
type Limits struct {
	Line          int // request or status line in bytes; 8 KiB, longer is 414
	Header        int // header block in bytes; 32 KiB, more is 431
	Fields        int // header fields; 100, more is 431
	Trailer       int // trailer block in bytes; 8 KiB
	TrailerFields int // trailer fields; 32
	ChunkLine     int // one chunk-size line with its extensions; 256 bytes
	Extensions    int // chunk extensions of one message in all; 4 KiB
}

func (l Limits) withDefaults() Limits {
	for _, d := range []struct {
		field *int
		value int
	}{
		{&l.Line, 8 << 10}, {&l.Header, 32 << 10}, {&l.Fields, 100},
		{&l.Trailer, 8 << 10}, {&l.TrailerFields, 32},
		{&l.ChunkLine, 256}, {&l.Extensions, 4 << 10},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	return l
}

// Timeouts bound how long a client may take. They are checked once per tick (a
// quarter of the shortest one, a second at most), so they are never cut short and
// overrun by up to two ticks. Zero means the default, a negative value no limit.
type Timeouts struct {
	Head      time.Duration // from the first byte of a head to its last; 10 s, then 408
	Idle      time.Duration // between requests, and before the first; 75 s
	BodyIdle  time.Duration // between two pieces of a request body; 30 s, then 408
	BodyGrace time.Duration // before BodyRate applies; 10 s
	BodyRate  int           // bytes per second of waiting that a request body must keep up; 240
	Write     time.Duration // without any progress in sending; 30 s
	Linger    time.Duration // for reading what is in flight before a close; 5 s
}

func (t Timeouts) withDefaults() Timeouts {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&t.Head, 10 * time.Second}, {&t.Idle, 75 * time.Second}, {&t.BodyIdle, 30 * time.Second},
		{&t.BodyGrace, 10 * time.Second}, {&t.Write, 30 * time.Second}, {&t.Linger, 5 * time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if t.BodyRate == 0 {
		t.BodyRate = 240
	}
	return t
}

// tick returns how often a server with these timeouts looks at its connections.
func (t Timeouts) tick() time.Duration {
	tick := time.Second
	for _, d := range []time.Duration{t.Head, t.Idle, t.BodyIdle, t.BodyGrace, t.Write, t.Linger} {
		if d > 0 {
			tick = min(tick, d/4)
		}
	}
	return max(tick, time.Millisecond)
}
