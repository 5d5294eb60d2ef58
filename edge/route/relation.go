package route

import (
	"slices"
	"strings"
)

// relation is how the sets of paths that two patterns match lie to each other.
type relation uint8

const (
	equal    relation = iota
	narrower          // the first is a part of the second
	wider             // the second is a part of the first
	crossing          // they share some, and each has some of its own
	disjoint
)

func (r relation) and(s relation) relation {
	switch {
	case r == disjoint || s == disjoint:
		return disjoint
	case r == equal || r == s:
		return s
	case s == equal:
		return r
	}
	return crossing
}

func compare(p, q *pattern) relation {
	r := equal
	for i := 0; ; i++ {
		switch pEnd, qEnd := i == len(p.elements), i == len(q.elements); {
		case pEnd && qEnd:
			return r
		case pEnd || qEnd:
			return disjoint
		}
		a, b := p.elements[i], q.elements[i]
		s := compareElements(a, b)
		if r = r.and(s); r == disjoint || a.kind == tail || b.kind == tail {
			return r
		}
	}
}

func compareElements(a, b element) relation {
	switch {
	case a.kind > b.kind:
		switch r := compareElements(b, a); r {
		case narrower:
			return wider
		default:
			return r
		}
	case a.kind == b.kind:
		if a.kind >= variable || a.text == b.text {
			return equal
		}
		return disjoint
	case b.kind == folded: // a is literal
		if lower(a.text) != b.text {
			return disjoint
		}
	case b.kind == variable && a.text == "":
		return disjoint
	}
	return narrower
}

// common returns a path that both patterns match; they are not disjoint.
func common(p, q *pattern) string {
	var b strings.Builder
	longer := p.elements
	if len(q.elements) > len(longer) {
		longer = q.elements
	}
	for i := range longer {
		e := element{kind: tail}
		for _, elements := range [][]element{p.elements, q.elements} {
			if i < len(elements) && elements[i].kind < e.kind {
				e = elements[i]
			}
		}
		if e.kind >= variable {
			e.text = "x"
		}
		b.WriteString("/" + e.text)
	}
	return b.String()
}

// methodsOverlap tells whether some method is taken by both; ambiguous, whether
// moreover neither takes only some of those that the other takes.
func methodsOverlap(a, b []string) (overlap, ambiguous bool) {
	switch {
	case len(a) == 0 && len(b) == 0:
		return true, true
	case len(a) == 0 || len(b) == 0:
		return true, false
	}
	shared := 0
	for _, m := range a {
		if slices.Contains(b, m) {
			shared++
		}
	}
	within := shared == len(a) || shared == len(b)
	return shared > 0, shared > 0 && (!within || len(a) == len(b))
}

// sameMatchers compares without regard to order.
func sameMatchers(a, b []Matcher) bool {
	if len(a) != len(b) {
		return false
	}
	for _, m := range a {
		if !slices.Contains(b, m) {
			return false
		}
	}
	return true
}
