package weir

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// Config is what the configuration says of the plugin, read as an object of JSON. Each
// of its methods names a key, and what it stands for if it is not there. What is wrong,
// keys that nobody asked for included, is gathered, and refuses the configuration when
// the constructor returns: all of it at once.
type Config struct {
	raw    []byte
	parsed bool // or read raw by the author
	v      value
	path   string
	top    *Config
	seen   map[string]bool

	subs   []*Config
	named  map[string]*Config // the same, by their keys
	wrong  []string           // of top
	begun  []func()           // of top
	own    bool               // of top: the author reads it
	g      *guest
	root   *root
	absent bool
}

func newConfig(raw []byte) *Config {
	c := &Config{raw: raw, seen: map[string]bool{}}
	c.top = c
	c.v.kind = isObject
	return c
}

// parse reads the text, the first time that somebody asks for a key: a plugin may have
// a text of its own kind, and use Raw.
func (c *Config) parse() {
	if c.parsed {
		return
	}
	c.parsed = true
	text := trimSpace(string(c.raw))
	if text == "" || text == "null" {
		return
	}
	v, what := parseJSON(text)
	switch {
	case what != "":
		c.wrong = append(c.wrong, "it is no JSON: "+what)
	case v.kind != isObject:
		c.wrong = append(c.wrong, "it is "+v.kind.String()+", want an object")
	default:
		c.v = v
	}
}

func trimSpace(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\n' || s[0] == '\t' || s[0] == '\r') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\n' || s[len(s)-1] == '\t' || s[len(s)-1] == '\r') {
		s = s[:len(s)-1]
	}
	return s
}

// Raw returns the configuration as the host has it. Who calls it reads all by itself: it
// need be no JSON, and no key is unknown.
func (c *Config) Raw() []byte {
	c.top.parsed, c.top.own = true, true
	return c.top.raw
}

// Fail says what is wrong with the value of a key.
func (c *Config) Fail(key, what string) {
	c.top.wrong = append(c.top.wrong, c.at(key)+": "+what)
}

// Has tells whether there is a key.
func (c *Config) Has(key string) bool { return c.find(key) != nil }

func (c *Config) at(key string) string {
	if c.path == "" {
		return key
	}
	return c.path + "." + key
}

func (c *Config) find(key string) *value {
	c.top.parse()
	c.seen[key] = true
	if v := c.v.get(key); v != nil && v.kind != isNull {
		return v
	}
	return nil
}

// of returns the value of a key, if it is of that kind.
func (c *Config) of(key string, k kind) *value {
	v := c.find(key)
	if v != nil && v.kind != k {
		c.Fail(key, "is "+v.kind.String()+", want "+k.String())
		return nil
	}
	return v
}

// String returns a text.
func (c *Config) String(key, otherwise string) string {
	if v := c.of(key, isText); v != nil {
		return v.text
	}
	return otherwise
}

// Bool returns a boolean.
func (c *Config) Bool(key string, otherwise bool) bool {
	if v := c.of(key, isBool); v != nil {
		return v.text == "true"
	}
	return otherwise
}

// Int returns a whole number.
func (c *Config) Int(key string, otherwise int) int {
	v := c.of(key, isNumber)
	if v == nil {
		return otherwise
	}
	n, err := strconv.ParseInt(v.text, 10, 64)
	if err != nil || int64(int(n)) != n {
		c.Fail(key, "is "+v.text+", want a whole number")
		return otherwise
	}
	return int(n)
}

// Float returns a number.
func (c *Config) Float(key string, otherwise float64) float64 {
	v := c.of(key, isNumber)
	if v == nil {
		return otherwise
	}
	n, err := strconv.ParseFloat(v.text, 64)
	if err != nil {
		c.Fail(key, "is "+v.text+", which is too large a number")
		return otherwise
	}
	return n
}

// Duration returns a time, written as "1m30s", "250ms", or "7d".
func (c *Config) Duration(key string, otherwise time.Duration) time.Duration {
	v := c.of(key, isText)
	if v == nil {
		return otherwise
	}
	d, err := duration(v.text)
	if err != nil || d < 0 {
		c.Fail(key, quote(v.text)+` is no time, want one like "1m30s"`)
		return otherwise
	}
	return d
}

// duration reads what Go does, and whole days before that.
func duration(s string) (time.Duration, error) {
	n, rest, found := strings.Cut(s, "d")
	if !found || strings.Trim(n, "0123456789") != "" || len(n) > 5 {
		return time.ParseDuration(s)
	}
	days, err := time.ParseDuration(n + "h")
	if err != nil || rest == "" {
		return days * 24, err
	}
	d, err := time.ParseDuration(rest)
	if d < 0 || d > 1000*time.Hour {
		return -1, err
	}
	return days*24 + d, err
}

