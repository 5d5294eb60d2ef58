package route

import (
	"iter"
	"strings"
)

// Table holds compiled rules. It does not change and is safe for concurrent use.
type Table[T any] struct {
	exact  map[string]*Site[T]
	wild   map[string]*Site[T] // by what follows the star: ".example.com"
	rest   *Site[T]            // the default, or nil
	values []T                 // by index of the rule
}

// Site is the rules of one host. Like its Table it does not change.
type Site[T any] struct {
	name  string
	table *Table[T]
	tree  *node
}

func (t *Table[T]) put(s *Site[T]) {
	suffix, wild := strings.CutPrefix(s.name, "*")
	switch {
	case s.name == defaultHost:
		t.rest = s
	case wild:
		t.wild[suffix] = s
	default:
		t.exact[s.name] = s
	}
}

// Site returns the site that host belongs to, or nil. Host is a name or address
// in lower case without port, brackets and trailing dot. The cost does not depend on
// how many sites there are; nothing is allocated.
func (t *Table[T]) Site(host string) *Site[T] {
	if s := t.exact[host]; s != nil {
		return s
	}
	if len(t.wild) > 0 {
		// The first label must not be empty: ".example.com" is no name.
		if i := strings.IndexByte(host, '.'); i > 0 {
			if s := t.wild[host[i:]]; s != nil {
				return s
			}
		}
	}
	return t.rest
}

// Name returns the host as rules name it: "example.com", "*.example.com", "default".
func (s *Site[T]) Name() string { return hostName(s.name) }

// Found is what a look-up came to.
type Found[T any] struct {
	Value T
	OK    bool // a rule matched; otherwise only Allow has a meaning
	// Pattern is the path pattern of the rule as written.
	Pattern string
	// Prefix is the path up to Rest; Rest what * or {rest...} took. Together they
	// are the path.
	Prefix, Rest string
	// Allow is set where rules match the path but none takes the method: the
	// value of the Allow field that a 405, or the answer to OPTIONS, has
	// (RFC 9110 §10.2.1).
	Allow string

	pattern *pattern
	path    string
}

// Match returns the rule for a request: host as for [Table.Site], the canonical
// path, the method. Ask is asked by rules with matchers; nil says that none holds.
// Nothing is allocated, but for Allow where it comes from several patterns.
func (t *Table[T]) Match(host, path, method string, ask Asker) Found[T] {
	if s := t.Site(host); s != nil {
		return s.Match(path, method, ask)
	}
	return Found[T]{}
}

// Match is [Table.Match] for a host that was looked up before.
func (s *Site[T]) Match(path, method string, ask Asker) (f Found[T]) {
	if path == "" || path[0] != '/' {
		return f
	}
	look := search{path: path, method: method, ask: ask}
	r := look.from(s.tree, 1)
	if r == nil {
		f.Allow = look.allow
		return f
	}
	rest := r.pattern.rest(path)
	return Found[T]{
		Value: s.table.values[r.index], OK: true, Pattern: r.pattern.text,
		Prefix: path[:len(path)-len(rest)], Rest: rest,
		pattern: r.pattern, path: path,
	}
}

// Params iterates over the values of {name} and {rest...}, in the order of the
// pattern. They are parts of the path; nothing is allocated.
func (f *Found[T]) Params() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		if f.pattern == nil || !f.pattern.named {
			return
		}
		at := 1
		for _, e := range f.pattern.elements {
			value, next := segment(f.path, at)
			if e.kind == tail {
				value = f.path[at:]
			}
			if e.kind >= variable && e.text != "" && !yield(e.text, value) {
				return
			}
			at = next
		}
	}
}
