package guest

import (
	"fmt"
	"slices"
	"strings"
)

// Said keeps what a guest has said lately, for the error that it ends with: the reason is
// there. The zero Said has heard nothing. It is not safe for concurrent use.
type Said struct {
	lines []string
	left  int  // how many are heard after told
	told  bool // the last line told the reason
}

// fewLines are enough to tell a reason.
const fewLines = 4

// reasons are how lines begin that tell why a guest ends, in Go and AssemblyScript. What
// follows them is noise: Go's runtime prints the stacks of all goroutines.
var reasons = []string{"panic: ", "fatal error: ", "abort: "}

// Hear takes a line.
func (s *Said) Hear(line string) {
	switch line = strings.TrimRight(line, "\r\n"); {
	case s.told && s.left == 0, line == "", line[0] == '\t', strings.HasPrefix(line, "goroutine "), strings.HasPrefix(line, "note: run with `RUST_BACKTRACE"):
		return
	case s.told:
		s.left--
	case slices.ContainsFunc(reasons, func(r string) bool { return strings.HasPrefix(line, r) }):
		s.told = true
	case strings.HasPrefix(line, "thread '") && strings.Contains(line, "panicked at "):
		if s.told = true; strings.HasSuffix(line, ":") { // Rust 1.73 and later: the message comes next
			s.left = 1
		}
	}
	if len(s.lines) == fewLines {
		s.lines = append(s.lines[:0], s.lines[1:]...)
	}
	s.lines = append(s.lines, strings.ToValidUTF8(line, "\uFFFD"))
}

// Forget begins anew: what was said so far has nothing to do with what comes.
func (s *Said) Forget() { s.lines, s.left, s.told = s.lines[:0], 0, false }

// Explain adds to err what was said.
func (s *Said) Explain(err error) error {
	if err == nil || len(s.lines) == 0 {
		return err
	}
	return fmt.Errorf("%w; it said: %s", err, strings.Join(s.lines, "; "))
}
