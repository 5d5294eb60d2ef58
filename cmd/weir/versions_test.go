package main_test

import (
	"fmt"
	"regexp"
	"slices"
	"testing"
)

// patched are the oldest versions that have none of the holes which SECURITY.md
// says are held by versions.
var patched = []struct {
	rows, file, pattern string
	least               []int
}{
	{"G1 G2", "go.mod", `(?m)^toolchain go(\d+)\.(\d+)\.(\d+)$`, []int{1, 26, 9}},
	{"G1 G2", "Makefile", `GOTOOLCHAIN := go(\d+)\.(\d+)\.(\d+)`, []int{1, 26, 9}},
	{"G8", "go.mod", `golang.org/x/net v(\d+)\.(\d+)\.(\d+)`, []int{0, 7, 0}},
	{"Q1 Q2 Q3 Q4 Q5 Q6", "go.mod", `quic-go/quic-go v(\d+)\.(\d+)\.(\d+)`, []int{0, 65, 0}},
}

func TestHouse_VersionsArePatched(t *testing.T) {
	t.Parallel()
	for _, p := range patched {
		m := regexp.MustCompile(p.pattern).FindStringSubmatch(readDocument(t, p.file))
		if m == nil {
			t.Errorf("%s: nothing matches %s, which %s needs", p.file, p.pattern, p.rows)
			continue
		}
		got := make([]int, 3)
		if _, err := fmt.Sscan(m[1]+" "+m[2]+" "+m[3], &got[0], &got[1], &got[2]); err != nil {
			t.Fatal(err)
		}
		if slices.Compare(got, p.least) < 0 {
			t.Errorf("%s: %s is older than %v, which %s needs", p.file, m[0], p.least, p.rows)
		}
	}
}
