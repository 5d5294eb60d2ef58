package config

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

var matchShort = inside(list(pathText), func(m *Match) *[]Text { return &m.Paths })

var matchShape = object[Match]{
	name: "match", doc: "Which requests a route takes. All that is given must hold.", short: &matchShort,
	pos: func(m *Match) *Pos { return &m.Pos },
	fields: []field[Match]{
		at("path", "Paths: /a is exact, /a/* all below, /{name} one segment, /{name...} the rest. Default: all.", list(pathText), func(m *Match) *[]Text { return &m.Paths }),
		at("methods", "Methods; GET takes HEAD as well. Default: all.", list(method), func(m *Match) *[]string { return &m.Methods }),
		at("headers", "Header fields: a value, * for any text in it, or true for any value.", fieldMatches("Header fields by name.", true), func(m *Match) *[]FieldMatch { return &m.Headers }),
		at("query", "Query parameters: a value, * for any text in it, or true for any value.", fieldMatches("Query parameters by name.", false), func(m *Match) *[]FieldMatch { return &m.Query }),
	},
	after: func(r *reader, n *yaml.Node, m *Match) {
		if len(m.Paths) == 0 {
			m.Paths = []Text{{r.here, "/*"}}
		}
		if n.Kind == yaml.MappingNode && len(n.Content) == 0 {
			r.fail(n, "write match: /* to match everything", "nothing to match")
		}
	},
}.shape()

var pathText = textAt("a path such as /static/*", checkPath)

// textAt is a text that keeps its place.
func textAt(want string, check func(string) error) shape[Text] {
	s := text(want, check)
	return shape[Text]{
		read: func(r *reader, n *yaml.Node, t *Text) {
			t.Pos = r.pos(n)
			s.read(r, n, &t.Text)
		},
		print:  func(p *printer, t *Text) *yaml.Node { return s.print(p, &t.Text) },
		schema: s.schema,
	}
}

var method = text("a method such as GET", func(s string) error {
	if upper := strings.ToUpper(s); upper != s && isToken(s) {
		return &problem{"methods are in capitals, got " + strconv.Quote(short(s)), "write " + short(upper)}
	}
	return checkToken(s)
})

// fieldName is the name of a header field, read in lower case.
var fieldName = scalar[string]{
	want: "the name of a header field", print: func(s string) string { return s },
	schema: schema{"type": "string"},
	parse:  func(s string) (string, error) { return lower(s), checkToken(s) },
}.shape()

var mediaType = text("a media type such as text/html", checkMediaType)

func fieldMatches(doc string, header bool) shape[[]FieldMatch] {
	return pairs[FieldMatch]{
		doc: doc, value: fieldMatchValue,
		name: func(m *FieldMatch) string { return m.Name },
		key: func(r *reader, key *yaml.Node, m *FieldMatch) {
			m.Pos, m.Name = r.pos(key), key.Value
			if !header {
				return
			}
			if m.Name = lower(m.Name); !isToken(m.Name) {
				r.failValue(key, checkToken(key.Value))
			}
		},
	}.shape()
}

var matchValue = content(checkFieldValue)

var fieldMatchValue = shape[FieldMatch]{
	read: func(r *reader, n *yaml.Node, m *FieldMatch) {
		if n.Kind == yaml.ScalarNode && n.Style == 0 && n.Value == "true" {
			m.Present, m.Value = true, "*"
			return
		}
		matchValue.read(r, n, &m.Value)
	},
	print: func(p *printer, m *FieldMatch) *yaml.Node {
		if m.Present {
			return bareNode("true")
		}
		return matchValue.print(p, &m.Value)
	},
	schema: matchValue.schema,
}
