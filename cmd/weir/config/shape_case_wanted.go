package config

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

// wantedParts are what a text is compared with, if not with one text.
var wantedParts = object[Wanted]{
	name: "wanted", doc: "What a text is to be. All that is written has to hold.",
	fields: []field[Wanted]{
		at("contains", "What is in it.", list(content(anyText)), func(w *Wanted) *[]string { return &w.Contains }),
		at("lacks", "What is not in it.", list(content(anyText)), func(w *Wanted) *[]string { return &w.Lacks }),
		at("matches", "A regular expression that is found in it.", patternText, func(w *Wanted) *string { return &w.Matches }),
		at("json", "The value that it is JSON of.", jsonShape, func(w *Wanted) *string { return &w.JSON }),
		at("file", "The file that holds the same.", wholeFile, func(w *Wanted) *string { return &w.Is }),
		at("size", "How many bytes it has.", size(0, ""), func(w *Wanted) *int64 { return &w.Size }),
	},
	instead: "write a text, or a mapping such as {contains: text}, {matches: regexp} or {json: value}",
	after: func(r *reader, n *yaml.Node, w *Wanted) {
		file, _ := entry(n, "file")
		if w.Exact = file != nil; len(n.Content) == 0 {
			r.fail(n, "write a text, {contains: text}, {lacks: text}, {matches: regexp}, {json: value}, {file: path} or {size: number}", "nothing is compared")
		}
	},
}.shape()

var wantedText = shape[Wanted]{
	read: func(r *reader, n *yaml.Node, w *Wanted) {
		*w = Wanted{Pos: r.here, Size: -1}
		if n.Kind != yaml.ScalarNode {
			wantedParts.read(r, n, w)
			return
		}
		w.Is, _, w.Exact = r.text(n, "a text")
	},
	schema: func(d *definitions) schema {
		return anyOf(schema{"type": []string{"string", "number", "boolean"}}, wantedParts.schema(d))
	},
}

// fieldText is a field's value, in a list of all of them.
var fieldText = shape[Text]{
	read: func(r *reader, n *yaml.Node, t *Text) {
		t.Pos = r.pos(n)
		t.Text, _, _ = r.text(n, "a value")
	},
	schema: plainValue.schema,
}

var wantedFieldsShape = shape[[]WantedField]{
	read: func(r *reader, n *yaml.Node, v *[]WantedField) {
		eachField(r, n, func(name string, key, value *yaml.Node) {
			f := WantedField{Pos: r.pos(key), Name: name}
			switch {
			case isNull(value):
				f.Absent = true
			case value.Kind == yaml.SequenceNode:
				list(fieldText).read(r, value, &f.All)
				if len(f.All) == 0 {
					r.fail(value, "write null", "a list without a value; there is no field, is meant")
				}
			case value.Kind == yaml.ScalarNode && strings.TrimSpace(value.Value) != value.Value:
				r.fail(value, "leave the space out", "no field has a value that begins or ends with a space")
			default:
				wantedText.read(r, value, &f.Wanted)
			}
			*v = append(*v, f)
		})
	},
	schema: func(d *definitions) schema {
		one := wantedText.schema(d)
		return schema{"type": "object", "additionalProperties": anyOf(one, schema{"type": "array", "items": schema{"type": "string"}}, schema{"type": "null"})}
	},
}
