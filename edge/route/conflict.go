package route

import "fmt"

// checkConflicts compares every rule of a host with those that its pattern meets.
func (c *compiler) checkConflicts(host string, tree *node, rules []*rule) {
	if len(rules) < 2 {
		return
	}
	for _, r := range rules {
		tree.meet(r.pattern.elements, func(l *leaf) {
			for _, other := range l.rules {
				if other.index < r.index {
					c.checkPair(host, other, r)
				}
			}
		})
	}
}

// meet visits the leaves below n whose patterns share a path with elements. It
// goes only where there are such, so that a site of thousands of routes is not
// compared all with all.
func (n *node) meet(elements []element, visit func(*leaf)) {
	if len(elements) == 0 {
		n.visitHere(visit)
		return
	}
	if n.tail != nil {
		visit(n.tail)
	}
	e, more := elements[0], elements[1:]
	n.each(func(kind kind, text string, child *node) {
		switch {
		case e.kind == tail:
			child.visitAll(visit)
		case compareElements(e, element{kind, text}) != disjoint:
			child.meet(more, visit)
		}
	}, e)
}

func (n *node) visitHere(visit func(*leaf)) {
	if n.here != nil {
		visit(n.here)
	}
}

func (n *node) visitAll(visit func(*leaf)) {
	n.visitHere(visit)
	if n.tail != nil {
		visit(n.tail)
	}
	n.each(func(_ kind, _ string, child *node) { child.visitAll(visit) }, element{kind: tail})
}

// each calls f for the children of n; of those by text, where e is a literal,
// only for the one that can meet it.
func (n *node) each(f func(kind, string, *node), e element) {
	if n.variable != nil {
		f(variable, "", n.variable)
	}
	if e.kind != literal {
		n.literals.each(func(text string, child *node) { f(literal, text, child) })
		n.folded.each(func(text string, child *node) { f(folded, text, child) })
		return
	}
	if child := n.literals.get(e.text); child != nil {
		f(literal, e.text, child)
	}
	if text := lower(e.text); n.folded.get(text) != nil {
		f(folded, text, n.folded.get(text))
	}
}

// checkPair compares a with b, which comes later.
func (c *compiler) checkPair(host string, a, b *rule) {
	overlap, ambiguous := methodsOverlap(a.methods, b.methods)
	if !overlap {
		return
	}
	var reason string
	switch compare(a.pattern, b.pattern) {
	case equal:
		if !ambiguous || !sameMatchers(a.matchers, b.matchers) {
			return
		}
		reason = fmt.Sprintf("%q and %q match the same requests of %s", a, b, hostName(host))
	case crossing:
		reason = fmt.Sprintf("%q and %q both match %q of %s, and neither is more specific", a, b, common(a.pattern, b.pattern), hostName(host))
	default:
		return
	}
	pair := [2]int{a.index, b.index}
	if c.reported[pair] {
		return
	}
	if c.reported == nil {
		c.reported = make(map[[2]int]bool)
	}
	c.reported[pair] = true
	c.problems = append(c.problems, problem{b.index, a.index, Problem{b.origin, a.origin, reason}})
}
