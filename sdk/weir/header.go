package weir

import (
	"iter"

	abi "github.com/weirproxy/weir/sdk/abi/proxywasm"
	"github.com/weirproxy/weir/sdk/internal/host"
)

// Field is one field of a header.
type Field struct{ Name, Value string }

// F returns a field: weir.Reply(200, "", weir.F("x-a", "b")).
func F(name, value string) Field { return Field{Name: name, Value: value} }

// Header is the header, or the trailers, of a request or response, as the host has it:
// what is changed is changed there at once. Names are not case-sensitive. A header that
// has gone on can be read on weir, and no longer be changed; other hosts may have
// forgotten it, and say that it is empty. What could not be sent, such as the end of a
// line, is left out, and a line in the log says so.
type Header struct {
	s     *stream // whose it is
	m     abi.Map
	local *localHeader // of a reply that is still the guest's, or an answer; nil: the host's
}

type localHeader struct{ fields []Field }

// usable tells whether the host speaks of the header's stream now: a filter may have
// kept a request of before.
func (h Header) usable() bool { return h.s != nil && h.s.active() }

// Get returns the first value of a field; "" if there is none.
func (h Header) Get(name string) string {
	v, _ := h.Lookup(name)
	return v
}

// Lookup returns the first value of a field, and whether there is one.
func (h Header) Lookup(name string) (string, bool) {
	if h.local != nil {
		for _, f := range h.local.fields {
			if equalFold(f.Name, name) {
				return f.Value, true
			}
		}
		return "", false
	}
	if !h.usable() {
		return "", false
	}
	v, st := host.Value(h.m, lower(name))
	return v, st == abi.OK
}

// Has tells whether there is such a field.
func (h Header) Has(name string) bool {
	_, ok := h.Lookup(name)
	return ok
}

// Values returns all values of a field, in their order; none of what [Header.All] leaves
// out.
func (h Header) Values(name string) (all []string) {
	for n, v := range h.All() {
		if equalFold(n, name) {
			all = append(all, v)
		}
	}
	return all
}

// All iterates over the fields in their order, those that say method, path, authority,
// scheme and status (":method") left out.
func (h Header) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for n, v := range h.pairs() {
			if (n == "" || n[0] != ':') && !yield(n, v) {
				return
			}
		}
	}
}

// pairs iterates over everything.
func (h Header) pairs() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		if h.local != nil {
			for _, f := range h.local.fields {
				if !yield(f.Name, f.Value) {
					return
				}
			}
			return
		}
		if !h.usable() {
			return
		}
		b, _ := host.Pairs(h.m)
		for n, v := range abi.Pairs(b) {
			if !yield(n, v) {
				return
			}
		}
	}
}

// Set gives a field one value, in place of those that it had.
func (h Header) Set(name, value string) {
	if h.local != nil {
		h.Del(name)
		h.local.fields = append(h.local.fields, Field{name, value})
	} else if h.usable() {
		if !sendable(name, value) {
			cannot(name)
			return
		}
		host.Replace(h.m, lower(name), value)
	}
}

// Add adds a value to a field.
func (h Header) Add(name, value string) {
	if h.local != nil {
		h.local.fields = append(h.local.fields, Field{name, value})
	} else if h.usable() {
		if !sendable(name, value) {
			cannot(name)
			return
		}
		host.Add(h.m, lower(name), value)
	}
}

// Del removes a field.
func (h Header) Del(name string) {
	if h.local == nil {
		if h.usable() {
			host.Remove(h.m, lower(name))
		}
		return
	}
	kept := h.local.fields[:0]
	for _, f := range h.local.fields {
		if !equalFold(f.Name, name) {
			kept = append(kept, f)
		}
	}
	h.local.fields = kept
}

// pairsOf encodes fields for the host.
func pairsOf(fields []Field, first ...Field) []byte {
	all := make([]abi.Pair, 0, len(first)+len(fields))
	for _, f := range first {
		all = append(all, abi.Pair{Key: f.Name, Value: f.Value})
	}
	for _, f := range fields {
		if !sendable(f.Name, f.Value) {
			cannot(f.Name)
			continue
		}
		all = append(all, abi.Pair{Key: lower(f.Name), Value: f.Value})
	}
	if len(all) == 0 {
		return nil
	}
	return abi.AppendPairs(make([]byte, 0, abi.SizePairs(all)), all)
}

// fieldsOf decodes what the host gives, and takes out the status.
func fieldsOf(b []byte) (fields []Field, status int) {
	for n, v := range abi.Pairs(b) {
		if n == ":status" {
			status = atoi(v)
			continue
		}
		fields = append(fields, Field{n, v})
	}
	return fields, status
}

func atoi(s string) (n int) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' || n > 1<<24 {
			return 0
		}
		n = 10*n + int(s[i]-'0')
	}
	return n
}

// lower returns name in lower case, which names of fields mostly are in.
func lower(name string) string {
	for i := range len(name) {
		if c := name[i]; 'A' <= c && c <= 'Z' {
			b := []byte(name)
			for ; i < len(b); i++ {
				if c := b[i]; 'A' <= c && c <= 'Z' {
					b[i] = c + 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return name
}

func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		x, y := a[i], b[i]
		if 'A' <= x && x <= 'Z' {
			x += 'a' - 'A'
		}
		if 'A' <= y && y <= 'Z' {
			y += 'a' - 'A'
		}
		if x != y {
			return false
		}
	}
	return true
}
