package config

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Normal prints c as weir understood it: every setting of the process with its value,
// defaults too; of sites what differs from the default; snippets put in. What
// came from variables and files is shown as it was written, and secrets, such as header
// fields that carry credentials, are not shown at all.
func Normal(c *Config) []byte {
	p := &printer{config: c, symbols: c.symbols}
	return layOut(configShape.print(p, c))
}

// printer makes nodes of values.
type printer struct {
	config  *Config
	symbols map[any]*yaml.Node
}

// symbol gives what was written for the value at address v, if that is not the value.
func (p *printer) symbol(v any) *yaml.Node {
	n := p.symbols[v]
	if n == nil {
		return nil
	}
	if n.Kind == yaml.MappingNode { // {file: path}
		return &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle, Content: []*yaml.Node{textNode("file"), textNode(child(n, "file").Value)}}
	}
	return textNode(n.Value)
}

// bareNode is a scalar without quotes, such as a number.
func bareNode(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: s} }

// textNode is a scalar that is quoted if it must be.
func textNode(s string) *yaml.Node {
	n := bareNode(s)
	switch {
	case plainSafe(s):
	case isLines(s):
		n.Style = yaml.LiteralStyle
	default:
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

// isLines tells whether a text reads best as a block of lines.
func isLines(s string) bool {
	body, ok := strings.CutSuffix(s, "\n")
	if !ok || body == "" || strings.HasSuffix(body, "\n") || strings.ContainsRune(" \t\n", rune(body[0])) {
		return false
	}
	return !strings.ContainsFunc(body, func(c rune) bool { return c != '\n' && c != '\t' && needsEscape(c) })
}

// plainSafe tells whether a text may stand without quotes anywhere, also within
// brackets. It is stricter than YAML.
func plainSafe(s string) bool {
	if s == "" || s == "-" || strings.HasPrefix(s, "- ") || strings.HasPrefix(s, "---") || strings.HasPrefix(s, "...") {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case isAlnum(c), c == '_', c == '/', c == '.', c == '$', c == '-', c == '=' && i > 0:
		case c == ':' && i > 0 && i+1 < len(s) && s[i+1] != ' ' && isAlnum(s[i-1]):
		case i > 0 && (c == '*' || c == '+' || c == ';' || c == '(' || c == ')' || c == '<' || c == '>' || c == '^' || c == '~'):
		case c == ' ' && i > 0 && i+1 < len(s) && s[i+1] != ' ' && s[i+1] != '#' && s[i-1] != ':':
		default:
			return false
		}
	}
	switch lower(s) {
	case "null", "true", "false", "yes", "no", "y", "n":
		return false
	}
	_, err := strconv.ParseFloat(s, 64)
	return err != nil || s[0] >= '0' && s[0] <= '9'
}

// same compares two trees by what they say.
func same(a, b *yaml.Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	if a.Kind != b.Kind || a.Value != b.Value || len(a.Content) != len(b.Content) {
		return false
	}
	for i := range a.Content {
		if !same(a.Content[i], b.Content[i]) {
			return false
		}
	}
	return true
}
