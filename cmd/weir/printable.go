package main

import (
	"strings"
	"unicode"
)

// printable leaves out of a text for the terminal what would move its cursor or change its
// colours: names in modules, and what guests and upstreams say, are anybody's.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if c == '\n' || c == '\t' || unicode.IsPrint(c) {
			return c
		}
		return unicode.ReplacementChar
	}, s)
}
