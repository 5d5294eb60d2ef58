package meter

// Stack by estimate. The engine does not tell how large a frame is; what is measured
// for compiled C, Rust and Go is below this (see TestStackEstimate).
const (
	frameBase  = 64
	perLocal   = 8
	perTwoCost = 4
	// freeChain is how many bytes functions that call each other, and no one in turn,
	// may take without being counted.
	freeChain = 1 << 10
)

// findDeep marks the functions that count their stack: all that call themselves by way
// of direct calls, all that call indirectly, whom no one knows, and as many others that
// what stands between two of them is small. So there is no cycle without one.
//
// This is Tarjan's search for strongly connected components, without recursion, since
// modules have call chains as long as they like. Components come out callees first.
func (m *module) findDeep() {
	w := walk{m: m, low: make([]int32, len(m.bodies)), cursor: make([]int32, len(m.bodies))}
	for i := range m.bodies {
		if w.low[i] == 0 {
			w.from(int32(i))
		}
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
			if callee == v.f {
				w.m.bodies[v.f].deep = true
			}
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
	component := w.open[at:]
	for _, f := range component {
		b := &w.m.bodies[f]
		b.deep = b.deep || b.indirect || len(component) > 1
	}
	for _, f := range component {
		w.weigh(f)
	}
	w.open = w.open[:at]
}

// weigh estimates the stack that f takes, with what it calls and does not count itself.
func (w *walk) weigh(f int32) {
	b := &w.m.bodies[f]
	b.weight = frameBase + perLocal*b.vars + b.size/2*perTwoCost
	w.cursor[f] = b.first
	below := uint32(0)
	for callee := w.callee(f); callee >= 0; callee = w.callee(f) {
		if w.low[callee] == done {
			below = max(below, w.m.bodies[callee].chain)
		}
	}
	b.weight += below
	b.deep = b.deep || b.weight > freeChain
	if !b.deep {
		b.chain = b.weight
	}
	w.low[f] = done
}