// Size returns a number of bytes, written as a number, or as "64KiB", "1MiB", "10MB".
func (c *Config) Size(key string, otherwise int) int {
	v := c.find(key)
	if v == nil {
		return otherwise
	}
	if n, ok := size(v.text); ok && (v.kind == isText || v.kind == isNumber) {
		return n
	}
	c.Fail(key, `want a size like "64KiB"`)
	return otherwise
}

func size(s string) (int, bool) {
	i := 0
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	n, err := strconv.ParseInt(s[:i], 10, 64)
	if err != nil {
		return 0, false
	}
	unit := int64(0)
	switch trim(s[i:]) {
	case "", "B":
		unit = 1
	case "KiB", "K", "k":
		unit = 1 << 10
	case "MiB", "M":
		unit = 1 << 20
	case "GiB", "G":
		unit = 1 << 30
	case "KB", "kB":
		unit = 1e3
	case "MB":
		unit = 1e6
	case "GB":
		unit = 1e9
	}
	if unit == 0 || n > math.MaxInt/unit {
		return 0, false
	}
	return int(n * unit), true
}

// Strings returns a list of texts; one text is a list of one.
func (c *Config) Strings(key string) (all []string) {
	v := c.find(key)
	switch {
	case v == nil:
	case v.kind == isText:
		all = append(all, v.text)
	case v.kind == isList:
		for i := range v.list {
			if e := &v.list[i]; e.kind == isText {
				all = append(all, e.text)
			} else {
				c.Fail(key+"["+itoa(i)+"]", "is "+e.kind.String()+", want a text")
			}
		}
	default:
		c.Fail(key, "is "+v.kind.String()+", want a list of texts")
	}
	return all
}

// Object returns an object; an empty one if there is none, which [Config.Absent] tells.
func (c *Config) Object(key string) *Config {
	v := c.of(key, isObject)
	if v == nil {
		return c.sub(key, value{kind: isObject}, true)
	}
	return c.sub(key, *v, false)
}

// Objects returns a list of objects; one object is a list of one.
func (c *Config) Objects(key string) (all []*Config) {
	v := c.find(key)
	switch {
	case v == nil:
	case v.kind == isObject:
		all = append(all, c.sub(key, *v, false))
	case v.kind == isList:
		for i := range v.list {
			name := key + "[" + itoa(i) + "]"
			if e := v.list[i]; e.kind == isObject {
				all = append(all, c.sub(name, e, false))
			} else {
				c.Fail(name, "is "+e.kind.String()+", want an object")
			}
		}
	default:
		c.Fail(key, "is "+v.kind.String()+", want a list of objects")
	}
	return all
}

// Absent tells whether an object of that name was not there.
func (c *Config) Absent() bool { return c.absent }

// Keys returns the names of an object's keys, in their order: of one whose names are
// the author's of the configuration.
func (c *Config) Keys() (all []string) {
	c.top.parse()
	for i := range c.v.fields {
		c.seen[c.v.fields[i].name] = true
		all = append(all, c.v.fields[i].name)
	}
	return all
}

func (c *Config) sub(key string, v value, absent bool) *Config {
	if s := c.named[key]; s != nil { // who asks twice has asked for the keys of both together
		return s
	}
	s := &Config{v: v, path: c.at(key), top: c.top, seen: map[string]bool{}, g: c.g, root: c.root, absent: absent}
	if c.named == nil {
		c.named = map[string]*Config{}
	}
	c.named[key] = s
	c.subs = append(c.subs, s)
	return s
}

// finish says all that was wrong, beside what the constructor says is. Where that has
// given up, it may have had more to ask for.
func (c *Config) finish(err error) error {
	c.parse() // nobody may have asked for anything
	if err == nil && !c.own {
		c.unknown()
	}
	if len(c.wrong) == 0 {
		return err
	}
	s := ""
	for i, w := range c.wrong {
		if i > 0 {
			s += "; "
		}
		s += w
	}
	if err != nil {
		s = err.Error() + "; " + s
	}
	return errors.New(s)
}

// unknown notes keys that nobody has asked for.
func (c *Config) unknown() {
	known := ""
	for i := range c.v.fields {
		name := c.v.fields[i].name
		if c.seen[name] {
			continue
		}
		if known == "" {
			known = c.known()
		}
		c.Fail(name, "is not known here; known are "+known)
	}
	for _, s := range c.subs {
		s.unknown()
	}
}

func (c *Config) known() string {
	if len(c.seen) == 0 {
		return "none"
	}
	var all []string
	for name := range c.seen {
		i := 0
		for i < len(all) && all[i] < name {
			i++
		}
		all = append(all[:i], append([]string{name}, all[i:]...)...)
	}
	var b []byte
	for i, name := range all {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, name...)
	}
	return string(b)
}
