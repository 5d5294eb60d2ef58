//go:build wasip1

package weir

import "runtime"

// rounds is after how many breaths without anything to do there is nothing to do.
const rounds = 2

// breathe lets all goroutines run that can, until they block: there is one processor,
// which goes around.
func breathe() { runtime.Gosched() }
