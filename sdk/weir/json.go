package weir

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// value is a value of JSON (RFC 8259).
type value struct {
	kind   kind
	text   string // of texts and numbers
	list   []value
	fields []member
	places map[string]int // of fields, where there are many
}

type member struct {
	name  string
	value value
}

// mostSought is how many fields are looked through one by one.
const mostSought = 16

// get returns the value of a name of an object; nil if there is none.
func (v *value) get(name string) *value {
	if v.places != nil {
		if i, ok := v.places[name]; ok {
			return &v.fields[i].value
		}
		return nil
	}
	for i := range v.fields {
		if v.fields[i].name == name {
			return &v.fields[i].value
		}
	}
	return nil
}

// add adds a field.
func (v *value) add(name string, field value) {
	if len(v.fields) == mostSought {
		v.places = map[string]int{}
		for i := range v.fields {
			v.places[v.fields[i].name] = i
		}
	}
	if v.places != nil {
		v.places[name] = len(v.fields)
	}
	v.fields = append(v.fields, member{name, field})
}

type kind uint8

const (
	isNull kind = iota
	isBool      // text is "true" or "false"
	isNumber
	isText
	isList
	isObject
)

func (k kind) String() string {
	return [...]string{"null", "a boolean", "a number", "a text", "a list", "an object"}[k]
}

// mostDeep is how deep values may be nested.
const mostDeep = 64

// jsonReader reads one value. Package encoding/json would make a filter half as big
// again, and start it with that much more to do.
type jsonReader struct {
	s    string
	at   int
	deep int
	err  string
}

// parseJSON reads s, which is one value; what says what is wrong with it, if anything.
func parseJSON(s string) (v value, what string) {
	r := jsonReader{s: s}
	v = r.value()
	r.space()
	if r.err == "" && r.at < len(s) {
		r.fail("more than one value")
	}
	return v, r.err
}

func (r *jsonReader) fail(what string) {
	if r.err == "" {
		line, column := 1, 1
		for i := range r.at {
			if column++; r.s[i] == '\n' {
				line, column = line+1, 1
			}
		}
		r.err = itoa(line) + ":" + itoa(column) + ": " + what
	}
	r.at = len(r.s)
}

func (r *jsonReader) space() {
	for r.at < len(r.s) && (r.s[r.at] == ' ' || r.s[r.at] == '\t' || r.s[r.at] == '\n' || r.s[r.at] == '\r') {
		r.at++
	}
}

// peek returns the next byte that is no space; 0 at the end.
func (r *jsonReader) peek() byte {
	r.space()
	if r.at < len(r.s) {
		return r.s[r.at]
	}
	return 0
}

func (r *jsonReader) value() (v value) {
	switch c := r.peek(); {
	case c == '{':
		r.object(&v)
	case c == '[':
		r.array(&v)
	case c == '"':
		v.kind, v.text = isText, r.string()
	case c == '-' || '0' <= c && c <= '9':
		v.kind, v.text = isNumber, r.number()
	case r.word("true"), r.word("false"):
		v.kind, v.text = isBool, "false"
		if c == 't' {
			v.text = "true"
		}
	case r.word("null"):
	default:
		r.fail("a value of JSON is missing")
	}
	return v
}

func (r *jsonReader) word(w string) bool {
	if len(r.s)-r.at < len(w) || r.s[r.at:r.at+len(w)] != w {
		return false
	}
	r.at += len(w)
	return true
}

// enter goes into a list or object, and past the bracket.
func (r *jsonReader) enter() bool {
	r.at++
	if r.deep++; r.deep > mostDeep {
		r.fail("nested too deep")
		return false
	}
	return true
}

// next goes past a comma, or past the closing bracket, and tells whether it was a comma.
func (r *jsonReader) next(closing byte) bool {
	switch r.peek() {
	case ',':
		r.at++
		return true
	case closing:
		r.at++
		r.deep--
	default:
		r.fail("want , or " + string(rune(closing)))
	}
	return false
}

