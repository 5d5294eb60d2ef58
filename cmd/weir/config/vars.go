package config

import (
	"errors"
	"strings"

	"go.yaml.in/yaml/v4"
)

// text gives the text of a scalar with its variables replaced, and whether it had
// any. ok is false after it has reported that there is no text.
func (r *reader) text(n *yaml.Node, want string) (text string, symbolic, ok bool) {
	if n.Kind != yaml.ScalarNode || isNull(n) {
		r.fail(n, braceHint(n), "want %s, got %s", want, kind(n))
		return "", false, false
	}
	if !strings.Contains(n.Value, "${") {
		return n.Value, false, true
	}
	return r.expand(n)
}

// braceHint helps those who wrote a placeholder without quotes, which YAML takes for
// a mapping with an empty value.
func braceHint(n *yaml.Node) string {
	if n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle != 0 && len(n.Content) == 2 && isNull(n.Content[1]) {
		return "a text that begins with { must be in quotes: \"{" + n.Content[0].Value + "}\""
	}
	return ""
}

// expand replaces ${NAME}, ${NAME:-default} and $${, which stands for "${".
func (r *reader) expand(n *yaml.Node) (text string, symbolic, ok bool) {
	const forms = "the forms are ${NAME}, ${NAME:-default}, and $${ for the two characters themselves"
	var b strings.Builder
	rest := n.Value
	for ok = true; ; {
		before, after, found := strings.Cut(rest, "${")
		if !found {
			b.WriteString(rest)
			return b.String(), true, ok
		}
		if strings.HasSuffix(before, "$") {
			b.WriteString(before + "{")
			rest = after
			continue
		}
		b.WriteString(before)
		inner, behind, closed := strings.Cut(after, "}")
		name, fallback, hasFallback := strings.Cut(inner, ":-")
		if !closed || !isVariable(name) {
			r.failInside(n, "${"+inner, forms, "this is not a variable")
			return "", true, false
		}
		value, set := "", false
		if r.options.Env != nil {
			value, set = r.options.Env(name)
		}
		switch {
		case hasFallback && value == "":
			value = fallback
		case !set && !hasFallback:
			r.failInside(n, "${"+inner+"}", "set it in the environment, or give a default: ${"+name+":-…}", "the variable "+name+" is not set")
			ok = false
		}
		b.WriteString(value)
		rest = behind
	}
}

func isVariable(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// failInside reports a mistake in a part of a scalar, and marks that part if it can
// be seen in the line where the scalar begins.
func (r *reader) failInside(n *yaml.Node, part, hint, message string) {
	line := []rune(r.src.line(n.Line))
	from := min(max(n.Column-1, 0), len(line))
	if i := strings.Index(string(line[from:]), part); i >= 0 {
		at := r.pos(n)
		at.Col += len([]rune(string(line[from:])[:i]))
		r.report(at, len([]rune(part)), message, hint)
		return
	}
	r.fail(n, hint, "%s", message)
}

// failPart is failValue for a part of a scalar.
func (r *reader) failPart(n *yaml.Node, part string, err error) {
	var p *problem
	if !errors.As(err, &p) {
		p = &problem{message: err.Error()}
	}
	r.failInside(n, part, p.hint, p.message)
}
