// Package access decides which requests may go on: by path, method and client, by
// the arguments they bring, and by the size of their body.
package access

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

// Rule says which requests are refused: those for which all that is set holds.
type Rule struct {
	// Path is a pattern: "*" stands for any text within a segment, a segment "**" for
	// any number of segments; "/private/**" is for "/private" too, and "*.bak", which
	// does not begin with a slash, for files of that name anywhere. "": any path.
	Path    string
	Methods []string       // none: any. GET covers HEAD
	From    []netip.Prefix // addresses of clients; none: any
	Status  int            // 0: 403
	Explain string         // for the client to read, instead of the status phrase; may be ""
}

// Deny is a filter that refuses requests by rules. It is safe for concurrent use and
// allocates nothing.
type Deny struct{ rules []denial }

var _ exchange.Filter = (*Deny)(nil)

type denial struct {
	path    glob // nil: any
	methods []string
	from    []netip.Prefix
	err     error
}

// NewDeny returns a filter that refuses what any of rules describes; the first
// decides how. All mistakes in rules are reported.
func NewDeny(rules ...Rule) (*Deny, error) {
	d := new(Deny)
	var all []error
	for i, rule := range rules {
		made, err := newDenial(rule)
		if err != nil {
			all = append(all, fmt.Errorf("make deny rule %d: %w", i+1, err))
		}
		d.rules = append(d.rules, made)
	}
	if err := errors.Join(all...); err != nil {
		return nil, err
	}
	return d, nil
}

func newDenial(rule Rule) (d denial, err error) {
	if rule.Path == "" && len(rule.Methods)+len(rule.From) == 0 {
		return d, errors.New("says nothing of path, methods or clients: it would refuse everything")
	}
	if rule.Path != "" {
		if d.path, err = parseGlob(rule.Path); err != nil {
			return d, fmt.Errorf("path %q %w", rule.Path, err)
		}
	}
	status := rule.Status
	if status == 0 {
		status = http.StatusForbidden
	}
	if status < 400 || status > 599 {
		return d, fmt.Errorf("status %d is not from 400 to 599", status)
	}
	for _, method := range rule.Methods {
		if !exchange.ValidName(method) {
			return d, fmt.Errorf("method %q: not a token", method)
		}
	}
	for _, prefix := range rule.From {
		if !prefix.IsValid() {
			return d, errors.New("client prefix is not valid")
		}
		// Clients are compared in their IPv4 form, so "::ffff:10.0.0.0/104" is turned into it.
		if a := prefix.Addr(); a.Is4In6() && prefix.Bits() >= 96 {
			prefix = netip.PrefixFrom(a.Unmap(), prefix.Bits()-96)
		}
		d.from = append(d.from, prefix)
	}
	d.methods = slices.Clone(rule.Methods)
	if slices.Contains(d.methods, http.MethodGet) {
		d.methods = append(d.methods, http.MethodHead)
	}
	d.err = &exchange.Error{Fault: exchange.Client, Status: status, Title: rule.Explain, Err: errDenied}
	return d, nil
}

var errDenied = errors.New("denied by rule")

// Handle implements exchange.Filter.
func (d *Deny) Handle(r *exchange.Request, next exchange.Handler) (*exchange.Response, error) {
	for i := range d.rules {
		if d.rules[i].holds(r) {
			return nil, d.rules[i].err
		}
	}
	return next.Handle(r)
}

func (d *denial) holds(r *exchange.Request) bool {
	return (len(d.methods) == 0 || slices.Contains(d.methods, r.Method)) &&
		(len(d.from) == 0 || d.covers(r.Client.Addr())) &&
		(d.path == nil || d.path.match(r.Path) || r.Opaque && d.matchesDecoded(r.Path))
}

// covers compares without the zone, with which no prefix would hold an address.
func (d *denial) covers(client netip.Addr) bool {
	client = client.Unmap().WithZone("")
	for _, prefix := range d.from {
		if prefix.Contains(client) {
			return true
		}
	}
	return false
}

// matchesDecoded looks at the path as one sees it who takes an encoded slash for a
// slash: what is behind weir may (security P6). What cannot be read so is refused.
func (d *denial) matchesDecoded(path string) bool {
	path = strings.ReplaceAll(strings.ReplaceAll(path, "%2F", "/"), "%5C", "/")
	// Canonical once more, for the dot segments that have come out. Other escapes
	// have been decoded, so a percent sign is one.
	other, _, err := exchange.CanonicalPath(strings.ReplaceAll(path, "%", "%25"))
	return err != nil || d.path.match(other)
}
