package exchange

import (
	"fmt"
	"iter"
)

// Field is one header or trailer line. Name is in lower case.
type Field struct {
	Name  string
	Value string
}

// Header is an ordered list of fields. Nothing gets in that could not go on a
// wire: names are tokens in lower case, values hold no CR, LF, NUL or other
// control character (RFC 9110 §5.5, §5.6.2). The zero Header is empty and ready.
//
// Look-ups scan: a header has some ten fields, and comparing lengths first makes
// that faster than any map. Names are passed in lower case.
type Header struct {
	fields []Field
}

// Len returns the number of fields.
func (h *Header) Len() int { return len(h.fields) }

// At returns field i, 0 ≤ i < Len.
func (h *Header) At(i int) Field { return h.fields[i] }

// All iterates over the fields in order. The header must not change meanwhile.
func (h *Header) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for i := range h.fields {
			if !yield(h.fields[i].Name, h.fields[i].Value) {
				return
			}
		}
	}
}

// Get returns the value of the first field called name, or "".
func (h *Header) Get(name string) string {
	v, _ := h.Lookup(name)
	return v
}

// Lookup returns the value of the first field called name, and whether there is one.
func (h *Header) Lookup(name string) (string, bool) {
	for i := range h.fields {
		if h.fields[i].Name == name {
			return h.fields[i].Value, true
		}
	}
	return "", false
}

// Has tells whether a field called name is present.
func (h *Header) Has(name string) bool {
	_, ok := h.Lookup(name)
	return ok
}

// Values iterates over the values of all fields called name, in order.
func (h *Header) Values(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range h.fields {
			if h.fields[i].Name == name && !yield(h.fields[i].Value) {
				return
			}
		}
	}
}

// Joined returns all values of name as one list, "a, b" (RFC 9110 §5.3). It
// allocates only where there are several.
func (h *Header) Joined(name string) string {
	first, n := "", 0
	for i := range h.fields {
		if h.fields[i].Name != name {
			continue
		}
		if n++; n == 1 {
			first = h.fields[i].Value
		} else {
			first += ", " + h.fields[i].Value
		}
	}
	return first
}

// Add appends a field. A field that is not valid is refused: the header stays
// as it was and the error says why. Upper case in name is folded.
func (h *Header) Add(name, value string) error {
	name, err := checkField(name, value)
	if err != nil {
		return err
	}
	h.fields = append(h.fields, Field{name, value})
	return nil
}

// Set replaces all fields called name by one, which takes the place of the
// first, or comes last. It refuses what Add refuses.
func (h *Header) Set(name, value string) error {
	name, err := checkField(name, value)
	if err != nil {
		return err
	}
	for i := range h.fields {
		if h.fields[i].Name == name {
			h.fields[i].Value = value
			h.del(name, i+1)
			return nil
		}
	}
	h.fields = append(h.fields, Field{name, value})
	return nil
}

// Del removes all fields called name.
func (h *Header) Del(name string) { h.del(name, 0) }

func (h *Header) del(name string, from int) {
	kept := h.fields[:from]
	for i := from; i < len(h.fields); i++ {
		if h.fields[i].Name != name {
			kept = append(kept, h.fields[i])
		}
	}
	clear(h.fields[len(kept):])
	h.fields = kept
}

// DelFunc removes all fields for which drop returns true.
func (h *Header) DelFunc(drop func(name, value string) bool) {
	kept := h.fields[:0]
	for _, f := range h.fields {
		if !drop(f.Name, f.Value) {
			kept = append(kept, f)
		}
	}
	clear(h.fields[len(kept):])
	h.fields = kept
}

// Append adds a field that the caller knows to be valid: a parser that has just
// checked it, or a constant. Everyone else uses Add.
func (h *Header) Append(name, value string) { h.fields = append(h.fields, Field{name, value}) }

// Reset empties the header and keeps its memory for the next exchange.
func (h *Header) Reset() {
	clear(h.fields)
	h.fields = h.fields[:0]
}

// CopyFrom makes h a copy of o.
func (h *Header) CopyFrom(o *Header) {
	h.Reset()
	h.fields = append(h.fields, o.fields...)
}

func checkField(name, value string) (string, error) {
	if !ValidName(name) {
		return "", fmt.Errorf("header name %q: not a token", name)
	}
	if !ValidValue(value) {
		// The value stays out: it may be a credential, and errors get into logs.
		return "", fmt.Errorf("header %s: value holds a forbidden character", name)
	}
	return lowerASCII(name), nil
}
