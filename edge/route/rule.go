package route

import (
	"fmt"
	"slices"
	"strings"
)

// Rule leads requests to a value.
type Rule[T any] struct {
	Hosts           []string  // at least one; "default" or "" for all that no rule names
	Path            string    // pattern; "" means "/*"
	Methods         []string  // none: all. GET takes HEAD as well
	Matchers        []Matcher // all must hold
	CaseInsensitive bool      // Path ignores the case of ASCII letters
	Origin          string    // where the rule was written, for errors: "weir.yaml:12:3"
	Value           T
}

// Part is the part of a request that a Matcher looks at.
type Part uint8

// The parts that can be asked about.
const (
	Header Part = iota
	Query
)

// String returns the word that messages use.
func (p Part) String() string {
	if p == Query {
		return "query"
	}
	return "header"
}

// Matcher asks for a field of the header, or a parameter of the query.
type Matcher struct {
	Part Part
	Name string // headers: in lower case
	// Value is what one of its values must be. A star is for any text, so "*"
	// alone asks only that the field be there.
	Value string
}

// Accepts tells whether value is what m asks for. It does not allocate.
func (m *Matcher) Accepts(value string) bool {
	head, pattern, starred := strings.Cut(m.Value, "*")
	if !starred {
		return value == head
	}
	rest, ok := strings.CutPrefix(value, head)
	if !ok {
		return false
	}
	for {
		// The text between two stars may be taken where it first occurs: what
		// follows is then left the most room.
		text, more, starred := strings.Cut(pattern, "*")
		if !starred {
			return strings.HasSuffix(rest, text)
		}
		i := strings.Index(rest, text)
		if i < 0 {
			return false
		}
		rest, pattern = rest[i+len(text):], more
	}
}

// Asker answers for one request whether a Matcher holds: whether
// [Matcher.Accepts] is true for one of the values that the request has under its name.
type Asker interface {
	Satisfies(*Matcher) bool
}

// Problem is what is wrong with a rule, or between two.
type Problem struct {
	Origin string // of the rule
	Other  string // of the rule it conflicts with; "" if there is none
	Reason string
}

// Error implements error.
func (p *Problem) Error() string {
	if p.Other == "" {
		return p.Origin + ": " + p.Reason
	}
	return p.Origin + ": " + p.Reason + " (the other one: " + p.Other + ")"
}

// rule is a Rule made ready, without its value.
type rule struct {
	index    int // in the list of rules
	origin   string
	pattern  *pattern
	methods  []string // sorted, HEAD included where GET is; none: all
	allow    string   // methods and OPTIONS, as a list
	matchers []Matcher
}

func (r *rule) takes(method string) bool {
	return len(r.methods) == 0 || slices.Contains(r.methods, method)
}

// String names the rule in messages as its author would.
func (r *rule) String() string {
	var b strings.Builder
	if len(r.methods) > 0 {
		b.WriteString(strings.Join(r.methods, "|") + " ")
	}
	b.WriteString(r.pattern.text)
	for _, m := range r.matchers {
		fmt.Fprintf(&b, " %s %s=%s", m.Part, m.Name, m.Value)
	}
	return b.String()
}

// spread sorts methods and adds HEAD to GET.
func spread(methods []string) []string {
	if len(methods) == 0 {
		return nil
	}
	all := slices.Clone(methods)
	if slices.Contains(all, "GET") {
		all = append(all, "HEAD")
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// allowList is the value of Allow for methods. OPTIONS is always answered.
func allowList(methods ...string) string {
	if len(methods) == 0 {
		return ""
	}
	all := append(slices.Clone(methods), "OPTIONS")
	slices.Sort(all)
	return strings.Join(slices.Compact(all), ", ")
}
