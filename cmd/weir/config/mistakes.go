package config

import "strings"

// Mistakes makes a report of what was found wrong after reading, by whoever put the
// configuration to use: in the order of the places, each with the line it stands in.
// src is the text of the file; without it there are no excerpts. all is not empty
// and is taken over.
func Mistakes(src string, all ...*Error) Errors {
	s := source{text: src}
	errs := sorted(all)
	for i, e := range errs {
		if src != "" && e.Pos.Line > 0 && i < maxErrors {
			e.excerpt = s.excerpt(e.Pos.Line, e.Pos.Col, s.word(e.Pos))
		}
	}
	return errs
}

// word returns the width of the word at a place, for the mark below it.
func (s *source) word(at Pos) int {
	text := []rune(s.line(at.Line))
	if at.Col > len(text) {
		return 1
	}
	rest := string(text[at.Col-1:])
	if i := strings.IndexAny(rest, " \t,]}"); i > 0 {
		rest = rest[:i]
	}
	return len([]rune(strings.TrimSuffix(rest, ":")))
}
