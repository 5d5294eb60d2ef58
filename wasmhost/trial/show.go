package trial

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// shown is how much of a text failures show, in characters.
const shown = 100

// quoted shows a text: as it is if it is plain, else in quotes, and not all of a long one.
func quoted(s string) string { return quotedAt(s, 0) }

// quotedAt shows a text around a place in it.
func quotedAt(s string, at int) string {
	if s == "" {
		return "an empty text"
	}
	return clipped(s, at)
}

// clipped shows the part of a text around a place.
func clipped(s string, at int) string {
	from := 0
	if at > shown/2 && len(s) > shown {
		from = min(at-shown/2, len(s)-shown)
	}
	from = whole(s, from)
	to := whole(s, min(len(s), from+shown))
	text := plain(s[from:to])
	if from > 0 {
		text = "… " + text
	}
	if to < len(s) {
		text += " … (" + count(int64(len(s)), "byte") + ")"
	}
	return text
}

// whole returns where the character begins that is at a place, if there are characters.
func whole(s string, at int) int {
	for back := range min(utf8.UTFMax, at+1) {
		if at == len(s) || utf8.RuneStart(s[at-back]) {
			return at - back
		}
	}
	return at
}

// plain is a text as it is, if it can be seen and ends where it seems to, else in quotes.
func plain(s string) string {
	odd := func(c rune) bool { return c == utf8.RuneError || !unicode.IsPrint(c) }
	if s == "" || strings.TrimSpace(s) != s || strings.ContainsFunc(s, odd) {
		return strconv.Quote(s)
	}
	return s
}

// apart shows two texts where they first differ.
func apart(want, got string) (string, string) {
	at := 0
	for at < len(want) && at < len(got) && want[at] == got[at] {
		at++
	}
	if a, b, ok := lineApart(want, got, at); ok {
		return a, b
	}
	a, b := quotedAt(want, at), quotedAt(got, at)
	if a == b { // they differ where nothing is shown
		a, b = a+", "+count(int64(len(want)), "byte"), b+", "+count(int64(len(got)), "byte")
	}
	if at > shown/2 {
		where := ", from byte " + strconv.Itoa(at) + " on"
		a, b = a+where, b+where
	}
	return a, b
}

// lineApart shows of two texts of several lines the first in which they differ, if lines
// tell more than bytes.
func lineApart(want, got string, at int) (string, string, bool) {
	if strings.Count(want, "\n") < 2 && strings.Count(got, "\n") < 2 {
		return "", "", false
	}
	number := 1 + strings.Count(want[:at], "\n")
	begin := strings.LastIndexByte(want[:at], '\n') + 1
	line := func(s string) string {
		if begin >= len(s) {
			return "the text ends"
		}
		one, _, more := strings.Cut(s[begin:], "\n")
		if !more { // the end is what is missing
			return quotedAt(one, at-begin) + ", where it ends"
		}
		return quotedAt(one, at-begin)
	}
	a, b := line(want), line(got)
	if a == b {
		return "", "", false
	}
	prefix := "line " + strconv.Itoa(number) + ": "
	return prefix + a, prefix + b, true
}

// count prints a number with what it counts.
func count(n int64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return Grouped(n) + " " + noun
}

// Grouped prints a number with commas between thousands.
func Grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}
