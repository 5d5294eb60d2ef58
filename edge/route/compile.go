package route

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Compile makes a table of rules. The error, if any, joins a [*Problem] for every
// rule that is not valid and every two that conflict, in the order of rules.
// The rules' slices must not change afterwards.
func Compile[T any](rules []Rule[T]) (*Table[T], error) {
	c := compiler{patterns: make(map[patternKey]*pattern), hosts: make(map[string][]*rule, len(rules))}
	t := &Table[T]{values: make([]T, len(rules))}
	for i := range rules {
		r := &rules[i]
		t.values[i] = r.Value
		c.add(r.Hosts, r.Path, r.CaseInsensitive, &rule{
			index: i, origin: r.Origin, methods: spread(r.Methods), matchers: r.Matchers,
		})
	}
	trees := c.trees()
	if err := c.err(); err != nil {
		return nil, err
	}
	t.exact = make(map[string]*Site[T], len(trees))
	t.wild = make(map[string]*Site[T])
	for host, tree := range trees {
		t.put(&Site[T]{name: host, table: t, tree: tree})
	}
	return t, nil
}

type patternKey struct {
	text string
	fold bool
}

// compiler gathers rules by host.
type compiler struct {
	patterns map[patternKey]*pattern // each parsed once: many sites have the same few
	hosts    map[string][]*rule
	problems []problem
	reported map[[2]int]bool // pairs of rules
}

type problem struct {
	rule, other int
	Problem
}

func (c *compiler) report(r *rule, format string, args ...any) {
	c.problems = append(c.problems, problem{r.index, -1, Problem{Origin: r.origin, Reason: fmt.Sprintf(format, args...)}})
}

func (c *compiler) add(hosts []string, path string, fold bool, r *rule) {
	r.allow = allowList(r.methods...)
	key := patternKey{path, fold}
	if r.pattern = c.patterns[key]; r.pattern == nil {
		p, err := parsePattern(path, fold)
		if err != nil {
			c.report(r, "path %q %v", path, err)
			return
		}
		r.pattern, c.patterns[key] = p, p
	}
	for _, m := range r.matchers {
		if m.Name == "" || m.Part == Header && m.Name != lower(m.Name) {
			c.report(r, "%s matcher: name %q: empty, or not in lower case", m.Part, m.Name)
			return
		}
	}
	if len(hosts) == 0 {
		c.report(r, "no host given")
	}
	for _, host := range hosts {
		name, err := parseHost(host)
		if err != nil {
			c.report(r, "host %q %v", host, err)
			continue
		}
		if list := c.hosts[name]; len(list) == 0 || list[len(list)-1] != r {
			c.hosts[name] = append(list, r)
		}
	}
}

// trees builds the tree of every host. Hosts with the same rules share one.
func (c *compiler) trees() map[string]*node {
	trees := make(map[string]*node, len(c.hosts))
	shared := make(map[string]*node)
	var key []byte
	for host, rules := range c.hosts {
		key = key[:0]
		for _, r := range rules {
			key = binary.AppendUvarint(key, uint64(r.index))
		}
		tree := shared[string(key)]
		if tree == nil {
			tree = newTree(rules)
			c.checkConflicts(host, tree, rules)
			shared[string(key)] = tree
		}
		trees[host] = tree
	}
	return trees
}

func (c *compiler) err() error {
	slices.SortFunc(c.problems, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.rule, b.rule), cmp.Compare(a.other, b.other))
	})
	var all []error
	for i := range c.problems {
		all = append(all, &c.problems[i].Problem)
	}
	return errors.Join(all...)
}
