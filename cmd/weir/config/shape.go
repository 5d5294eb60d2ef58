package config

import (
	"cmp"
	"strings"

	"go.yaml.in/yaml/v4"
)

// shape is the description of how values of one type are written. Reader, printer
// and schema all come from it.
type shape[T any] struct {
	// read sets a value from a node that is not null, or reports why it cannot.
	read func(*reader, *yaml.Node, *T)
	// print gives the normal form; nil: there is nothing to say.
	print func(*printer, *T) *yaml.Node
	// schema describes what read accepts.
	schema func(*definitions) schema
}

// field is one key of a mapping that is read into a T.
type field[T any] struct {
	key, doc string
	// quiet fields are not printed in the normal form while they have their default.
	quiet    bool
	required bool
	read     func(*reader, *yaml.Node, *T)
	print    func(*printer, *T) *yaml.Node
	schema   func(*definitions) schema
}

// at makes the field of a T that get finds.
func at[T, F any](key, doc string, s shape[F], get func(*T) *F) field[T] {
	return field[T]{
		key: key, doc: doc, schema: s.schema,
		read:  func(r *reader, n *yaml.Node, v *T) { s.read(r, n, get(v)) },
		print: func(p *printer, v *T) *yaml.Node { return s.print(p, get(v)) },
	}
}

func quiet[T any](f field[T]) field[T]    { f.quiet = true; return f }
func required[T any](f field[T]) field[T] { f.required = true; return f }

// object describes a mapping with a fixed set of keys.
type object[T any] struct {
	name string // for the schema and for messages, such as "site"
	doc  string
	pos  func(*T) *Pos
	fill func(*reader, *T) // sets defaults; the reader is nil when it prints
	// fields are read in their order here, whatever order the file has.
	fields []field[T]
	// short is the form that is no mapping. Where there is none, instead may say what to
	// write to those who expect one.
	short   *shape[T]
	instead string
	// before may rewrite the mapping, of which own is what it was before its imports
	// were put in; aliases are keys that it takes away.
	before  func(r *reader, n, own *yaml.Node) *yaml.Node
	aliases []field[T]
	// after checks what was read as a whole.
	after func(*reader, *yaml.Node, *T)
}

// shape gives the shape of o.
func (o object[T]) shape() shape[T] {
	o.index()
	return shape[T]{read: o.read, print: o.print, schema: o.describe}
}

// index panics on a key described twice, a mistake that every test finds.
func (o *object[T]) index() {
	seen := make(map[string]bool)
	for _, f := range append(o.fields[:len(o.fields):len(o.fields)], o.aliases...) {
		if seen[f.key] {
			panic("config: " + o.name + "." + f.key + " is described twice")
		}
		seen[f.key] = true
	}
}

func (o object[T]) read(r *reader, n *yaml.Node, v *T) {
	here := r.here
	if o.fill != nil {
		o.fill(r, v)
	}
	if o.pos != nil {
		*o.pos(v) = here
	}
	switch hint := braceHint(n); {
	case o.short != nil && hint != "":
		r.fail(n, hint, "want a text or a mapping, got a key without value")
		return
	case n.Kind == yaml.MappingNode:
		own := n
		if n = r.withImports(n); n == nil || !r.spend(n, len(n.Content)) {
			return
		}
		if o.before != nil {
			n = o.before(r, n, own)
		}
		o.readFields(r, n, v)
	case o.short != nil:
		o.short.read(r, n, v)
	default:
		r.fail(n, cmp.Or(o.instead, "write it as a mapping with the keys "+o.keys()), "want a mapping, got %s", kind(n))
		return
	}
	if o.after != nil {
		o.after(r, n, v)
	}
}

func (o object[T]) readFields(r *reader, n *yaml.Node, v *T) {
	found := 0
	var missing []field[T]
	for _, f := range o.fields {
		key, value := entry(n, f.key)
		if key == nil {
			if f.required {
				missing = append(missing, f)
			}
			continue
		}
		found++
		r.within(key, func() {
			if isNull(value) {
				r.fail(key, "give it a value or remove the key", "has no value")
				return
			}
			f.read(r, value, v)
		})
	}
	var misspelled strings.Builder
	for i := 0; found < len(n.Content)/2 && i+1 < len(n.Content); i += 2 {
		if key := n.Content[i]; !o.has(key.Value) {
			misspelled.WriteString(" " + o.failUnknown(r, key))
		}
	}
	for _, f := range missing {
		if !strings.Contains(misspelled.String()+" ", " "+f.key+" ") {
			r.report(r.here, 1, "the key "+f.key+" is missing", f.key+": "+f.doc)
		}
	}
}

func (o object[T]) has(key string) bool {
	for _, f := range o.fields {
		if f.key == key {
			return true
		}
	}
	return false
}

// failUnknown reports a key and gives the one that was probably meant, or "".
func (o object[T]) failUnknown(r *reader, key *yaml.Node) string {
	known := make([]string, 0, len(o.fields)+len(o.aliases)+1)
	for _, f := range append(o.fields[:len(o.fields):len(o.fields)], o.aliases...) {
		known = append(known, f.key)
	}
	hint, near := "the keys here are "+o.keys(), nearest(key.Value, append(known, "import"))
	if other := hintFor(o.name, key.Value); other != "" {
		hint = other
		near, _, _ = strings.Cut(strings.TrimPrefix(other, "write "), ":")
	} else if near != "" {
		hint = "did you mean " + near + "?"
	}
	r.fail(key, hint, "unknown key %q", short(key.Value))
	return near
}

func (o object[T]) keys() string {
	var b strings.Builder
	for i, f := range o.fields {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(f.key)
	}
	return b.String()
}

func (o object[T]) print(p *printer, v *T) *yaml.Node {
	if n := p.symbol(v); n != nil {
		return n
	}
	var standard T
	if o.fill != nil {
		o.fill(nil, &standard)
	}
	out := &yaml.Node{Kind: yaml.MappingNode}
	for _, f := range o.fields {
		n := f.print(p, v)
		if n == nil || f.quiet && same(n, f.print(&printer{}, &standard)) {
			continue
		}
		out.Content = append(out.Content, textNode(f.key), n)
	}
	if len(out.Content) == 0 {
		return nil
	}
	return out
}

// entry gives key and value of an entry of a mapping, or nil.
func entry(n *yaml.Node, key string) (k, v *yaml.Node) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}

// ptr makes a shape of *T, which stays nil where nothing is written.
func ptr[T any](s shape[T]) shape[*T] {
	return shape[*T]{
		read: func(r *reader, n *yaml.Node, v **T) {
			*v = new(T)
			s.read(r, n, *v)
		},
		print: func(p *printer, v **T) *yaml.Node {
			if *v == nil {
				return nil
			}
			return s.print(p, *v)
		},
		schema: s.schema,
	}
}
