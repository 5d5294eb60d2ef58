package route

import (
	"slices"
	"strings"
)

// search is one look for a rule. It lives on the stack.
type search struct {
	path, method string
	ask          Asker
	allow        string // methods of rules that would have matched but for the method
}

// from returns the best rule below n for the path from the segment at on.
//
// What is more specific is tried first: text, then text of any case, then a
// variable, then a tail. Compile has made sure that of two patterns which may both
// answer one request, one is part of the other; at the first segment where they
// differ the narrower one has the more specific element, so it is found first. Every
// node is entered at most once, whatever the path.
func (s *search) from(n *node, at int) *rule {
	if at > len(s.path) {
		return s.choose(n.here)
	}
	name, next := segment(s.path, at)
	if child := n.literals.get(name); child != nil {
		if r := s.from(child, next); r != nil {
			return r
		}
	}
	if child := n.folded.getFold(name); child != nil {
		if r := s.from(child, next); r != nil {
			return r
		}
	}
	if n.variable != nil && name != "" {
		if r := s.from(n.variable, next); r != nil {
			return r
		}
	}
	return s.choose(n.tail)
}

func (s *search) choose(l *leaf) *rule {
	if l == nil {
		return nil
	}
	for _, r := range l.rules {
		takes := r.takes(s.method)
		if !takes && l.plain || !s.satisfies(r) {
			continue
		}
		if takes {
			return r
		}
		s.allowed(r.allow)
	}
	if l.plain {
		s.allowed(l.allow)
	}
	return nil
}

func (s *search) satisfies(r *rule) bool {
	for i := range r.matchers {
		if s.ask == nil || !s.ask.Satisfies(&r.matchers[i]) {
			return false
		}
	}
	return true
}

// allowed adds a list of methods to those that would do.
func (s *search) allowed(list string) {
	if s.allow == "" || s.allow == list {
		s.allow = list
		return
	}
	all := append(strings.Split(s.allow, ", "), strings.Split(list, ", ")...)
	slices.Sort(all)
	s.allow = strings.Join(slices.Compact(all), ", ")
}
