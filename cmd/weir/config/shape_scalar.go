package config

import (
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// scalar describes a value that is one word of YAML.
type scalar[T any] struct {
	// want names what is expected, "a size such as 32MiB".
	want string
	// parse gives the value, or a *problem or other error that says what is wrong.
	parse func(string) (T, error)
	print func(T) string
	// bare values lose their meaning in quotes: numbers and booleans.
	bare   bool
	schema schema
}

// problem is an error of parse that brings its own hint.
type problem struct{ message, hint string }

func (p *problem) Error() string { return p.message }

func (s scalar[T]) shape() shape[T] {
	return shape[T]{
		read: func(r *reader, n *yaml.Node, v *T) {
			text, symbolic, ok := r.text(n, s.want)
			if !ok {
				return
			}
			if s.bare && n.Style != 0 && !symbolic {
				r.fail(n, "remove the quotes", "want %s, got a text in quotes", s.want)
				return
			}
			value, err := s.parse(text)
			if err != nil {
				r.failValue(n, err)
				return
			}
			if *v = value; symbolic {
				r.symbols[v] = n
			} else {
				delete(r.symbols, v) // what an inherited value had
			}
		},
		print: func(p *printer, v *T) *yaml.Node {
			if n := p.symbol(v); n != nil {
				return n
			}
			text := s.print(*v)
			if text == "" && !s.bare {
				return nil
			}
			if s.bare {
				return bareNode(text)
			}
			return textNode(text)
		},
		schema: func(d *definitions) schema {
			if s.bare {
				return anyOf(s.schema, d.variable())
			}
			return s.schema
		},
	}
}

func (r *reader) failValue(n *yaml.Node, err error) {
	if p, ok := errors.AsType[*problem](err); ok {
		r.fail(n, p.hint, "%s", p.message)
		return
	}
	r.fail(n, "", "%s", err.Error())
}

// boolean is true or false and nothing else.
var boolean = scalar[bool]{
	want: "true or false", bare: true, print: strconv.FormatBool,
	schema: schema{"type": "boolean"},
	parse: func(s string) (bool, error) {
		switch s {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		p := &problem{message: "want true or false, got " + strconv.Quote(short(s))}
		switch strings.ToLower(s) {
		case "yes", "on", "1", "y", "enabled", "true":
			p.hint = "write true"
		case "no", "off", "0", "n", "disabled", "false", "none":
			p.hint = "write false"
		}
		return false, p
	},
}.shape()

// integer is a whole number from low to high.
func integer(low, high int) shape[int] {
	want := "a whole number from " + strconv.Itoa(low) + " to " + strconv.Itoa(high)
	return scalar[int]{
		want: want, bare: true, print: strconv.Itoa,
		schema: schema{"type": "integer", "minimum": low, "maximum": high},
		parse: func(s string) (int, error) {
			i, err := strconv.Atoi(s)
			if err != nil || i < low || i > high {
				return 0, errors.New("want " + want + ", got " + strconv.Quote(short(s)))
			}
			return i, nil
		},
	}.shape()
}

// count is a number of which zero, written "none", means no limit.
func count(high int) shape[int] {
	want := `a whole number from 1 to ` + strconv.Itoa(high) + `, or none`
	return scalar[int]{
		want: want,
		print: func(i int) string {
			if i == 0 {
				return "none"
			}
			return strconv.Itoa(i)
		},
		schema: anyOf(schema{"type": "integer", "minimum": 1, "maximum": high}, schema{"type": "string"}),
		parse: func(s string) (int, error) {
			if s == "none" {
				return 0, nil
			}
			i, err := strconv.Atoi(s)
			if err == nil && i == 0 {
				return 0, &problem{"want " + want + ", got 0", "write none for no limit"}
			}
			if err != nil || i < 1 || i > high {
				return 0, errors.New("want " + want + ", got " + strconv.Quote(short(s)))
			}
			return i, nil
		},
	}.shape()
}

// word is one of a few words.
func word(words ...string) shape[string] {
	want := "one of " + strings.Join(words, ", ")
	var values []any
	for _, w := range words {
		values = append(values, w)
		if f, err := strconv.ParseFloat(w, 64); err == nil {
			values = append(values, f) // what others read without quotes: 1.2
		}
	}
	return scalar[string]{
		want: want, print: func(s string) string { return s },
		schema: anyOf(schema{"enum": values}, schema{"type": "string", "pattern": `\$\{`}),
		parse: func(s string) (string, error) {
			if slices.Contains(words, s) {
				return s, nil
			}
			p := &problem{message: "want " + want + ", got " + strconv.Quote(short(s))}
			if near := nearest(s, words); near != "" {
				p.hint = "did you mean " + near + "?"
			}
			return "", p
		},
	}.shape()
}

// text is any text that check accepts.
func text(want string, check func(string) error) shape[string] {
	return scalar[string]{
		want: want, print: func(s string) string { return s },
		schema: schema{"type": []string{"string", "number", "boolean"}},
		parse: func(s string) (string, error) {
			if s == "" {
				return "", errors.New("want " + want + ", got an empty text")
			}
			return s, check(s)
		},
	}.shape()
}

// place is the path of a file or directory, resolved against the directory of the
// configuration file.
func place(want string) shape[string] {
	return shape[string]{
		read: func(r *reader, n *yaml.Node, v *string) {
			s, symbolic, ok := r.text(n, want)
			switch {
			case !ok:
			case s == "" || strings.ContainsRune(s, 0):
				r.fail(n, "", "want %s, got %q", want, short(s))
			case n.Style == 0 && (s == "true" || s == "false"):
				r.fail(n, "put it in quotes if it is really called so", "want %s, got %s", want, s)
			default:
				*v = s
				if !filepath.IsAbs(s) {
					*v = filepath.Join(r.options.Dir, s)
				}
				if delete(r.symbols, v); symbolic || *v != s {
					r.symbols[v] = n
				}
			}
		},
		print: func(p *printer, v *string) *yaml.Node {
			if n := p.symbol(v); n != nil || *v == "" {
				return n
			}
			return textNode(*v)
		},
		schema: func(*definitions) schema { return schema{"type": "string", "minLength": 1} },
	}
}

// content is a text, or {file: path} for one that is kept elsewhere, such as a secret.
func content(check func(string) error) shape[string] {
	fromFile := place("the path of a file")
	return shape[string]{
		read: func(r *reader, n *yaml.Node, v *string) {
			value, symbolic, ok := "", false, false
			if n.Kind == yaml.MappingNode {
				value, ok = r.contentOfFile(n, fromFile)
				symbolic = true
			} else {
				value, symbolic, ok = r.text(n, "a text or {file: path}")
			}
			if !ok {
				return
			}
			if err := check(value); err != nil {
				r.failValue(n, err)
				return
			}
			if *v = value; symbolic {
				r.symbols[v] = n
			}
		},
		print: func(p *printer, v *string) *yaml.Node {
			if n := p.symbol(v); n != nil {
				return n
			}
			return textNode(*v)
		},
		schema: func(d *definitions) schema {
			return anyOf(schema{"type": []string{"string", "number", "boolean"}}, d.file())
		},
	}
}

func (r *reader) contentOfFile(n *yaml.Node, path shape[string]) (string, bool) {
	b, ok := r.fileContent(n, path)
	s := strings.TrimSuffix(string(b), "\n")
	return strings.TrimSuffix(s, "\r"), ok
}

// fileContent gives what the file of {file: path} holds.
func (r *reader) fileContent(n *yaml.Node, path shape[string]) ([]byte, bool) {
	key, value := entry(n, "file")
	if key == nil || len(n.Content) != 2 || isNull(value) {
		r.fail(n, braceHint(n), "want a text or {file: path}, got another mapping")
		return nil, false
	}
	name, before := "", len(r.errs)
	if path.read(r, value, &name); len(r.errs) > before {
		return nil, false
	}
	if r.options.ReadFile == nil {
		r.fail(value, "", "files cannot be read here")
		return nil, false
	}
	b, err := r.options.ReadFile(name)
	if err != nil {
		r.fail(value, "relative paths begin at the directory of the configuration file", "%s", err.Error())
		return nil, false
	}
	return b, true
}
