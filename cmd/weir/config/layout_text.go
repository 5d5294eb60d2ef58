package config

import (
	"fmt"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"
)

func isBlockText(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0
}

// blockText copies the lines of a literal or folded text as they are, but for their
// indentation.
func (l *layout) blockText(v *yaml.Node, indent int) bool {
	if v.Line == 0 {
		l.literal(v.Value, indent)
		return true
	}
	b, ok := l.src.blockLines(v)
	if !ok {
		return false
	}
	header := "|"
	if v.Style&yaml.FoldedStyle != 0 {
		header = ">"
	}
	if strings.HasPrefix(strings.TrimLeft(v.Value, "\n"), " ") {
		header += "2"
	}
	body := strings.TrimRight(v.Value, "\n")
	switch first, _, _ := strings.Cut(strings.TrimLeft(body, "\n"), "\n"); {
	case len(v.Value)-len(body) > 1, body != strings.TrimRight(body, " \t\n"), strings.TrimSpace(first) == "":
		return false // quotes show better where its first or last lines are blank
	case len(v.Value) == len(body):
		header += "-"
	}
	l.line.WriteString(header)
	l.print(v)
	l.endLine()
	for i := b.first; i <= b.last; i++ {
		line := l.src.line(i)
		if len(line) <= b.indent {
			l.lines = append(l.lines, outLine{})
			continue
		}
		l.lines = append(l.lines, outLine{code: strings.Repeat(" ", indent) + line[b.indent:]})
	}
	l.at = max(l.at, b.last)
	return true
}

// literal prints a text of lines that comes from no file.
func (l *layout) literal(text string, indent int) {
	l.line.WriteString("|")
	l.endLine()
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		if line != "" {
			line = strings.Repeat(" ", indent) + line
		}
		l.lines = append(l.lines, outLine{code: line})
	}
}

// flow prints a value in one line. It gives false for one that cannot be.
func flow(b *strings.Builder, v *yaml.Node) bool {
	switch v.Kind {
	case yaml.ScalarNode:
		b.WriteString(scalarText(v))
		return !isBlockText(v)
	case yaml.SequenceNode:
		b.WriteString("[")
		for i, c := range v.Content {
			if i > 0 {
				b.WriteString(", ")
			}
			if !flow(b, c) {
				return false
			}
		}
		b.WriteString("]")
		return true
	}
	b.WriteString("{")
	for i := 0; i+1 < len(v.Content); i += 2 {
		if i > 0 {
			b.WriteString(", ")
		}
		key, value := keyText(v.Content[i]), v.Content[i+1]
		b.WriteString(key + ":")
		if value.Value != "" || value.Kind != yaml.ScalarNode || value.Style != 0 {
			b.WriteString(" ")
		}
		if !flow(b, value) {
			return false
		}
	}
	b.WriteString("}")
	return true
}

// scalarText prints a text in one line, in the quotes it had: single ones only where
// double ones would need escapes.
func scalarText(v *yaml.Node) string {
	switch {
	case v.Style == 0 && !strings.Contains(v.Value, "\n"):
		return v.Value
	case v.Style&yaml.SingleQuotedStyle != 0 && strings.ContainsAny(v.Value, `"\`) && !strings.ContainsFunc(v.Value, needsEscape):
		return "'" + strings.ReplaceAll(v.Value, "'", "''") + "'"
	}
	return quoted(v.Value)
}

func needsEscape(c rune) bool { return !unicode.IsPrint(c) }

// quoted puts a text into double quotes.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteString(`\` + string(c))
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == '\r':
			b.WriteString(`\r`)
		case !needsEscape(c):
			b.WriteRune(c)
		case c > 0xffff:
			fmt.Fprintf(&b, `\U%08X`, c)
		case c > 0xff:
			fmt.Fprintf(&b, `\u%04X`, c)
		default:
			fmt.Fprintf(&b, `\x%02X`, c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
