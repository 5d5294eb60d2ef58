package config

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// maxErrors bounds the report: who made so many mistakes made the same one often.
const maxErrors = 100

// Error is one mistake in a configuration file.
type Error struct {
	Pos Pos
	// Setting is the way to the place, such as "sites.example.com.root"; it may be empty.
	Setting string
	// Message says what is wrong, Hint what to write instead; Hint may be empty.
	Message, Hint string

	excerpt excerpt
}

// Error gives one line: "file:line:column: setting: message".
func (e *Error) Error() string {
	at := e.Pos.File
	if e.Pos.Line > 0 {
		at = e.Pos.String()
	}
	if e.Setting == "" {
		return at + ": " + e.Message
	}
	return at + ": " + e.Setting + ": " + e.Message
}

// Errors has every mistake of one file, in the order of their places; never empty.
type Errors []*Error

// Error prints them all, without colour.
func (e Errors) Error() string { return e.Text(false) }

// Unwrap gives the mistakes one by one, for errors.As.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, one := range e {
		all[i] = one
	}
	return all
}

// Text prints every mistake with the line it stands in and its hint, and how many
// there are. colour adds terminal colours.
func (e Errors) Text(colour bool) string { return e.text(colour, "mistake") }

// Warnings is Text for errors that are none.
func (e Errors) Warnings(colour bool) string { return e.text(colour, "warning") }

func (e Errors) text(colour bool, noun string) string {
	var b strings.Builder
	p := palette{}
	if colour {
		p = palette{bold: "\x1b[1m", red: "\x1b[1;31m", dim: "\x1b[2m", green: "\x1b[32m", off: "\x1b[0m"}
	}
	for _, one := range e[:min(len(e), maxErrors)] {
		one.print(&b, p)
		b.WriteByte('\n')
	}
	if more := len(e) - maxErrors; more > 0 {
		b.WriteString("and " + strconv.Itoa(more) + " more\n")
	}
	if len(e) != 1 {
		noun += "s"
	}
	b.WriteString(p.red + strconv.Itoa(len(e)) + " " + noun + p.off + " in " + e[0].Pos.File)
	return b.String()
}

// palette has the terminal codes for the parts of a report; all empty without colour.
type palette struct{ bold, red, dim, green, off string }

func (e *Error) print(b *strings.Builder, p palette) {
	at, _, _ := strings.Cut(e.Error(), ": ")
	b.WriteString(p.bold + at + ":" + p.off)
	if e.Setting != "" {
		b.WriteString(" " + e.Setting + ":")
	}
	b.WriteString(" " + p.red + e.Message + p.off + "\n")
	gutter := e.excerpt.print(b, p)
	if e.Hint != "" {
		b.WriteString(strings.Repeat(" ", gutter) + p.dim + " = " + p.off + p.green + e.Hint + p.off + "\n")
	}
}

// sorted puts mistakes in the order of their places and drops repetitions, which
// arise where a snippet with a mistake is imported more than once.
func sorted(all Errors) Errors {
	slices.SortStableFunc(all, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Col, b.Pos.Col))
	})
	return slices.CompactFunc(all, func(a, b *Error) bool { return a.Pos == b.Pos && a.Message == b.Message })
}
