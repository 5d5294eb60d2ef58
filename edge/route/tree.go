package route

import (
	"cmp"
	"slices"
)

// node is a place in the tree of patterns: the segments up to it have matched.
type node struct {
	literals children // by text
	folded   children // by text in lower case
	variable *node
	here     *leaf // patterns that end here
	tail     *leaf // patterns that take the rest from here on
}

// children are few, as a rule; then comparing is faster than hashing.
type children struct {
	names []string
	nodes []*node
	many  map[string]*node // set where there are more than few
	// longest bounds what is worth folding, and with that what a client can have us copy.
	longest int
}

const few = 8

func (c *children) get(name string) *node {
	if c.many != nil {
		return c.many[name]
	}
	for i, n := range c.names {
		if n == name {
			return c.nodes[i]
		}
	}
	return nil
}

// getFold looks name up in lower case.
func (c *children) getFold(name string) *node {
	if len(name) > c.longest {
		return nil
	}
	var buffer [64]byte
	b := append(buffer[:0], name...)
	for i, x := range b {
		b[i] = lowerByte(x)
	}
	if c.many != nil {
		return c.many[string(b)]
	}
	for i, n := range c.names {
		if n == string(b) {
			return c.nodes[i]
		}
	}
	return nil
}

func (c *children) put(name string) *node {
	if n := c.get(name); n != nil {
		return n
	}
	n := new(node)
	c.longest = max(c.longest, len(name))
	if c.many == nil && len(c.names) == few {
		c.many = make(map[string]*node)
		for i, name := range c.names {
			c.many[name] = c.nodes[i]
		}
		c.names, c.nodes = nil, nil
	}
	if c.many != nil {
		c.many[name] = n
	} else {
		c.names, c.nodes = append(c.names, name), append(c.nodes, n)
	}
	return n
}

func (c *children) each(f func(string, *node)) {
	for name, n := range c.many {
		f(name, n)
	}
	for i, n := range c.nodes {
		f(c.names[i], n)
	}
}

// leaf holds the rules that share a pattern.
type leaf struct {
	rules []*rule // in the order in which they are asked
	plain bool    // none has matchers
	allow string  // all their methods, where plain
}

func newTree(rules []*rule) *node {
	root := new(node)
	var leaves []*leaf
	for _, r := range rules {
		at := root.place(r.pattern)
		if *at == nil {
			*at = new(leaf)
			leaves = append(leaves, *at)
		}
		(*at).rules = append((*at).rules, r)
	}
	for _, l := range leaves {
		l.finish()
	}
	return root
}

// place returns where p ends, making the nodes on the way.
func (n *node) place(p *pattern) **leaf {
	for _, e := range p.elements {
		switch e.kind {
		case literal:
			n = n.literals.put(e.text)
		case folded:
			n = n.folded.put(e.text)
		case variable:
			if n.variable == nil {
				n.variable = new(node)
			}
			n = n.variable
		case tail:
			return &n.tail
		}
	}
	return &n.here
}

func (l *leaf) finish() {
	slices.SortStableFunc(l.rules, func(a, b *rule) int {
		return cmp.Or(
			cmp.Compare(len(b.matchers), len(a.matchers)),
			cmp.Compare(methodCount(a), methodCount(b)),
			cmp.Compare(a.index, b.index))
	})
	l.plain = true
	var methods []string
	for _, r := range l.rules {
		l.plain = l.plain && len(r.matchers) == 0
		methods = append(methods, r.methods...)
	}
	l.allow = allowList(methods...)
}

// methodCount orders rules by how few methods they take; all is the most.
func methodCount(r *rule) int {
	if len(r.methods) == 0 {
		return 1 << 30
	}
	return len(r.methods)
}
