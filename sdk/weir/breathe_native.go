//go:build !wasip1

package weir

import "time"

// rounds is after how many breaths without anything to do there is nothing to do.
const rounds = 10

// breathe gives goroutines on other processors some time.
func breathe() { time.Sleep(100 * time.Microsecond) }
