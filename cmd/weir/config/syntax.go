package config

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

const (
	// maxSize and maxDepth bound what a file may cost to read.
	maxSize  = 16 << 20
	maxDepth = 64
	// maxKey keeps keys within what YAML takes in one line.
	maxKey = 256
)

// depthLimit makes the parser refuse deep nesting, which costs stack.
type depthLimit struct{}

func (depthLimit) CheckDepth(depth int, _ *yaml.DepthContext) error {
	if depth > maxDepth {
		return errors.New("nested deeper than " + strconv.Itoa(maxDepth) + " levels")
	}
	return nil
}

func (depthLimit) CheckAlias(int, int) error { return nil }

// parse turns the text into nodes and refuses what is no part of the subset. It
// gives nil after it has reported that nothing can be read.
func (r *reader) parse() *yaml.Node {
	if !r.checkBytes() {
		return nil
	}
	loader, err := yaml.NewLoader(strings.NewReader(r.src.text), yaml.WithPlugin(depthLimit{}))
	if err != nil {
		r.report(Pos{}, 0, err.Error(), "")
		return nil
	}
	var first, second yaml.Node
	switch err := loader.Load(&first); {
	case err == io.EOF || err == nil && (len(first.Content) == 0 || first.Content[0].Value == "" && isNull(first.Content[0])):
		r.report(Pos{Line: 1, Col: 1}, 1, "the file is empty", r.shortest)
		return nil
	case err != nil:
		r.reportSyntax(err)
		return nil
	}
	switch err := loader.Load(&second); {
	case err == nil:
		r.report(Pos{Line: second.Line, Col: 1}, 3, "a second document begins here", r.noun+" is one document; remove the line ---")
	case err != io.EOF:
		r.reportSyntax(err)
		return nil
	}
	root := first.Content[0]
	if r.checkSubset(root); r.stop {
		return nil
	}
	return root
}

// checkBytes refuses text that is not UTF-8, control characters, and files too large.
func (r *reader) checkBytes() bool {
	text := r.src.text
	if len(text) > maxSize {
		r.report(Pos{}, 0, "the file is larger than 16 MiB", "")
		return false
	}
	line, col := 1, 1
	for i, c := range text {
		switch {
		case c == '\n':
			line, col = line+1, 0
		case c == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd"):
			r.report(Pos{Line: line, Col: col}, 1, "this is not UTF-8", "save the file as UTF-8")
			return false
		case c == '\r' && i+1 < len(text) && text[i+1] == '\n':
		case c < ' ' && c != '\t', c == 0x7f, c == '\u0085', c == '\u2028', c == '\u2029', c == '\ufeff' && i > 0:
			// Some of these end a line for YAML and for nobody else.
			r.report(Pos{Line: line, Col: col}, 1, fmt.Sprintf("control character U+%04X", c), `in double quotes it can be written as an escape, such as "\x1b"`)
			return false
		}
		col++
	}
	return true
}

// checkSubset reports anchors, aliases, tags and merge keys. Without aliases a tree
// is as large as its text, so no file can blow up.
func (r *reader) checkSubset(n *yaml.Node) {
	const instead = "write shared settings once under snippets: and take them with import:"
	switch {
	case n.Kind == yaml.AliasNode:
		r.stop = true
		r.report(r.pos(n), 1+utf8.RuneCountInString(n.Value), "YAML aliases are not supported", instead)
	case n.Anchor != "":
		r.report(r.pos(n), 1+utf8.RuneCountInString(n.Anchor), "YAML anchors are not supported", instead)
	case strings.HasPrefix(r.src.text[r.src.offset(n.Line, n.Column):], "!"):
		r.stop = true
		r.report(r.pos(n), 1, "YAML tags are not supported", "leave the tag out; weir knows the type of every setting")
	}
	if n.Kind != yaml.MappingNode {
		for _, c := range n.Content {
			r.checkSubset(c)
		}
		return
	}
	lines := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		first, twice := lines[key.Value]
		switch {
		case key.Kind != yaml.ScalarNode:
			r.stop = true
			r.report(r.pos(key), 1, "a key must be a text", "a value that begins with { or [ must be quoted if it is no mapping or list")
		case len(key.Value) > maxKey:
			r.report(r.pos(key), 1, "a key longer than "+strconv.Itoa(maxKey)+" characters", "")
		case key.Tag == "!!merge":
			r.stop = true
			r.report(r.pos(key), 2, "YAML merge keys are not supported", instead)
		case twice:
			r.fail(key, "", "the key %q is already there in line %d", short(key.Value), first)
		default:
			r.checkSubset(key)
			lines[key.Value] = key.Line
		}
		r.path = append(r.path, step{key: key.Value})
		r.checkSubset(value)
		r.path = r.path[:len(r.path)-1]
	}
}

// plainWords replaces what the YAML library says by what helps.
var plainWords = []struct{ says, message, hint string }{
	{"tab character", "a tab where only spaces may indent", "indent with two spaces"},
	{"cannot start any token", "a character that cannot begin a value", "put the value in double quotes"},
	{"mapping values are not allowed", `unexpected ":"`, `indent the line like its neighbours, or quote a value that holds ": "`},
	{"did not find expected ',' or ']'", `the list opened with "[" is not closed`, `items are parted by commas; an item with { or [ in it, such as a path with {name}, must be quoted`},
	{"did not find expected ',' or '}'", `the mapping opened with "{" is not closed`, `entries are parted by commas and the mapping ends with "}"`},
	{"did not find expected '-' indicator", "a list goes on with something that is no item", `indent it to belong to the item above, or begin it with "- "`},
	{"did not find expected key", "neither a key of this mapping nor its end", "indent the line like its neighbours"},
	{"could not find expected ':'", `a key without ":"`, `write "key: value", with a space behind the colon`},
	{"unexpected end of stream", "the quoted text is not closed", "close it with the quote it began with"},
	{"unknown escape", "an escape that YAML does not know", `in double quotes write "\\" for one backslash, or use single quotes`},
	{"expected node content", "a value is missing", `what was opened with "[" or "{" must be closed`},
	{"unknown anchor", "YAML aliases are not supported", "write shared settings once under snippets: and take them with import:; quote a value that begins with *"},
}

// reportSyntax reports an error of the YAML library, which stops at the first.
func (r *reader) reportSyntax(err error) {
	at, message, hint := Pos{Line: 1, Col: 1}, err.Error(), ""
	var one *yaml.LoadError
	if errors.As(err, &one) {
		message = one.Message
		if one.Mark.Line > 0 {
			at = Pos{Line: one.Mark.Line, Col: max(one.Mark.Column, 1)}
		}
	}
	if line := []rune(r.src.line(at.Line)); at.Col <= len(line) && line[at.Col-1] == '\t' {
		message = "tab character"
	}
	for _, w := range plainWords {
		if !strings.Contains(message, w.says) {
			continue
		}
		message, hint = w.message, w.hint
		// What was opened and never closed is found where it was opened.
		if strings.Contains(message, "not closed") && one.ContextMark.Line > 0 {
			at = Pos{Line: one.ContextMark.Line, Col: max(one.ContextMark.Column, 1)}
		}
		break
	}
	r.report(at, 1, message, hint)
}
