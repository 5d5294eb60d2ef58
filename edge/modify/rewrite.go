package modify

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

// Rewrite is a filter that asks the handler behind it for something else than
// the client asked for. It is safe for concurrent use.
type Rewrite struct {
	path, query *exchange.Template // nil: stays
}

var _ exchange.Filter = (*Rewrite)(nil)

// NewRewrite returns a filter that replaces path and query by templates; nil leaves
// the one as it is. Params are the names that the route's path binds. The new path is
// made canonical like one that a client sends, and refused like one: it cannot climb
// above the root.
func NewRewrite(path, query *string, params ...string) (*Rewrite, error) {
	w := new(Rewrite)
	var err error
	if path != nil {
		if !strings.HasPrefix(*path, "/") && !strings.HasPrefix(*path, "{path}") {
			return nil, fmt.Errorf("make rewrite to %q: path begins neither with a slash nor with {path}", *path)
		}
		if w.path, err = part(*path, "?#", params); err != nil {
			return nil, fmt.Errorf("make rewrite to %q: path %w", *path, err)
		}
	}
	if query != nil {
		// Behind a question mark the template escapes as in a query.
		if w.query, err = part("?"+*query, "#", params); err != nil {
			return nil, fmt.Errorf("make rewrite to %q: query %w", *query, err)
		}
	}
	return w, nil
}

func part(text, without string, params []string) (*exchange.Template, error) {
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(without, c) >= 0 {
			return nil, fmt.Errorf("holds %q: write %%%02X", c, c)
		}
	}
	return exchange.ParseTemplate(text, params...)
}

// Handle implements exchange.Filter. Match stays what the route found.
func (w *Rewrite) Handle(r *exchange.Request, next exchange.Handler) (*exchange.Response, error) {
	if r.Path == "*" { // about the server, not about anything on it
		return next.Handle(r)
	}
	var buffer [256]byte
	if err := r.SetTarget(string(w.target(buffer[:0], r))); err != nil {
		return nil, err
	}
	return next.Handle(r)
}

func (w *Rewrite) target(b []byte, r *exchange.Request) []byte {
	if w.path == nil {
		b = append(b, r.Target...)
	} else {
		b = w.path.Append(b, r)
	}
	if i := bytes.IndexByte(b, '?'); i >= 0 {
		b = b[:i] // of the old target, or of {uri}: the query follows
	}
	start := len(b)
	switch {
	case w.query != nil:
		b = w.query.Append(b, r)
	case r.Query != "":
		b = append(append(b, '?'), r.Query...)
	}
	if len(b) == start+1 { // no query, no question mark
		b = b[:start]
	}
	return b
}
