package config

import (
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// comment is one comment of a file, without the spaces around it.
type comment struct {
	line, column int // column from 1, in bytes
	offset       int // in bytes
	text         string
	own          bool // nothing else is in its line
	after        int  // offset of the last node that begins before it
	taken        bool // printed out of order
}

// span is a part of a text, in bytes.
type span struct{ from, to int }

// opaqueSpans finds quoted texts and the lines of block texts: what looks like a
// comment or bracket there is none. starts has the offsets of all nodes, in order.
func (s *source) opaqueSpans(n *yaml.Node) (spans []span, starts []int) {
	var walk func(*yaml.Node)
	walk = func(n *yaml.Node) {
		starts = append(starts, s.offset(n.Line, n.Column))
		switch {
		case n.Kind != yaml.ScalarNode:
		case n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
			from := starts[len(starts)-1]
			spans = append(spans, span{from, s.closingQuote(from)})
		case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
			if b, ok := s.blockLines(n); ok {
				spans = append(spans, span{s.offset(b.first, 1), s.offset(b.last+1, 1)})
			}
		}
		for _, c := range n.Content {
			walk(c)
		}
	}
	walk(n)
	slices.SortFunc(spans, func(a, b span) int { return a.from - b.from })
	slices.Sort(starts)
	return spans, starts
}

// offset gives the byte at a line and a column in characters. It is quick for places
// that are asked for in their order, since a file may be one long line.
func (s *source) offset(line, column int) int {
	s.line(1) // finds the lines
	if line > len(s.starts) {
		return len(s.text)
	}
	if s.known.line != line || s.known.column > column {
		s.known.line, s.known.column, s.known.offset = line, 1, s.starts[line-1]
		if line == 1 && strings.HasPrefix(s.text, "\ufeff") {
			s.known.offset += len("\ufeff")
		}
	}
	for ; s.known.column < column; s.known.column++ {
		_, size := utf8.DecodeRuneInString(s.text[s.known.offset:])
		s.known.offset += size
	}
	return s.known.offset
}

// lineOf gives the line that a byte is in.
func (s *source) lineOf(offset int) int {
	i, exact := slices.BinarySearch(s.starts, offset)
	if exact {
		return i + 1
	}
	return i
}

// closingQuote gives the byte behind the quoted text that begins at from.
func (s *source) closingQuote(from int) int {
	if from >= len(s.text) {
		return from
	}
	quote := s.text[from]
	for i := from + 1; i < len(s.text); i++ {
		switch {
		case s.text[i] == '\\' && quote == '"':
			i++
		case s.text[i] != quote:
		case quote == '\'' && i+1 < len(s.text) && s.text[i+1] == quote:
			i++
		default:
			return i + 1
		}
	}
	return len(s.text)
}

// block is where the lines of a literal or folded text are.
type block struct{ first, last, indent int }

// blockLines finds the lines of a block text. It gives false for one without visible
// text, of which nothing would tell the indentation.
func (s *source) blockLines(n *yaml.Node) (block, bool) {
	inner := -1
	for line := range strings.SplitSeq(n.Value, "\n") {
		if strings.TrimSpace(line) != "" {
			inner = indentOf(line)
			break
		}
	}
	if inner < 0 {
		return block{}, false
	}
	b := block{first: n.Line + 1}
	for b.last = b.first; strings.TrimSpace(s.line(b.last)) == ""; b.last++ {
		if b.last > len(s.starts) {
			return block{}, false
		}
	}
	b.indent = indentOf(s.line(b.last)) - inner
	for next := b.last; next <= len(s.starts); next++ {
		line := s.line(next)
		if strings.TrimSpace(line) == "" {
			continue
		}
		if indentOf(line) < b.indent {
			break
		}
		b.last = next
	}
	return b, b.indent > 0
}

func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// comments finds the comments of a text.
func (s *source) comments(opaque []span, nodes []int) []comment {
	s.line(1)
	var found []comment
	for i, start := range s.starts {
		end := len(s.text)
		if i+1 < len(s.starts) {
			end = s.starts[i+1]
		}
		for at := start; at < end; at++ {
			for len(opaque) > 0 && opaque[0].to <= at {
				opaque = opaque[1:]
			}
			if len(opaque) > 0 && opaque[0].from <= at {
				at = opaque[0].to - 1
				continue
			}
			if s.text[at] == '#' && (at == start || s.text[at-1] == ' ' || s.text[at-1] == '\t' || strings.HasPrefix(s.text[start:], "\ufeff#")) {
				text := strings.TrimRight(s.text[at:end], " \t\r\n")
				c := comment{line: i + 1, column: at - start + 1, offset: at, text: text,
					own: strings.Trim(s.text[start:at], " \t\ufeff") == ""}
				if before, _ := slices.BinarySearch(nodes, at); before > 0 {
					c.after = nodes[before-1]
				}
				found = append(found, c)
				break
			}
		}
	}
	return found
}

// flowEnd gives the byte behind the bracket that closes the one at from.
func (l *layout) flowEnd(from int) int {
	depth, text := 0, l.src.text
	opaque, _ := slices.BinarySearchFunc(l.opaque, from, func(s span, at int) int { return s.from - at })
	next, _ := slices.BinarySearchFunc(l.comments, from, func(c comment, at int) int { return c.offset - at })
	for at := from; at < len(text); at++ {
		if opaque < len(l.opaque) && at == l.opaque[opaque].from {
			at = l.opaque[opaque].to - 1
			opaque++
			continue
		}
		if next < len(l.comments) && at == l.comments[next].offset {
			at += len(l.comments[next].text)
			next++
			continue
		}
		switch text[at] {
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				return at + 1
			}
		}
	}
	return len(text)
}
