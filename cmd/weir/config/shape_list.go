package config

import "go.yaml.in/yaml/v4"

// list is a list of items; one item may be written without a list.
func list[T any](item shape[T]) shape[[]T] {
	return shape[[]T]{
		read: func(r *reader, n *yaml.Node, v *[]T) { readList(r, n, v, item) },
		print: func(p *printer, v *[]T) *yaml.Node {
			if *v == nil {
				return nil
			}
			return printList(p, len(*v), func(i int) *T { return &(*v)[i] }, item)
		},
		schema: listSchema(item),
	}
}

// refs is a list like list, of pointers to its items.
func refs[T any](item shape[T]) shape[[]*T] {
	return shape[[]*T]{
		read: func(r *reader, n *yaml.Node, v *[]*T) {
			var values []T
			readList(r, n, &values, item)
			*v = pointers(values)
		},
		print: func(p *printer, v *[]*T) *yaml.Node {
			if *v == nil {
				return nil
			}
			return printList(p, len(*v), func(i int) *T { return (*v)[i] }, item)
		},
		schema: listSchema(item),
	}
}

// pointers gives the addresses of values.
func pointers[T any](values []T) []*T {
	out := make([]*T, len(values))
	for i := range values {
		out[i] = &values[i]
	}
	return out
}

func readList[T any](r *reader, n *yaml.Node, v *[]T, item shape[T]) {
	if n.Kind != yaml.SequenceNode {
		*v = make([]T, 1)
		item.read(r, n, &(*v)[0])
		return
	}
	// Made whole at once: symbols are kept by the addresses of items.
	*v = make([]T, len(n.Content))
	here := r.here
	for i, c := range n.Content {
		r.path, r.here = append(r.path, step{index: i}), r.pos(c)
		if isNull(c) {
			r.fail(c, "", "an item has no value")
		} else if r.spend(c, 1) {
			item.read(r, c, &(*v)[i])
		}
		r.path, r.here = r.path[:len(r.path)-1], here
	}
}

func printList[T any](p *printer, count int, get func(int) *T, item shape[T]) *yaml.Node {
	out := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for i := range count {
		n := item.print(p, get(i))
		if n == nil {
			continue
		}
		if n.Kind != yaml.ScalarNode {
			out.Style = 0
		}
		out.Content = append(out.Content, n)
	}
	return out
}

func listSchema[T any](item shape[T]) func(*definitions) schema {
	return func(d *definitions) schema {
		one := item.schema(d)
		return anyOf(one, schema{"type": "array", "items": one})
	}
}

// pairs describes a mapping with free keys that is read into a list.
type pairs[T any] struct {
	doc string
	// key checks a key and sets what it says; it runs after value.
	key func(*reader, *yaml.Node, *T)
	// name gives the key back, for the normal form.
	name func(*T) string
	// pattern is a regular expression for keys, for the schema.
	pattern string
	value   shape[T]
}

func (s pairs[T]) shape() shape[[]T] {
	return shape[[]T]{read: s.read, schema: s.describe, print: func(p *printer, v *[]T) *yaml.Node {
		return s.print(p, len(*v), func(i int) *T { return &(*v)[i] })
	}}
}

// refs is like shape, for a list of pointers.
func (s pairs[T]) refs() shape[[]*T] {
	return shape[[]*T]{
		read: func(r *reader, n *yaml.Node, v *[]*T) {
			var values []T
			s.read(r, n, &values)
			*v = pointers(values)
		},
		print: func(p *printer, v *[]*T) *yaml.Node {
			return s.print(p, len(*v), func(i int) *T { return (*v)[i] })
		},
		schema: s.describe,
	}
}

func (s pairs[T]) describe(d *definitions) schema {
	one := s.value.schema(d)
	out := schema{"type": "object", "description": s.doc, "properties": schema{"import": d.imports()}}
	if s.pattern == "" {
		out["additionalProperties"] = one
	} else {
		out["patternProperties"], out["additionalProperties"] = schema{s.pattern: one}, false
	}
	return out
}

func (s pairs[T]) read(r *reader, n *yaml.Node, v *[]T) {
	if n.Kind != yaml.MappingNode {
		r.fail(n, s.doc, "want a mapping, got %s", kind(n))
		return
	}
	if n = r.withImports(n); n == nil || !r.spend(n, len(n.Content)) {
		return
	}
	*v = make([]T, len(n.Content)/2)
	for i := range *v {
		key, value := n.Content[2*i], n.Content[2*i+1]
		r.within(key, func() {
			if isNull(value) {
				r.fail(key, "give it a value or remove the key", "has no value")
			} else {
				s.value.read(r, value, &(*v)[i])
			}
			s.key(r, key, &(*v)[i])
		})
	}
}

func (s pairs[T]) print(p *printer, count int, get func(int) *T) *yaml.Node {
	if count == 0 {
		return nil
	}
	out := &yaml.Node{Kind: yaml.MappingNode}
	for i := range count {
		key, value := textNode(s.name(get(i))), s.value.print(p, get(i))
		if key.Value == "import" {
			key.Style = yaml.DoubleQuotedStyle // it is no request for a snippet
		}
		if value == nil {
			value = &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
		}
		out.Content = append(out.Content, key, value)
	}
	return out
}

// inside makes the shape of a T of the shape of its one part.
func inside[T, F any](s shape[F], get func(*T) *F) shape[T] {
	return shape[T]{
		read:   func(r *reader, n *yaml.Node, v *T) { s.read(r, n, get(v)) },
		print:  func(p *printer, v *T) *yaml.Node { return s.print(p, get(v)) },
		schema: s.schema,
	}
}
