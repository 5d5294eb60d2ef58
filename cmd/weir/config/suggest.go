package config

import "strings"

// nearest gives the word of known that was most likely meant by got, or "".
func nearest(got string, known []string) string {
	if len(got) > 40 {
		return ""
	}
	got = strings.ToLower(strings.ReplaceAll(got, "-", "_"))
	// One slip in three letters is the most that still reads as a slip.
	best, limit := "", max(len(got)/3, 1)+1
	for _, word := range known {
		plain := strings.ReplaceAll(strings.ToLower(word), "-", "_")
		if d := distance(got, plain); d < limit {
			best, limit = word, d
		}
	}
	return best
}

// distance counts the letters to insert, drop, replace, or swap with their
// neighbour to make b of a.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
