package main

import (
	"fmt"
	"slices"
	"strings"
)

// diff prints what has to change in a to become b, in the unified form with three
// lines around. Configuration files are small, so the plain table of longest
// common parts will do.
func diff(name, a, b string) string {
	x, y := strings.SplitAfter(a, "\n"), strings.SplitAfter(b, "\n")
	steps := script(x, y)
	const around = 3
	var out strings.Builder
	fmt.Fprintf(&out, "--- %s\n+++ %s (formatted)\n", name, name)
	for i := 0; i < len(steps); {
		if steps[i].kind == ' ' {
			i++
			continue
		}
		from, to, calm := max(0, i-around), i, 0
		for to < len(steps) && calm <= 2*around {
			if steps[to].kind == ' ' {
				calm++
			} else {
				calm = 0
			}
			to++
		}
		to -= max(0, calm-around)
		fmt.Fprintf(&out, "@@ -%d +%d @@\n", steps[from].a+1, steps[from].b+1)
		for _, s := range steps[from:to] {
			out.WriteByte(s.kind)
			out.WriteString(strings.TrimSuffix(s.text, "\n") + "\n")
		}
		i = to
	}
	return out.String()
}

// step is one line of an edit script, and where it stands in both texts.
type step struct {
	kind byte // ' ', '-' or '+'
	text string
	a, b int
}

func script(x, y []string) (steps []step) {
	common := make([][]int32, len(x)+1)
	for i := range common {
		common[i] = make([]int32, len(y)+1)
	}
	for i, v := range slices.Backward(x) {
		for j := len(y) - 1; j >= 0; j-- {
			if v == y[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(x) || j < len(y) {
		switch {
		case i < len(x) && j < len(y) && x[i] == y[j]:
			steps = append(steps, step{' ', x[i], i, j})
			i, j = i+1, j+1
		case i < len(x) && (j == len(y) || common[i+1][j] >= common[i][j+1]):
			steps = append(steps, step{'-', x[i], i, j})
			i++
		default:
			steps = append(steps, step{'+', y[j], i, j})
			j++
		}
	}
	return steps
}
