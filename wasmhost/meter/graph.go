package meter

// assess finds out who pays for what, callees first: what a function's entry costs is
// known then where it is called.
//
// This is Tarjan's search for strongly connected components, without recursion, since
// modules have call chains as long as they like.
func (m *module) assess() {
	w := walk{m: m, low: make([]int32, len(m.bodies)), cursor: make([]int32, len(m.bodies))}
	for i := range m.bodies {
		if w.low[i] == 0 {
			w.from(int32(i))
		}
	}
	for i := range m.bodies {
		m.bill(&m.bodies[i])
	}
}

type walk struct {
	m      *module
	low    []int32 // 0: not seen; done: in a component; else the least number reached
	cursor []int32 // the next edit to look at
	path   []visit
	open   []int32 // seen, and not in a component yet
	next   int32
}

type visit struct{ f, number int32 }

const done = -1

func (w *walk) enter(f int32) {
	w.next++
	w.low[f] = w.next
	w.cursor[f] = w.m.bodies[f].first
	w.path = append(w.path, visit{f, w.next})
	w.open = append(w.open, f)
}

func (w *walk) from(root int32) {
	w.enter(root)
	for len(w.path) > 0 {
		v := w.path[len(w.path)-1]
		callee := w.callee(v.f)
		switch {
		case callee < 0:
			w.leave(v)
		case w.low[callee] == 0:
			w.enter(callee)
		case w.low[callee] != done:
			w.low[v.f] = min(w.low[v.f], w.low[callee])
		}
	}
}

// callee returns the next function of the module that f calls; below zero: none.
func (w *walk) callee(f int32) int32 {
	b := &w.m.bodies[f]
	if !b.calls {
		return -1
	}
	for w.cursor[f] < b.last {
		e := &w.m.edits[w.cursor[f]]
		w.cursor[f]++
		if e.kind == toCall && int(e.n) >= w.m.imported {
			return int32(e.n) - int32(w.m.imported)
		}
	}
	return -1
}

func (w *walk) leave(v visit) {
	w.path = w.path[:len(w.path)-1]
	if len(w.path) > 0 {
		up := w.path[len(w.path)-1].f
		w.low[up] = min(w.low[up], w.low[v.f])
	}
	if w.low[v.f] != v.number {
		return
	}
	at := len(w.open) - 1
	for w.open[at] != v.f {
		at--
	}
	for _, f := range w.open[at:] {
		w.m.share(&w.m.bodies[f])
		w.low[f] = done
	}
	w.open = w.open[:at]
}

// share finds the payers of f's segments, and whether f pays for its entry itself. It
// does where it would be no one's bill otherwise: where the entry costs much, calls
// indirectly, or calls a function of which that is not known yet, since it may call f.
// So whoever calls without end pays.
func (m *module) share(f *function) {
	now := f.first
	open := false // it calls someone of whom it is not known yet who pays
	for i := f.first; i < f.last; i++ {
		switch e := &m.edits[i]; e.kind {
		case segment, loopHead, callLoop:
			if i != now {
				m.settle(f, now, open)
			}
			now, open = i, false
		case toCall:
			e.payer = none
			g := m.body(e.n)
			switch {
			case g == nil:
			case g.assessed:
				m.edits[now].n += g.entry
			case now == f.first:
				g.pays = true
			default:
				e.payer = now
				open = true
			}
		}
	}
	m.settle(f, now, open)
	f.counts = f.counts || f.payers > inPlace
	first := &m.edits[f.first]
	if f.pays = f.pays || first.n > pays || first.blind; !f.pays {
		f.entry, first.n = first.n, 0
	}
	f.assessed = true
}

// inPlace is how many segments pay for themselves without a local: so many take as much code.
const inPlace = 2

// none is the payer of a call that is paid for.
const none = -1

// settle finds the payer of a segment of f whose cost is known but for open calls.
func (m *module) settle(f *function, now int32, open bool) {
	e := &m.edits[now]
	if now == f.first {
		e.payer = now
		return
	}
	above := e.payer
	if e.payer = now; e.kind != segment {
		e.n += turnCost
		return
	}
	above = m.edits[above].payer
	if payer := &m.edits[above]; !open && !e.blind && !e.asks && e.n+uint32(payer.extra) <= pays {
		payer.extra += uint8(e.n)
		payer.n += e.n
		e.n, e.payer = 0, above
	} else if e.n > 0 || open {
		f.payers++
	}
}

// bill adds to the segments of f what they pay for entries that were not known.
func (m *module) bill(f *function) {
	if !f.calls {
		return
	}
	for i := f.first; i < f.last; i++ {
		if e := &m.edits[i]; e.kind == toCall && e.payer != none {
			m.edits[e.payer].n += m.body(e.n).entry
		}
	}
}

// body returns the function of that index, or nil if it is imported.
func (m *module) body(n uint32) *function {
	if int(n) < m.imported {
		return nil
	}
	return &m.bodies[int(n)-m.imported]
}
