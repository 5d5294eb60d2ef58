package config

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// dataShape takes anything: a text stays as it is, {file: path} is what the file holds,
// other mappings and lists become JSON. Variables are replaced in all of them.
var dataShape = shape[Data]{
	read: func(r *reader, n *yaml.Node, v *Data) {
		v.Pos = r.here
		switch {
		case n.Kind == yaml.ScalarNode, n.Kind == yaml.MappingNode && len(n.Content) == 2 && n.Content[0].Value == "file":
			dataText.read(r, n, &v.Text)
		default:
			var b strings.Builder
			r.writeJSON(&b, n)
			v.Text = b.String()
			r.symbols[&v.Text] = n
		}
	},
	print: func(p *printer, v *Data) *yaml.Node {
		if v.Pos.Line == 0 {
			return nil
		}
		n := p.symbols[&v.Text]
		if n == nil || n.Kind == yaml.ScalarNode || len(n.Content) == 2 && n.Content[0].Value == "file" && n.Kind == yaml.MappingNode {
			return dataText.print(p, &v.Text)
		}
		return printData(n, false)
	},
	schema: func(*definitions) schema { return schema{} },
}

var dataText = content(anyText)

// writeJSON writes what n says, the keys in their order. A scalar has the type that YAML
// gives it: quotes make a text of anything.
func (r *reader) writeJSON(b *strings.Builder, n *yaml.Node) {
	if !r.spend(n, 1) {
		return
	}
	switch n.Kind {
	case yaml.SequenceNode:
		b.WriteByte('[')
		for i, c := range n.Content {
			if i > 0 {
				b.WriteByte(',')
			}
			r.writeJSON(b, c)
		}
		b.WriteByte(']')
	case yaml.MappingNode:
		b.WriteByte('{')
		for i := 0; i+1 < len(n.Content); i += 2 {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(jsonText(n.Content[i].Value))
			b.WriteByte(':')
			r.writeJSON(b, n.Content[i+1])
		}
		b.WriteByte('}')
	default:
		r.writeJSONScalar(b, n)
	}
}

func (r *reader) writeJSONScalar(b *strings.Builder, n *yaml.Node) {
	if isNull(n) {
		b.WriteString("null")
		return
	}
	text, symbolic, ok := r.text(n, "a value")
	if !ok {
		return
	}
	one := *n
	if one.Value = text; symbolic && n.Style == 0 {
		// As if the value stood there.
		var again yaml.Node
		if yaml.Unmarshal([]byte(text), &again) == nil && len(again.Content) == 1 && again.Content[0].Value == text {
			one.Tag = again.Content[0].Tag
		}
	}
	var number float64
	var whole int64
	switch tag := one.ShortTag(); {
	case tag == "!!bool" && (strings.EqualFold(text, "true") || strings.EqualFold(text, "false")):
		b.WriteString(strings.ToLower(text))
	case tag == "!!int" && one.Decode(&whole) == nil:
		b.WriteString(strconv.FormatInt(whole, 10))
	case tag == "!!int":
		r.fail(n, "put it in quotes, to pass it on as a text", "the number %s is too large", short(text))
	case tag == "!!float" && one.Decode(&number) == nil && !math.IsInf(number, 0) && !math.IsNaN(number):
		b.WriteString(strconv.FormatFloat(number, 'g', -1, 64))
	case tag == "!!float":
		r.fail(n, "put it in quotes, to pass it on as a text", "JSON has no number %s", short(text))
	default:
		b.WriteString(jsonText(text))
	}
}

func jsonText(s string) string {
	out, _ := json.Marshal(s) // of a text, it does not fail
	return string(out)
}

// printData gives the normal form of a value that became JSON; of what is called like a
// secret, only variables are shown.
func printData(n *yaml.Node, secret bool) *yaml.Node {
	if n.Kind == yaml.ScalarNode {
		return printDataScalar(n, secret)
	}
	out := &yaml.Node{Kind: n.Kind}
	if len(n.Content) == 0 {
		out.Style = yaml.FlowStyle
	}
	for i, c := range n.Content {
		switch {
		case n.Kind == yaml.SequenceNode:
			out.Content = append(out.Content, printData(c, secret))
		case i%2 == 0:
			out.Content = append(out.Content, textNode(c.Value))
		default:
			out.Content = append(out.Content, printData(c, secret || isSecretName(n.Content[i-1].Value)))
		}
	}
	return out
}

func printDataScalar(n *yaml.Node, secret bool) *yaml.Node {
	symbolic := strings.Contains(n.Value, "${")
	switch {
	case secret && !symbolic:
		return textNode(redacted)
	case n.Style == 0 && (n.ShortTag() != "!!str" || symbolic) && !strings.Contains(n.Value, "\n"):
		return bareNode(n.Value) // quotes would make a text of it
	}
	out := textNode(n.Value)
	if out.Style == 0 && n.Style != 0 {
		out.Style = yaml.DoubleQuotedStyle // it may be a number without
	}
	return out
}

// isSecretName tells whether a key or a variable of that name holds a secret.
func isSecretName(name string) bool {
	name = strings.ReplaceAll(lower(name), "_", "-")
	return name == "key" || strings.HasSuffix(name, "-key") || isSecret(name)
}
