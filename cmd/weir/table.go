package main

import (
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"
)

// table is text in columns, for a terminal whose lines must not wrap: a first column that
// is too long gets a line of its own; the last one takes what is left of the line and is
// cut there, or goes on below itself. Cells show what they were given and move no cursor.
type table struct {
	rows  [][]string
	whole bool                                 // the last column is not cut but goes on below
	paint func(column int, cell string) string // adds colours; nil: none
}

const (
	columnGap = 2
	// leastWidth is what the last column must have for its text to be cut or broken.
	leastWidth = 20
)

func (t *table) row(cells ...string) {
	for i, c := range cells {
		indent := c[:len(c)-len(strings.TrimLeft(c, " "))]
		cells[i] = indent + oneLine(c)
	}
	t.rows = append(t.rows, cells)
}

// oneLine makes of any text one that stays in its line.
func oneLine(s string) string {
	return strings.Join(strings.Fields(printable(s)), " ")
}

// print writes the table in lines of no more than width, if that can be; 0: they may be
// as long as they are.
func (t *table) print(out io.Writer, width int) error {
	widths := t.widths(width)
	var b strings.Builder
	for _, cells := range t.rows {
		cells = slices.Clone(cells)
		if len(cells) > 1 && utf8.RuneCountInString(cells[0]) > widths[0] {
			b.WriteString(t.cell(0, cells[0]) + "\n")
			cells[0] = ""
		}
		t.printRow(&b, cells, widths, width)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// widths are those of the columns; the first has a third of the line at most, and names
// that fit.
func (t *table) widths(width int) (all []int) {
	for _, cells := range t.rows {
		for i, c := range cells {
			if i == len(all) {
				all = append(all, 0)
			}
			if n := utf8.RuneCountInString(c); i > 0 || width == 0 || n <= max(width/3, leastWidth) {
				all[i] = max(all[i], n)
			}
		}
	}
	return all
}

func (t *table) printRow(b *strings.Builder, cells []string, widths []int, width int) {
	last, line, at := len(cells)-1, "", 0
	for i, c := range cells[:last] {
		line += t.cell(i, c) + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c)+columnGap)
		at += widths[i] + columnGap
	}
	text, rest := cells[last], ""
	if left := width - at; width > 0 && left < leastWidth && utf8.RuneCountInString(text) > left {
		b.WriteString(strings.TrimRight(line, " ") + "\n")
		at = 2 * columnGap
		line = strings.Repeat(" ", at)
	}
	for {
		if t.whole {
			text, rest = broken(text, width-at)
		} else {
			text = cut(text, width-at)
		}
		b.WriteString(strings.TrimRight(line+t.cell(last, text), " ") + "\n")
		if rest == "" {
			return
		}
		text, line = rest, strings.Repeat(" ", at)
	}
}

func (t *table) cell(column int, text string) string {
	if t.paint == nil {
		return text
	}
	return t.paint(column, text)
}

// broken breaks s between words so that the first part has n characters at most.
func broken(s string, n int) (first, rest string) {
	if n < leastWidth || utf8.RuneCountInString(s) <= n {
		return s, ""
	}
	runes := []rune(s)
	for i := n; i > n/2; i-- {
		if runes[i] == ' ' {
			return string(runes[:i]), string(runes[i+1:])
		}
	}
	return string(runes[:n]), string(runes[n:])
}

// cut shortens s to n characters, unless so few are not worth it.
func cut(s string, n int) string {
	if n < leastWidth || utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// widthOf is how long lines may be on out; 0: as long as they are.
func widthOf(out io.Writer) int {
	if f, ok := out.(*os.File); ok && isTerminal(out) {
		return columns(f)
	}
	return 0
}
