package config

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxWork bounds the nodes that a file may have once its imports are put in, so
// that snippets cannot multiply without end.
const maxWork = 4 << 20

// snippet is a named mapping that others import.
type snippet struct {
	key, node *yaml.Node
	// open is true while the imports inside are followed, to find circles.
	open, done bool
}

// collectSnippets notes the snippets of a file and checks what they import.
func (r *reader) collectSnippets(root *yaml.Node) {
	r.snippets = make(map[string]*snippet)
	all := child(root, "snippets")
	if all == nil || all.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(all.Content); i += 2 {
		key, node := all.Content[i], all.Content[i+1]
		if r.snippets[key.Value] == nil {
			r.snippets[key.Value] = &snippet{key: key, node: node}
		}
	}
	for i := 0; i+1 < len(all.Content); i += 2 {
		r.follow(all.Content[i].Value, nil)
	}
}

// follow walks the imports below a snippet. A circle is reported once, where it
// closes, and cut there.
func (r *reader) follow(name string, way []string) {
	s := r.snippets[name]
	if s.done {
		return
	}
	s.open = true
	way = append(way, name)
	outer := r.path
	r.path = []step{{key: "snippets"}, {key: name}}
	r.followNode(s.node, way)
	r.path = outer
	s.open, s.done = false, true
}

func (r *reader) followNode(n *yaml.Node, way []string) {
	for i, c := range n.Content {
		if n.Kind != yaml.MappingNode || i%2 == 1 {
			r.followNode(c, way)
			continue
		}
		if !isImport(c) {
			continue
		}
		for _, name := range r.imports(n.Content[i+1]) {
			switch s := r.snippets[name.Value]; {
			case s.open:
				from := slices.Index(way, name.Value)
				r.fail(name, "", "snippets import each other in a circle: %s", strings.Join(append(slices.Clone(way[from:]), name.Value), " → "))
				s.node = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: s.node.Line, Column: s.node.Column}
			default:
				r.follow(name.Value, way)
			}
		}
	}
}

// isImport tells whether a key asks for snippets. A quoted one is an ordinary key
// wherever names are free, so that a parameter may be called so.
func isImport(key *yaml.Node) bool { return key.Value == "import" && key.Style == 0 }

// imports gives the names in the value of an import key that exist, and reports the others.
func (r *reader) imports(n *yaml.Node) []*yaml.Node {
	names := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		names = n.Content
	}
	return slices.DeleteFunc(slices.Clone(names), func(name *yaml.Node) bool {
		if name.Kind != yaml.ScalarNode || isNull(name) {
			r.fail(name, "write import: name, or import: [name, name]", "want the name of a snippet, got %s", kind(name))
			return true
		}
		if r.snippets[name.Value] != nil {
			return false
		}
		known := make([]string, 0, len(r.snippets))
		for k := range r.snippets {
			known = append(known, k)
		}
		slices.Sort(known)
		hint := "define it under snippets:"
		if near := nearest(name.Value, known); near != "" {
			hint = "did you mean " + near + "?"
		}
		r.fail(name, hint, "there is no snippet %q", name.Value)
		return true
	})
}

// withImports gives a mapping with its imports put in: what the mapping says itself
// wins over what it imports, and an earlier import over a later one. Mappings are
// merged key by key; lists and scalars are not merged. Nodes keep their places.
func (r *reader) withImports(n *yaml.Node) *yaml.Node {
	at := -1
	for i := 0; i+1 < len(n.Content); i += 2 {
		if isImport(n.Content[i]) {
			at = i
			break
		}
	}
	if at < 0 {
		return n
	}
	own := *n
	own.Content = slices.Delete(slices.Clone(n.Content), at, at+2)
	out := &own
	for _, name := range r.imports(n.Content[at+1]) {
		s := r.snippets[name.Value]
		if s.node.Kind != yaml.MappingNode {
			continue // reported where the snippet stands
		}
		if out = r.merge(out, r.withImports(s.node)); out == nil {
			return nil
		}
	}
	return out
}

// merge gives a with the entries of b that it lacks, or nil when that is too much.
func (r *reader) merge(a, b *yaml.Node) *yaml.Node {
	if !r.spend(a, len(a.Content)+len(b.Content)) {
		return nil
	}
	out := *a
	out.Content = slices.Clone(a.Content)
	index := make(map[string]int, len(a.Content)/2)
	for i := 0; i+1 < len(a.Content); i += 2 {
		index[a.Content[i].Value] = i + 1
	}
	for i := 0; i+1 < len(b.Content); i += 2 {
		theirs := b.Content[i+1]
		at, both := index[b.Content[i].Value]
		if !both {
			out.Content = append(out.Content, b.Content[i], theirs)
			continue
		}
		mine := out.Content[at]
		if mine.Kind != yaml.MappingNode || theirs.Kind != yaml.MappingNode {
			continue
		}
		mine, theirs = r.withImports(mine), r.withImports(theirs)
		if mine == nil || theirs == nil {
			return nil
		}
		if out.Content[at] = r.merge(mine, theirs); out.Content[at] == nil {
			return nil
		}
	}
	return &out
}

// spend counts work and reports, once, when there has been too much.
func (r *reader) spend(n *yaml.Node, work int) bool {
	before := r.work
	r.work += work
	if r.work > maxWork && before <= maxWork {
		r.fail(n, "import smaller snippets", "the configuration is too large once its snippets are put in")
	}
	return r.work <= maxWork
}

// child gives the value of a key in a mapping, or nil.
func child(n *yaml.Node, key string) *yaml.Node {
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				return n.Content[i+1]
			}
		}
	}
	return nil
}
