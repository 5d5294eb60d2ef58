// What metering costs is measured with these.
package main

import (
	"slices"
	"strconv"
	"strings"
)

func main() {}

//go:wasmexport sum
func sum(n uint32) uint32 {
	var s, x uint32 = 0, 12345
	for range n {
		x = x*1664525 + 1013904223
		s += x >> 16
		if s&1 == 1 {
			s ^= x
		}
	}
	return s
}

//go:wasmexport fib
func fib(n uint32) uint32 {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

var sink []byte

//go:wasmexport alloc
func alloc(n uint32) uint32 {
	for range n {
		sink = make([]byte, 1000)
	}
	return uint32(len(sink))
}

type shape interface{ area() int }
type square struct{ a int }
type rect struct{ a, b int }

func (s square) area() int { return s.a * s.a }
func (r rect) area() int   { return r.a * r.b }

//go:noinline
func total(list []shape) (t int) {
	for _, s := range list {
		t += s.area()
	}
	return
}

//go:wasmexport iface
func iface(n uint32) uint32 {
	l := []shape{square{1}, rect{2, 3}, square{4}, rect{5, 6}}
	t := 0
	for range n {
		t += total(l)
	}
	return uint32(t)
}

//go:wasmexport text
func text(n uint32) uint32 {
	t := 0
	for range n {
		var parts []string
		for j := range uint32(20) {
			parts = append(parts, strconv.Itoa(int(j*7919%101)))
		}
		slices.Sort(parts)
		m := map[string]int{}
		for _, p := range strings.Split(strings.Join(parts, ","), ",") {
			m[p]++
		}
		t += len(m)
	}
	return uint32(t)
}

//go:wasmexport deep
func deep(n uint32) uint32 {
	if n == 0 {
		return 0
	}
	return deep(n-1) + 1
}
