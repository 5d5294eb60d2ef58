package config

import "encoding/json"

// schema is a JSON Schema, or a part of one.
type schema map[string]any

// Schema gives the JSON Schema (draft 2020-12) of the configuration file, for
// editors. It describes each key with a sentence.
func Schema() []byte {
	d := &definitions{all: schema{}}
	root := configShape.schema(d)
	root["$schema"], root["$id"] = "https://json-schema.org/draft/2020-12/schema", "https://weirproxy.github.io/schema/weir.json"
	root["title"], root["$defs"] = "weir", d.all
	out, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil // the tables hold only what JSON can say; a test holds this
	}
	return append(out, '\n')
}

// definitions are the parts of a schema that others refer to.
type definitions struct{ all schema }

func (d *definitions) ref(name string, make func() schema) schema {
	if _, ok := d.all[name]; !ok {
		d.all[name] = schema{} // against endless descent
		d.all[name] = make()
	}
	return schema{"$ref": "#/$defs/" + name}
}

// variable describes a text with ${NAME} in place of a number or boolean.
func (d *definitions) variable() schema {
	return d.ref("variable", func() schema {
		return schema{"type": "string", "pattern": `\$\{`, "description": "A variable: ${NAME} or ${NAME:-default}."}
	})
}

func (d *definitions) file() schema {
	return d.ref("file", func() schema {
		return schema{"type": "object", "description": "A text that is kept in a file of its own, such as a secret.",
			"properties": schema{"file": schema{"type": "string"}}, "required": []string{"file"}, "additionalProperties": false}
	})
}

func (d *definitions) imports() schema {
	return d.ref("import", func() schema {
		name := schema{"type": "string"}
		return schema{"description": "Names of snippets to put in here. What is written here wins over them, and the first over the others.",
			"anyOf": []schema{name, {"type": "array", "items": name}}}
	})
}

func anyOf(all ...schema) schema { return schema{"anyOf": all} }

func (o object[T]) describe(d *definitions) schema {
	long := func() schema {
		properties := schema{"import": d.imports()}
		var must []string
		for _, f := range append(o.fields[:len(o.fields):len(o.fields)], o.aliases...) {
			one := schema{"description": f.doc}
			for k, v := range f.schema(d) {
				if _, ok := one[k]; !ok {
					one[k] = v
				}
			}
			properties[f.key] = one
			if f.required {
				must = append(must, f.key)
			}
		}
		out := schema{"type": "object", "description": o.doc, "properties": properties, "additionalProperties": false}
		if must != nil {
			// An import may bring what is required.
			out["anyOf"] = []schema{{"required": must}, {"required": []string{"import"}}}
		}
		return out
	}
	if o.name == "configuration" {
		return long()
	}
	ref := d.ref(o.name, long)
	if o.short == nil {
		return ref
	}
	return anyOf(o.short.schema(d), ref)
}
