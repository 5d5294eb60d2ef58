package main

import "testing"

func TestPrintable_KeepsTerminalsAsTheyAre(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"two\nlines, größer":      "two\nlines, größer",
		"\x1b[31mred\x1b[0m\a\r.": "\ufffd[31mred\ufffd[0m\ufffd\ufffd.",
		"bad \xff utf-8":          "bad \ufffd utf-8",
	} {
		if got := printable(in); got != want {
			t.Errorf("printable(%q): got %q, want %q", in, got, want)
		}
	}
}
