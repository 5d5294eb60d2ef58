package weir

import (
	"github.com/weirproxy/weir/sdk/abi/ext"
	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/sdk/internal/host"
)

// OnRequestBody implements host.Guest.
func (g *guest) OnRequestBody(id uint32, size int, end bool) abi.Action {
	g.enter()
	defer g.leave()
	if s := g.streams.get(id); s != nil {
		return s.content(&s.in, size, end)
	}
	return abi.Continue
}

// OnResponseBody implements host.Guest.
func (g *guest) OnResponseBody(id uint32, size int, end bool) abi.Action {
	g.enter()
	defer g.leave()
	if s := g.streams.get(id); s != nil {
		return s.content(&s.out, size, end)
	}
	return abi.Continue
}

// OnRequestTrailers implements host.Guest.
func (g *guest) OnRequestTrailers(id uint32, _ int) abi.Action {
	g.enter()
	defer g.leave()
	if s := g.streams.get(id); s != nil {
		return s.trailers(&s.in)
	}
	return abi.Continue
}

// OnResponseTrailers implements host.Guest.
func (g *guest) OnResponseTrailers(id uint32, _ int) abi.Action {
	g.enter()
	defer g.leave()
	if s := g.streams.get(id); s != nil {
		return s.trailers(&s.out)
	}
	return abi.Continue
}

// content is told that the host holds size bytes of a body, and returns what is to
// become of them.
func (s *stream) content(d *side, size int, end bool) abi.Action {
	if d.unseen || s.ended {
		return s.g.unseen()
	}
	d.avail, d.end = size, end
	if d.passed {
		return s.shaped(d)
	}
	// The head is held, and the filter has asked for this.
	d.body.reader.run()
	if !s.goesOn(d) {
		d.paused = true
		return abi.Pause
	}
	d.passed = true
	if d.shape == nil {
		d.unseen, d.paused = true, false
		return s.g.unseen()
	}
	d.rewind()
	return s.shaped(d)
}

// shaped has the transform work on what there is, and gives the host what it made.
func (s *stream) shaped(d *side) abi.Action {
	d.transform()
	if d.busy() {
		d.paused = true
		if s.g.onWeir() {
			return abi.StopAndWatermark
		}
		return abi.Pause
	}
	d.paused = false
	return abi.Continue
}

// trailers is told that a body has ended, with trailers.
func (s *stream) trailers(d *side) abi.Action {
	if d.unseen || s.ended {
		return abi.Continue
	}
	d.end = true
	if !d.passed {
		d.body.reader.run()
		if !s.goesOn(d) {
			d.paused = true
			return abi.Pause
		}
		d.passed = true
		if d.shape == nil {
			d.unseen, d.paused = true, false
			return abi.Continue
		}
		d.rewind()
	}
	if s.shaped(d) != abi.Continue {
		return abi.Pause
	}
	return abi.Continue
}

// rewind has what the filter has looked at read again: it is transformed, too.
func (d *side) rewind() { d.pos, d.body.rest, d.body.err = 0, nil, nil }

// transform lets the transform go on, with what the host holds now, and hands the host
// what it has made when it waits for more.
func (d *side) transform() {
	if d.turn == nil {
		d.turn = &task{g: d.s.g, s: d.s}
		d.turn.start(d.work)
	} else {
		d.turn.run()
	}
	if !d.busy() {
		d.hand()
	}
}

func (d *side) work() {
	w := &Writer{s: d.s, side: d}
	err := d.shape(w, &d.body)
	if err == nil || d.s.ended {
		return
	}
	// What has been let go on cannot be taken back, and must not look whole.
	LogError("transform body: " + err.Error())
	host.Close(d.dir)
}

// hand puts what the transform has made in the place of what it was made of.
func (d *side) hand() {
	if d.s.ended {
		return
	}
	if d.pos < d.avail && !d.turn.waiting() {
		d.pos = d.avail // it did not want the rest
	}
	if d.avail == 0 && len(d.made) == 0 {
		return
	}
	if st := host.SetBuffer(d.kind, 0, everything, d.made); st != abi.OK && len(d.made) > 0 {
		// Hosts other than weir take a body only where they show one: not with a head
		// that none follows, nor with trailers. What lacks it must not look whole.
		why := "there is none here, or it has ended"
		if st == abi.InternalFailure {
			why = itoa(len(d.made)) + " bytes at once, which is more than the plugin's limits.body"
		}
		LogError("transform body: write it: " + why)
		host.Close(d.dir)
	}
	d.avail, d.pos = 0, 0
	if cap(d.made) > 256<<10 {
		d.made = nil
	}
	d.made = d.made[:0]
}

// everything is a size that is longer than any buffer.
const everything = 1<<31 - 1

// more asks weir to show more of a body whose head is held.
func (d *side) more(order uint64) error {
	if order == ext.DropMore {
		d.avail, d.pos = 0, 0
	}
	_, st := host.Foreign(ext.Body, ext.AppendUint(ext.AppendUint(nil, uint64(d.dir)), order))
	return refusedNil("read body", st)
}

func refusedNil(op string, st abi.Status) error {
	if st == abi.OK {
		return nil
	}
	return refused(op, st)
}
