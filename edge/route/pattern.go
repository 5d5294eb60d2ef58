package route

import (
	"errors"
	"fmt"
	"strings"
)

// kind is what a segment of a pattern matches. Smaller is more specific.
type kind uint8

const (
	literal  kind = iota
	folded        // text in lower case; ASCII letters of either case match
	variable      // one segment, not empty
	tail          // all that is left
)

type element struct {
	kind kind
	text string // the literal, or the name of the variable or tail; "" for *
}

type pattern struct {
	text     string // as written
	elements []element
	named    bool // some element has a name
}

func parsePattern(text string, fold bool) (*pattern, error) {
	if text == "" {
		text = "/*"
	}
	if text[0] != '/' {
		return nil, errors.New("does not start with a slash")
	}
	p := &pattern{text: text}
	segments := strings.Split(text[1:], "/")
	for i, segment := range segments {
		last := i == len(segments)-1
		e, err := parseElement(segment, last, fold)
		if err != nil {
			return nil, err
		}
		if e.kind >= variable && e.text != "" {
			for _, before := range p.elements {
				if before.kind == variable && before.text == e.text {
					return nil, fmt.Errorf("names {%s} twice", e.text)
				}
			}
			p.named = true
		}
		p.elements = append(p.elements, e)
	}
	return p, nil
}

func parseElement(segment string, last, fold bool) (element, error) {
	switch {
	case segment == "*":
		if !last {
			return element{}, errors.New("has a * before its end: write {name} for one segment")
		}
		return element{kind: tail}, nil
	case strings.HasPrefix(segment, "{") && strings.HasSuffix(segment, "}"):
		name, rest := strings.CutSuffix(segment[1:len(segment)-1], "...")
		if !isName(name) {
			return element{}, fmt.Errorf("has %s: a name is made of letters, digits, _ and -", segment)
		}
		if rest && !last {
			return element{}, fmt.Errorf("has %s before its end", segment)
		}
		if rest {
			return element{tail, name}, nil
		}
		return element{variable, name}, nil
	}
	if err := checkLiteral(segment, last); err != nil {
		return element{}, err
	}
	if fold && strings.ContainsFunc(segment, isLetter) {
		return element{folded, lower(segment)}, nil
	}
	return element{literal, segment}, nil
}

// checkLiteral refuses text that no canonical path holds: a rule that can never
// match is a mistake, and where it was meant to protect something, a hole.
func checkLiteral(s string, last bool) error {
	switch {
	case s == "" && !last:
		return errors.New("has an empty segment")
	case s == "." || s == "..":
		return errors.New("has a dot segment")
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c == '*':
			return errors.New("has a * within a segment: it stands alone, and last")
		case c == '{' || c == '}':
			return errors.New("has a brace within a segment: {name} is a whole segment")
		case c == '?':
			return errors.New("has a question mark: the query has matchers of its own")
		case c == '\\' || c < 0x20 || c == 0x7f:
			return fmt.Errorf("has the character %q", c)
		case c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			if e := s[i : i+3]; e != "%2F" && e != "%5C" {
				return fmt.Errorf("has the escape %s: write the character itself (but %%2F and %%5C)", e)
			}
		}
	}
	return nil
}

// rest returns what * or {rest...} takes of path, which p matches.
func (p *pattern) rest(path string) (rest string) {
	at := 1
	for _, e := range p.elements {
		if e.kind == tail {
			return path[at:]
		}
		_, at = segment(path, at)
	}
	return ""
}

// segment returns the segment of path that starts at, and where the next one
// does: beyond len(path) after the last.
func segment(path string, at int) (string, int) {
	if i := strings.IndexByte(path[at:], '/'); i >= 0 {
		return path[at : at+i], at + i + 1
	}
	return path[at:], len(path) + 1
}

func isName(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isLetter(rune(c)) && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return s != ""
}

func isLetter(r rune) bool { return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' }

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// lower folds ASCII letters and leaves every other byte as it is.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		b[i] = lowerByte(c)
	}
	return string(b)
}

func lowerByte(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
