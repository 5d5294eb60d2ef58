package config

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// excerptWidth bounds the characters of a line that are shown: a file may be one line.
const excerptWidth = 100

// excerpt is the part of the source that a mistake stands in.
type excerpt struct {
	line          int // number of the last of lines
	lines         []string
	column, width int // of the mark below the last line, in characters, from 0
}

// source gives lines of a file by their number.
type source struct {
	text   string
	starts []int // byte offsets of the lines; made when they are first needed
	// known is the place that offset found last.
	known struct{ line, column, offset int }
}

func (s *source) line(n int) string {
	if s.starts == nil {
		s.starts = append(make([]int, 0, strings.Count(s.text, "\n")+1), 0)
		for i := range len(s.text) {
			if s.text[i] == '\n' {
				s.starts = append(s.starts, i+1)
			}
		}
	}
	if n < 1 || n > len(s.starts) {
		return ""
	}
	line := s.text[s.starts[n-1]:]
	if n < len(s.starts) {
		line = s.text[s.starts[n-1]:s.starts[n]]
	}
	return strings.TrimPrefix(strings.TrimRight(line, "\r\n"), "\ufeff")
}

// excerpt cuts out line n with the one above it, for context, and marks width
// characters from column col (from 1) on.
func (s *source) excerpt(n, col, width int) excerpt {
	if n < 1 {
		return excerpt{}
	}
	text := []rune(s.line(n))
	col = min(max(col-1, 0), len(text))
	width = max(min(width, len(text)-col), 1)
	e := excerpt{line: n, column: col, width: width}
	from := 0
	if len(text) > excerptWidth {
		from = max(0, min(col-excerptWidth/3, len(text)-excerptWidth))
	}
	e.column, e.width = col-from, min(width, excerptWidth-(col-from)+1)
	if above := s.line(n - 1); n > 1 && strings.TrimSpace(above) != "" && from == 0 {
		e.lines = append(e.lines, visible(clip([]rune(above), 0)))
	}
	e.lines = append(e.lines, visible(clip(text, from)))
	return e
}

// clip keeps excerptWidth characters from one on, and shows with an ellipsis, which
// takes the place of a character, where something is left out.
func clip(text []rune, from int) []rune {
	to := min(len(text), from+excerptWidth)
	out := append([]rune(nil), text[from:to]...)
	if from > 0 && len(out) > 0 {
		out[0] = '…'
	}
	if to < len(text) && len(out) > 0 {
		out[len(out)-1] = '…'
	}
	return out
}

// visible replaces what a terminal would act on, one character for one.
func visible(text []rune) string {
	for i, c := range text {
		switch {
		case c == '\t':
			text[i] = '→'
		case c == utf8.RuneError || !unicode.IsPrint(c):
			text[i] = '�'
		}
	}
	return string(text)
}

// print gives the width of the column of line numbers.
func (e excerpt) print(b *strings.Builder, p palette) int {
	gutter := len(strconv.Itoa(e.line)) + 3
	for i, line := range e.lines {
		number := strconv.Itoa(e.line - len(e.lines) + 1 + i)
		number = strings.Repeat(" ", gutter-len(number)) + number
		b.WriteString(strings.TrimRight(p.dim+number+" | "+p.off+line, " ") + "\n")
	}
	if e.line > 0 {
		b.WriteString(p.dim + strings.Repeat(" ", gutter) + " | " + p.off + strings.Repeat(" ", e.column))
		b.WriteString(p.red + strings.Repeat("^", e.width) + p.off + "\n")
	}
	return gutter
}
