package config

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

// mostStored bounds a value.
const mostStored = 64 << 10

// entriesShape are keys and texts.
var entriesShape = pairs[Field]{
	doc: "Keys and texts.", name: func(f *Field) string { return f.Name },
	value: shape[Field]{
		read: func(r *reader, n *yaml.Node, f *Field) {
			if n.Kind != yaml.MappingNode {
				f.Value, _, _ = r.text(n, "a text, or {json: value}")
				return
			}
			var b CaseBody
			caseBodyShape.read(r, n, &b)
			if f.Value = b.Text; b.Times > 1 && len(b.Text)*b.Times <= mostStored {
				f.Value = strings.Repeat(b.Text, b.Times)
			} else if b.Times > 1 {
				r.fail(n, "", "a value has 64KiB at most")
			}
		},
		schema: caseBodyShape.schema,
	},
	key: caseKey,
}.shape()

func caseKey(r *reader, key *yaml.Node, f *Field) {
	f.Pos, f.Name = r.pos(key), key.Value
	if f.Name == "" || len(f.Name) > 512 || checkPrintable(f.Name) != nil {
		r.fail(key, "", "a key has 1 to 512 bytes, and no control characters")
	}
}

// ownSpace is the part of the store that is the plugin's own.
var ownSpace = shape[[]CaseSpace]{
	read: func(r *reader, n *yaml.Node, v *[]CaseSpace) {
		one := CaseSpace{Pos: r.here}
		entriesShape.read(r, n, &one.Entries)
		*v = append(*v, one)
	},
	schema: entriesShape.schema,
}

// caseSpaces are parts of the store, by their names.
var caseSpaces = shape[[]CaseSpace]{
	read: func(r *reader, n *yaml.Node, v *[]CaseSpace) {
		var all []CaseSpace
		namedSpaces.read(r, n, &all)
		*v = append(*v, all...)
	},
	schema: namedSpaces.schema,
}

var namedSpaces = pairs[CaseSpace]{
	doc:   "Names of parts of the store, and what is in them.",
	value: inside(entriesShape, func(s *CaseSpace) *[]Field { return &s.Entries }),
	key:   func(r *reader, key *yaml.Node, s *CaseSpace) { s.Pos, s.Name = r.pos(key), partName(r, key) },
}.shape()

// partName reads the name of a part of the store.
func partName(r *reader, key *yaml.Node) string {
	if key.Value == "" {
		r.fail(key, "the plugin's own part is written as store:", "a part of the store has a name")
	}
	return key.Value
}

// wantedEntries are keys, and what is to be there.
var wantedEntries = shape[[]WantedField]{
	read: func(r *reader, n *yaml.Node, v *[]WantedField) {
		if n.Kind != yaml.MappingNode {
			r.fail(n, "write keys and values: {visits: \"3\"}; null is for no entry", "want a mapping, got %s", kind(n))
			return
		}
		if n = r.withImports(n); n == nil || !r.spend(n, len(n.Content)) {
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			r.within(key, func() {
				var f Field
				caseKey(r, key, &f)
				w := WantedField{Pos: f.Pos, Name: f.Name, Absent: isNull(value)}
				if !w.Absent {
					wantedText.read(r, value, &w.Wanted)
				}
				*v = append(*v, w)
			})
		}
	},
	schema: func(d *definitions) schema {
		return schema{"type": "object", "additionalProperties": anyOf(wantedText.schema(d), schema{"type": "null"})}
	},
}

var ownWanted = shape[[]WantedSpace]{
	read: func(r *reader, n *yaml.Node, v *[]WantedSpace) {
		one := WantedSpace{Pos: r.here}
		wantedEntries.read(r, n, &one.Entries)
		*v = append(*v, one)
	},
	schema: wantedEntries.schema,
}

var wantedSpaces = shape[[]WantedSpace]{
	read: func(r *reader, n *yaml.Node, v *[]WantedSpace) {
		var all []WantedSpace
		namedWanted.read(r, n, &all)
		*v = append(*v, all...)
	},
	schema: namedWanted.schema,
}

var namedWanted = pairs[WantedSpace]{
	doc:   "Names of parts of the store, and what is to be in them.",
	value: inside(wantedEntries, func(s *WantedSpace) *[]WantedField { return &s.Entries }),
	key:   func(r *reader, key *yaml.Node, s *WantedSpace) { s.Pos, s.Name = r.pos(key), partName(r, key) },
}.shape()
