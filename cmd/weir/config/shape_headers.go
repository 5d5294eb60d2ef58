package config

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

var fieldsShape = pairs[Field]{
	doc: "Header fields by name.", value: headerValue,
	name: func(f *Field) string { return f.Name },
	key: func(r *reader, key *yaml.Node, f *Field) {
		f.Pos, f.Name = r.pos(key), lower(key.Value)
		if !isToken(f.Name) {
			r.failValue(key, checkToken(key.Value))
		}
	},
}.shape()

var plainValue = content(checkFieldValue)

// headerValue is content that the normal form hides under names that carry secrets.
var headerValue = shape[Field]{
	read: func(r *reader, n *yaml.Node, f *Field) { plainValue.read(r, n, &f.Value) },
	print: func(p *printer, f *Field) *yaml.Node {
		if p.symbol(&f.Value) == nil && isSecret(f.Name) {
			return textNode(redacted)
		}
		return plainValue.print(p, &f.Value)
	},
	schema: plainValue.schema,
}

var secretNames = [...]string{"authorization", "cookie", "token", "secret", "password", "api-key", "apikey"}

const redacted = "[redacted]"

// isSecret tells whether a field of that name carries credentials.
func isSecret(name string) bool {
	for _, s := range secretNames {
		if strings.Contains(name, s) {
			return true
		}
	}
	return false
}

var opsShape = object[HeaderOps]{
	name: "header_ops", doc: "Changes of header fields, done in the order remove, set, add.",
	pos: func(h *HeaderOps) *Pos { return &h.Pos },
	fields: []field[HeaderOps]{
		at("set", "Fields to set, in place of those of the same name.", fieldsShape, func(h *HeaderOps) *[]Field { return &h.Set }),
		at("add", "Fields to add.", fieldsShape, func(h *HeaderOps) *[]Field { return &h.Add }),
		at("remove", "Names of fields to remove.", list(nameText), func(h *HeaderOps) *[]Text { return &h.Remove }),
	},
}.shape()

var nameText = shape[Text]{
	read: func(r *reader, n *yaml.Node, t *Text) {
		t.Pos = r.pos(n)
		fieldName.read(r, n, &t.Text)
	},
	print:  func(p *printer, t *Text) *yaml.Node { return fieldName.print(p, &t.Text) },
	schema: fieldName.schema,
}

var headersLong = object[Headers]{
	name: "headers", doc: "Changes of header fields.",
	pos: func(h *Headers) *Pos { return &h.Pos },
	fields: []field[Headers]{
		at("request", "Changes of the request's fields.", opsShape, func(h *Headers) *HeaderOps { return &h.Request }),
		at("response", "Changes of the response's fields.", opsShape, func(h *Headers) *HeaderOps { return &h.Response }),
	},
}.shape()

// headersShape takes the long form, told by keys that hold mappings, and the short
// one, which sets fields of the response.
var headersShape = shape[Headers]{
	read: func(r *reader, n *yaml.Node, h *Headers) {
		if n.Kind == yaml.MappingNode {
			if n = r.withImports(n); n == nil {
				return
			}
			request, response := child(n, "request"), child(n, "response")
			if !isMapping(request) && !isMapping(response) {
				h.Pos, h.Response.Pos = r.here, r.here
				fieldsShape.read(r, n, &h.Response.Set)
				return
			}
		}
		headersLong.read(r, n, h)
	},
	print:  headersLong.print,
	schema: func(d *definitions) schema { return anyOf(headersLong.schema(d), fieldsShape.schema(d)) },
}

func isMapping(n *yaml.Node) bool { return n != nil && n.Kind == yaml.MappingNode }
