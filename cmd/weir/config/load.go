package config

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// Options say what a file may refer to.
type Options struct {
	// Dir is what relative paths are resolved against; empty: the directory of the name.
	Dir string
	// Env looks up variables; nil: there are none.
	Env func(name string) (value string, ok bool)
	// ReadFile reads what {file: path} names; nil: such values are refused.
	ReadFile func(path string) ([]byte, error)
}

// Load reads the file at path. env looks up variables (os.LookupEnv). The error is
// of type [Errors] when the contents are at fault.
func Load(path string, env func(string) (string, bool)) (*Config, error) {
	src, err := readBounded(path, maxSize+1)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(path, src, Options{Env: env, ReadFile: readSecret})
}

// maxSecret bounds files that are named by {file: path}.
const maxSecret = 1 << 20

func readSecret(path string) ([]byte, error) {
	b, err := readBounded(path, maxSecret+1)
	if err == nil && len(b) > maxSecret {
		return nil, fmt.Errorf("read %s: larger than 1 MiB", path)
	}
	return b, err
}

func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

// Parse reads src, which errors call name. The error is of type [Errors].
func Parse(name string, src []byte, o Options) (*Config, error) {
	r := newReader(name, src, o)
	c := &Config{File: name, Dir: r.options.Dir}
	if root := r.parse(); root != nil {
		r.begin(root)
		configShape.read(r, root, c)
		c.symbols = r.symbols
	}
	if len(r.errs) > 0 {
		return nil, sorted(r.errs)
	}
	c.Warnings = sorted(r.warnings)
	return c, nil
}

func newReader(name string, src []byte, o Options) *reader {
	if o.Dir == "" {
		o.Dir = filepath.Dir(name)
	}
	return &reader{
		name: name, options: o, src: source{text: string(src)},
		noun: "a configuration", shortest: "the shortest configuration is: sites: {localhost: {root: .}}",
	}
}

// begin makes r ready to read a tree.
func (r *reader) begin(root *yaml.Node) {
	r.symbols, r.used = make(map[any]*yaml.Node), make(map[string]bool)
	r.collectSnippets(root)
	r.here = Pos{File: r.name, Line: 1, Col: 1}
}

// reader walks the nodes of one file and collects its mistakes.
type reader struct {
	name    string
	options Options
	src     source
	// noun is what kind of file it is, shortest says what the shortest one is.
	noun, shortest string
	errs           Errors
	// path is the way from the root to the node that is read, here the place of the
	// key or item it belongs to.
	path []step
	here Pos
	// global has the settings that sites inherit, once they are read.
	global   *Config
	snippets map[string]*snippet
	symbols  map[any]*yaml.Node
	// used has the names of upstreams that something asks for.
	used     map[string]bool
	warnings Errors
	// stop says that nodes are of no use, because they hold what is not supported.
	stop bool
	// work counts visited nodes, which imports can make more than the file has.
	work int
}

// step is a key, or the index of an item if key is empty.
type step struct {
	key   string
	index int
}

func (r *reader) pos(n *yaml.Node) Pos { return Pos{File: r.name, Line: n.Line, Col: n.Column} }

// setting prints path, with keys that hold dots quoted only where they would mislead.
func (r *reader) setting() string {
	var b strings.Builder
	for i, s := range r.path {
		switch {
		case s.key == "":
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
		case i > 0:
			b.WriteString("." + s.key)
		default:
			b.WriteString(s.key)
		}
	}
	return b.String()
}

// report notes a mistake that marks width characters.
func (r *reader) report(at Pos, width int, message, hint string) {
	at.File = r.name
	// The end of the text may lie in a line that is not there.
	for at.Line > 1 && strings.TrimSpace(r.src.line(at.Line)) == "" {
		at.Line--
		at.Col = utf8.RuneCountInString(r.src.line(at.Line)) + 1
	}
	r.errs = append(r.errs, r.mistake(at, width, message, hint, len(r.errs) < maxErrors))
}

func (r *reader) mistake(at Pos, width int, message, hint string, show bool) *Error {
	e := &Error{Pos: at, Setting: r.setting(), Message: message, Hint: hint}
	if show {
		e.excerpt = r.src.excerpt(at.Line, at.Col, width)
	}
	return e
}

// warn notes at a node what is allowed, and yet not what most would want.
func (r *reader) warn(n *yaml.Node, hint, message string) {
	r.warnings = append(r.warnings, r.mistake(r.pos(n), utf8.RuneCountInString(n.Value), message, hint, len(r.warnings) < maxErrors))
}

// fail reports a mistake at a node.
func (r *reader) fail(n *yaml.Node, hint, format string, args ...any) {
	width := 1
	if n.Kind == yaml.ScalarNode {
		width = utf8.RuneCountInString(n.Value)
		if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
			width += 2
		}
	}
	r.report(r.pos(n), width, fmt.Sprintf(format, args...), hint)
}

// within runs f for the node below a key.
func (r *reader) within(key *yaml.Node, f func()) {
	here := r.here
	r.path, r.here = append(r.path, step{key: key.Value}), r.pos(key)
	f()
	r.path, r.here = r.path[:len(r.path)-1], here
}

// isNull tells whether a node is an empty value, "null" or "~".
func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// kind names what a node is, for messages.
func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	if isNull(n) {
		return "nothing"
	}
	return strconv.Quote(short(n.Value))
}

// short cuts a text that is quoted in a message.
func short(s string) string {
	if utf8.RuneCountInString(s) <= 40 {
		return s
	}
	return string([]rune(s)[:39]) + "…"
}
