package access

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

// Args is a filter that bounds how many segments there are behind the part of the
// path that the route fixed. It is safe for concurrent use and allocates nothing.
type Args struct {
	min, max       int // max is -1 for any number
	missing, extra error
}

var _ exchange.Filter = (*Args)(nil)

// NewArgs returns a filter for a number of segments: "2" is just that many, "?" none
// or one, "+" one or more, "*" any. A slash at the end begins no other segment.
// Others are refused with 400, as "missing-argument" or "extra-argument".
func NewArgs(count string) (*Args, error) {
	a := new(Args)
	switch count {
	case "?":
		a.max = 1
	case "+":
		a.min, a.max = 1, -1
	case "*":
		a.max = -1
	default:
		n, err := strconv.ParseUint(count, 10, 15)
		if err != nil {
			return nil, fmt.Errorf("make arguments check: %q is neither a number nor ?, + or *", count)
		}
		a.min, a.max = int(n), int(n)
	}
	a.missing = badArgument("missing-argument", "Too few segments in the path: "+a.wanted())
	a.extra = badArgument("extra-argument", "Too many segments in the path: "+a.wanted())
	return a, nil
}

func (a *Args) wanted() string {
	switch {
	case a.max < 0:
		return "at least " + strconv.Itoa(a.min) + " wanted"
	case a.min < a.max:
		return "at most " + strconv.Itoa(a.max) + " wanted"
	}
	return strconv.Itoa(a.min) + " wanted"
}

func badArgument(slug, title string) *exchange.Error {
	return &exchange.Error{Fault: exchange.Client, Status: http.StatusBadRequest, Type: slug, Title: title}
}

// Handle implements exchange.Filter.
func (a *Args) Handle(r *exchange.Request, next exchange.Handler) (*exchange.Response, error) {
	n := 0
	if rest := strings.TrimSuffix(r.Match.Rest, "/"); rest != "" {
		n = strings.Count(rest, "/") + 1
	}
	switch {
	case n < a.min:
		return nil, a.missing
	case a.max >= 0 && n > a.max:
		return nil, a.extra
	}
	return next.Handle(r)
}
