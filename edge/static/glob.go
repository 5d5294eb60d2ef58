package static

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// glob matches names. Without a slash it looks at the last element alone, with
// one at all of them; "**" is any number of elements.
type glob struct {
	elements []string
	anywhere bool // the pattern has no slash
	fold     bool // ASCII case does not matter
}

func parseGlobs(what string, patterns []string, fold bool) ([]glob, error) {
	var (
		all  []glob
		errs []error
	)
	for _, p := range patterns {
		g, err := parseGlob(p, fold)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s %q: %w", what, p, err))
		}
		all = append(all, g)
	}
	return all, errors.Join(errs...)
}

func parseGlob(pattern string, fold bool) (glob, error) {
	if fold {
		pattern = lower(pattern)
	}
	g := glob{anywhere: !strings.Contains(strings.TrimSuffix(pattern, "/"), "/"), fold: fold}
	g.elements = strings.Split(strings.Trim(pattern, "/"), "/")
	for _, e := range g.elements {
		if e == "" {
			return g, errors.New("empty element")
		}
		if _, err := path.Match(e, ""); err != nil {
			return g, err
		}
	}
	return g, nil
}

// match tells whether g matches a name such as "/a/b.js".
func (g *glob) match(name string) bool {
	if g.fold {
		name = lower(name)
	}
	name = strings.Trim(name, "/")
	if g.anywhere {
		return matchElement(g.elements[0], name[strings.LastIndexByte(name, '/')+1:])
	}
	return g.matchAll(strings.Split(name, "/"))
}

// matchAll goes back to the last "**" only, which is enough and keeps the cost
// of a hostile name at the product of both lengths.
func (g *glob) matchAll(name []string) bool {
	p, n, star, resume := 0, 0, -1, 0
	for n < len(name) {
		switch {
		case p < len(g.elements) && g.elements[p] == "**":
			star, resume = p, n
			p++
		case p < len(g.elements) && matchElement(g.elements[p], name[n]):
			p, n = p+1, n+1
		case star >= 0:
			resume++
			p, n = star+1, resume
		default:
			return false
		}
	}
	for p < len(g.elements) && g.elements[p] == "**" {
		p++
	}
	return p == len(g.elements)
}

func matchElement(pattern, s string) bool {
	ok, err := path.Match(pattern, s)
	return ok && err == nil
}

func anyMatch(globs []glob, name string) bool {
	for i := range globs {
		if globs[i].match(name) {
			return true
		}
	}
	return false
}

// lower folds ASCII letters alone: Unicode folding changes lengths and differs
// between file systems (security P10).
func lower(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
