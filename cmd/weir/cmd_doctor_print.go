package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// print writes findings by site, what all sites share first.
func (d *doctor) print(out io.Writer, colour bool, width int) error {
	var b strings.Builder
	sites := []string{""}
	for _, f := range d.found {
		if !slices.Contains(sites, f.Site) {
			sites = append(sites, f.Site)
		}
	}
	for i, site := range sites {
		if i > 0 {
			b.WriteString("\n" + site + "\n")
		}
		printFindings(&b, slices.DeleteFunc(slices.Clone(d.found), func(f finding) bool { return f.Site != site }), colour, width)
	}
	b.WriteString("\n" + summary(d.found) + "\n")
	_, err := io.WriteString(out, b.String())
	return err
}

// printFindings writes the findings of one site. Where all are of the name that stands
// above, they do not repeat it.
func printFindings(b *strings.Builder, all []finding, colour bool, width int) {
	t := &table{whole: true, paint: func(column int, cell string) string {
		if text := strings.TrimSpace(cell); column == 0 && text != "" {
			return "  " + paintLevel(level(text), colour)
		}
		return cell
	}}
	several := slices.ContainsFunc(all, func(f finding) bool { return f.Subject != f.Site })
	for _, f := range all {
		cells := []string{"  " + string(f.Level), f.Check, f.Subject, f.Found}
		if !several {
			cells = slices.Delete(cells, 2, 3)
		}
		t.row(cells...)
	}
	widths := t.widths(width)
	widths[0] = 2 + len(warning) // in all sections
	for i, f := range all {
		t.printRow(b, t.rows[i], widths, width)
		indent := strings.Repeat(" ", 2+len(warning)+columnGap)
		for mark, rest := "-> ", oneLine(f.Hint); rest != ""; mark = "   " {
			var line string
			line, rest = broken(rest, width-len(indent)-len(mark))
			b.WriteString(indent + mark + line + "\n")
		}
	}
}

func summary(all []finding) string {
	n := map[level]int{}
	for _, f := range all {
		n[f.Level]++
	}
	text := count(len(all), "check")
	if n[wrong] > 0 {
		text += fmt.Sprintf(", %d wrong", n[wrong])
	}
	if n[warning] > 0 {
		text += ", " + count(n[warning], "warning")
	}
	if n[wrong]+n[warning] == 0 {
		text += ", all is well"
	}
	return text
}

// paintLevel is a level, coloured on a terminal.
func paintLevel(l level, colour bool) string {
	if !colour {
		return string(l)
	}
	number := map[level]string{fine: "32", warning: "33", wrong: "31"}[l]
	return "\x1b[" + number + "m" + string(l) + "\x1b[0m"
}
