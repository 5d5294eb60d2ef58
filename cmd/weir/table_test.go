package main

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTable_KeepsToItsWidth(t *testing.T) {
	t.Parallel()
	const long = "connection refused by the machine that the name leads to, and by the other one as well"
	for _, whole := range []bool{false, true} {
		for _, width := range []int{0, 30, 46, 60, 80, 200} {
			table := &table{whole: whole}
			table.row("NAME", "STATE", "WHY")
			table.row("straße.example", "failing", long)
			table.row("a-very-long-name-of-some.department.example.com", "failing", long)
			table.row("  indented", "ok", "\x1b[31mred\r\nand more")
			var b strings.Builder
			if err := table.print(&b, width); err != nil {
				t.Fatal(err)
			}
			out := b.String()
			for line := range strings.Lines(out) {
				if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); width > 0 && n > width && !strings.Contains(line, "-name-of-") {
					t.Errorf("width %d: %d characters: %q", width, n, line)
				}
			}
			if strings.ContainsAny(out, "\x1b\r") || !strings.Contains(out, "\n  indented  ") {
				t.Errorf("width %d: %q", width, out)
			}
			if all := strings.Join(strings.Fields(out), " "); (whole || width == 0) && strings.Count(all, long) != 2 {
				t.Errorf("width %d: text is missing:\n%s", width, out)
			}
			if width == 0 && strings.Count(out, "\n") != 4 {
				t.Errorf("more than a line for each row:\n%s", out)
			}
		}
	}
}