func (r *jsonReader) array(v *value) {
	v.kind = isList
	if !r.enter() {
		return
	}
	if r.peek() == ']' {
		r.at++
		r.deep--
		return
	}
	for {
		v.list = append(v.list, r.value())
		if r.err != "" || !r.next(']') {
			return
		}
	}
}

func (r *jsonReader) object(v *value) {
	v.kind = isObject
	if !r.enter() {
		return
	}
	if r.peek() == '}' {
		r.at++
		r.deep--
		return
	}
	for {
		if r.peek() != '"' {
			r.fail("a name in quotes is missing")
			return
		}
		name := r.string()
		if v.get(name) != nil {
			r.fail("there are two " + quote(name))
			return
		}
		if r.peek() != ':' {
			r.fail("a colon is missing")
			return
		}
		r.at++
		v.add(name, r.value())
		if r.err != "" || !r.next('}') {
			return
		}
	}
}

func (r *jsonReader) number() string {
	from := r.at
	digits := func() bool {
		start := r.at
		for r.at < len(r.s) && '0' <= r.s[r.at] && r.s[r.at] <= '9' {
			r.at++
		}
		return r.at > start
	}
	if r.s[r.at] == '-' {
		r.at++
	}
	lead := r.at
	ok := digits()
	if ok && r.s[lead] == '0' && r.at > lead+1 {
		ok = false
	}
	if ok && r.at < len(r.s) && r.s[r.at] == '.' {
		r.at++
		ok = digits()
	}
	if ok && r.at < len(r.s) && (r.s[r.at] == 'e' || r.s[r.at] == 'E') {
		if r.at++; r.at < len(r.s) && (r.s[r.at] == '+' || r.s[r.at] == '-') {
			r.at++
		}
		ok = digits()
	}
	if !ok {
		r.at = from
		r.fail("bad number")
		return "0"
	}
	return r.s[from:r.at]
}

func (r *jsonReader) string() string {
	r.at++
	from := r.at
	for r.at < len(r.s) && r.s[r.at] != '"' && r.s[r.at] != '\\' && r.s[r.at] >= ' ' {
		r.at++
	}
	if r.at < len(r.s) && r.s[r.at] == '"' {
		r.at++
		return r.s[from : r.at-1]
	}
	b := []byte(r.s[from:r.at])
	for r.at < len(r.s) {
		c := r.s[r.at]
		switch {
		case c == '"':
			r.at++
			return string(b)
		case c < ' ':
			r.fail("a text holds a control character")
			return ""
		case c == '\\':
			r.at++
			b = r.escape(b)
		default:
			b = append(b, c)
			r.at++
		}
	}
	r.fail("a text does not end")
	return ""
}

// escape reads what follows a backslash.
func (r *jsonReader) escape(b []byte) []byte {
	if r.at >= len(r.s) {
		return b
	}
	c := r.s[r.at]
	r.at++
	switch c {
	case '"', '\\', '/':
		return append(b, c)
	case 'b':
		return append(b, '\b')
	case 'f':
		return append(b, '\f')
	case 'n':
		return append(b, '\n')
	case 'r':
		return append(b, '\r')
	case 't':
		return append(b, '\t')
	case 'u':
		first := r.hex4()
		if at := r.at; utf16.IsSurrogate(first) && r.word(`\u`) {
			if c := utf16.DecodeRune(first, r.hex4()); c != utf8.RuneError || r.err != "" {
				return utf8.AppendRune(b, c)
			}
			r.at = at // what follows is no half of it, and stands for itself
		}
		return utf8.AppendRune(b, first)
	}
	r.fail("unknown escape in a text")
	return b
}

func (r *jsonReader) hex4() rune {
	if len(r.s)-r.at < 4 {
		r.fail("four hexadecimal digits are missing")
		return 0
	}
	n, err := strconv.ParseUint(r.s[r.at:r.at+4], 16, 32)
	if err != nil {
		r.fail("four hexadecimal digits are missing")
		return 0
	}
	r.at += 4
	return rune(n)
}
