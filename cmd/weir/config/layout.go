package config

import (
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// lineWidth is what a line of brackets must fit; text is never broken.
const lineWidth = 100

// layout prints nodes in the usual form, with the comments of the text they come from.
type layout struct {
	src      *source
	opaque   []span
	comments []comment
	next     int // the first comment that is not printed yet
	lines    []outLine
	line     strings.Builder // the line that is printed
	at       int             // line of the source that has been printed last
	seen     int             // offset of the node that has been printed last
	tail     []string        // comments for the end of the line that is printed
	fresh    bool            // a block begins, so a blank line is not wanted
}

type outLine struct{ code, comment string }

func newLayout(src *source, root *yaml.Node) *layout {
	l := &layout{src: src, fresh: true}
	if root != nil {
		var nodes []int
		l.opaque, nodes = src.opaqueSpans(root)
		l.comments = src.comments(l.opaque, nodes)
	}
	return l
}

// document prints a whole file.
func (l *layout) document(root *yaml.Node) {
	const end = 1 << 30
	if root.Kind == yaml.ScalarNode || len(root.Content) == 0 {
		l.ownComments(root.Line, 0)
		// In quotes, since at the left edge it might be "---", which parts documents.
		if root.Kind == yaml.ScalarNode && !plainSafe(root.Value) {
			l.line.WriteString(quoted(root.Value))
		} else {
			flow(&l.line, root)
		}
		l.print(root)
	} else {
		l.block(root, 0, end, 0)
	}
	l.ownComments(end, 0)
}

// bytes joins the lines and aligns comments at the ends of neighbouring ones.
func (l *layout) bytes() []byte {
	l.endLine()
	var out strings.Builder
	for i := 0; i < len(l.lines); {
		run, width := i, 0
		for ; run < len(l.lines) && l.lines[run].code != "" && l.lines[run].comment != ""; run++ {
			width = max(width, utf8.RuneCountInString(l.lines[run].code))
		}
		if run == i {
			out.WriteString(l.lines[i].code + l.lines[i].comment + "\n")
			i++
			continue
		}
		for ; i < run; i++ {
			code := l.lines[i].code
			out.WriteString(code + strings.Repeat(" ", width-utf8.RuneCountInString(code)+2) + l.lines[i].comment + "\n")
		}
	}
	return []byte(out.String())
}

// endLine ends the line that is printed, with the comments that stood behind it.
func (l *layout) endLine() {
	if l.line.Len() == 0 {
		return
	}
	for l.next < len(l.comments) {
		c := &l.comments[l.next]
		if !c.taken {
			if c.own || c.line > l.at || c.after > l.seen {
				break
			}
			l.tail = append(l.tail, c.text)
		}
		l.next++
	}
	l.lines = append(l.lines, outLine{l.line.String(), strings.Join(l.tail, " ")})
	l.line.Reset()
	l.tail, l.fresh = nil, false
}

// ownComments prints the comments that stand before a line of the source, each in a
// line, and the blank line before it, if there was one.
func (l *layout) ownComments(before, indent int) {
	for l.next < len(l.comments) && l.comments[l.next].line < before {
		l.ownComment(indent)
	}
	if before <= len(l.src.starts) {
		l.blank(before)
	}
}

func (l *layout) ownComment(indent int) {
	l.endLine()
	if l.next == len(l.comments) {
		return
	}
	c := l.comments[l.next]
	if l.next++; c.taken {
		return
	}
	l.blank(c.line)
	l.lines = append(l.lines, outLine{comment: strings.Repeat(" ", indent) + c.text})
	l.at, l.fresh = max(l.at, c.line), false
}

// blank keeps one blank line where the source had some before a line.
func (l *layout) blank(line int) {
	if l.fresh || line-1 <= l.at || strings.TrimSpace(l.src.line(line-1)) != "" {
		return
	}
	l.endLine()
	l.lines = append(l.lines, outLine{})
	l.fresh = true
}

// block prints the entries of a mapping or list, each in a line of its own. The
// comments before line limit, or byte end if that is not zero, that are not left of the
// block belong to it.
func (l *layout) block(n *yaml.Node, indent, limit, end int) {
	stepping := 1
	if n.Kind == yaml.MappingNode {
		stepping = 2
	}
	for i := 0; i < len(n.Content); i += stepping {
		until := limit
		if i+stepping < len(n.Content) {
			until = n.Content[i+stepping].Line
		}
		first := n.Content[i]
		head := first
		if last := n.Content[i+stepping-1]; l.isInline(last, indent) && last.Line > 0 && !isBlockText(last) {
			head = last // comments between a key and its value go before the key
		}
		if l.line.Len() == indent && l.line.Len() > 0 {
			// The first entry of an item stands behind its dash.
		} else {
			l.endLine()
			l.ownComments(head.Line, indent)
			l.line.WriteString(strings.Repeat(" ", indent))
		}
		l.print(first)
		if n.Kind == yaml.MappingNode {
			l.key(first)
			l.entry(n.Content[i+1], indent, until)
		} else {
			l.item(first, indent, until)
		}
	}
	l.endLine()
	for l.next < len(l.comments) {
		c := l.comments[l.next]
		if end > 0 && c.offset >= end || end == 0 && (c.line >= limit || c.column < n.Column) {
			break
		}
		l.ownComment(indent)
	}
}

// print notes that a node is printed.
func (l *layout) print(n *yaml.Node) {
	if n.Line > 0 {
		l.at, l.seen = max(l.at, n.Line), max(l.seen, l.src.offset(n.Line, n.Column))
	}
}

// entry prints the value behind a key.
func (l *layout) entry(v *yaml.Node, indent, until int) {
	l.line.WriteString(":")
	if l.isInline(v, indent) {
		if v.Value != "" || v.Kind != yaml.ScalarNode || v.Style != 0 {
			l.line.WriteString(" ")
		}
		l.value(v, indent+2)
		return
	}
	end := l.closing(v)
	l.endLine()
	l.fresh = true
	l.block(v, indent+2, until, end)
	l.closed(end)
}

// item prints an item of a list.
func (l *layout) item(v *yaml.Node, indent, until int) {
	l.line.WriteString("- ")
	if l.isInline(v, indent) {
		l.value(v, indent+2)
		return
	}
	end := l.closing(v)
	l.block(v, indent+2, until, end)
	l.closed(end)
}

// closing gives the end of brackets that are printed as a block, or 0, and puts the
// comment behind that end into the line that is printed now, since no other will do.
func (l *layout) closing(v *yaml.Node) int {
	if v.Style&yaml.FlowStyle == 0 || v.Line == 0 {
		return 0
	}
	end := l.flowEnd(l.src.offset(v.Line, v.Column))
	i, _ := slices.BinarySearchFunc(l.comments, end, func(c comment, at int) int { return c.offset - at })
	if i < len(l.comments) && i >= l.next && l.comments[i].line == l.src.lineOf(end-1) && !l.comments[i].taken {
		l.comments[i].taken = true
		l.tail = append(l.tail, l.comments[i].text)
	}
	return end
}

// closed notes that the source has been printed up to a closing bracket.
func (l *layout) closed(end int) {
	if end > 0 {
		l.at, l.seen = max(l.at, l.src.lineOf(end-1)), max(l.seen, end)
	}
}

// isInline tells whether a value goes into the line of its key: texts, what is empty,
// and brackets that were in one line and fit one.
func (l *layout) isInline(v *yaml.Node, indent int) bool {
	if v.Kind == yaml.ScalarNode || len(v.Content) == 0 {
		return true
	}
	if v.Style&yaml.FlowStyle == 0 {
		return false
	}
	if v.Line > 0 {
		from := l.src.offset(v.Line, v.Column)
		if strings.Contains(l.src.text[from:l.flowEnd(from)], "\n") {
			return false
		}
	}
	var b strings.Builder
	if !flow(&b, v) {
		return false
	}
	return max(utf8.RuneCountInString(l.line.String()), indent)+1+utf8.RuneCountInString(b.String()) <= lineWidth
}

// key prints a key, without quotes where they mean nothing.
func (l *layout) key(k *yaml.Node) {
	l.line.WriteString(keyText(k))
}

func keyText(k *yaml.Node) string {
	marker := strings.HasPrefix(k.Value, "---") || strings.HasPrefix(k.Value, "...")
	if k.Style == 0 && k.Line > 0 && k.Value != "" && !marker && !strings.Contains(k.Value, "\n") || plainSafe(k.Value) && k.Value != "import" {
		return k.Value
	}
	return quoted(k.Value)
}

// value prints a text, something empty, or brackets. indent is for the lines of a text.
func (l *layout) value(v *yaml.Node, indent int) {
	if v.Kind == yaml.ScalarNode && v.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 && l.blockText(v, indent) {
		return
	}
	flow(&l.line, v)
	if l.print(v); v.Line == 0 {
		return
	}
	from := l.src.offset(v.Line, v.Column)
	switch {
	case v.Kind != yaml.ScalarNode:
		l.closed(l.flowEnd(from))
	case v.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		l.closed(l.src.closingQuote(from))
	}
}
