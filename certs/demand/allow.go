package demand

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// allowed is Options.Allow: names as they are, and patterns by the name that follows their
// last star, so that a look-up costs one step per label, however long the list is.
type allowed struct {
	names    map[string]struct{}
	patterns map[string][]pattern
}

// pattern is the part before that name, label by label.
type pattern struct {
	deep   bool     // "**." comes first
	labels []string // without it
}

func parseAllow(globs []string) (allowed, error) {
	l := allowed{make(map[string]struct{}), make(map[string][]pattern)}
	for _, glob := range globs {
		if !strings.Contains(glob, "*") {
			if _, err := registrable(glob); err != nil {
				return allowed{}, fmt.Errorf("allow %s: %w", quote(glob), err)
			}
			l.names[glob] = struct{}{}
			continue
		}
		p, tail, err := parsePattern(glob)
		if err != nil {
			return allowed{}, fmt.Errorf("allow %s: %w", quote(glob), err)
		}
		l.patterns[tail] = append(l.patterns[tail], p)
	}
	return l, nil
}

var errStars = errors.New(`"**" is possible as the whole first label only`)

func parsePattern(glob string) (pattern, string, error) {
	head, deep := strings.CutPrefix(glob, "**.")
	if strings.Contains(head, "**") {
		return pattern{}, "", errStars
	}
	if err := checkLabels(strings.ReplaceAll(head, "*", "a")); err != nil {
		return pattern{}, "", err
	}
	tail := head
	if star := strings.LastIndexByte(head, '*'); star >= 0 {
		dot := strings.IndexByte(head[star:], '.')
		if dot < 0 {
			return pattern{}, "", errors.New("allows names of everybody: no name follows the last star")
		}
		tail = head[star+dot+1:]
	}
	if _, err := registrable(tail); err != nil {
		return pattern{}, "", fmt.Errorf("allows names of everybody: %q %w", tail, err)
	}
	p := pattern{deep: deep}
	if head = strings.TrimSuffix(head[:len(head)-len(tail)], "."); head != "" {
		p.labels = strings.Split(head, ".")
	}
	return p, tail, nil
}

// match tells whether the list has name, which has been checked.
func (l allowed) match(name string) bool {
	if _, ok := l.names[name]; ok {
		return true
	}
	if len(l.patterns) == 0 {
		return false
	}
	for i := strings.LastIndexByte(name, '.'); i > 0; i = strings.LastIndexByte(name[:i], '.') {
		for _, p := range l.patterns[name[i+1:]] {
			if p.match(name[:i]) {
				return true
			}
		}
	}
	return false
}

// match tells whether p is the pattern of all of head.
func (p pattern) match(head string) bool {
	more := true // head has a label that has not been looked at
	for _, glob := range slices.Backward(p.labels) {
		if !more {
			return false
		}
		label := head
		dot := strings.LastIndexByte(head, '.')
		if more = dot >= 0; more {
			head, label = head[:dot], head[dot+1:]
		}
		if !matchLabel(glob, label) {
			return false
		}
	}
	return more == p.deep
}

// matchLabel matches one label. After a mismatch only the last star has to give way:
// what stands before it has matched as early as it can.
func matchLabel(glob, label string) bool {
	star, resume := -1, 0
	g := 0
	for i := 0; i < len(label); {
		switch {
		case g < len(glob) && glob[g] == '*':
			star, resume = g, i
			g++
		case g < len(glob) && glob[g] == label[i]:
			g++
			i++
		case star >= 0:
			resume++
			g, i = star+1, resume
		default:
			return false
		}
	}
	return strings.Trim(glob[g:], "*") == ""
}
