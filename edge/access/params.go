package access

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

// Param is what is asked of one parameter of the query.
type Param struct {
	Name     string
	Required bool
	Type     string // "" or "text", "int" (64 bits), "number", "bool" (true, false, 1, 0)
}

// Params is a filter that checks the parameters of the query. It is safe for
// concurrent use, and allocates nothing where all is well and nothing is escaped.
type Params struct{ params []Param }

var _ exchange.Filter = (*Params)(nil)

// wants says in the answer what a type asks for.
var wants = map[string]string{"": "", "text": "", "int": "a whole number", "number": "a number", "bool": "true or false"}

// maxParams is how many parameters a filter can check: what it has seen of them
// is kept in one word.
const maxParams = 64

// NewParams returns a filter that refuses requests whose query lacks a required
// parameter, or has one that is not of its type, with 400 as "missing-argument" or
// "bad-argument"; the answer names all of them. A parameter that comes several times
// is checked each time.
func NewParams(params ...Param) (*Params, error) {
	if len(params) > maxParams {
		return nil, fmt.Errorf("make parameters check: %d parameters, at most %d can be checked", len(params), maxParams)
	}
	var all []error
	seen := make(map[string]bool)
	for _, p := range params {
		if _, ok := wants[p.Type]; !ok {
			all = append(all, fmt.Errorf("make parameters check: %s: type %q is neither text, int, number nor bool", p.Name, p.Type))
		}
		if p.Name == "" || seen[p.Name] {
			all = append(all, fmt.Errorf("make parameters check: name %q is empty or comes twice", p.Name))
		}
		seen[p.Name] = true
	}
	if err := errors.Join(all...); err != nil {
		return nil, err
	}
	return &Params{params}, nil
}

// Handle implements exchange.Filter.
func (c *Params) Handle(r *exchange.Request, next exchange.Handler) (*exchange.Response, error) {
	var present, bad uint64 // a bit for each of params
	for rest := r.Query; rest != ""; {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		name, value, _ := strings.Cut(pair, "=")
		name, _ = unescape(name) // a name that is broken is nobody's
		for i := range c.params {
			if c.params[i].Name != name {
				continue
			}
			present |= 1 << i
			if value, ok := unescape(value); !ok || !isType(value, c.params[i].Type) {
				bad |= 1 << i
			}
		}
	}
	for i := range c.params {
		if bad&(1<<i) != 0 || c.params[i].Required && present&(1<<i) == 0 {
			return nil, c.refuse(present, bad)
		}
	}
	return next.Handle(r)
}

// refuse names everything that is wrong. It says nothing that the client sent.
func (c *Params) refuse(present, bad uint64) error {
	slug := "bad-argument"
	var missing, wrong []string
	for i, p := range c.params {
		switch {
		case p.Required && present&(1<<i) == 0:
			slug = "missing-argument"
			missing = append(missing, p.Name)
		case bad&(1<<i) != 0 && wants[p.Type] == "":
			wrong = append(wrong, p.Name+" holds a broken escape")
		case bad&(1<<i) != 0:
			wrong = append(wrong, p.Name+" is not "+wants[p.Type])
		}
	}
	if len(missing) > 0 {
		wrong = append([]string{"missing " + strings.Join(missing, ", ")}, wrong...)
	}
	return badArgument(slug, "Query: "+strings.Join(wrong, "; "))
}

// unescape decodes a part of a query, without a copy where nothing is escaped.
func unescape(s string) (string, bool) {
	if !strings.ContainsAny(s, "%+") {
		return s, true
	}
	text, err := url.QueryUnescape(s)
	return text, err == nil
}

func isType(s, kind string) bool {
	switch kind {
	case "int":
		_, err := strconv.ParseInt(s, 10, 64)
		return err == nil
	case "number":
		f, err := strconv.ParseFloat(s, 64)
		return err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) && !strings.ContainsAny(s, "xX_")
	case "bool":
		return s == "true" || s == "false" || s == "1" || s == "0"
	}
	return true
}
