// Command keeper is a guest that keeps what it is told: in a map, in a goroutine, and on
// its heap.
package main

import "fmt"

var (
	kept  = map[string]uint32{}
	ask   = make(chan uint32)
	total = make(chan uint32)
)

func main() {}

func init() {
	for n := range 1000 {
		kept[fmt.Sprint("of the start ", n)] = uint32(n)
	}
	go func() {
		sum := uint32(0)
		for n := range ask {
			sum += n
			total <- sum
		}
	}()
}

// keep keeps n, and returns how much there is now, and the sum of all.
//
//go:wasmexport keep
func keep(n uint32) uint32 {
	kept[fmt.Sprint("secret ", n)] = n
	ask <- n
	return uint32(len(kept))<<16 + <-total
}

// tell returns what is kept of n.
//
//go:wasmexport tell
func tell(n uint32) uint32 { return kept[fmt.Sprint("secret ", n)] }

// hoard takes n KiB of memory, and uses it.
//
//go:wasmexport hoard
func hoard(n uint32) uint32 {
	b := make([]byte, n<<10)
	for k := range b {
		b[k] = byte(k)
	}
	return uint32(b[len(b)-1])
}

//go:wasmexport fail
func fail() { panic("it was told to") }
