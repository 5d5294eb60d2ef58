package exchange

import (
	"fmt"
	"slices"
	"strings"
)

// Template is text with placeholders for parts of a request: "/new{path}?{query}".
//
//	{host}       the host without port; an IPv6 address in brackets
//	{path}       the canonical path
//	{query}      the query without "?"
//	{uri}        path and query
//	{rest}       the part of the path that * or {rest...} of the route took
//	{scheme} {method} {client_ip} {id}
//	{name}       a parameter of the route's path
//
// What is put in is safe in a URL and in a header field: everything from the
// path is percent-encoded, and behind a "?" or "#" of the text even what a query
// reserves, so that no value can end the part it stands in. Only {query}, and the
// one in {uri}, stand as they were sent. Braces that enclose no name stand for
// themselves.
//
// A Template does not change and is safe for concurrent use.
type Template struct {
	parts []part
}

type part struct {
	text  string // before the value
	value value
	name  string // of a path parameter
	query bool   // the value stands behind "?" or "#"
}

type value uint8

const (
	valueNothing value = iota
	valueHost
	valuePath
	valueQuery
	valueURI
	valueRest
	valueScheme
	valueMethod
	valueClientIP
	valueID
	valueParam
)

var placeholders = [...]string{valueHost: "host", valuePath: "path", valueQuery: "query", valueURI: "uri", valueRest: "rest", valueScheme: "scheme", valueMethod: "method", valueClientIP: "client_ip", valueID: "id"}

// ParseTemplate reads text. Params are the names that the route's path binds; they
// hide placeholders of the same name. Another name in braces is an error.
func ParseTemplate(text string, params ...string) (*Template, error) {
	t := new(Template)
	literal, inQuery := "", false
	for text != "" {
		open := strings.IndexByte(text, '{')
		if open < 0 {
			break
		}
		name, after, closed := strings.Cut(text[open+1:], "}")
		if name = strings.TrimSuffix(name, "..."); !closed || !isPlaceholder(name) {
			literal, text = literal+text[:open+1], text[open+1:]
			continue
		}
		p := part{text: literal + text[:open], name: name, value: valueParam}
		if !slices.Contains(params, name) {
			p.value = value(max(0, slices.Index(placeholders[:], name)))
		}
		if p.value == valueNothing {
			known := append(params[:len(params):len(params)], placeholders[valueHost:valueParam]...)
			return nil, fmt.Errorf("parse template: nothing here is called {%s}: there are {%s}", name, strings.Join(known, "}, {"))
		}
		p.query = inQuery || strings.ContainsAny(p.text, "?#")
		inQuery = p.query || p.value == valueURI
		t.parts = append(t.parts, p)
		literal, text = "", after
	}
	if literal += text; literal != "" {
		t.parts = append(t.parts, part{text: literal})
	}
	return t, nil
}

func isPlaceholder(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return s != ""
}

// Literal returns the text, if there are no placeholders in it.
func (t *Template) Literal() (string, bool) {
	switch {
	case len(t.parts) == 0:
		return "", true
	case len(t.parts) == 1 && t.parts[0].value == valueNothing:
		return t.parts[0].text, true
	}
	return "", false
}

// Append appends the text for r to b. It allocates only if b is too small.
func (t *Template) Append(b []byte, r *Request) []byte {
	for i := range t.parts {
		b = append(b, t.parts[i].text...)
		b = t.parts[i].append(b, r)
	}
	return b
}

func (p *part) append(b []byte, r *Request) []byte {
	switch p.value {
	case valueHost:
		if strings.IndexByte(r.Host, ':') >= 0 {
			return append(append(append(b, '['), r.Host...), ']')
		}
		return append(b, r.Host...)
	case valuePath:
		return p.escape(b, r, r.Path)
	case valueRest:
		return p.escape(b, r, r.Match.Rest)
	case valueParam:
		return p.escape(b, r, r.Match.Param(p.name))
	case valueQuery:
		if p.query {
			return append(b, r.Query...)
		}
		return appendEscaped(b, r.Query, p.query, false)
	case valueURI:
		b = p.escape(b, r, r.Path)
		switch {
		case r.Query == "":
			return b
		case p.query: // a URL within a query: its own query is but text there
			return appendEscaped(append(b, "%3F"...), r.Query, true, false)
		}
		return append(append(b, '?'), r.Query...)
	case valueScheme:
		return append(b, r.Scheme...)
	case valueMethod:
		return append(b, r.Method...)
	case valueClientIP:
		if a := r.Client.Addr(); a.IsValid() {
			return a.Unmap().WithZone("").AppendTo(b)
		}
	case valueID:
		return r.Record.AppendID(b)
	}
	return b
}

func (p *part) escape(b []byte, r *Request, s string) []byte {
	return appendEscaped(b, s, p.query, r.Opaque)
}

// AppendPath appends s, a path or a part of one, percent-encoded as a URL has it
// (RFC 3986 §3.3). With opaque, as Request has it, "%2F" and "%5C" are escapes
// already.
func AppendPath(b []byte, s string, opaque bool) []byte { return appendEscaped(b, s, false, opaque) }

func appendEscaped(b []byte, s string, inQuery, opaque bool) []byte {
	const digits = "0123456789ABCDEF"
	safe := isPathSafe
	if inQuery {
		safe = isQuerySafe
	}
	for i := range len(s) {
		c := s[i]
		kept := opaque && c == '%' && !inQuery && (strings.HasPrefix(s[i:], "%2F") || strings.HasPrefix(s[i:], "%5C"))
		if kept || class[c]&safe != 0 {
			b = append(b, c)
		} else {
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return b
}
