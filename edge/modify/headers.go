// Package modify changes requests on their way to a handler, and responses on their
// way back.
package modify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weirproxy/weir/edge/exchange"
)

// Changes are what is done to a header, in this order. Values are templates, see
// [exchange.Template].
type Changes struct {
	Remove []string         // names
	Set    []exchange.Field // in place of all fields of that name
	Add    []exchange.Field // beside those that are there
}

// Headers is a filter that changes the fields of requests and of responses,
// those of errors included. It is safe for concurrent use; where values hold no
// placeholders it allocates nothing.
type Headers struct {
	request, response []change
}

var _ exchange.Filter = (*Headers)(nil)

// change is one step. Template is nil for a removal, and for a value that is
// always the same.
type change struct {
	name     string
	value    string
	template *exchange.Template
	kind     kind
}

type kind uint8

const (
	remove kind = iota
	set
	add
)

// owned lists the fields that say how a message is cut out of its connection, to
// whom it goes, or what the connection becomes. They are the protocol's: changed by
// a rule they would let one message be read as two (request smuggling).
var owned = []string{"connection", "content-length", "expect", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}

// NewHeaders returns a filter that makes changes to requests and responses. Params
// are the names that the route's path binds. Names that are not valid or are
// the protocol's, values that no field can have, and unknown placeholders are
// errors, all of which are reported.
//
// To set Vary in a response is to add to it: what made the response knows what it
// depends on, and a cache that is not told gives one client's answer to another.
func NewHeaders(request, response Changes, params ...string) (*Headers, error) {
	before, err1 := compile("request", request, params)
	after, err2 := compile("response", response, params)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	for i := range after {
		if after[i].name == "vary" && after[i].kind == set {
			after[i].kind = add
		}
	}
	return &Headers{before, after}, nil
}

func compile(side string, c Changes, params []string) (list []change, err error) {
	var all []error
	put := func(kind kind, name, value string) {
		change, err := newChange(kind, name, value, params)
		if err != nil {
			all = append(all, fmt.Errorf("change %s header %s: %w", side, name, err))
		}
		list = append(list, change)
	}
	for _, name := range c.Remove {
		put(remove, name, "")
	}
	for _, f := range c.Set {
		put(set, f.Name, f.Value)
	}
	for _, f := range c.Add {
		put(add, f.Name, f.Value)
	}
	return list, errors.Join(all...)
}

func newChange(kind kind, name, value string, params []string) (change, error) {
	var h exchange.Header
	if err := h.Add(name, value); err != nil {
		return change{}, err
	}
	c := change{kind: kind, name: h.At(0).Name, value: value}
	if slices.Contains(owned, c.name) {
		return change{}, errors.New("the field is the protocol's business")
	}
	t, err := exchange.ParseTemplate(value, params...)
	if err != nil {
		return change{}, err
	}
	if _, literal := t.Literal(); !literal {
		c.template = t
	}
	return c, nil
}

// Handle implements exchange.Filter.
func (h *Headers) Handle(r *exchange.Request, next exchange.Handler) (*exchange.Response, error) {
	if err := apply(h.request, r, &r.Header); err != nil {
		return nil, err
	}
	resp, err := next.Handle(r)
	switch {
	case len(h.response) == 0:
		return resp, err
	case err != nil:
		return nil, h.fail(r, err)
	}
	if err := apply(h.response, r, &resp.Header); err != nil {
		_ = resp.Body.Close() // the first error is the one to tell
		return nil, err
	}
	return resp, nil
}

func apply(list []change, r *exchange.Request, h *exchange.Header) error {
	for i := range list {
		c := &list[i]
		var err error
		switch c.kind {
		case remove:
			h.Del(c.name)
		case set:
			err = h.Set(c.name, c.text(r))
		case add:
			err = h.Add(c.name, c.text(r))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// text returns the value for r. A placeholder for nothing may leave a space at an
// end, which no value has.
func (c *change) text(r *exchange.Request) string {
	if c.template == nil {
		return c.value
	}
	var buffer [128]byte
	return strings.Trim(string(c.template.Append(buffer[:0], r)), " \t")
}

// fail makes the changes to the fields that err brings into its response, so that a
// security field stands on error pages too. The error may be shared by many
// exchanges: it is not changed but wrapped. Where the client has gone nothing is sent.
func (h *Headers) fail(r *exchange.Request, err error) error {
	e, ok := errors.AsType[*exchange.Error](err)
	if !ok {
		if errors.Is(err, exchange.ErrClientGone) || errors.Is(err, context.Canceled) {
			return err
		}
		e = new(exchange.Error) // weir's own fault
	}
	var fields exchange.Header
	for _, f := range e.Fields {
		fields.Append(f.Name, f.Value)
	}
	if err := apply(h.response, r, &fields); err != nil {
		return err
	}
	wrapped := &exchange.Error{Fault: e.Fault, Status: e.Status, Title: e.Title, Type: e.Type, Err: err}
	for name, value := range fields.All() {
		wrapped.Fields = append(wrapped.Fields, exchange.Field{Name: name, Value: value})
	}
	return wrapped
}
