package weir

// Together runs functions each of which may wait, and returns when all of them have
// returned: so two upstreams are asked at the same time. One runs until it waits, then
// the next one does; no two run at once. Once the request is over, whatever they wait for
// returns ErrGone.
//
//	weir.Together(
//		func() { user, err1 = weir.Fetch("users", nil) },
//		func() { plan, err2 = weir.Fetch("plans", nil) },
//	)
//
// Where nothing can be waited for, in init for one, they run one after the other.
func Together(all ...func()) {
	if inside == nil || inside.current == nil {
		for _, f := range all {
			f()
		}
		return
	}
	g, t := inside, inside.current
	parts, left, waits := make([]*task, len(all)), len(all), false
	for i, f := range all {
		p := &task{g: g, s: t.s, root: t.root, gone: t.gone}
		parts[i] = p
		if p.s != nil {
			p.s.parts = append(p.s.parts, p)
		}
		p.start(func() {
			f()
			p.handOver(t)
			if left--; left == 0 && waits && !p.gone {
				t.run()
			}
		})
	}
	for left > 0 {
		waits = true
		if t.wait() {
			continue
		}
		for _, p := range parts { // they have nothing to wait for, either, and come to their ends
			p.gone = true
			p.run()
		}
	}
}

// handOver has a task that is over leave to t what it began.
func (p *task) handOver(t *task) {
	t.answers = append(t.answers, p.answers...)
	p.answers = nil
	if p.s != nil {
		p.s.parts = without(p.s.parts, p)
	}
}
