package exchangetest

import (
	"context"
	"fmt"
	"runtime/pprof"
	"strings"
	"time"
)

// leaks runs f and returns an error if goroutines it started outlive it. They
// are found by a profiler label, which goroutines inherit: goroutines of tests that
// run at the same time do not disturb. What belongs to the handler's own life
// should have been started before, by f or otherwise.
func leaks(f func()) []error {
	done := make(chan struct{})
	mark := fmt.Sprintf("%p", done) // unlike that of any check going on
	go func() {
		defer close(done)
		pprof.Do(context.Background(), pprof.Labels("exchangetest", mark), func(context.Context) { f() })
	}()
	<-done
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		left := marked(mark)
		if left == "" {
			return nil
		}
		select {
		case <-again.C: // a goroutine may need a moment to end
		case <-deadline.C:
			return []error{fmt.Errorf("goroutines left behind:\n%s", left)}
		}
	}
}

// marked returns the stacks of the goroutines that carry mark.
func marked(mark string) string {
	var all, found strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&all, 1); err != nil {
		return err.Error()
	}
	for stack := range strings.SplitSeq(all.String(), "\n\n") {
		if strings.Contains(stack, `"exchangetest":"`+mark+`"`) {
			found.WriteString(stack + "\n")
		}
	}
	return found.String()
}
