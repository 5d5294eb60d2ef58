package weir

import (
	"errors"
	"time"

	"github.com/weirproxy/weir/sdk/abi/ext"
	"github.com/weirproxy/weir/sdk/internal/host"
)

// Now returns the time.
func Now() time.Time { return time.Unix(0, host.Now()) }

// Sleep waits for d. The request waits; others go on. Where the host has no timers but
// ticks, it may take some milliseconds longer.
func Sleep(d time.Duration) error {
	g := inside
	if g == nil || g.current == nil {
		return &Error{Op: "sleep", kind: ErrNoRequest}
	}
	if g.current.gone {
		return ErrGone
	}
	if d <= 0 {
		return nil
	}
	if !g.onWeir() {
		return g.sleep(d)
	}
	l, err := g.ask("sleep", ext.Timer, ext.AppendUint(nil, milliseconds(d)))
	if err != nil {
		return err
	}
	_, err = l.await("sleep")
	l.forget()
	return err
}

// milliseconds returns how many d is, rounded up: what is short is not nothing, which
// means something else to hosts.
func milliseconds(d time.Duration) uint64 {
	n := d / time.Millisecond
	if n*time.Millisecond < d {
		n++
	}
	return uint64(n)
}

// sleep is somebody who waits for a tick.
type sleep struct {
	t    *task
	root uint32
	at   int64
	over bool
}

// tick is how often a host is asked for ticks at most, in milliseconds.
const tick = 10

func (g *guest) sleep(d time.Duration) error {
	t := g.current
	z := &sleep{t: t, root: t.root, at: host.Now() + int64(d)}
	if t.s != nil {
		z.root = t.s.root.id
	}
	g.sleeps = append(g.sleeps, z)
	if rt := g.roots[z.root]; rt != nil {
		rt.ticks(z.at) // the root's: a stream's context stands for that
	}
	for !z.over {
		if !t.wait() {
			z.over = true
			return ErrGone
		}
	}
	return nil
}

// ticks has the host tick by then, if it would not anyway. It is not asked each time that
// somebody sleeps: a host begins anew to count with each, and if it were often enough it
// would never tick.
func (rt *root) ticks(at int64) {
	now := host.Now()
	if rt.tick != 0 && rt.tick <= max(at, now+tick*int64(time.Millisecond)) {
		return
	}
	wait := max(milliseconds(time.Duration(at-now)), tick)
	wait = min(wait, 1<<31)
	rt.tick = now + int64(wait)*int64(time.Millisecond)
	host.SetTick(uint32(wait))
}

// OnTick implements host.Guest.
func (g *guest) OnTick(root uint32) {
	g.enter()
	defer g.leave()
	now, next := host.Now(), int64(0)
	all := g.sleeps
	g.sleeps = nil
	var due []*sleep
	for _, z := range all {
		switch {
		case z.over:
		case z.root == root && z.at <= now:
			z.over = true
			due = append(due, z)
		default:
			if z.root == root && (next == 0 || z.at < next) {
				next = z.at
			}
			g.sleeps = append(g.sleeps, z)
		}
	}
	if rt := g.roots[root]; rt != nil {
		if rt.tick = 0; next != 0 {
			rt.ticks(next)
		} else {
			host.SetTick(0)
		}
	}
	for _, z := range due { // which may sleep again, and have the ticks go on
		g.wake(z.t)
	}
}

// Every has f called again and again, d after it has returned, in the background of this
// instance; it may wait, and answers that it has not read to the end are given up when it
// returns. The plugin's constructor calls Every; f is called the first time after d, or
// at once if now is true. It ends when the plugin is configured anew.
func (c *Config) Every(d time.Duration, now bool, f func()) {
	g, rt := c.g, c.root
	c.begun = append(c.begun, func() {
		t := &task{g: g, root: rt.id}
		rt.tasks = append(rt.tasks, t)
		t.start(func() {
			for first := true; ; first = false {
				if (!first || !now) && t.pause(max(d, time.Millisecond)) != nil {
					return
				}
				f()
				closeAll(t.answers)
				t.answers = nil
			}
		})
	})
}

// mostTimer is how long a host's timer runs at most.
const mostTimer = 24 * time.Hour

// pause is Sleep of what must not end because much is under way: then ticks do, too.
func (t *task) pause(d time.Duration) error {
	for d > 0 {
		part := min(d, mostTimer)
		err := Sleep(part)
		if errors.Is(err, ErrBusy) {
			err = t.g.sleep(part)
		}
		if err != nil {
			return err
		}
		d -= part
	}
	return nil
}
