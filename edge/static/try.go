package static

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

// candidate is one thing that may answer a request: a name, made of the path or
// not, or an error.
type candidate struct {
	before, after string // around the path
	usesPath      bool
	err           error // for "=404"
}

// exact tells whether c is the requested path itself, which alone may redirect.
func (c *candidate) exact() bool { return c.usesPath && c.before == "" && c.after == "" }

// append adds the candidate's name for a path to b.
func (c *candidate) append(b []byte, path string) []byte {
	b = append(b, c.before...)
	if c.usesPath {
		b = append(b, path...)
	}
	if len(b) > 0 && b[len(b)-1] == '/' && strings.HasPrefix(c.after, "/") {
		return append(b, c.after[1:]...)
	}
	return append(b, c.after...)
}

func parseTry(list []string) ([]candidate, error) {
	if len(list) == 0 {
		return []candidate{{usesPath: true}}, nil
	}
	var (
		all  []candidate
		errs []error
	)
	for i, s := range list {
		c, err := parseCandidate(s)
		if err == nil && c.err != nil && i != len(list)-1 {
			err = errors.New("a status must come last")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("try %q: %w", s, err))
		}
		all = append(all, c)
	}
	return all, errors.Join(errs...)
}

func parseCandidate(s string) (candidate, error) {
	if code, ok := strings.CutPrefix(s, "="); ok {
		status, err := strconv.Atoi(code)
		if err != nil || status < 400 || status > 599 {
			return candidate{}, errors.New("not a status from 400 to 599")
		}
		return candidate{err: &exchange.Error{Fault: exchange.Client, Status: status}}, nil
	}
	before, after, usesPath := strings.Cut(s, "{path}")
	switch {
	case strings.ContainsAny(before+after, "{}"):
		return candidate{}, errors.New("{path} may stand once, and nothing else in braces")
	case before != "" && before[0] != '/' || before == "" && !usesPath:
		return candidate{}, errors.New("does not begin with a slash or {path}")
	}
	// The path begins with a slash of its own.
	if usesPath {
		before = strings.TrimSuffix(before, "/")
	}
	return candidate{before: before, after: after, usesPath: usesPath}, nil
}
